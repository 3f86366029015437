"""A judgement made again from what was recorded of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import Features, as_row, from_row
from routing.confidence.gate import ConfidenceMode, gate_of
from routing.confidence.replay import Recorded, ReplayVerdict, replay
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.confidence.scores import ScoreName
from tests.fakes.calibrations import LOGISTIC, RANK

SAME, DIFFERENT, IMPOSSIBLE = ReplayVerdict

FITTED = Calibration(version="v1.1", labels=400, whole=LOGISTIC, prefix=RANK)
logprobs = st.floats(-30, 0)
answers = st.builds(
    Features,
    tokens=st.integers(1, 500),
    sum_logprob=logprobs,
    min_logprob=logprobs,
    q10_logprob=logprobs,
    q20_logprob=logprobs,
    first_logprob=st.none() | logprobs,
    first_margin=st.none() | st.floats(0, 1),
    mean_entropy=st.none() | st.floats(0, 5),
    max_entropy=st.none() | st.floats(0, 5),
    is_cut=st.booleans(),
    is_valid=st.none() | st.booleans(),
)


def recorded(
    features: Features,
    *,
    mode: ConfidenceMode = ConfidenceMode.RISK,
    calibration: Calibration | None = FITTED,
    threshold: float | None = 0.5,
    by_prefix: bool = False,
) -> Recorded:
    """As a gateway judges, and keeps."""
    gate = gate_of(mode, ScoreName.MIN_LOGPROB, calibration, whole=threshold, prefix=threshold)
    judged = (gate.judge_prefix if by_prefix else gate.judge)(features)
    assert judged.features is not None
    return Recorded(
        mode=mode,
        is_by_prefix=by_prefix,
        score_name=judged.score_name,
        score=judged.score,
        confidence=judged.confidence,
        calibration=judged.calibration,
        threshold=judged.threshold,
        features=from_row(as_row(judged.features)),
    )


@given(
    answers,
    st.sampled_from([mode for mode in ConfidenceMode if mode is not ConfidenceMode.NONE]),
    st.sampled_from([None, FITTED]),
    st.none() | st.floats(0, 1),
    st.booleans(),
)
def test_what_was_judged_is_judged_the_same_again(
    features: Features, mode: ConfidenceMode, calibration: Calibration | None, threshold: float | None, by_prefix: bool
) -> None:
    kept = recorded(features, mode=mode, calibration=calibration, threshold=threshold, by_prefix=by_prefix)
    again = replay(kept, calibration)
    assert again.verdict is SAME, again.detail
    assert (again.score, again.confidence, again.is_doubtful) == (kept.score, kept.confidence, kept.is_doubtful)


SURE = Features(tokens=2, sum_logprob=-0.5, min_logprob=-0.4, q10_logprob=-0.4, q20_logprob=-0.3, first_logprob=-0.1)
KEPT = recorded(SURE)
OTHER = Calibration(version="v1.1", labels=400, whole=replace(LOGISTIC, intercept=-2.0))


@pytest.mark.parametrize(
    ("change", "calibration", "expected", "says"),
    [
        (lambda kept: kept, FITTED, SAME, "give the recorded confidence and decision"),
        (lambda kept: kept, OTHER, DIFFERENT, "give another confidence or decision"),
        (lambda kept: replace(kept, features=replace(SURE, sum_logprob=-9.0)), FITTED, DIFFERENT, "give another"),
        (lambda kept: kept, None, IMPOSSIBLE, "the calibration v1.1 is gone"),
        (lambda kept: kept, replace(OTHER, version="v1.2"), IMPOSSIBLE, "the calibration v1.1 is gone"),
        (lambda kept: replace(kept, features=None), FITTED, IMPOSSIBLE, "features that it was judged by were not rec"),
        (lambda kept: replace(kept, mode=None), FITTED, IMPOSSIBLE, "no basis"),
        (lambda kept: replace(kept, score=None), FITTED, IMPOSSIBLE, "no basis"),
        (lambda kept: replace(kept, confidence=None), FITTED, IMPOSSIBLE, "no basis"),
    ],
    ids=["same", "other numbers", "other features", "gone", "renamed", "no features", "not judged", "no score", "none"],
)
def test_a_replay_says_what_it_came_to(
    change: Callable[[Recorded], Recorded], calibration: Calibration | None, expected: ReplayVerdict, says: str
) -> None:
    again = replay(change(KEPT), calibration)
    assert again.verdict is expected
    assert says in again.detail


def test_a_raw_score_needs_no_calibration() -> None:
    kept = recorded(SURE, mode=ConfidenceMode.THRESHOLD, calibration=None, threshold=0.9)
    assert (kept.compared, kept.is_doubtful) == (kept.score, True)
    assert replay(kept, FITTED).verdict is SAME


@pytest.mark.parametrize("values", [{"threshold": None}, {"confidence": None}])
def test_nothing_compared_is_no_doubt(values: dict[str, Any]) -> None:
    assert not replace(KEPT, **{"threshold": 1.0, **values}).is_doubtful


def test_the_first_token_alone_may_be_the_basis() -> None:
    first = Calibration(version="v1.3", labels=0, whole=Scorer(kind=ScorerKind.FIRST_TOKEN))
    assert replay(recorded(SURE, calibration=first), first).confidence == pytest.approx(0.904837, abs=1e-6)
