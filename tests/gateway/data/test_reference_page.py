"""The page that describes the endpoint names what the code sends."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/data-plane.md").read_text()
SOURCES = "\n".join(
    path.read_text()
    for folder in ("gateway/data", "gateway/exchange", "serving")
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.name != "feedback.py"  # has a page of its own
)
HEADERS = sorted(set(re.findall(r'b"(x-gateway-[a-z-]+)', SOURCES)))
CODES = sorted(
    set(re.findall(r'code(?:: ClassVar\[str\])? ?= ?"([a-z_]+)"', SOURCES + (ROOT / "gateway/errors.py").read_text()))
)


def test_there_is_something_to_compare() -> None:
    assert "x-gateway-fallback" in HEADERS
    assert {"upstream_unreachable", "invalid_api_key", "internal_error"} <= set(CODES)


@pytest.mark.parametrize("header", HEADERS)
def test_every_header_is_on_the_page(header: str) -> None:
    assert f"`{header}" in PAGE


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_on_the_page(code: str) -> None:
    assert f"`{code}`" in PAGE
