"""Lineage files: where a version comes from, as plain YAML with a fixed order of keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read_lineage(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise SystemExit(f"{path} is not a lineage file: it holds no mapping")
    return loaded


def write_lineage(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, width=110, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
