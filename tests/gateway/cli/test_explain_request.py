"""From a request that a gateway answered to its explanation: judging the record again says the same."""

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import RequestEntry
from gateway.snapshot.document import ConfidenceEntry, JudgeEntry
from gateway.store import calibrations
from routing.answer.policy import HoldWindow
from routing.confidence.features import from_row
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.words import ModelName
from serving.simulated.script import ModelScript
from tests.fakes.asking import ask
from tests.fakes.calibrations import RANK, stored
from tests.fakes.control import OPS, Admin, control_parts, serving_admin
from tests.fakes.gateways import document, gateway, route
from tests.fakes.records import STARTED_US, attempt_rows, request_row
from tests.fakes.simulated import simulated

V1 = ModelName("v1")
RISK = ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1)
BUDGET = ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=0.3)
THRESHOLD = ConfidenceEntry(mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.9)
FITTED = stored()
RANKED = stored("v1.2", whole=RANK, labels=0)


_numbers = count(1)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Parts]:
    """One for all tests: each asks for a request of its own."""
    with control_parts(tmp_path_factory.mktemp("explained"), sqlite_template) as built:
        with built.store.writing() as connection:
            calibrations.add(connection, FITTED)
            calibrations.add(connection, RANKED)
        yield built


@pytest.fixture(scope="module")
def admin(parts: Parts) -> Iterator[Admin]:
    with serving_admin(parts) as served:
        yield served


def write(parts: Parts, *entries: RequestEntry) -> None:
    BatchWriter(parts.store, "w", lambda: STARTED_US).write(Batch(seq=next(_numbers), entries=entries))


