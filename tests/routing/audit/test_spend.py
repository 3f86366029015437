from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.audit.spend import Allowance, grant, reserve_for
from routing.cost.prices import Price
from routing.words import TokenKind

CAP = 1000
PRICE = Price(version="file", nanousd_per_mtok={TokenKind.INPUT: 2_500_000_000, TokenKind.OUTPUT: 10_000_000_000})


@dataclass
class Worker:
    """One of several, with a look at the store that takes a while."""

    name: str
    allowance: Allowance = field(default_factory=lambda: Allowance(day=1))
    asked: tuple[int, int] | None = None
    told: int | None = None
    reserved: list[int] = field(default_factory=list)


def step(rows: dict[str, int], worker: Worker, action: str, amount: int) -> None:
    """One thing that may happen at any time. `rows` are the store."""
    allowance = worker.allowance
    if action == "ask" and worker.asked is None and worker.told is None:
        worker.asked = (allowance.committed, allowance.want(amount))
    elif action == "write" and worker.asked is not None:
        committed, wanted = worker.asked
        others = sum(spent for name, spent in rows.items() if name != worker.name)
        rows[worker.name] = worker.told = grant(cap=CAP, others=others, committed=committed, wanted=wanted)
        worker.asked = None
    elif action == "fail":
        worker.asked = None
    elif action == "hear" and worker.told is not None:
        allowance.granted, worker.told = worker.told, None
    elif action == "reserve" and allowance.reserve(amount):
        worker.reserved.append(amount)
    elif action == "settle" and worker.reserved:
        reserved = worker.reserved.pop()
        allowance.settle(reserved, min(reserved, amount))


ACTIONS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["ask", "write", "hear", "reserve", "settle", "ask", "write", "hear", "reserve", "fail", "die"]),
    st.integers(0, 400),
)


@given(st.lists(ACTIONS, max_size=120))
def test_workers_never_spend_more_than_the_cap_together(actions: list[tuple[int, str, int]]) -> None:
    rows: dict[str, int] = {}
    workers = [Worker(f"w{number}") for number in range(3)]
    spent_by_the_dead, deaths = 0, 0
    for at, action, amount in actions:
        if action == "die":
            spent_by_the_dead += workers[at].allowance.settled  # what it had set aside was perhaps spent, perhaps not
            deaths += 1
            workers[at] = Worker(f"w{at}.{deaths}")
        else:
            step(rows, workers[at], action, amount)
        assert sum(worker.allowance.committed for worker in workers) + spent_by_the_dead <= CAP
        assert sum(rows.values()) <= CAP
        for worker in workers:
            assert worker.allowance.committed <= rows.get(worker.name, 0)


def test_without_a_grant_nothing_is_spent() -> None:
    assert not Allowance(day=1).reserve(1)


def test_what_was_set_aside_and_not_needed_is_there_again() -> None:
    allowance = Allowance(day=1, granted=100)
    assert allowance.reserve(100)
    assert not allowance.reserve(1)
    allowance.settle(100, 30)
    assert (allowance.settled, allowance.committed) == (30, 30)
    assert allowance.reserve(70)


def test_what_cost_more_than_was_set_aside_is_counted_and_makes_the_next_wait() -> None:
    allowance = Allowance(day=1, granted=100)
    assert allowance.reserve(100)
    allowance.settle(100, 140)
    assert not allowance.reserve(1)
    assert grant(cap=100, others=0, committed=allowance.committed, wanted=allowance.want(50)) == 140


def test_a_grant_that_is_not_wanted_any_more_is_given_back_before_the_store_hears_of_it() -> None:
    allowance = Allowance(day=1, granted=100, settled=10)
    assert allowance.want(20) == 30
    assert not allowance.reserve(21)
    assert allowance.reserve(20)


@pytest.mark.parametrize(
    ("body", "nanousd"),
    [
        pytest.param({}, 1001 * 2500 + 1024 * 10_000, id="an answer of unknown length"),
        pytest.param({"max_tokens": 10}, 1001 * 2500 + 10 * 10_000, id="as long as the request allows"),
        pytest.param(
            {"max_tokens": 10, "max_completion_tokens": 20}, 1001 * 2500 + 20 * 10_000, id="by its newer name"
        ),
        pytest.param({"max_tokens": 0}, 1001 * 2500 + 1024 * 10_000, id="no limit at all"),
        pytest.param({"max_tokens": 10**6}, 1001 * 2500 + 8192 * 10_000, id="within reason"),
    ],
)
def test_money_is_set_aside_by_the_request_alone(body: Mapping[str, Any], nanousd: int) -> None:
    assert reserve_for(body, 3000, PRICE, None) == nanousd


def test_a_judge_is_asked_twice() -> None:
    once = (1001 + 2 * 10 + 256) * 2500 + 256 * 10_000
    alone = reserve_for({"max_tokens": 10}, 3000, PRICE, None)
    assert reserve_for({"max_tokens": 10}, 3000, PRICE, PRICE) == alone + 2 * once
