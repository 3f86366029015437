from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.resilience.breaker import RETRY_AFTER_CAP_S, Breaker, BreakerRule, BreakerState

RULE = BreakerRule(failures=3, open_s=10.0)


def opened(at_s: float = 100.0) -> Breaker:
    breaker = Breaker(RULE)
    for _ in range(RULE.failures):
        assert breaker.admits(at_s)
        breaker.failed(at_s)
    return breaker


def test_the_default_is_five_failures_and_ten_seconds() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(100.0)
    assert breaker.state(100.0) is BreakerState.CLOSED
    breaker.failed(100.0)
    assert breaker.state(109.999) is BreakerState.OPEN
    assert breaker.state(110.0) is BreakerState.HALF_OPEN


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(RULE)
    for _ in range(10):
        breaker.failed(100.0)
        breaker.failed(100.0)
        breaker.succeeded()
    assert breaker.state(100.0) is BreakerState.CLOSED
    assert breaker.admits(100.0)


@pytest.mark.parametrize(
    ("now_s", "admits", "retry_after_s", "state"),
    [
        (100.0, False, 10.0, BreakerState.OPEN),
        (104.5, False, 5.5, BreakerState.OPEN),
        (109.75, False, 0.25, BreakerState.OPEN),
        (110.0, True, 0.0, BreakerState.HALF_OPEN),
        (500.0, True, 0.0, BreakerState.HALF_OPEN),
    ],
)
def test_an_open_breaker_waits_and_then_lets_a_probe_through(
    now_s: float, admits: bool, retry_after_s: float, state: BreakerState
) -> None:
    breaker = opened(at_s=100.0)
    assert breaker.retry_after_s(now_s) == retry_after_s
    assert breaker.state(now_s) is state
    assert breaker.admits(now_s) is admits


def test_only_one_probe_is_under_way() -> None:
    breaker = opened()
    assert [breaker.admits(110.0) for _ in range(4)] == [True, False, False, False]


def test_a_probe_that_succeeds_closes() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.succeeded()
    assert breaker.state(110.0) is BreakerState.CLOSED
    assert [breaker.admits(110.0) for _ in range(3)] == [True, True, True]
    assert breaker.retry_after_s(110.0) == 0.0


def test_after_closing_it_takes_as_many_failures_again() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.succeeded()
    breaker.failed(111.0)
    breaker.failed(111.0)
    assert breaker.state(111.0) is BreakerState.CLOSED
    breaker.failed(111.0)
    assert breaker.state(111.0) is BreakerState.OPEN


def test_a_probe_that_fails_opens_for_as_long_again() -> None:
    breaker = opened()
    assert breaker.admits(112.0)
    breaker.failed(113.0)
    assert breaker.retry_after_s(113.0) == 10.0
    assert not breaker.admits(122.0)
    assert breaker.admits(123.0)


def test_a_probe_whose_client_left_tells_nothing_and_makes_room_for_another() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    breaker.abandoned()
    assert breaker.state(110.0) is BreakerState.HALF_OPEN
    assert breaker.admits(110.0)
    assert not breaker.admits(110.0)


def test_a_probe_that_never_reports_is_given_up() -> None:
    breaker = opened()
    assert breaker.admits(110.0)
    assert not breaker.admits(119.0)
    assert breaker.admits(120.0)
    assert not breaker.admits(120.0)


def test_an_abandoned_attempt_is_no_failure() -> None:
    breaker = Breaker(RULE)
    for _ in range(100):
        breaker.abandoned()
    assert breaker.state(100.0) is BreakerState.CLOSED


def test_an_attempt_from_before_it_opened_does_not_close_it() -> None:
    breaker = opened(at_s=100.0)
    breaker.succeeded()
    assert breaker.state(101.0) is BreakerState.OPEN
    assert not breaker.admits(109.0)
    assert breaker.admits(110.0)


def test_a_success_does_not_end_the_rest_that_the_upstream_asked_for() -> None:
    breaker = Breaker(RULE)
    assert breaker.admits(100.0)
    assert breaker.admits(100.0)
    breaker.cools_down(101.0, retry_after_s=30.0)
    breaker.succeeded()
    assert not breaker.admits(130.0)
    assert breaker.retry_after_s(130.0) == 1.0


@pytest.mark.parametrize(
    ("retry_after_s", "rest_s"),
    [
        pytest.param(30.0, 30.0, id="as long as asked"),
        pytest.param(0.5, 0.5, id="a fraction of a second"),
        pytest.param(120.0, 120.0, id="up to the cap"),
        pytest.param(121.0, RETRY_AFTER_CAP_S, id="not above the cap"),
        pytest.param(1e9, RETRY_AFTER_CAP_S, id="by no means for thirty years"),
        pytest.param(float("inf"), RETRY_AFTER_CAP_S, id="nor for ever"),
        pytest.param(0.0, 0.0, id="not at all"),
        pytest.param(-5.0, 0.0, id="a negative time is none"),
        pytest.param(float("nan"), 0.0, id="nor is what is no number"),
    ],
)
def test_the_rest_an_upstream_asks_for(retry_after_s: float, rest_s: float) -> None:
    breaker = Breaker(RULE)
    breaker.cools_down(100.0, retry_after_s)
    assert breaker.retry_after_s(100.0) == rest_s
    assert breaker.admits(100.0 + rest_s)
    if rest_s:
        assert breaker.state(100.0) is BreakerState.OPEN


