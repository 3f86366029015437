"""The reference page and the schema say what the models say."""

import re
import subprocess
import sys
from pathlib import Path

from gateway.settings.reference import PAGE, SCHEMA, refresh, schema_text
from gateway.settings.schema import json_schema

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"
AGAIN = "run: python -m gateway.settings.reference docs/reference"


def test_the_committed_schema_is_the_one_of_the_models() -> None:
    assert (REFERENCE / SCHEMA).read_text("utf-8") == schema_text(), AGAIN


def test_the_committed_page_has_the_tables_of_the_models() -> None:
    page = (REFERENCE / PAGE).read_text("utf-8")

    assert page == refresh(page), AGAIN


def test_every_section_of_the_file_has_its_table() -> None:
    page = (REFERENCE / PAGE).read_text("utf-8")
    shown = set(re.findall(r"<!-- table: (\w+) -->", page))
    sections = {
        name for name, section in json_schema()["$defs"].items() if set(section.get("properties", ())) - {"mode"}
    }

    assert shown == sections | {"Config"}


def test_every_link_leads_to_a_heading_of_the_page() -> None:
    page = (REFERENCE / PAGE).read_text("utf-8")
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", page, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= headings


def test_the_example_of_the_page_is_the_sample_that_is_tested() -> None:
    page = (REFERENCE / PAGE).read_text("utf-8")
    sample = (Path(__file__).parent / "sample.yaml").read_text("utf-8")

    assert f"<!-- sample -->\n```yaml\n{sample}```\n<!-- end -->" in page


def test_a_reference_can_be_resolved_without_loading_the_models() -> None:
    code = "import sys, gateway.settings.expand; sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_key_and_no_value_is_a_boolean_word_of_yaml() -> None:
    words = set(re.findall(r'"(\w+)"', schema_text().lower()))

    assert not words & {"true", "false", "yes", "no", "on", "off", "y", "n"}
