"""`fallgate drift`, from two files to what is printed and how it exits."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build

REFERENCE, CURRENT = (100, 200, 400, 200, 100), (30, 50, 90, 60, 70)


def run(*arguments: object) -> Result:
    words = ["drift", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})


def found(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    decoded = json.loads(result.stdout)
    assert isinstance(decoded, dict)
    return decoded


def write(path: Path, **columns: Iterable[object]) -> Path:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def spelled(counts: Sequence[int]) -> list[str]:
    return [f"c{at}" for at, count in enumerate(counts) for _ in range(count)]


def pair(tmp_path: Path, reference: dict[str, Any], current: dict[str, Any]) -> tuple[Path, Path]:
    return write(tmp_path / "reference.csv", **reference), write(tmp_path / "current.csv", **current)


def test_the_reference_values_are_those_of_the_command(tmp_path: Path) -> None:
    told = found(*pair(tmp_path, {"x": spelled(REFERENCE)}, {"x": spelled(CURRENT)}))
    assert set(told) == {"features", "alarm", "n_reference", "n_current"}
    assert (told["n_reference"], told["n_current"], told["alarm"]) == (1000, 300, True)
    [one] = told["features"]
    assert set(one) == {"name", "kind", "psi", "js", "statistic", "pvalue", "alarm"}
    assert (one["name"], one["kind"], one["alarm"]) == ("x", "categorical", True)
    assert f"{one['psi']:.7f} {one['statistic']:.5f} {one['pvalue']:.4e}" == "0.1470306 33.93014 7.7018e-07"
    assert f"{one['js']:.7f}" == "0.1613985"


def test_the_same_counts_as_numbers_are_the_same(tmp_path: Path) -> None:
    as_numbers = [[cell[1:] for cell in spelled(counts)] for counts in (REFERENCE, CURRENT)]
    [one] = found(*pair(tmp_path, {"x": as_numbers[0]}, {"x": as_numbers[1]}))["features"]
    assert (one["kind"], round(one["psi"], 7)) == ("numeric", 0.1470306)


def test_a_hundred_rows_without_drift_raise_no_alarm_though_psi_is_large(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    reference = write(tmp_path / "reference.csv", x=chance.normal(size=3000), y=chance.integers(0, 8, 3000))
    largest = 0.0
    for at in range(40):
        columns = {"x": chance.normal(size=100), "y": chance.integers(0, 8, 100)}
        told = found(reference, write(tmp_path / f"{at}.csv", **columns))
        assert not told["alarm"]
        largest = max(largest, *(one["psi"] for one in told["features"]))
    assert largest > 0.1


def test_a_hundred_rows_that_have_moved_raise_it(tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    told = found(*pair(tmp_path, {"x": chance.normal(size=3000)}, {"x": chance.normal(1.2, size=100)}))
    assert told["alarm"] is True


def test_what_is_missing_is_a_feature_of_its_own(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    values = [f"{value:.3f}" for value in chance.normal(size=1000)]
    gone = [value if at % 3 else "" for at, value in enumerate(values)]
    told = {
        one["name"]: one
        for one in found(*pair(tmp_path, {"x": values, "y": values}, {"x": gone, "y": values}))["features"]
    }
    assert told["x (missing)"]["kind"] == "missing"
    assert told["x (missing)"]["alarm"] is True
    assert told["x"]["alarm"] is False


def test_a_category_that_the_reference_does_not_have_is_seen(tmp_path: Path) -> None:
    told = found(*pair(tmp_path, {"x": ["a", "b"] * 300}, {"x": ["a", "b", "b", "new"] * 50}))
    assert told["alarm"] is True
    assert np.isfinite(told["features"][0]["psi"])


def test_a_number_beyond_all_of_the_reference_is_seen(tmp_path: Path) -> None:
    told = found(*pair(tmp_path, {"x": [5] * 200}, {"x": [5] * 100 + [7] * 100}))
    assert told["alarm"] is True


def test_a_column_of_names_that_never_come_again_is_not_judged(tmp_path: Path) -> None:
    ids = [f"id{at}" for at in range(1000)]
    files = pair(tmp_path, {"id": ids[:500], "x": ["a", "b"] * 250}, {"id": ids[500:], "x": ["a", "b"] * 250})
    result = run(*files, "--json")
    told = {one["name"]: one for one in json.loads(result.stdout)["features"]}
    assert told["id"]["alarm"] is False
    assert "column id is not judged" in result.stderr


def test_constant_columns_and_those_of_one_file_are_left_out_with_a_warning(tmp_path: Path) -> None:
    rows = list(range(200))
    result = run(*pair(tmp_path, {"x": rows, "one": [1] * 200, "a": rows}, {"x": rows, "one": [1] * 200, "b": rows}))
    assert result.exit_code == 0
    for sentence in ("column one is constant and dropped", "has no column a", "has no column b"):
        assert sentence in result.stderr
    assert "nothing has moved" in result.stdout


def test_a_column_that_is_empty_now_is_not_a_number_nowhere(tmp_path: Path) -> None:
    rows = range(200)
    features = found(*pair(tmp_path, {"x": rows, "y": rows}, {"x": [""] * 200, "y": rows}))["features"]
    told = {one["name"]: one for one in features}
    assert told["x"]["psi"] == 0
    assert told["x (missing)"]["alarm"] is True


@pytest.mark.parametrize(
    ("reference", "current", "said"),
    [
        ({"x": range(200)}, {"x": range(99)}, "has 99 rows; 100 or more are needed"),
        ({"x": range(200)}, {"y": range(200)}, "have no column in common"),
        ({"x": [1] * 200}, {"x": [1] * 200}, "no column that both files have and that is not constant"),
        ({"x": range(200)}, {"x": [*range(199), "nan"]}, "line 201, column x: 'nan' is not a number; leave"),
        ({"x": range(200)}, {"x": [*range(199), "abc"]}, "line 201, column x: 'abc' is not a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_told(
    tmp_path: Path, reference: dict[str, Any], current: dict[str, Any], said: str
) -> None:
    result = run(*pair(tmp_path, reference, current), "--json")
    assert result.exit_code == 1
    assert said in json.loads(result.stdout)["error"]["message"]


def test_an_alpha_that_is_no_probability_is_a_usage_error(tmp_path: Path) -> None:
    assert run(*pair(tmp_path, {"x": range(200)}, {"x": range(200)}), "--alpha", "2").exit_code == 2


def test_a_table_for_people(tmp_path: Path) -> None:
    result = run(*pair(tmp_path, {"x": spelled(REFERENCE)}, {"x": spelled(CURRENT)}))
    assert "300 rows against 1,000: moved: x" in result.stdout
    assert "0.1470" in result.stdout