def test_a_rest_neither_shortens_nor_adds_to_the_time_it_is_open() -> None:
    breaker = opened(at_s=100.0)
    breaker.cools_down(101.0, retry_after_s=2.0)
    assert breaker.retry_after_s(101.0) == 9.0
    breaker.cools_down(101.0, retry_after_s=60.0)
    assert breaker.retry_after_s(101.0) == 60.0
    breaker.failed(102.0)
    assert breaker.retry_after_s(102.0) == 59.0


def test_after_a_rest_one_probe_goes_first() -> None:
    breaker = Breaker(RULE)
    breaker.cools_down(100.0, retry_after_s=5.0)
    assert [breaker.admits(105.0), breaker.admits(105.0)] == [True, False]
    breaker.cools_down(106.0, retry_after_s=5.0)
    assert not breaker.admits(110.0)
    assert [breaker.admits(111.0), breaker.admits(111.0)] == [True, False]


def test_the_states_are_in_the_order_in_which_the_metric_numbers_them() -> None:
    assert list(BreakerState) == [BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN]


@dataclass
class Model:
    """The breaker as an operator would describe it: what has been seen, not what is stored."""

    failures_in_a_row: int = 0
    blocked_until_s: float | None = None
    probe_at_s: float | None = None

    def may_pass(self, now_s: float) -> bool:
        if self.blocked_until_s is None:
            return True
        if now_s < self.blocked_until_s:
            return False
        return self.probe_at_s is None or now_s >= self.probe_at_s + RULE.open_s

    def block(self, until_s: float) -> None:
        self.probe_at_s = None
        self.blocked_until_s = until_s if self.blocked_until_s is None else max(self.blocked_until_s, until_s)


class BreakerAgainstModel(RuleBasedStateMachine):
    """Attempts pass, succeed, fail, leave and are told to wait in any order, stragglers among them."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(RULE)
        self.model = Model()
        self.now_s = 1_000.0
        self.under_way = 0

    @rule(step_s=st.sampled_from([0.0, 0.5, 3.0, 9.5, 10.0, 60.0]))
    def time_passes(self, step_s: float) -> None:
        self.now_s += step_s

    @rule()
    def a_request_comes(self) -> None:
        expected = self.model.may_pass(self.now_s)
        assert self.breaker.admits(self.now_s) is expected
        if expected:
            self.under_way += 1
            if self.model.blocked_until_s is not None:
                self.model.probe_at_s = self.now_s

    @precondition(lambda self: self.under_way > 0)
    @rule()
    def an_attempt_succeeds(self) -> None:
        self.under_way -= 1
        self.breaker.succeeded()
        self.model.failures_in_a_row = 0
        if self.model.probe_at_s is not None:
            self.model.blocked_until_s = self.model.probe_at_s = None

    @precondition(lambda self: self.under_way > 0)
    @rule()
    def an_attempt_fails(self) -> None:
        self.under_way -= 1
        self.breaker.failed(self.now_s)
        self.model.failures_in_a_row += 1
        if self.model.probe_at_s is not None or self.model.failures_in_a_row >= RULE.failures:
            self.model.block(self.now_s + RULE.open_s)

    @precondition(lambda self: self.under_way > 0)
    @rule()
    def a_client_leaves(self) -> None:
        self.under_way -= 1
        self.breaker.abandoned()
        self.model.probe_at_s = None

    @precondition(lambda self: self.under_way > 0)
    @rule(retry_after_s=st.floats(0, 1_000))
    def the_upstream_asks_for_rest(self, retry_after_s: float) -> None:
        self.under_way -= 1
        self.breaker.cools_down(self.now_s, retry_after_s)
        self.model.block(self.now_s + min(retry_after_s, RETRY_AFTER_CAP_S))

    @invariant()
    def what_an_operator_sees_is_what_happens(self) -> None:
        blocked_until_s = self.model.blocked_until_s
        state = self.breaker.state(self.now_s)
        if blocked_until_s is None:
            assert state is BreakerState.CLOSED
        else:
            assert state is (BreakerState.OPEN if self.now_s < blocked_until_s else BreakerState.HALF_OPEN)
        rest_s = self.breaker.retry_after_s(self.now_s)
        assert 0.0 <= rest_s <= RETRY_AFTER_CAP_S
        assert (rest_s > 0.0) == (state is BreakerState.OPEN)

    @invariant()
    def it_never_stays_shut_for_longer_than_the_cap_and_a_lost_probe(self) -> None:
        assert self.model.may_pass(self.now_s + RETRY_AFTER_CAP_S + RULE.open_s)


TestBreakerAgainstModel = BreakerAgainstModel.TestCase
TestBreakerAgainstModel.settings = settings(max_examples=100, stateful_step_count=30)