def explain(admin: Admin, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": admin.url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "160"}
    command = ("explain", "support", "--request", *arguments)
    return CliRunner().invoke(build(command), list(command), env=environ)


def explained(admin: Admin, given_id: str) -> dict[str, Any]:
    result = explain(admin, given_id, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


async def answered(
    parts: Parts, confidence: ConfidenceEntry, judge: JudgeEntry, *, logprob: float, is_stream: bool
) -> str:
    """Ask a gateway, keep its record in the store, and return the request's id."""
    # Slow enough that a stream is still going on when its start is judged.
    scripts = [ModelScript(name="v1", right_logprob=logprob, tokens_per_second=500), ModelScript(name="large")]
    hold = HoldWindow(tokens=4, ms=1000)
    async with simulated(scripts) as server:
        entry = route({"v1": 10000}, to="large", confidence=confidence, hold=hold)
        what = document(server.base_url, {"support": structs.replace(entry, judges={V1: judge})})
        async with gateway(what) as made:
            answer = await ask(made, stream=is_stream)
            await made.until_finished(1)
            write(parts, *made.records.kept)
    found: str = answer.headers["x-request-id"]
    return found


def judged_by(known: calibrations.StoredCalibration, whole: float | None, prefix: float | None) -> JudgeEntry:
    return JudgeEntry(
        calibration=known.calibration, whole_threshold=whole, prefix_threshold=prefix, is_armed=whole is not None
    )


CASES = [
    pytest.param(RISK, judged_by(FITTED, 0.8, 0.8), -3.0, "fallback", "v1.1", id="risk, doubtful"),
    pytest.param(RISK, judged_by(FITTED, 0.8, 0.8), -0.1, "served", "v1.1", id="risk, sure"),
    pytest.param(RISK, judged_by(FITTED, None, None), -3.0, "served", "v1.1", id="risk, not armed"),
    pytest.param(BUDGET, judged_by(RANKED, 0.5, 0.5), -3.0, "fallback", "v1.2", id="budget, doubtful"),
    pytest.param(BUDGET, judged_by(RANKED, 0.01, 0.01), -0.01, "served", "v1.2", id="budget, sure"),
    pytest.param(THRESHOLD, JudgeEntry(), -3.0, "fallback", "none", id="threshold, uncalibrated"),
    pytest.param(THRESHOLD, judged_by(FITTED, None, None), -3.0, "fallback", "v1.1", id="threshold, calibrated"),
    pytest.param(ConfidenceEntry(), JudgeEntry(), -3.0, "served", "none", id="observe"),
]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("confidence", "judge", "logprob", "outcome", "calibration"), CASES)
async def test_every_judgement_is_the_same_again(  # noqa: PLR0917
    admin: Admin,
    parts: Parts,
    confidence: ConfidenceEntry,
    judge: JudgeEntry,
    logprob: float,
    outcome: str,
    calibration: str,
    is_stream: bool,
) -> None:
    given_id = await answered(parts, confidence, judge, logprob=logprob, is_stream=is_stream)

    found = await asyncio.to_thread(explained, admin, given_id)

    assert (found["replay"], found["outcome"], found["calibration"]) == ("same", outcome, calibration), found
    assert found["doubtful"] is (outcome == "fallback")
    assert found["replayed"]["doubtful"] is found["doubtful"]
    assert found["judged"] == ("prefix" if is_stream and found["threshold"] is not None else "whole")
    assert found["features"][found["judged"]]["tokens"] > 0


def keep(parts: Parts, **changed: Any) -> str:
    """A record of a request that fell back by its prefix, judged by `v1.1`."""
    number = next(_numbers)
    row = request_row(number)._replace(**{"confidence_mode": "risk", "calibration": "v1.1", **changed})
    write(parts, (row, attempt_rows(number)))
    return row.request_id


def test_a_calibration_that_is_gone_is_told(admin: Admin, parts: Parts) -> None:
    found = explained(admin, keep(parts, calibration="v1.7"))
    assert found["replay"] == "impossible"
    assert found["replayed"]["detail"] == "the calibration v1.7 is gone"


def test_a_record_that_does_not_fit_its_features_is_told(admin: Admin, parts: Parts) -> None:
    prefix = from_row(json.loads(request_row(1).prefix_features or ""))
    found = explained(admin, keep(parts, confidence=0.987))
    assert (found["replay"], found["confidence"]) == ("different", 0.987)
    assert found["replayed"]["confidence"] == pytest.approx(FITTED.calibration.whole.confidence(prefix))


def test_a_request_is_found_by_its_answers_id_too(admin: Admin, parts: Parts) -> None:
    own = keep(parts, answer_id="an answer of: ours")
    for given_id in (own, own.upper(), f"chatcmpl-{own}", f"cmpl-{own}", "an answer of: ours"):
        assert explained(admin, given_id)["request_id"] == own


def test_as_text_it_names_who_why_and_every_feature(admin: Admin, parts: Parts) -> None:
    given_id = keep(parts)
    result = explain(admin, given_id)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"request {given_id}, a stream, revision 3" in lines
    assert "answered by large (fallback, low_confidence)" in lines
    assert "attempts 1 v1 (draft) doubted: low_confidence; 2 large (fallback) completed" in lines
    assert "decision doubtful: confidence 0.5 is below 0.75, so the fallback was asked" in lines
    assert "confidence 0.5, calibration v1.1" in lines
    assert "sum_logprob -11.09" in lines
    assert "is_cut false" in lines
    assert any(line.startswith("replay ") for line in lines)


@pytest.mark.parametrize(
    ("given_id", "sentence"),
    [
        ("01a2", "there is no request '01a2' of route 'support': it is not recorded yet"),
        ("a?b#c %d", "there is no request 'a?b#c %d'"),
    ],
)
def test_what_is_not_recorded_is_told_with_exit_1(admin: Admin, given_id: str, sentence: str) -> None:
    result = explain(admin, given_id)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_a_request_of_another_route_is_told_as_such(admin: Admin, parts: Parts) -> None:
    given_id = keep(parts, route="bare")
    result = explain(admin, given_id)
    assert (result.exit_code, result.stderr) == (
        1, f"fallgate explain: request {given_id!r} went to route 'bare'\n",
    )  # fmt: skip


def test_a_unit_and_a_request_at_once_make_no_sense(admin: Admin) -> None:
    assert explain(admin, "01a2", "--unit", "u").exit_code == 2
