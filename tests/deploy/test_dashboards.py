"""Dashboards are code: what is committed is what it makes, and every panel asks, measures and says what to do."""

from pathlib import Path

import pytest

from deploy.grafana.__main__ import generated
from tests.deploy.dashboards import DASHBOARDS, ROOT, panels

by_name = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS}
    assert committed == generated(), "run `make docs` and commit what it writes"


@by_name
def test_every_panel_asks_a_question_and_says_what_to_do_in_a_unit(path: Path) -> None:
    found = list(panels(path))
    assert len({panel["title"] for panel in found}) == len(found) > 0
    for panel in found:
        assert panel["title"].endswith("?")
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]


@by_name
def test_every_runbook_that_a_panel_names_is_there(path: Path) -> None:
    words = " ".join(panel["description"] for panel in panels(path)).split()
    named = [word.strip(".:,;") for word in words if word.startswith(("docs/", "deploy/"))]
    assert [name for name in named if not (ROOT / name.removesuffix(".")).exists()] == []


@by_name
def test_panels_do_not_overlap_and_stay_within_the_grid(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(path):
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
