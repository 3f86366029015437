"""`fallgate calibrate` and `fallgate curve`, from a file to what is printed and how they exit."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build

CALIBRATE_KEYS = {
    *("n", "features", "auroc", "auroc_low", "auroc_high", "ece", "mode", "alpha", "delta"),
    *("feasible", "reason", "threshold", "accepted_share"),
}
HOLDOUT_KEYS = {"n", "auroc", "ece", "accepted_share", "risk", "selective_risk"}
CURVE_KEYS = {"n", "weak", "strong", "auroc", "prr", "apgr", "cpt50", "cpt80", "points"}


def run(*arguments: object) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})


def found(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    decoded = json.loads(result.stdout)
    assert isinstance(decoded, dict)
    return decoded


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    lines = [",".join(header), *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def labelled(path: Path, n: int, *, seed: int = 0, signal: float = 2.0, base: float = 1.0) -> Path:
    chance = np.random.default_rng(seed)
    score = chance.normal(size=n)
    correct = chance.random(n) < 1 / (1 + np.exp(-(base + signal * score)))
    tokens = chance.integers(5, 80, size=n)
    return write(path, ("score", "tokens", "correct"), zip(score, tokens, correct.astype(int), strict=True))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return labelled(tmp_path / "rows.csv", 600, seed=1)


@pytest.fixture
def curve_rows(tmp_path: Path) -> Path:
    return write(
        tmp_path / "curve.csv",
        ("score", "correct", "fallback_correct"),
        [(0.1, 0, 1), (0.2, 1, 1), (0.3, 0, 1), (0.4, 1, 0)],
    )


def test_a_risk_is_calibrated_and_judged_on_a_hold_out(rows: Path, tmp_path: Path) -> None:
    holdout = labelled(tmp_path / "holdout.csv", 4000, seed=9)
    told = found("calibrate", rows, "--mode", "risk", "--holdout", holdout)
    assert set(told) == CALIBRATE_KEYS | {"holdout"}
    assert set(told["holdout"]) == HOLDOUT_KEYS
    assert (told["n"], told["features"]) == (600, ["score", "tokens"])
    assert (told["mode"], told["alpha"], told["delta"], told["feasible"]) == ("risk", 0.1, 0.1, True)
    assert told["auroc_low"] < told["auroc"] < told["auroc_high"]
    assert 0 <= told["ece"] < 0.08
    held = told["holdout"]
    assert held["n"] == 4000
    assert 0.02 < held["risk"] < 0.1
    assert held["selective_risk"] == pytest.approx(held["risk"] / held["accepted_share"])
    assert held["accepted_share"] == pytest.approx(told["accepted_share"], abs=0.08)
    assert held["auroc"] == pytest.approx(told["auroc"], abs=0.05)


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (("--mode", "budget", "--share", "0.25"), 0.75),
        (("--mode", "budget", "--share", "0"), 1.0),
        (("--mode", "threshold", "--min", "0"), 1.0),
        (
            ("--mode", "utility", "--value-usd", "1", "--fallback-cost-usd", "2", "--fallback-accuracy", "0.9"),
            1.0,
        ),
    ],
    ids=["budget", "no budget", "threshold", "utility"],
)
def test_other_modes_serve_what_they_should(rows: Path, options: Sequence[str], accepted: float) -> None:
    told = found("calibrate", rows, *options)
    assert set(told) == CALIBRATE_KEYS
    assert (told["feasible"], told["accepted_share"]) == (True, pytest.approx(accepted))
    assert told["alpha"] is None


def test_the_seed_decides(rows: Path) -> None:
    first, again, other = (found("calibrate", rows, "--mode", "risk", "--seed", seed) for seed in (1, 1, 2))
    assert first == again
    assert first["threshold"] != other["threshold"]


@pytest.mark.parametrize(
    ("n", "signal", "options", "reason"),
    [
        (30, 2.0, ("--mode", "risk"), "needs 22 labels for the threshold"),
        (600, 0.0, ("--mode", "budget", "--share", "0.2"), "AUROC"),
        (600, 2.0, ("--mode", "selective_risk", "--alpha", "0.001", "--delta", "0.5"), "needs 693 labels"),
        (600, 2.0, ("--mode", "risk", "--alpha", "0.005"), "needs 460 labels"),
    ],
)
def test_a_target_that_cannot_be_met_is_a_verdict(
    tmp_path: Path, n: int, signal: float, options: Sequence[str], reason: str
) -> None:
    path = labelled(tmp_path / "few.csv", n, signal=signal, base=0.5)
    holdout = labelled(tmp_path / "holdout.csv", 50)
    told = found("calibrate", path, *options, "--holdout", holdout)
    assert (told["feasible"], told["threshold"], told["accepted_share"]) == (False, None, None)
    assert reason in told["reason"]
    held = told["holdout"]
    assert (held["accepted_share"], held["risk"], held["selective_risk"]) == (None, None, None)
    plain = run("calibrate", path, *options)
    assert plain.exit_code == 0
    assert "cannot be met" in plain.stdout


def test_missing_cells_constant_and_empty_columns_and_unlabelled_rows(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    body: list[Sequence[object]] = []
    for at in range(400):
        score = chance.normal()
        right = "" if at < 3 else int(chance.random() < 1 / (1 + np.exp(-2 * score)))
        body.append((score if at % 10 else "", 7, "", right))
    path = write(tmp_path / "gaps.csv", ("score", "always", "never", "correct"), body)
    result = run("calibrate", path, "--mode", "budget", "--share", "0.2", "--json")
    told = json.loads(result.stdout)
    assert (told["n"], told["features"]) == (397, ["score"])
    assert "column always is constant and is dropped" in result.stderr
    assert "column never is empty and is dropped" in result.stderr
    assert "3 of 400 rows" in result.stderr


def test_a_propensity_weighs_and_is_no_feature(tmp_path: Path) -> None:
    # Every fourth answer of the upper half was labelled, and every one of the lower half.
    body = [(at, int(at % 5 > 1), 1.0 if at < 100 else 0.25) for at in range(200)]
    path = write(tmp_path / "weighed.csv", ("score", "correct", "propensity"), body)
    told = found("calibrate", path, "--mode", "threshold", "--min", "1")
    assert told["features"] == ["score"]
    weighed = found("calibrate", path, "--mode", "threshold", "--min", "0", "--holdout", path)["holdout"]
    plain = [1 - right for _, right, _ in body]
    weights = [1 / propensity for *_, propensity in body]
    assert weighed["risk"] == pytest.approx(np.average(plain, weights=weights))


HEADER = "score,tokens,correct\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (HEADER, "no rows"),
        ("score,tokens\n1,2\n", "has no column correct"),
        (HEADER + "1,2,1\nhigh,3,0\n", "line 3, column score: 'high' is not a number"),
        (HEADER + "1,2,1\n2,3,2\n", "line 3, column correct: '2' is neither 0 nor 1"),
        (HEADER + "1,2,1\n2,3,1\n", "column correct: 0 of 2 labelled answers are wrong"),
        (HEADER + "1,2,\n2,3,\n", "no row has a label"),
        (HEADER + "1,2,1\n1,2,0\n", "no column of features that varies"),
        ("correct\n1\n0\n", "no column of features that varies"),
        ("score,correct,propensity\n1,0,0\n2,1,1\n", "propensity of 0"),
        ("score,correct,propensity\n1,0,2\n2,1,1\n", "line 2, column propensity: 2 is not from 0 to 1"),
    ],
)
def test_bad_rows_are_a_sentence_and_exit_1(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    plain = run("calibrate", path, "--mode", "risk")
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert said in plain.stderr
    assert "Traceback" not in plain.output
    as_json = run("calibrate", path, "--mode", "risk", "--json")
    assert as_json.exit_code == 1
    told = json.loads(as_json.stdout)
    assert set(told) == {"error"}
    assert said in told["error"]["message"]


def test_a_hold_out_must_have_the_features(rows: Path, tmp_path: Path) -> None:
    holdout = write(tmp_path / "short.csv", ("score", "correct"), [(1, 1), (0, 0)])
    result = run("calibrate", rows, "--mode", "risk", "--holdout", holdout)
    assert result.exit_code == 1
    assert "short.csv has no column tokens" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--mode", "observe"),
        ("--mode", "budget"),
        ("--mode", "budget", "--share", "1.2"),
        ("--mode", "threshold"),
        ("--mode", "utility", "--value-usd", "1"),
        ("--mode", "risk", "--alpha", "0"),
        ("--mode", "risk", "--delta", "nan"),
        ("--mode", "risk", "--seed", "-1"),
    ],
    ids=" ".join,
)
def test_a_calibration_that_was_not_asked_for_well_exits_2(rows: Path, options: Sequence[str]) -> None:
    assert run("calibrate", rows, *options).exit_code == 2


def test_few_labels_are_computed_with_a_warning(tmp_path: Path) -> None:
    few = run("calibrate", labelled(tmp_path / "few.csv", 60), "--mode", "budget", "--share", "0.2")
    assert few.exit_code == 0
    assert "60 labels are few" in few.stderr
    fewish = run("calibrate", labelled(tmp_path / "fewish.csv", 250), "--mode", "risk")
    assert "a risk is not armed on fewer than 300" in fewish.stderr


def test_the_table_shows_score_quality_and_verdict(rows: Path, tmp_path: Path) -> None:
    holdout = labelled(tmp_path / "holdout.csv", 100, seed=9)
    lines = run("calibrate", rows, "--mode", "risk", "--holdout", holdout).stdout.splitlines()
    assert lines[0].split() == ["feature", "mean", "sd", "log-odds", "a", "sd"]
    assert [line.split()[0] for line in lines[1:4]] == ["score", "tokens", "(intercept)"]
    named = " ".join(line.split()[0] for line in lines[5:] if line.split())
    assert named == "labels AUROC ECE target threshold accepted must hold-out"
    assert "300 fit the score, 300 set the threshold" in lines[5]


def test_the_curve_of_four_answers(curve_rows: Path) -> None:
    told = found("curve", curve_rows)
    assert set(told) == CURVE_KEYS
    assert (told["n"], told["weak"], told["strong"], told["auroc"], told["prr"]) == (4, 0.5, 0.75, 0.75, 0.5)
    assert told["apgr"] == pytest.approx((3.125 / 4 - 0.5) / 0.25)
    assert (told["cpt50"], told["cpt80"]) == (0.25, 0.25)
    assert told["points"][1] == {"share": 0.25, "accuracy": 0.75}


def test_the_curve_with_prices_pays_the_small_model_always(tmp_path: Path) -> None:
    header = ("score", "correct", "fallback_correct", "cost", "fallback_cost")
    path = write(tmp_path / "priced.csv", header, [(0.1, 0, 1, 1, 10), (0.2, 1, 1, 3, 30)])
    told = found("curve", path)
    assert told["cost"] == {"small": 2, "large": 20, "at_cpt50": 7, "at_cpt80": 7, "break_even_share": 0.9}
    assert [point["cost"] for point in told["points"]] == [2, 7, 22]
    assert "cheaper while less than 90.0% falls back" in run("curve", path).stdout


def test_the_table_of_a_curve_has_the_same_figures(curve_rows: Path) -> None:
    lines = [line.split() for line in run("curve", curve_rows).stdout.splitlines()]
    assert lines[:4] == [["n", "4"], ["weak", "0.5000"], ["strong", "0.7500"], ["auroc", "0.7500"]]
    assert ["25.0%", "0.7500"] in lines


def test_a_larger_model_that_is_no_better_is_a_verdict(tmp_path: Path) -> None:
    header = ("score", "correct", "fallback_correct")
    path = write(tmp_path / "even.csv", header, [(0.1, 0, 1), (0.2, 1, 0)])
    told = found("curve", path)
    assert (told["apgr"], told["cpt50"], told["cpt80"]) == (None, None, None)
    assert "there is no gap to recover" in run("curve", path).stdout


def test_rows_of_a_curve_that_lack_a_value_are_left_out(tmp_path: Path) -> None:
    header = ("score", "correct", "fallback_correct")
    path = write(tmp_path / "gaps.csv", header, [(0.1, 0, 1), ("", 1, 1), (0.3, 1, ""), (0.4, 1, 1)])
    result = run("curve", path, "--json")
    assert json.loads(result.stdout)["n"] == 2
    assert "2 of 4 rows lack a value" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("score,correct\n1,1\n", "has no column fallback_correct"),
        ("score,correct,fallback_correct\n1,1,1\nx,0,1\n", "line 3, column score: 'x' is not a number"),
        ("score,correct,fallback_correct\n1,1,1\n2,1,1\n", "all 2 labelled answers are right"),
        ("score,correct,fallback_correct\n1,1,\n2,0,\n", "every row lacks a value"),
        ("score,correct,fallback_correct,cost\n1,1,1,3\n2,0,1,3\n", "has no column fallback_cost"),
        ("score,correct,fallback_correct,cost,fallback_cost\n1,1,1,-3,1\n2,0,1,3,1\n", "column cost: -3 is not from 0"),
    ],
)
def test_bad_rows_of_a_curve_are_a_sentence_and_exit_1(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    plain = run("curve", path)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert said in plain.stderr
    assert said in json.loads(run("curve", path, "--json").stdout)["error"]["message"]
