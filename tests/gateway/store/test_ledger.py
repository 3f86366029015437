"""The ledger's lines, on both kinds of store: what records say, each attempt once."""

from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import AttemptRow, Entry, ShadowOutcome, ShadowRow
from gateway.store import ledger
from gateway.store.engine import Store
from gateway.store.ledger_pairs import pairs_of
from gateway.store.ledger_tables import ledger_later
from gateway.store.retention import expire
from gateway.store.tables import attempts
from routing.cost.idle import HOUR_US
from routing.cost.ledger import Line
from routing.words import ModelName, Purpose, Result
from tests.fakes.records import STARTED_US, attempt_rows, audit_outcome, request_id, request_row, served_row

FIRST_HOUR_US = STARTED_US // HOUR_US * HOUR_US


def write(store: Store, seq: int, *entries: Entry, writer: str = "w") -> None:
    BatchWriter(store, writer, lambda: STARTED_US).write(Batch(seq=seq, entries=entries))


def served(number: int, *, started_us: int = STARTED_US, route: str = "support", **changed: object) -> Entry:
    row = served_row(number, started_us=started_us)._replace(route=route)
    plain = {"purpose": Purpose.SERVE, "result": Result.COMPLETED, "cost_nanousd": 10, "usage_estimated": False}
    attempt = attempt_rows(number, started_us=started_us)[0]
    return row, [attempt._replace(**{**plain, **changed})]  # type: ignore[arg-type]


def shadow(number: int) -> ShadowOutcome:
    attempt = attempt_rows(number)[1]._replace(number=3, purpose=Purpose.SHADOW, cost_nanousd=500)
    row = ShadowRow(request_id(number), "support", "v1", "large", 3, 0.5, True, STARTED_US)
    return ShadowOutcome(request_id=request_id(number), attempts=[attempt], row=row)


def roll_up(store: Store, limit: int = 1000) -> int:
    """Until nothing is left; how many pieces it took."""
    pieces = 0
    while True:
        with store.reading() as connection:
            waiting = ledger.behind(connection)
        if not waiting:
            return pieces
        for writer, seq in waiting.items():
            with store.writing() as connection:
                assert ledger.roll_up(connection, writer, seq, limit)
            pieces += 1


def lines(store: Store, route: str = "support") -> dict[tuple[str, str], Line]:
    with store.reading() as connection:
        found = ledger.lines_of(connection, route, 0, 2**62)
    return {(line.model, line.purpose): line for line in found}


def test_a_line_says_what_its_attempts_say(store: Store) -> None:
    write(store, 1, (request_row(1), attempt_rows(1)), served(2, cached_input_tokens=30, reasoning_tokens=4))
    roll_up(store)
    found = lines(store)
    assert found["v1", "draft"] == Line(
        hour_us=FIRST_HOUR_US,
        route="support",
        model=ModelName("v1"),
        purpose="draft",
        requests=1,
        attempts=1,
        unpriced=1,
        estimated=1,
        input_tokens=100,
        output_tokens=16,
    )
    fallback = found["large", "fallback"]
    assert (fallback.requests, fallback.attempts, fallback.cost_nanousd) == (0, 1, 1_234_567_890_123)
    own = found["v1", "serve"]
    assert (own.input_tokens, own.cached_input_tokens, own.output_tokens, own.reasoning_tokens) == (70, 30, 12, 4)


def test_what_audits_and_shadows_called_goes_with_the_batch_that_brought_it(store: Store) -> None:
    write(store, 1, served(1), served(2), shadow(2))
    roll_up(store)
    assert {key: line.attempts for key, line in lines(store).items()} == {("v1", "serve"): 2, ("large", "shadow"): 1}
    write(store, 2, audit_outcome(1), shadow(1))
    roll_up(store)
    found = lines(store)
    assert {key: line.cost_nanousd for key, line in found.items()} == {
        ("v1", "serve"): 20,
        ("large", "shadow"): 1000,
        ("large", "audit"): 1000,
    }
    with store.reading() as connection:
        assert connection.execute(select(ledger_later)).all() == []


