"""Confidence made anew in the background: when, of what, and what of it workers are told."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import insert

from gateway.control.loops.calibration import COUNT_ANSWERS_EVERY_US, Calibrator
from gateway.control.loops.fitting import origin_of
from gateway.exchange.record import features_text
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import AttemptRow, RequestRow
from gateway.snapshot.change import PolicyChange
from gateway.snapshot.document import ConfidenceEntry, JudgeEntry
from gateway.snapshot.publish import Publisher
from gateway.store import calibrations, snapshots
from gateway.store.calibrations import StoredCalibration
from gateway.store.engine import Store
from gateway.store.labels import read_labelled
from gateway.store.tables import feedback
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import ScorerKind
from routing.words import Outcome, Reason
from tests.fakes.documents import SUPPORT, V1, file_document
from tests.fakes.experiments import file_with
from tests.fakes.graded import Traffic, answer
from tests.fakes.publishing import frozen_clock, in_force
from tests.fakes.records import STARTED_US, attempt_rows, audit_label, feedback_row, request_id, served_row

RISK = ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.15, delta=0.1)
BUDGET = ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=0.2)
FITTED_US = STARTED_US + 3600_000_000
"""When the loop runs: after everything that was recorded before it."""


class Loop:
    """A calibrator at a time of its own, on a route that wants something."""

    def __init__(self, store: Store, confidence: ConfidenceEntry = RISK) -> None:
        self.now_us = FITTED_US
        self.store = store
        self.publisher = Publisher(store, frozen_clock)
        self.publisher.publish_file(file_document({V1: 10_000}, confidence=confidence), "file")
        self.traffic = Traffic(store)
        self.calibrator = Calibrator(store, self.publisher, lambda: self.now_us, draws=60)

    def settle(self) -> JudgeEntry | None:
        """Run until there is nothing more to do, and say what workers are told of the arm."""
        for _ in range(5):
            if not self.calibrator.run():
                return in_force(self.store).judges.get(V1)
        raise AssertionError("the loop finds no end")

    def judge(self) -> JudgeEntry:
        judge = self.settle()
        assert judge is not None
        return judge

    def kind(self) -> ScorerKind | None:
        calibration = self.judge().calibration
        return None if calibration is None else calibration.whole.kind

    def stored(self) -> StoredCalibration:
        """The calibration in force."""
        with self.store.reading() as connection:
            [stored] = calibrations.in_force(connection)
        return stored

    def versions(self) -> list[str]:
        """All there were, the oldest first."""
        with self.store.reading() as connection:
            return [one.version for one in reversed(calibrations.history(connection, SUPPORT))]

    def revision(self) -> int:
        newest = snapshots.latest(self.store)
        assert newest is not None
        return newest.revision


@pytest.fixture
def loop(store: Store) -> Loop:
    return Loop(store)


@pytest.fixture
def light(sqlite_store: Store) -> Callable[[ConfidenceEntry], Loop]:
    """On one kind of store, for what is not about the store."""
    return lambda confidence: Loop(sqlite_store, confidence)


def test_from_a_rank_to_a_fit_to_a_promise(loop: Loop) -> None:
    loop.traffic.answers(49, graded=False)
    assert loop.kind() is None
    assert loop.judge().reason == "mode risk needs 300 labels; there are 0"

    loop.traffic.answers(199)
    loop.now_us += COUNT_ANSWERS_EVERY_US
    assert loop.kind() is ScorerKind.RANK
    assert loop.stored().labels == 199

    loop.traffic.answers(1)
    assert loop.kind() is ScorerKind.LOGISTIC
    assert (loop.judge().is_armed, loop.judge().reason) == (False, "mode risk needs 300 labels; there are 200")

    loop.traffic.answers(99)
    judge = loop.judge()
    assert not judge.is_armed
    assert loop.versions() == ["v1.1", "v1.2", "v1.3"]  # at 299, since it is more than a quarter

    loop.traffic.answers(1)
    judge = loop.judge()
    assert judge.is_armed, judge.reason
    assert judge.labels == 300
    assert judge.calibration is not None
    assert judge.calibration.version == "v1.4"
    assert judge.whole_threshold is not None
    assert 0 < judge.whole_threshold < 1
    assert "at most 15 % of all answers served and wrong, with 90 % confidence" in judge.reason


def test_what_a_calibration_is_worth_is_kept_with_it(loop: Loop) -> None:
    loop.traffic.answers(400)
    loop.settle()
    quality = loop.stored().quality
    assert quality["whole"]["n"] == 400
    assert 0.5 < quality["whole"]["auroc"]["low"] < quality["whole"]["auroc"]["value"] < 1
    assert quality["whole"]["ece"]["high"] < 0.3
    assert quality["prefix"] is None
    assert origin_of(loop.stored()).fitted_us == FITTED_US


def test_a_score_that_tells_nothing_is_refused_with_a_sentence(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(400, tells=False)
    judge = loop.judge()
    assert (judge.is_armed, judge.whole_threshold) == (False, None)
    assert "the score hardly tells right answers from wrong ones: with 400 labels" in judge.reason


def test_new_labels_make_a_new_fit_and_old_ones_stand_until_then(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(400)
    before = loop.judge()
    loop.traffic.answers(99)
    assert loop.judge() == before
    loop.traffic.answers(1)
    after = loop.judge()
    assert after.labels == 500
    assert after.calibration is not None
    assert after.calibration.version == "v1.2"
    with loop.store.reading() as connection:
        first = calibrations.one(connection, SUPPORT, "v1.1")
    assert first is not None
    assert (first.calibration, first.retired_us) == (before.calibration, FITTED_US)


def test_a_budget_begins_where_the_rank_says(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(BUDGET)
    loop.traffic.answers(400, graded=False)
    judge = loop.judge()
    assert judge.is_armed
    assert judge.calibration is not None
    assert judge.calibration.whole.kind is ScorerKind.RANK
    assert judge.whole_threshold == pytest.approx(0.2, abs=0.02)


def test_a_rank_follows_the_records_when_they_have_doubled(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(BUDGET)
    loop.traffic.answers(60, graded=False)
    loop.settle()
    for more, expected in ((59, ["v1.1"]), (1, ["v1.1", "v1.2"])):
        loop.traffic.answers(more, graded=False)
        loop.now_us += COUNT_ANSWERS_EVERY_US
        loop.settle()
        assert loop.versions() == expected


def test_short_answers_are_judged_by_their_first_token(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(BUDGET)
    loop.traffic.answers(60, graded=False, whole_features=features_text(answer(0.7, tokens=2)))
    assert loop.kind() is ScorerKind.FIRST_TOKEN


def test_requests_of_testers_are_compared_with_nobody(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(BUDGET)
    loop.traffic.answers(60, graded=False, is_forced=True)
    assert loop.kind() is None


def test_a_frozen_route_is_left_alone_and_that_is_said_once(
    light: Callable[[ConfidenceEntry], Loop], caplog: pytest.LogCaptureFixture
) -> None:
    loop = light(structs.replace(RISK, is_frozen=True))
    loop.traffic.answers(400)
    with caplog.at_level(logging.INFO):
        assert loop.kind() is None
        assert loop.kind() is None
    assert [record.message for record in caplog.records] == [
        "route support is frozen: its calibrations and thresholds stay as they are"
    ]


def test_a_route_is_frozen_while_its_experiment_is_running(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.publisher.publish_file(file_with(confidence=RISK), "file")
    loop.publisher.start_experiment(SUPPORT, who="ops", reason=None, expected_etag=None)
    loop.traffic.answers(400)
    assert loop.kind() is None

    loop.publisher.abort(SUPPORT, who="ops", reason=None, expected_etag=None)
    assert loop.kind() is not None


def test_a_mode_without_log_probabilities_calibrates_nothing(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(ConfidenceEntry(mode=ConfidenceMode.NONE))
    loop.traffic.answers(400)
    assert loop.kind() is None


def test_a_changed_target_needs_no_new_fit(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(ConfidenceEntry())
    loop.traffic.answers(400)
    assert not loop.judge().is_armed
    change = PolicyChange(mode=ConfidenceMode.RISK, alpha=0.15)
    loop.publisher.change_route(SUPPORT, change, who="ops", reason=None, expected_etag=None)
    assert loop.judge().is_armed
    assert loop.versions() == ["v1.1"]


def test_answers_that_are_all_right_are_all_served(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(400, right=lambda sureness: 1.0)
    judge = loop.judge()
    assert judge.is_armed, judge.reason
    assert (loop.kind(), judge.whole_threshold) == (ScorerKind.RANK, 0.0)
    assert loop.versions() == ["v1.1"]


def test_labels_of_the_same_requests_are_not_tried_again_and_again(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(150)
    with loop.store.reading() as connection:
        known = read_labelled(connection, SUPPORT, V1, limit=1000)
    twice = [
        audit_label(0, request_id=one.request_id, metric="success", source="feedback", made_us=one.made_us + 1)
        for one in known
    ]
    loop.settle()
    loop.traffic.write([], twice)
    loop.settle()
    assert loop.versions() == ["v1.1"]


def test_prefixes_of_streams_get_a_scorer_of_their_own(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(300)
    loop.traffic.answers(60, prefix_features=features_text(answer(0.5, 4)), judged="prefix")
    calibration = loop.judge().calibration
    assert calibration is not None
    assert calibration.prefix is not None
    assert (calibration.whole.kind, calibration.prefix.kind) == (ScorerKind.LOGISTIC, ScorerKind.RANK)


def test_what_the_fallback_is_worth_comes_from_feedback_and_its_price_from_what_was_paid(loop: Loop) -> None:
    rows: list[tuple[RequestRow, list[AttemptRow]]] = []
    said = []
    for number in range(60):
        row = served_row(number)._replace(model="large", outcome=Outcome.FALLBACK)
        paid = attempt_rows(number)[1]._replace(cost_nanousd=2_000_000 if number % 2 else 4_000_000)
        rows.append((row, [paid]))
        values = feedback_row(number, value="true" if number % 10 else "false")._asdict()
        joined = {"state": "joined", "joined_request_id": row.request_id, "writer_id": "w", "seq": 1}
        said.append({**values, **joined, "detail": "another model answered"})
    BatchWriter(loop.store, "worth", frozen_clock).write(Batch(seq=1, entries=rows))
    with loop.store.writing() as connection:
        connection.execute(insert(feedback), said)
    loop.settle()
    evidence = loop.stored().evidence
    assert evidence.mu_large == pytest.approx(0.9)
    assert evidence.cost_large_usd == pytest.approx(0.003)


def audits(
    loop: Loop,
    n: int,
    *,
    value: float,
    threshold: float | None = 0.0,
    mode: str = "risk",
    seed: int = 50,
    **changed: str,
) -> None:
    """Answers of after the fit that were compared with a threshold, and what audits found of them."""
    rows, labels = [], []
    for number in range(seed * 1000, seed * 1000 + n):
        at_us = FITTED_US + number * 1000
        row = served_row(number, started_us=at_us)
        row = row._replace(confidence_mode=mode, threshold=threshold, whole_features=features_text(answer(0.9)))
        rows.append(row._replace(**changed))  # type: ignore[arg-type]
        found = audit_label(number, request_id=request_id(number, at_us), value=value, made_us=at_us + 500)
        labels.append(found)
    loop.traffic.write(rows, labels)


def test_what_a_hard_gate_had_replaced_is_no_part_of_what_confidence_is_about(
    light: Callable[[ConfidenceEntry], Loop],
) -> None:
    loop = light(RISK)
    loop.traffic.answers(400)
    loop.traffic.answers(
        200, right=lambda _: 0.0, outcome=Outcome.FALLBACK, reason=Reason.INVALID, model="large", attempts=2
    )
    assert loop.judge().is_armed
    assert (loop.stored().labels, loop.stored().quality["whole"]["n"]) == (400, 400)


def test_audits_that_find_errors_tighten_the_threshold_and_right_ones_ease_it(
    light: Callable[[ConfidenceEntry], Loop],
) -> None:
    loop = light(RISK)
    loop.traffic.answers(600)
    first = loop.judge()
    assert first.whole_threshold is not None

    audits(loop, 1, value=0.0, seed=50)  # 0.01 x 0.85, less than a tenth of alpha
    assert loop.judge() == first

    audits(loop, 5, value=0.0, seed=60)
    tight = loop.judge()
    assert loop.stored().evidence.alpha_shift == pytest.approx(-6 * 0.01 * 0.85)
    assert tight.whole_threshold is not None
    assert tight.whole_threshold > first.whole_threshold
    assert first.calibration is not None
    assert tight.calibration == replace(first.calibration, version="v1.2")
    assert origin_of(loop.stored()).fitted_us == FITTED_US

    audits(loop, 40, value=1.0, seed=70)
    eased = loop.judge()
    assert loop.stored().evidence.alpha_shift == 0
    assert eased.whole_threshold == first.whole_threshold


def test_the_correction_outlives_a_new_fit(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(RISK)
    loop.traffic.answers(400)
    loop.settle()
    audits(loop, 12, value=0.0)
    loop.settle()
    shift = loop.stored().evidence.alpha_shift
    loop.traffic.answers(100, started_us=FITTED_US)
    loop.settle()
    assert loop.versions() == ["v1.1", "v1.2", "v1.3"]
    assert loop.stored().evidence.alpha_shift == origin_of(loop.stored()).shift == shift < 0


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"threshold": None}, id="nothing was compared with them"),
        pytest.param({"threshold": 1.1}, id="they fell back"),
        pytest.param({"mode": "observe"}, id="they were judged in another mode"),
        pytest.param(
            {"outcome": "fallback", "reason": "invalid", "model": "large"}, id="a hard gate had them replaced"
        ),
    ],
)
def test_errors_that_no_threshold_let_through_tighten_nothing(
    light: Callable[[ConfidenceEntry], Loop], changed: dict[str, str | float | None]
) -> None:
    loop = light(RISK)
    loop.traffic.answers(400)
    loop.settle()
    audits(loop, 40, value=0.0, **changed)  # type: ignore[arg-type]
    loop.settle()
    assert loop.versions() == ["v1.1"]


def test_another_calibrator_goes_on_where_the_first_one_stopped(loop: Loop) -> None:
    loop.traffic.answers(400)
    loop.settle()
    revision = loop.revision()
    loop.calibrator = Calibrator(loop.store, loop.publisher, lambda: loop.now_us, draws=60)
    loop.settle()
    assert loop.revision() == revision


def test_one_arm_that_cannot_be_fitted_keeps_no_other_waiting(light: Callable[[ConfidenceEntry], Loop]) -> None:
    loop = light(BUDGET)
    loop.publisher.publish_file(file_document(confidence=BUDGET), "file")
    broken = features_text(answer(0.7))
    assert broken is not None
    loop.traffic.answers(250, whole_features=broken.replace("[16", "[0"))  # no tokens: no mean
    Traffic(loop.store, arm="v2", seed=7).answers(250)
    loop.settle()
    judges = in_force(loop.store).judges
    assert [judge.calibration is not None for judge in judges.values()] == [False, True]
