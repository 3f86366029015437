"""When a version is due for training again."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.retraining import (
    DAY_US,
    MINUTE_US,
    ArmFacts,
    Due,
    Examples,
    Moved,
    Policy,
    QualityKind,
    RetrainingReason,
    RouteFacts,
    Standing,
    Worse,
    due_of,
    judge,
    newest,
    ranked,
    version_of,
)
from routing.words import ModelName, RouteName

V1, V2 = ModelName("v1"), ModelName("v2")
HOUR_US = 60 * MINUTE_US
T0 = 1000 * DAY_US
POLICY = Policy(every_us=90 * DAY_US, min_new_examples=500, lasting_us=HOUR_US)
DRIFT, QUALITY, CADENCE = RetrainingReason


def arm(model: ModelName = V1, share: int = 10_000, trained_us: int | None = T0) -> ArmFacts:
    return ArmFacts(model=model, share=share, trained_us=trained_us)


def moved(since_us: int = T0, model: ModelName = V1, feature: str = "grams", score: float | None = 0.4) -> Moved:
    return Moved(model=model, feature=feature, family="vocabulary", score=score, since_us=since_us)


def worse(since_us: int = T0, kind: QualityKind = QualityKind.PARTED, model: ModelName = V1) -> Worse:
    return Worse(model=model, kind=kind, audited=0.8, expected=0.92, since_us=since_us)


def facts(
    *,
    arms: Sequence[ArmFacts] = (arm(),),
    requests: int = 0,
    until_us: int = T0,
    moved: Sequence[Moved] = (),
    worse: Sequence[Worse] = (),
) -> RouteFacts:
    examples = Examples(
        requests=requests, labels={"feedback": requests}, demonstrations=0, since_us=T0, until_us=until_us
    )
    return RouteFacts(route=RouteName("support"), arms=arms, examples=examples, moved=moved, worse=worse)


def walk(looks: Sequence[tuple[int, RouteFacts]], policy: Policy = POLICY) -> list[dict[RetrainingReason, Standing]]:
    """Where everything stands after each look; minutes after `T0`, and what was seen."""
    found: list[dict[RetrainingReason, Standing]] = []
    for minute, seen in looks:
        found.append(judge(seen, policy, found[-1] if found else {}, T0 + minute * MINUTE_US))
    return found


def causes(steps: Sequence[dict[RetrainingReason, Standing]], reason: RetrainingReason) -> list[int | None]:
    """The minute since which a reason is due, after each look."""
    due = [step[reason].due_since_us for step in steps]
    return [None if since_us is None else (since_us - T0) // MINUTE_US for since_us in due]


@pytest.mark.parametrize(("reason", "seen"), [(DRIFT, facts(moved=[moved()])), (QUALITY, facts(worse=[worse()]))])
def test_what_does_not_last_is_no_reason(reason: RetrainingReason, seen: RouteFacts) -> None:
    steps = walk([(0, seen), (30, seen), (59, seen), (60, seen), (90, seen)])
    assert causes(steps, reason) == [None, None, None, 60, 60]


def test_an_alarm_that_is_already_old_at_the_first_look_counts_from_its_beginning() -> None:
    steps = walk([(61, facts(moved=[moved()]))])
    assert causes(steps, DRIFT) == [61]


def test_a_short_calm_does_not_begin_anew_and_a_longer_one_does() -> None:
    def again(minute: int) -> RouteFacts:
        return facts(moved=[moved(T0 + minute * MINUTE_US)])

    short = walk([(0, again(0)), (50, again(0)), (55, facts()), (65, again(65))])
    long = walk([(0, again(0)), (40, facts()), (56, facts()), (65, again(65)), (124, again(65)), (125, again(65))])
    assert causes(short, DRIFT)[-1] == 65
    assert causes(long, DRIFT) == [None, None, None, None, None, 125]


def test_what_is_due_stays_so_for_a_day_of_calm_and_is_one_cause_until_then() -> None:
    day = 24 * 60
    calm, alarm = facts(), facts(moved=[moved()])
    looks = [(60, alarm), (100, calm), (day, alarm), (day + 10, calm), (2 * day + 9, calm), (2 * day + 10, calm)]
    assert causes(walk(looks), DRIFT) == [60, 60, 60, 60, 60, None]


def test_what_comes_again_after_that_is_another_cause() -> None:
    day = 24 * 60
    steps = walk(
        [(60, facts(moved=[moved()])), (61, facts()), (day + 61, facts())]
        + [(2 * day + late, facts(moved=[moved(T0 + 2 * DAY_US)])) for late in (0, 60)]
    )
    assert causes(steps, DRIFT) == [60, 60, None, None, 2 * day + 60]


def test_further_features_that_move_are_the_same_cause() -> None:
    steps = walk([(60, facts(moved=[moved()])), (90, facts(moved=[moved(), moved(T0 + 1, feature="digits")]))])
    assert causes(steps, DRIFT) == [60, 60]


def test_a_newer_version_that_serves_ends_what_was_due() -> None:
    arms = [arm(share=5_000), arm(V2, 5_000, T0 + DAY_US)]
    steps = walk([(60, facts(moved=[moved()])), (61, facts(arms=arms, moved=[moved()]))])
    assert causes(steps, DRIFT) == [60, None]


def test_drift_that_goes_on_under_a_newer_version_is_a_new_cause() -> None:
    arms = [arm(V2, trained_us=T0 + DAY_US)]
    steps = walk([(60, facts(moved=[moved()])), (61, facts(arms=arms, moved=[moved(model=V2)]))])
    assert causes(steps, DRIFT) == [60, 61]


def test_a_newer_version_without_a_share_ends_nothing() -> None:
    arms = [arm(), arm(V2, 0, T0 + DAY_US)]
    steps = walk([(60, facts(arms=arms, moved=[moved()]))])
    assert causes(steps, DRIFT) == [60]


@pytest.mark.parametrize(
    ("days", "requests", "is_due"),
    [(89, 500, False), (90, 499, False), (90, 500, True), (400, 0, False)],
    ids=["too young", "too few examples", "old and enough of them", "nothing to train on"],
)
def test_age_alone_is_no_reason_without_new_examples(days: int, requests: int, *, is_due: bool) -> None:
    steps = walk([(days * 24 * 60, facts(requests=requests))])
    assert (steps[0][CADENCE].due_since_us is not None) is is_due


def test_age_is_over_as_soon_as_a_newer_version_serves() -> None:
    newer = facts(arms=[arm(share=0), arm(V2, trained_us=T0 + 90 * DAY_US)], requests=900)
    steps = walk([(90 * 24 * 60, facts(requests=900)), (90 * 24 * 60 + 1, newer)])
    assert [step[CADENCE].due_since_us is not None for step in steps] == [True, False]


def test_age_is_over_at_once_when_the_examples_are_gone() -> None:
    steps = walk([(90 * 24 * 60, facts(requests=900)), (90 * 24 * 60 + 1, facts())])
    assert steps[-1][CADENCE].due_since_us is None


def test_a_version_of_unknown_age_is_never_due_for_its_age() -> None:
    steps = walk([(4000 * 24 * 60, facts(arms=[arm(trained_us=None)], requests=900))])
    assert steps[0][CADENCE].due_since_us is None


def test_the_newest_version_is_the_one_trained_last_of_those_with_a_share() -> None:
    arms = [arm(V2, 1, T0), arm(V1, 9_999, T0), arm(ModelName("v0"), 0, T0 + 1), arm(ModelName("x"), 1, None)]
    assert [one.model for one in newest(arms)] == [V1, V2]
    assert version_of(facts(arms=arms)) == "v1, v2"
    assert newest([]) == ()


def test_what_moved_is_ranked_and_the_older_versions_are_left_out() -> None:
    seen = facts(
        arms=[arm(V1, 5_000), arm(V2, 5_000, T0 + 1)],
        moved=[
            moved(model=V1, score=9.0),
            moved(model=V2, feature="digits", score=0.2),
            moved(model=V2, score=0.9),
            moved(model=V2, feature="correct", score=None),
        ],
    )
    assert [one.feature for one in ranked(seen)] == ["grams", "digits", "correct"]


def told(seen: RouteFacts, reason: RetrainingReason) -> Due:
    found = due_of(seen, reason, Standing(version="v1", due_since_us=T0))
    assert found is not None
    return found


def test_what_is_told_of_a_reason_says_what_it_takes_to_act() -> None:
    found = told(facts(moved=[moved(), moved(feature="digits", score=0.1)], requests=731), DRIFT)
    assert (found.reason, found.version, found.since_us, found.examples.requests) == (DRIFT, "v1", T0, 731)
    assert found.sentence == (
        "v1 is due for training again: its requests or answers have moved (grams, digits); 731 new examples"
    )


@pytest.mark.parametrize(
    ("seen", "reason", "sentence"),
    [
        (facts(worse=[worse()]), QUALITY, "audits find 0.800 of its answers right where its confidence says 0.920"),
        (
            facts(worse=[worse(kind=QualityKind.LOWER)]),
            QUALITY,
            "audits find 0.800 of its answers right, and found 0.920 at first",
        ),
        (facts(worse=[worse(model=V2)]), QUALITY, "quality has come back since"),
        (facts(), DRIFT, "what moved has come back since"),
        (facts(requests=731, until_us=T0 + 91 * DAY_US), CADENCE, "it was trained 91 days ago, and 731 new examples"),
    ],
)
def test_every_reason_has_its_sentence(seen: RouteFacts, reason: RetrainingReason, sentence: str) -> None:
    assert sentence in told(seen, reason).sentence


def test_an_alarm_of_labels_is_quality_and_not_drift() -> None:
    seen = facts(moved=[moved(feature="correct", score=None)])
    found = judge(seen, POLICY, {}, T0 + HOUR_US)
    assert [reason for reason, standing in found.items() if standing.due_since_us is not None] == [QUALITY]
    assert "labels say that its answers are right less often" in told(seen, QUALITY).sentence


def test_answers_that_are_better_than_confidence_says_are_no_reason() -> None:
    better = Worse(model=V1, kind=QualityKind.PARTED, audited=0.95, expected=0.8, since_us=T0)
    assert judge(facts(worse=[better]), POLICY, {}, T0 + HOUR_US)[QUALITY].due_since_us is None


def test_of_what_is_not_due_nothing_is_told() -> None:
    assert due_of(facts(), DRIFT, Standing(seen_since_us=T0)) is None


alarms = st.lists(st.booleans(), min_size=1, max_size=60)


@given(alarms, st.integers(1, 40))
def test_a_cause_is_told_no_more_than_once_in_the_day_after_it(there: list[bool], minutes: int) -> None:
    steps = walk(
        [(at * minutes, facts(moved=[moved(T0 + at * MINUTE_US * minutes)] if is_there else []))
         for at, is_there in enumerate(there)]
    )  # fmt: skip
    told = [since for since in dict.fromkeys(causes(steps, DRIFT)) if since is not None]
    assert all(later - earlier > 24 * 60 for earlier, later in pairwise(told))


@given(alarms)
def test_what_stands_depends_on_what_was_kept_alone(there: list[bool]) -> None:
    looks = [(at * 7, facts(moved=[moved()] if is_there else [])) for at, is_there in enumerate(there)]
    whole = walk(looks)[-1]
    kept = walk(looks[:-1])[-1] if looks[:-1] else {}
    minute, seen = looks[-1]
    assert judge(seen, POLICY, kept, T0 + minute * MINUTE_US) == whole
