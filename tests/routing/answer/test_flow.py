"""The picture in the flow's own page, line by line, and the laws behind it."""

from collections.abc import Iterable
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.answer.flow import answer_flow
from routing.answer.outcomes import AttemptEnd, Call, Completed, Doubted, Failed, Rejected, Verdict
from routing.answer.policy import CONDITIONAL_REASONS, HOLD_FULL, AnswerPolicy
from routing.confidence.gate import ConfidenceMode, Gate
from routing.words import ModelName, Outcome, Reason
from tests.fakes.judging import judged, threshold_gate

ARM, LARGE = ModelName("support-v2"), ModelName("large")


SURE = Completed(judgement=judged(0.97))
UNSURE = Completed(judgement=judged(0.31))
UNKNOWN = Completed(judgement=judged(None))
UNJUDGED = Completed(judgement=None)
OBSERVED = Completed(judgement=judged(0.31, threshold=None))
EMPTY = Completed(judgement=None, flaw="empty")
REFUSED = Completed(judgement=judged(0.97), flaw="refused")
RELEASED = Completed(judgement=judged(0.97), is_committed=True)
RELEASED_UNSURE = Completed(judgement=judged(0.31), is_committed=True)
RELEASED_FLAWED = Completed(judgement=judged(0.97), flaw="content_filter", is_committed=True)
ABANDONED = Doubted(judgement=judged(0.31))
ERROR, TIMEOUT = Failed(reason=Reason.ERROR), Failed(reason=Reason.TIMEOUT)
GARBAGE, DOWN = Failed(reason=Reason.INVALID), Failed(reason=Reason.UNAVAILABLE)
BAD_REQUEST = Rejected()

EVERY_END: tuple[AttemptEnd, ...] = (
    *(SURE, UNSURE, UNKNOWN, UNJUDGED, EMPTY, REFUSED, RELEASED, RELEASED_UNSURE, RELEASED_FLAWED),
    *(ABANDONED, ERROR, TIMEOUT, GARBAGE, DOWN, BAD_REQUEST),
)

THRESHOLD = threshold_gate(0.8)
OBSERVE = Gate(mode=ConfidenceMode.OBSERVE)
NONE = Gate(mode=ConfidenceMode.NONE)

GUARDED = AnswerPolicy(fallback=LARGE, gate=THRESHOLD, hold=HOLD_FULL)
OBSERVING = AnswerPolicy(fallback=LARGE, gate=OBSERVE)
BLIND = AnswerPolicy(fallback=LARGE, gate=NONE)
ALONE = AnswerPolicy(gate=THRESHOLD)


def only(*reasons: Reason) -> AnswerPolicy:
    return AnswerPolicy(fallback=LARGE, gate=THRESHOLD, when=frozenset(reasons))


def follow(policy: AnswerPolicy, ends: Iterable[AttemptEnd], arm: ModelName = ARM) -> tuple[list[Call], Verdict]:
    """Run the flow as a driver does; ends that it does not ask for are left over."""
    flow = answer_flow(arm, policy)
    calls = [next(flow)]
    for end in ends:
        try:
            calls.append(flow.send(end))
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return calls, verdict
    raise AssertionError(f"after {len(calls)} calls the flow wants more ends than {ends}")


def served(reason: Reason | None = None) -> Verdict:
    return Verdict(outcome=Outcome.SERVED, served=1, reason=reason)


def fallback(reason: Reason) -> Verdict:
    return Verdict(outcome=Outcome.FALLBACK, served=2, reason=reason)


def degraded(attempt: int, reason: Reason) -> Verdict:
    return Verdict(outcome=Outcome.DEGRADED, served=attempt, reason=reason)


def rejected(attempt: int, reason: Reason | None = None) -> Verdict:
    return Verdict(outcome=Outcome.REJECTED, served=attempt, reason=reason)


def failed(reason: Reason) -> Verdict:
    return Verdict(outcome=Outcome.FAILED, served=None, reason=reason)