def test_it_is_counted_once_however_often_it_is_tried(store: Store) -> None:
    write(store, 1, served(1))
    with store.reading() as connection:
        waiting = ledger.behind(connection)
    assert waiting == {"w": None}
    for expected in (True, False):
        with store.writing() as connection:
            assert ledger.roll_up(connection, "w", None, 10) is expected
    write(store, 2, served(2))
    for expected in (True, False):
        with store.writing() as connection:
            assert ledger.roll_up(connection, "w", 1, 10) is expected
    assert lines(store)["v1", "serve"].attempts == 2


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_lines_are_the_same_in_pieces_of_any_size(store: Store, limit: int) -> None:
    for seq in range(1, 6):
        write(store, seq, served(seq), served(100 + seq, started_us=STARTED_US + HOUR_US))
        write(store, seq, served(200 + seq), writer="another")
    assert roll_up(store, limit) >= 2
    assert lines(store)["v1", "serve"].attempts == 15
    with store.reading() as connection:
        ends = (FIRST_HOUR_US, FIRST_HOUR_US + HOUR_US)
        by_hour = [ledger.lines_of(connection, "support", end, end + HOUR_US)[0] for end in ends]
    assert [(line.hour_us, line.attempts) for line in by_hour] == [(ends[0], 10), (ends[1], 5)]


def test_a_batch_that_overtakes_another_is_not_lost(store: Store) -> None:
    write(store, 5, served(5), writer="quick")
    roll_up(store)
    write(store, 1, served(1), writer="slow")
    roll_up(store)
    assert lines(store)["v1", "serve"].attempts == 2


def test_an_audit_whose_request_was_never_recorded_is_on_no_route(store: Store) -> None:
    write(store, 1, audit_outcome(1))
    roll_up(store)
    assert lines(store) == {}
    assert lines(store, "")["large", "audit"].cost_nanousd == 1000


def test_lines_stay_when_records_go(store: Store) -> None:
    write(store, 1, served(1), (request_row(2), attempt_rows(2)))
    roll_up(store)
    before = lines(store)
    assert expire(store, STARTED_US + HOUR_US) == 2
    assert roll_up(store) == 0
    assert lines(store) == before


def test_lines_add_up_to_all_attempts_of_all_routes(store: Store) -> None:
    for number in range(1, 30):
        entry = served(number, route=f"r{number % 3}", cost_nanousd=number**5 if number % 4 else None)
        write(store, number, entry, audit_outcome(number))
    roll_up(store, 7)
    from_lines: Counter[str] = Counter()
    for route in ("r0", "r1", "r2"):
        for line in lines(store, route).values():
            from_lines[line.purpose] += line.cost_nanousd
            from_lines[f"{line.purpose} output"] += line.output_tokens
    with store.reading() as connection:
        rows = [AttemptRow(*row) for row in connection.execute(select(attempts))]
    from_rows: Counter[str] = Counter()
    for row in rows:
        from_rows[row.purpose] += row.cost_nanousd or 0
        from_rows[f"{row.purpose} output"] += row.output_tokens or 0
    assert from_lines == from_rows


def test_pairs_are_summed_by_their_chances(store: Store) -> None:
    write(store, 1, served(1, cost_nanousd=10), shadow(1), served(2, cost_nanousd=20), served(3))
    # The audit was drawn with a chance of a quarter; it cost 1,000, the shadow 500 with a chance of a half.
    own = attempt_rows(4)[0]._replace(purpose=Purpose.SERVE, result=Result.COMPLETED, cost_nanousd=20)
    write(store, 2, (served_row(4)._replace(audit_propensity=0.25), [own]), audit_outcome(4))
    roll_up(store)
    with store.reading() as connection:
        found = pairs_of(connection, "support", "large", 0, 2**62)
        assert pairs_of(connection, "support", "next", 0, 2**62) is None
    assert found is not None
    assert (found.n, found.weight, found.arm, found.large) == (2, 6.0, 2 * 10 + 4 * 20, 2 * 500 + 4 * 1000)
    assert (found.squares_weight, found.squares_arm, found.squares_large) == (20.0, 6_800.0, 17_000_000.0)
    assert (found.products, found.by_weight_arm, found.by_weight_large) == (340_000.0, 360.0, 18_000.0)
    assert (found.arm_input, found.large_output) == (600.0, 96.0)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"cost_nanousd": None}, id="an unknown price"),
        pytest.param({"result": Result.ERROR}, id="no answer"),
        pytest.param({"purpose": Purpose.JUDGE}, id="a judge's answer"),
    ],
)
def test_what_is_no_pair_is_left_out(store: Store, changed: dict[str, object]) -> None:
    outcome = shadow(1)
    attempt = outcome.attempts[0]._replace(**changed)  # type: ignore[arg-type]
    write(store, 1, served(1), replace(outcome, attempts=[attempt]))
    write(store, 2, (request_row(2), attempt_rows(2)), shadow(2))
    roll_up(store)
    with store.reading() as connection:
        assert pairs_of(connection, "support", "large", 0, 2**62) is None
