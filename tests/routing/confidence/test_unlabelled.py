"""Confidence before there are labels."""

from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import Features
from routing.confidence.scorer import ScorerKind
from routing.confidence.unlabelled import GRID, confidences, grid_of, is_short, scorer_without_labels


def answer(total: float, tokens: int = 12, first: float | None = -0.25) -> Features:
    return Features(
        tokens=tokens,
        sum_logprob=total,
        min_logprob=total,
        q10_logprob=total,
        q20_logprob=total,
        first_logprob=first,
    )


@given(st.lists(st.floats(-1e6, 0), min_size=1, max_size=700))
def test_a_grid_is_ascending_no_longer_than_allowed_and_made_of_the_values(values: list[float]) -> None:
    grid = grid_of(values)
    assert len(grid) == min(len(values), GRID)
    assert list(grid) == sorted(grid)
    assert set(grid) <= set(values)


@given(st.integers(50, 3000))
def test_the_rank_of_evenly_spread_answers_is_evenly_spread(n: int) -> None:
    answers = [answer(-float(k)) for k in range(n)]
    scorer = scorer_without_labels(answers, is_short=False)
    assert scorer is not None
    ranks = confidences(scorer, answers)
    assert all(abs(rank - (n - 1 - k) / n) <= 1 / min(n, GRID) + 1e-9 for k, rank in enumerate(ranks))


def test_too_few_answers_are_nothing_to_compare_with() -> None:
    assert scorer_without_labels([answer(-1.0)] * 49, is_short=False) is None
    assert scorer_without_labels([answer(-1.0)] * 49, is_short=True) is None


def test_answers_of_one_word_are_judged_by_it() -> None:
    scorer = scorer_without_labels([answer(-1.0, tokens=1)] * 50, is_short=True)
    assert scorer is not None
    assert scorer.kind is ScorerKind.FIRST_TOKEN
    assert confidences(scorer, [answer(-1.0, first=0.0), answer(-1.0, first=None)]) == (1.0,)


def test_answers_are_short_when_the_median_one_is() -> None:
    assert is_short([answer(-1.0, tokens=tokens) for tokens in (1, 2, 3, 40, 90)])
    assert not is_short([answer(-1.0, tokens=tokens) for tokens in (1, 2, 4, 4, 90)])