LOW = Reason.LOW_CONFIDENCE

ONE_CALL = [
    pytest.param(GUARDED, SURE, served(), id="a sure answer is served"),
    pytest.param(GUARDED, UNKNOWN, served(), id="an answer without a score is not doubtful"),
    pytest.param(GUARDED, UNJUDGED, served(), id="an answer without a judgement is not doubtful"),
    pytest.param(GUARDED, RELEASED, served(), id="a released stream is served"),
    pytest.param(GUARDED, RELEASED_UNSURE, served(), id="a released stream is served, whatever its end is worth"),
    pytest.param(GUARDED, RELEASED_FLAWED, served(), id="a released stream is served, flawed or not"),
    pytest.param(OBSERVING, OBSERVED, served(), id="observing never acts on doubt"),
    pytest.param(BLIND, UNJUDGED, served(), id="without confidence a whole answer is served"),
    pytest.param(ALONE, SURE, served(), id="a sure answer needs no fallback"),
    pytest.param(ALONE, UNSURE, served(), id="doubt without a fallback is served"),
    pytest.param(only(Reason.ERROR), UNSURE, served(), id="doubt that the route leaves out is served"),
    pytest.param(GUARDED, BAD_REQUEST, rejected(1), id="a bad request is not tried elsewhere"),
    pytest.param(ALONE, BAD_REQUEST, rejected(1), id="a bad request is rejected without a fallback too"),
    pytest.param(ALONE, ERROR, failed(Reason.ERROR), id="an error without a fallback fails"),
    pytest.param(ALONE, TIMEOUT, failed(Reason.TIMEOUT), id="a timeout without a fallback fails"),
    pytest.param(ALONE, GARBAGE, failed(Reason.INVALID), id="garbage without a fallback fails"),
    pytest.param(ALONE, DOWN, failed(Reason.UNAVAILABLE), id="an unavailable model without a fallback fails"),
    pytest.param(ALONE, ABANDONED, failed(LOW), id="an abandoned stream without a fallback fails"),
    pytest.param(only(LOW), ERROR, failed(Reason.ERROR), id="an error that the route leaves out fails"),
    pytest.param(only(LOW), TIMEOUT, failed(Reason.TIMEOUT), id="a timeout that the route leaves out fails"),
    pytest.param(only(LOW), GARBAGE, failed(Reason.INVALID), id="garbage that the route leaves out fails"),
    pytest.param(only(Reason.ERROR), ABANDONED, failed(LOW), id="an abandoned stream that nothing replaces fails"),
    pytest.param(ALONE, EMPTY, degraded(1, Reason.INVALID), id="a flawed answer without a fallback is degraded"),
    pytest.param(
        only(LOW), REFUSED, degraded(1, Reason.INVALID), id="a flawed answer that the route leaves out is degraded"
    ),
]

