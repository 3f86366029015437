import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.sampling import ANSWERS, BURST, Sampler


def looked(sampler: Sampler, requests: int, second: int) -> tuple[int, int]:
    """How many texts are described, and answers counted, of so many requests within a second."""
    found = [sampler.look(f"{second}-{number}", second + number / requests) for number in range(requests)]
    return sum(text for text, _ in found), sum(answer for _, answer in found)


def test_all_are_looked_at_while_they_are_few() -> None:
    sampler = Sampler("support.1", 50)
    assert [looked(sampler, 50, second) for second in (100, 101, 102)] == [(50, 50)] * 3


def test_of_many_about_as_many_are_described_as_was_asked_for_and_four_times_as_many_answers_counted() -> None:
    sampler = Sampler("support.1", 50)
    looked(sampler, 5000, 100)
    found = [looked(sampler, 5000, second) for second in range(101, 121)]
    assert sum(text for text, _ in found) / 20 == pytest.approx(50, rel=0.15)
    assert sum(answer for _, answer in found) / 20 == pytest.approx(200, rel=0.1)


def test_a_burst_after_silence_is_bounded() -> None:
    sampler = Sampler("support.1", 50)
    assert looked(sampler, 20_000, 100) == (50 * BURST, 50 * ANSWERS * BURST)


def test_the_share_comes_back_when_traffic_falls() -> None:
    sampler = Sampler("support.1", 50)
    for second in (100, 101):
        looked(sampler, 5000, second)
    looked(sampler, 10, 102)
    assert looked(sampler, 10, 103) == (10, 10)


def test_the_rate_of_a_pause_is_its_mean() -> None:
    sampler = Sampler("support.1", 50)
    looked(sampler, 1000, 100)
    assert looked(sampler, 40, 200) == (40, 40)  # a thousand in a hundred seconds are few


@given(st.text(max_size=40), st.integers(1, 5000))
def test_whose_text_is_described_has_its_answer_counted(request_id: str, before: int) -> None:
    sampler = Sampler("support.1", 3)
    for number in range(before):
        sampler.look(str(number), 10.0)
    takes_text, takes_answer = sampler.look(request_id, 11.0)
    assert takes_answer >= takes_text


def test_which_requests_they_are_depends_on_their_ids_alone() -> None:
    def chosen(order: int) -> set[str]:
        sampler = Sampler("support.1", 10)
        looked(sampler, 200, 100)
        ids = [f"id-{number}" for number in range(200)][::order]
        return {one for one in ids if sampler.look(one, 101.5)[0]}

    assert chosen(1) == chosen(-1)
    assert 2 < len(chosen(1)) < 25
