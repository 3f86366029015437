"""The tables of the configuration's reference page, and its JSON Schema, written from the models.

    python -m gateway.settings.reference docs/reference

The page's prose is its own; what stands between `<!-- table: SECTION -->` and `<!-- end -->` is replaced.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.settings.fields import REFERENCE_PATTERN
from gateway.settings.schema import json_schema

PAGE = "configuration.md"
SCHEMA = "fallgate.schema.json"

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LIMITS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def refresh(page: str) -> str:
    """The page with its tables as the models have them now."""
    schema = json_schema()
    sections = {"Config": schema} | schema["$defs"]
    return _BLOCK.sub(lambda block: f"{block[1]}{_table(sections, block[2])}{block[3]}", page)


def _table(sections: dict[str, Any], name: str) -> str:
    section = sections[name]
    rows = ["| Key | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
    for key, field in section["properties"].items():
        value = " or ".join(dict.fromkeys(_values(field, sections)))
        default = _default(field) if key not in section.get("required", ()) else "required"
        rows.append(f"| `{key}` | {value} | {default} | {field.get('description', '')} |")
    return "\n".join(rows) + "\n"


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or (isinstance(default, dict) and "$ref" in field):
        return ""
    text = default if isinstance(default, str) else json.dumps(default).replace('"', "")
    return f"`{text}`" if text != "[]" else "none"


def _values(field: dict[str, Any], sections: dict[str, Any]) -> Iterator[str]:
    """What may stand there, in words; references to the environment go without saying."""
    for option in field.get("anyOf", field.get("oneOf", ())):
        if option.get("type") != "null" and option.get("pattern") != REFERENCE_PATTERN:
            yield from _values(option, sections)
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        section = sections[name]
        if list(section.get("properties", ())) == ["mode"]:
            yield f"`{{mode: {section['properties']['mode']['const']}}}`"
        else:
            yield from [f"[{name}](#{name.lower()})"] if "properties" in section else _values(section, sections)
    elif "const" in field or "enum" in field:
        yield ", ".join(f"`{word}`" for word in field.get("enum", [field.get("const")]))
    elif "type" in field:
        yield _kind(field, sections)


def _kind(field: dict[str, Any], sections: dict[str, Any]) -> str:
    if field["type"] == "array":
        return f"list of {' or '.join(_values(field['items'], sections))}"
    if "patternProperties" in field:
        (inner,) = field["patternProperties"].values()
        return f"by name: {' or '.join(_values(inner, sections))}"
    nouns = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    noun = nouns.get(field["type"], field["type"])
    if field.get("format") == "date":
        return "date"
    limits = [words.format(field[word]) for word, words in _LIMITS.items() if word in field]
    return " ".join([noun, *limits])


def main(folder: Path) -> None:
    """Write page and schema anew."""
    page = folder / PAGE
    page.write_text(refresh(page.read_text("utf-8")), "utf-8")
    (folder / SCHEMA).write_text(schema_text(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