TWO_CALLS = [
    pytest.param(GUARDED, UNSURE, SURE, fallback(LOW), id="doubt falls back"),
    pytest.param(GUARDED, ABANDONED, RELEASED, fallback(LOW), id="an abandoned stream falls back"),
    pytest.param(GUARDED, EMPTY, SURE, fallback(Reason.INVALID), id="an empty answer falls back"),
    pytest.param(GUARDED, REFUSED, SURE, fallback(Reason.INVALID), id="a refusal falls back, however sure"),
    pytest.param(GUARDED, ERROR, SURE, fallback(Reason.ERROR), id="an error falls back"),
    pytest.param(GUARDED, TIMEOUT, SURE, fallback(Reason.TIMEOUT), id="a timeout falls back"),
    pytest.param(GUARDED, GARBAGE, SURE, fallback(Reason.INVALID), id="garbage falls back"),
    pytest.param(GUARDED, DOWN, SURE, fallback(Reason.UNAVAILABLE), id="an unavailable model falls back"),
    pytest.param(only(), DOWN, SURE, fallback(Reason.UNAVAILABLE), id="unavailable falls back with nothing in when"),
    pytest.param(only(LOW), UNSURE, SURE, fallback(LOW), id="doubt alone may be in when"),
    pytest.param(only(Reason.INVALID), EMPTY, SURE, fallback(Reason.INVALID), id="flaws alone may be in when"),
    pytest.param(BLIND, ERROR, UNJUDGED, fallback(Reason.ERROR), id="failures fall back without any confidence"),
    pytest.param(OBSERVING, TIMEOUT, OBSERVED, fallback(Reason.TIMEOUT), id="failures fall back while observing"),
    pytest.param(GUARDED, ERROR, UNSURE, fallback(Reason.ERROR), id="the fallback's own doubt leads nowhere"),
    pytest.param(GUARDED, ERROR, RELEASED, fallback(Reason.ERROR), id="the fallback's stream is served"),
    pytest.param(GUARDED, UNSURE, ERROR, degraded(1, LOW), id="an unsure answer is better than none"),
    pytest.param(GUARDED, UNSURE, BAD_REQUEST, degraded(1, LOW), id="an unsure answer is better than a rejection"),
    pytest.param(GUARDED, UNSURE, EMPTY, degraded(1, LOW), id="an unsure answer is better than a flawed one"),
    pytest.param(GUARDED, EMPTY, ERROR, degraded(1, Reason.INVALID), id="a flawed answer is better than none"),
    pytest.param(GUARDED, EMPTY, REFUSED, degraded(1, Reason.INVALID), id="of two flawed answers the arm's is served"),
    pytest.param(GUARDED, ERROR, EMPTY, degraded(2, Reason.ERROR), id="a flawed fallback is better than none"),
    pytest.param(GUARDED, ABANDONED, REFUSED, degraded(2, LOW), id="what is left of two streams is the fallback's"),
    pytest.param(GUARDED, UNSURE, RELEASED_FLAWED, degraded(2, LOW), id="what the client saw cannot be taken back"),
    pytest.param(GUARDED, ERROR, BAD_REQUEST, rejected(2, Reason.ERROR), id="a bad request may show at the fallback"),
    pytest.param(GUARDED, ABANDONED, BAD_REQUEST, rejected(2, LOW), id="an abandoned stream may end in a rejection"),
    pytest.param(GUARDED, ERROR, TIMEOUT, failed(Reason.ERROR), id="two failures fail for the first one's reason"),
    pytest.param(GUARDED, ABANDONED, ERROR, failed(LOW), id="an abandoned stream and a failure leave nothing"),
    pytest.param(GUARDED, ERROR, ABANDONED, failed(Reason.ERROR), id="an abandoned fallback is no answer"),
]


@pytest.mark.parametrize(("policy", "end", "verdict"), ONE_CALL)
def test_with_one_call(policy: AnswerPolicy, end: AttemptEnd, verdict: Verdict) -> None:
    calls, found = follow(policy, [end])
    assert found == verdict
    assert calls == [Call(model=ARM, number=1, is_last=policy.fallback is None)]


@pytest.mark.parametrize(("policy", "first", "second", "verdict"), TWO_CALLS)
def test_with_two_calls(policy: AnswerPolicy, first: AttemptEnd, second: AttemptEnd, verdict: Verdict) -> None:
    calls, found = follow(policy, [first, second])
    assert found == verdict
    assert calls == [Call(model=ARM, number=1, is_last=False), Call(model=LARGE, number=2, is_last=True)]


