"""`fallgate compare`, from a file to what is printed and how it exits."""

import json
from collections.abc import Iterable, Sequence
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build

KEYS = {"arms", "effects", "srm_pvalue", "decision", "reason"}
FIGURES = {"effect", "lower", "upper", "se", "pvalue"}

Row = Sequence[object]


def run(*arguments: object) -> Result:
    words = ["compare", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})


def found(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    decoded = json.loads(result.stdout)
    assert isinstance(decoded, dict)
    return decoded


def write(path: Path, rows: Iterable[Row], header: Sequence[str] = ("arm", "unit", "value")) -> Path:
    lines = [",".join(header), *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def events(arm: str, n: int, count: int) -> list[Row]:
    return [(arm, f"{arm}-{at}", int(at < count)) for at in range(n)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.csv", events("v1", 2500, 2000) + events("v2", 2500, 2125))


def values_with(n: int, total: float, squares: float) -> list[float]:
    """n numbers with a given sum and sum of squares: a mean and, to either side, as far as it takes."""
    mean = total / n
    reach = ((squares / n - mean**2) * n / (n - n % 2)) ** 0.5
    signs = [1, -1] * (n // 2) + [0] * (n % 2)
    return [mean + reach * sign for sign in signs]


def test_figures_that_were_published(tmp_path: Path) -> None:
    body: list[Row] = [("a", f"a{at}", repr(y)) for at, y in enumerate(values_with(3000, 1396.87, 52377.9767))]
    body += [("b", f"b{at}", repr(y)) for at, y in enumerate(values_with(3461, 2422.7, 134698.29))]
    told = found(write(tmp_path / "known.csv", body), "--planned", "1000")
    assert set(told) == KEYS
    (one,) = told["effects"]
    assert set(one) == FIGURES | {"arm", "relative"}
    share = one["relative"]
    assert set(share) == FIGURES
    assert [round(share[name], 5) for name in ("effect", "lower", "upper", "se")] == [
        *(0.50336, -0.55844, 1.56516, 0.33341)
    ]
    assert share["pvalue"] == 1


def test_arms_effects_and_decision(rows: Path) -> None:
    told = found(rows)
    assert told["arms"] == {"v1": {"units": 2500, "mean": 0.8}, "v2": {"units": 2500, "mean": 0.85}}
    (one,) = told["effects"]
    assert one["arm"] == "v2"
    assert one["effect"] == pytest.approx(0.05)
    assert one["relative"]["effect"] == pytest.approx(0.0625)
    assert 0 < one["lower"] < 0.05 < one["upper"]
    assert (told["srm_pvalue"], told["decision"]) == (1, "better")


def test_the_order_of_the_rows_does_not_matter(rows: Path, tmp_path: Path) -> None:
    header, *body = rows.read_text(encoding="utf-8").splitlines()
    np.random.default_rng(1).shuffle(body)
    shuffled = tmp_path / "shuffled.csv"
    shuffled.write_text("\n".join([header, *body]) + "\n", encoding="utf-8")
    assert found(shuffled, "--baseline", "v1")["effects"] == found(rows)["effects"]


@pytest.mark.parametrize(
    ("options", "decision"),
    [
        (("--baseline", "v2"), "worse"),
        (("--goal", "min"), "worse"),
        (("--goal", "min", "--baseline", "v2"), "better"),
        (("--goal", "min", "--margin", "0.09"), "non_inferior"),
        (("--alpha", "0.000001"), "undecided"),
        (("--weights", "v1=80,v2=20"), "invalid"),
        (("--weights", "v1=0.5, v2=0.5"), "better"),
        (("--weights", "v1=1,v2=1,v3=1"), "invalid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_turn_the_decision(rows: Path, options: Sequence[str], decision: str) -> None:
    assert found(rows, *options)["decision"] == decision


def test_the_sample_ratio_is_the_sequential_one(tmp_path: Path) -> None:
    path = write(tmp_path / "off.csv", events("a", 4800, 2400) + events("b", 5200, 2600))
    assert found(path)["srm_pvalue"] == pytest.approx(exp(-3.65388), rel=1e-4)
    result = run(path)
    assert "hardly got the units" in result.stderr
    assert "at any time, 6.334e-05 by chi-square at one look" in result.stdout


def test_several_rows_of_a_unit_are_added_up(tmp_path: Path) -> None:
    body = [(arm, f"{arm}{at % 150}", 1) for arm in "ab" for at in range(300)]
    path = write(tmp_path / "many.csv", body)
    assert found(path)["arms"]["a"] == {"units": 150, "mean": 2}
    assert "600 rows are of 300 units" in run(path).stderr


def test_a_unit_in_two_arms_counts_in_both_with_a_warning(tmp_path: Path) -> None:
    body = [(arm, at, at % 3) for arm in "ab" for at in range(120)]
    path = write(tmp_path / "shared.csv", body)
    assert found(path)["arms"]["b"]["units"] == 120
    assert "120 units are in more than one arm" in run(path).stderr


def test_a_denominator_makes_a_ratio_of_sums(tmp_path: Path) -> None:
    body = [
        (arm, f"{arm}{at}", (at % 4 + 1) * cost, at % 4 + 1) for arm, cost in (("a", 3), ("b", 2)) for at in range(400)
    ]
    body += [("a", "a0", 1, 0), ("b", "b1", 2, 0)]
    told = found(write(tmp_path / "ratio.csv", body, ("arm", "unit", "value", "denominator")), "--goal", "min")
    assert told["arms"]["a"]["mean"] == pytest.approx(3.001)
    assert told["arms"]["b"]["mean"] == pytest.approx(2.002)
    assert told["decision"] == "better"


def test_a_value_from_before_sharpens_the_comparison(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    body: list[Row] = []
    for arm, gain in (("a", 0.0), ("b", 0.2)):
        for at in range(500):
            before = chance.normal(10, 3)
            body.append((arm, f"{arm}{at}", before + gain + chance.normal(), "" if at == 7 else before))
    path = write(tmp_path / "pre.csv", body, ("arm", "unit", "value", "pre"))
    adjusted, plain = found(path), found(write(tmp_path / "plain.csv", [row[:3] for row in body]))
    assert adjusted["effects"][0]["se"] < plain["effects"][0]["se"] / 2
    assert "2 of 1000 units lack a value in column pre" in run(path).stderr


def test_rows_that_lack_a_cell_are_left_out(tmp_path: Path) -> None:
    body = [*events("a", 120, 60), *events("b", 120, 60), ("a", "x", ""), ("", "y", 1), ("b", "", 1)]
    path = write(tmp_path / "gaps.csv", body)
    assert found(path)["arms"] == {"a": {"units": 120, "mean": 0.5}, "b": {"units": 120, "mean": 0.5}}
    assert "3 of 243 rows lack a cell" in run(path).stderr


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    told = found(write(tmp_path / "one.csv", [("a", 1, 5), ("b", 2, 7), ("b", 3, 8)]))
    (one,) = told["effects"]
    assert (one["effect"], one["lower"], one["upper"], one["se"], one["pvalue"]) == (2.5, None, None, None, 1)
    assert (one["relative"], told["decision"]) == (None, "undecided")


def test_rare_events_get_exact_bounds(tmp_path: Path) -> None:
    path = write(tmp_path / "rare.csv", events("a", 2000, 0) + events("b", 2000, 1))
    (one,) = found(path)["effects"]
    assert one["lower"] < 0 < one["upper"] < 0.01
    assert "few events, so the bounds of b are exact ones" in run(path).stdout


def test_of_several_arms_each_is_compared_with_the_baseline(tmp_path: Path) -> None:
    path = write(tmp_path / "three.csv", events("a", 400, 200) + events("b", 400, 200) + events("c", 400, 300))
    told = found(path)
    assert [one["arm"] for one in told["effects"]] == ["b", "c"]
    assert told["decision"] == "better"
    assert told["reason"].startswith("c is better than a")


def test_the_table_shows_the_same(rows: Path) -> None:
    lines = [line.split() for line in run(rows).stdout.splitlines()]
    assert lines[:3] == [["arm", "units", "mean"], ["v1", "2500", "0.8"], ["v2", "2500", "0.85"]]
    assert lines[4] == ["against", "v1", "effect", "from", "to", "se", "p"]
    assert lines[5][:2] == ["v2", "+0.05"]
    assert lines[6][:2] == ["relative", "+6.25%"]
    assert lines[8][:2] == ["sample", "ratio"]
    assert lines[9][:2] == ["decision", "better:"]


def test_a_few_units_are_shown_with_a_caution(tmp_path: Path) -> None:
    result = run(write(tmp_path / "few.csv", [(arm, f"{arm}{at}", at) for arm in "ab" for at in range(20)]))
    assert "under 100 units an arm the bounds of b are a rough guide only" in result.stdout
    assert "undecided: fewer than 100 units in an arm" in result.stdout
    assert run(write(tmp_path / "one.csv", [("a", 1, 5), ("b", 2, 7)])).exit_code == 0


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("arm,value\na,1\n", (), "has no column unit"),
        ("arm,unit,value\na,1,1\na,2,0\n", (), "needs two arms; column arm names a alone"),
        ("arm,unit,value\na,1,x\nb,2,0\n", (), "line 2, column value: 'x' is not a number"),
        ("arm,unit,value\n,1,1\nb,,0\n", (), "every row lacks a cell"),
        ("arm,unit,value\na,1,1\nb,2,0\n", ("--baseline", "c"), "has no arm c; its arms are a, b"),
        ("arm,unit,value\na,1,1\nb,2,0\n", ("--weights", "a=1"), "has the arm b, of which --weights says nothing"),
        ("arm,unit,value,denominator\na,1,1,-1\nb,2,0,1\n", (), "line 2, column denominator: -1 is not from 0"),
        ("arm,unit,value,denominator\na,1,1,0\nb,2,0,1\n", (), "column denominator: it sums to 0 in arm a"),
        ("arm,unit,value,pre\na,1,1,3\na,1,1,4\nb,2,0,1\n", (), "line 3, column pre: the unit has had 3 before"),
    ],
)
def test_bad_rows_are_a_sentence_and_exit_1(tmp_path: Path, text: str, options: Sequence[str], said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    plain = run(path, *options)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert said in plain.stderr
    told = json.loads(run(path, *options, "--json").stdout)
    assert said in told["error"]["message"]


@pytest.mark.parametrize(
    "options",
    [
        ("--alpha", "0"),
        ("--alpha", "0.5"),
        ("--planned", "0"),
        ("--margin", "-0.01"),
        ("--margin", "nan"),
        ("--goal", "most"),
        ("--weights", "v1"),
        ("--weights", "v1=-1,v2=2"),
        ("--weights", "v1=1,v1=2"),
        ("--weights", "v1=0,v2=0"),
        ("--weights", "v1=nan,v2=1"),
    ],
    ids=" ".join,
)
def test_a_comparison_that_was_not_asked_for_well_exits_2(rows: Path, options: Sequence[str]) -> None:
    assert run(rows, *options).exit_code == 2
