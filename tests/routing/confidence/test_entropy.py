from math import exp, inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.entropy import entropies, margin
from routing.confidence.tally import Token

FOUR = [("a", log(0.7)), ("b", log(0.2)), ("c", log(0.05)), ("d", log(0.03))]


def token(text: str, logprob: float, *others: tuple[str, float | None]) -> Token:
    return Token(text, logprob, [Token(*other) for other in others])


def entropy(entry: Token) -> float | None:
    found = entropies([entry])
    return found[0] if found else None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        # - .7 ln .7 - .2 ln .2 - .05 ln .05 - .03 ln .03 - .02 ln .02
        pytest.param(token("a", log(0.7), *FOUR), 0.904784, id="four alternatives and the rest"),
        pytest.param(token("a", log(0.7), *FOUR, *FOUR), 0.904784, id="each of them twice"),
        pytest.param(token("a", log(0.7), *reversed(FOUR)), 0.904784, id="in another order"),
        pytest.param(token("d", log(0.03), *FOUR[:3]), 0.904784, id="the sampled token is outside of them"),
        pytest.param(token("d", log(0.03), FOUR[3], *FOUR[:3]), 0.904784, id="the sampled token stands first"),
        pytest.param(token("a", log(0.7), *FOUR, ("e", -9999.0)), 0.904784, id="one that stands for missing"),
        pytest.param(token("a", log(0.7), *FOUR, ("e", -inf)), 0.904784, id="an impossible one"),
        pytest.param(token("a", log(0.7), *FOUR, ("e", nan)), 0.904784, id="one that is no number"),
        pytest.param(token("a", log(0.7), *FOUR, ("e", None)), 0.904784, id="one without a number"),
        pytest.param(token("a", log(0.5), ("a", log(0.5)), ("b", log(0.5))), 0.693147, id="two that are as likely"),
        pytest.param(token("a", log(0.5), ("b", log(0.5)), ("a", log(0.5))), 0.693147, id="the sampled one second"),
        pytest.param(token("a", log(0.5), ("a", log(0.5)), ("b", log(0.3))), 1.029653, id="two alternatives"),
        pytest.param(token("a", log(0.5), ("a", log(0.5)), ("a", log(0.5))), 0.693147, id="the same twice is one"),
        pytest.param(token("a", log(0.2), ("b", log(0.5)), ("c", log(0.2))), 1.220607, id="as likely as another"),
        pytest.param(token("a", log(0.5), ("a", log(0.5))), 0.693147, id="one alternative and the rest"),
        pytest.param(token("a", -1e-9, ("a", 2e-7), ("b", 0.0)), 0.0, id="more than certain, for rounding"),
        pytest.param(token("a", -0.5, ("b", -9999.0)), None, id="only missing ones are none"),
        pytest.param(token("a", -0.5), None, id="none"),
        pytest.param(Token("a", -0.5, None), None, id="no list"),
    ],
)
def test_the_entropy_of_a_token(entry: Token, expected: float | None) -> None:
    assert entropy(entry) == (None if expected is None else pytest.approx(expected, abs=1e-6))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(token("a", log(0.7), *FOUR), 0.5, id="the first two"),
        pytest.param(token("b", log(0.2), FOUR[1], FOUR[0]), 0.5, id="in another order"),
        pytest.param(token("c", log(0.05), *FOUR[:2]), 0.5, id="the sampled token is less likely"),
        pytest.param(token("a", log(0.7), FOUR[0], FOUR[0], FOUR[1]), 0.5, id="a duplicate is no competitor"),
        pytest.param(token("b", log(0.2), FOUR[0]), 0.5, id="one alternative, and the sampled token"),
        pytest.param(token("a", log(0.5), ("a", log(0.5)), ("b", log(0.5))), 0.0, id="undecided"),
        pytest.param(token("a", log(0.7), FOUR[0]), None, id="nothing to compare with"),
        pytest.param(token("a", log(0.7)), None, id="no alternatives"),
    ],
)
def test_the_margin_of_a_token(entry: Token, expected: float | None) -> None:
    assert margin(entry) == (None if expected is None else pytest.approx(expected))


WEIGHTS = st.lists(st.floats(0.01, 10), min_size=3, max_size=8)


@given(weights=WEIGHTS, shown=st.integers(1, 7), sampled=st.integers(0, 7))
def test_it_is_at_most_the_true_entropy_and_nears_it_with_more_alternatives(
    weights: list[float], shown: int, sampled: int
) -> None:
    total = sum(weights)
    logprobs = [log(weight / total) for weight in sorted(weights, reverse=True)]
    whole = [(f"t{at}", logprob) for at, logprob in enumerate(logprobs)]
    own = whole[sampled % len(whole)]
    true = -sum(exp(logprob) * logprob for logprob in logprobs)
    some, one_more = (entropy(token(*own, *whole[:count])) for count in (shown, shown + 1))
    assert some is not None
    assert one_more is not None
    assert -1e-9 <= some <= one_more + 1e-9 <= true + 2e-9


@given(weights=WEIGHTS)
def test_the_quick_way_for_two_is_the_general_one(weights: list[float]) -> None:
    total = sum(weights)
    first, second, *_ = (("t", log(weights[0] / total)), ("u", log(weights[1] / total)))
    quick = entropy(token(*first, first, second))
    general = entropy(token(*first, first, second, first))
    assert quick == pytest.approx(general, abs=1e-12)
