"""Idle time: what is paid for hardware and billed to nobody."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.cost.idle import HOUR_US, Card, cards_at, hours_between, idle_nanousd
from routing.cost.prices import Price
from routing.words import ModelName, TokenKind

A, B, C = (ModelName(name) for name in "abc")
ON_A = Card(model=A, hardware="gpu-1", hour_nanousd=1_200_000_000, version="file")
ON_B = replace(ON_A, model=B)
ON_C = replace(ON_A, model=C, hardware="gpu-2")


@pytest.mark.parametrize(
    ("cards", "billed", "idle"),
    [
        pytest.param([], {A: 5}, {}, id="without rate cards nothing is idle"),
        pytest.param([ON_A], {}, {A: 1_200_000_000}, id="nobody asked all hour"),
        pytest.param([ON_A], {A: 450_000_000}, {A: 750_000_000}, id="what was billed is not idle"),
        pytest.param([ON_A], {A: 1_200_000_000}, {A: 0}, id="busy all hour"),
        pytest.param([ON_A], {A: 1_500_000_000}, {A: 0}, id="busier than the card expects: no credit"),
        pytest.param([ON_A], {C: 450_000_000}, {A: 1_200_000_000}, id="what others are billed for is theirs"),
        pytest.param(
            [ON_A, ON_B],
            {A: 300_000_000, B: 100_000_000},
            {A: 400_000_000, B: 400_000_000},
            id="hardware that is shared counts once, and its idle time is shared too",
        ),
        pytest.param(
            [ON_A, ON_B], {A: 1_300_000_000}, {A: 0, B: 0}, id="one busy model leaves the others no idle time"
        ),
        pytest.param(
            [ON_A, replace(ON_B, hour_nanousd=600_000_000)],
            {},
            {A: 600_000_000, B: 600_000_000},
            id="of two prices of one piece of hardware the greater counts",
        ),
        pytest.param(
            [ON_A, ON_C], {A: 200_000_000}, {A: 1_000_000_000, C: 1_200_000_000}, id="each piece of hardware by itself"
        ),
        pytest.param(
            [replace(ON_A, hour_nanousd=3), ON_B], {B: 1_199_999_999}, {A: 1, B: 0}, id="the last nano-dollar"
        ),
    ],
)
def test_what_idle_time_costs(cards: list[Card], billed: dict[ModelName, int], idle: dict[ModelName, int]) -> None:
    assert idle_nanousd(cards, billed) == idle


NAMES = st.sampled_from([ModelName(f"m{number}") for number in range(8)])
MONEY = st.integers(0, 10**18)


@given(
    st.dictionaries(NAMES, st.tuples(st.sampled_from("xyz"), st.integers(1, 10**18))),
    st.dictionaries(NAMES, MONEY),
)
def test_billed_and_idle_together_are_the_hour_unless_more_was_billed(
    models: dict[ModelName, tuple[str, int]], billed: dict[ModelName, int]
) -> None:
    cards = [
        Card(model=name, hardware=hardware, hour_nanousd=hour, version="file")
        for name, (hardware, hour) in models.items()
    ]
    idle = idle_nanousd(cards, billed)
    assert idle.keys() == models.keys()
    assert all(nanousd >= 0 for nanousd in idle.values())
    for hardware in {hardware for hardware, _ in models.values()}:
        there = [name for name, (where, _) in models.items() if where == hardware]
        hour = max(models[name][1] for name in there)
        used = sum(billed.get(name, 0) for name in there)
        assert used + sum(idle[name] for name in there) == max(hour, used)
        assert max(idle[name] for name in there) - min(idle[name] for name in there) <= 1
    assert idle_nanousd(reversed(cards), billed) == idle


def test_the_cards_of_a_moment_are_those_of_the_prices_in_force() -> None:
    tokens = Price(version="2026-01-01", since_us=10, nanousd_per_mtok={TokenKind.OUTPUT: 1})
    card = replace(tokens, version="2026-02-01", since_us=20, gpu_hour_nanousd=7)
    dearer = replace(card, version="2026-03-01", since_us=30, gpu_hour_nanousd=9)
    models = [(A, "x", (tokens, card, dearer)), (B, "x", ()), (C, "y", (replace(card, since_us=0, version="file"),))]
    of_c = Card(model=C, hardware="y", hour_nanousd=7, version="file")

    assert cards_at(models, 5) == (of_c,)
    assert cards_at(models, 15) == (of_c,)
    assert cards_at(models, 20) == (Card(model=A, hardware="x", hour_nanousd=7, version="2026-02-01"), of_c)
    assert cards_at(models, 99) == (Card(model=A, hardware="x", hour_nanousd=9, version="2026-03-01"), of_c)


@pytest.mark.parametrize(
    ("after", "until", "hours"),
    [
        pytest.param(2.0, 5.0, [2, 3, 4], id="whole hours"),
        pytest.param(2.1, 5.9, [3, 4], id="not the hours that are cut"),
        pytest.param(2.1, 3.9, [], id="less than an hour"),
        pytest.param(5.0, 5.0, [], id="nothing"),
        pytest.param(5.0, 2.0, [], id="a clock that went back"),
    ],
)
def test_hours_are_whole_ones(after: float, until: float, hours: list[int]) -> None:
    assert list(hours_between(int(after * HOUR_US), int(until * HOUR_US))) == [hour * HOUR_US for hour in hours]