JUDGEMENTS = st.builds(
    judged,
    score=st.none() | st.floats(0, 1),
    threshold=st.none() | st.floats(0, 1),
)
ENDS: st.SearchStrategy[AttemptEnd] = st.one_of(
    st.builds(
        Completed,
        judgement=st.none() | JUDGEMENTS,
        flaw=st.none() | st.sampled_from(["empty", "refused", "content_filter"]),
        is_committed=st.booleans(),
    ),
    st.builds(Doubted, judgement=JUDGEMENTS),
    st.builds(Failed, reason=st.sampled_from([reason for reason in Reason if reason is not LOW])),
    st.just(BAD_REQUEST),
)
POLICIES = st.builds(
    AnswerPolicy,
    fallback=st.sampled_from([None, LARGE, ARM]),
    when=st.frozensets(st.sampled_from(CONDITIONAL_REASONS)),
    gate=st.sampled_from([THRESHOLD, OBSERVE, NONE]),
)


def check(policy: AnswerPolicy, first: AttemptEnd, second: AttemptEnd) -> None:
    """The verdict is about what the client got, whatever happened."""
    calls, verdict = follow(policy, [first, second])
    ends = [first, second][: len(calls)]

    assert [call.number for call in calls] == list(range(1, len(calls) + 1))
    assert [call.model for call in calls] == [ARM, policy.fallback][: len(calls)]
    assert calls[-1].is_last or len(calls) == 1
    assert not any(call.is_last for call in calls[:-1])

    served_end = None if verdict.served is None else ends[verdict.served - 1]
    assert (verdict.outcome is Outcome.FAILED) == (served_end is None)
    assert (verdict.outcome is Outcome.REJECTED) == isinstance(served_end, Rejected)
    if verdict.outcome in (Outcome.SERVED, Outcome.FALLBACK, Outcome.DEGRADED):
        assert isinstance(served_end, Completed)
    assert verdict.outcome is not Outcome.SERVED or (verdict.served == 1 and verdict.reason is None)
    assert verdict.outcome is not Outcome.FALLBACK or verdict.served == 2

    for number, end in enumerate(ends, start=1):
        if isinstance(end, Completed) and end.is_committed:
            assert verdict.served == number, "a committed answer is what the client has"
    if any(isinstance(end, Completed) for end in ends):
        assert verdict.outcome is not Outcome.FAILED, "no answer is thrown away for nothing"


@pytest.mark.parametrize("gate", [THRESHOLD, OBSERVE, NONE], ids=lambda gate: gate.mode)
@pytest.mark.parametrize("target", [None, LARGE, ARM])
def test_the_verdict_is_about_what_the_client_got_with_every_policy_and_every_two_ends(
    target: ModelName | None, gate: Gate
) -> None:
    for count in range(len(CONDITIONAL_REASONS) + 1):
        for when in combinations(CONDITIONAL_REASONS, count):
            policy = AnswerPolicy(fallback=target, when=frozenset(when), gate=gate)
            for first, second in product(EVERY_END, repeat=2):
                check(policy, first, second)


@given(policy=POLICIES, first=ENDS, second=ENDS)
@settings(max_examples=300)
def test_the_verdict_is_about_what_the_client_got_with_any_scores(
    policy: AnswerPolicy, first: AttemptEnd, second: AttemptEnd
) -> None:
    check(policy, first, second)


@given(policy=POLICIES, first=ENDS, second=ENDS)
@settings(max_examples=300)
def test_a_second_call_is_made_only_for_a_reason_that_the_route_replaces(
    policy: AnswerPolicy, first: AttemptEnd, second: AttemptEnd
) -> None:
    calls, verdict = follow(policy, [first, second])
    if len(calls) == 2:
        assert verdict.reason is not None
        assert policy.replaces(verdict.reason)
        assert policy.gate.acts or verdict.reason is not LOW or isinstance(first, Doubted)
    else:
        assert verdict.outcome in (Outcome.SERVED, Outcome.REJECTED) or not policy.replaces(verdict.reason or LOW)


@given(first=ENDS, second=ENDS)
def test_no_model_is_asked_twice_unless_it_is_its_own_fallback(first: AttemptEnd, second: AttemptEnd) -> None:
    for policy in (GUARDED, OBSERVING, BLIND, ALONE):
        models = [call.model for call in follow(policy, [first, second])[0]]
        assert len(set(models)) == len(models)
