"""What applications said of answers: what waits for its request, and what became of it.

Feedback is written by the data plane, which asks nobody; here it is looked up against the requests and settled.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, exists, or_, select, text

from gateway.store.tables import feedback, requests


class FeedbackState(StrEnum):
    """What became of feedback."""

    WAITING = "waiting"
    JOINED = "joined"
    REFUSED = "refused"


class FeedbackKind(StrEnum):
    """What its value is."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    COMMENT = "comment"
    DEMONSTRATION = "demonstration"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in the order in which feedback came."""

    received_us: int
    feedback_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Feedback that nobody has settled yet."""

    feedback_id: str
    tenant: str
    key_name: str
    request_id: str | None
    answer_id: str | None
    metric: str
    kind: FeedbackKind
    value: str
    """JSON."""
    idempotency_key: str | None
    received_us: int

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.received_us, self.feedback_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRequest:
    """What joining needs to know of a request."""

    request_id: str
    tenant: str
    key_name: str | None
    answer_id: str | None
    route: str
    arm: str | None
    model: str | None
    outcome: str
    is_forced: bool
    threshold: float | None
    started_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of one piece of feedback."""

    feedback_id: str
    state: FeedbackState
    detail: str | None
    """Why it was refused, or why it is no label; `None` where there is nothing to say."""
    joined_request_id: str | None
    """The request that was found, if one was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Feedback that was refused, for operators. What it said is not shown."""

    feedback_id: str
    received_us: int
    key_name: str
    request_id: str | None
    answer_id: str | None
    metric: str
    detail: str | None


_WAITING_COLUMNS: Final = tuple(feedback.c[name] for name in Waiting.__slots__)
_REQUEST_COLUMNS: Final = tuple(requests.c[name] for name in FoundRequest.__slots__)
_REFUSAL_COLUMNS: Final = tuple(feedback.c[name] for name in Refusal.__slots__)

# Who settles something that somebody else has settled meanwhile changes nothing.
_SETTLE = text(
    "UPDATE feedback SET state = :state, detail = :detail, joined_request_id = :joined_request_id "
    f"WHERE feedback_id = :feedback_id AND state = '{FeedbackState.WAITING}'"
)


def waiting(connection: Connection, *, after: Place, until_us: int, limit: int) -> list[Waiting]:
    """What waits behind a place and came before a moment, in the order in which it came."""
    at_us = feedback.c.received_us
    behind = (at_us > after.received_us) | ((at_us == after.received_us) & (feedback.c.feedback_id > after.feedback_id))
    query = (
        select(*_WAITING_COLUMNS)
        # The first bound is implied by `behind`, which by itself would keep the index from being used.
        .where(feedback.c.state == FeedbackState.WAITING, at_us >= after.received_us, at_us < until_us, behind)
        .order_by(at_us, feedback.c.feedback_id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [Waiting(**{**row, "kind": FeedbackKind(row["kind"])}) for row in rows]


def find_requests(connection: Connection, said: Sequence[Waiting]) -> dict[str, FoundRequest]:
    """The requests that are meant, by feedback id; what has none is left out.

    The request of an id is found whosever it is. One that is known by its answer's id is looked for in the tenant, and
    of several, as when an upstream repeats its ids, the newest of the same key is taken.
    """
    with_id = _found(connection, requests.c.request_id, (one.request_id for one in said))
    by_id = {found.request_id: found for found in with_id}
    rest = [one for one in said if one.request_id not in by_id]
    by_answer: dict[tuple[str, str | None], list[FoundRequest]] = defaultdict(list)
    for found in _found(connection, requests.c.answer_id, (one.answer_id for one in rest)):
        by_answer[found.tenant, found.answer_id].append(found)
    meant = {one.feedback_id: by_id[one.request_id] for one in said if one.request_id in by_id}
    for one in rest:
        candidates = by_answer.get((one.tenant, one.answer_id))
        if candidates:
            meant[one.feedback_id] = max(candidates, key=lambda r: (r.key_name == one.key_name, r.request_id))
    return meant


def repetitions(connection: Connection, said: Sequence[Waiting]) -> set[str]:
    """Which of these were sent before under their idempotency key, as feedback ids.

    The first to come counts. If a later one was joined already, as when the first was held up on its way, that one.
    """
    keyed = [one.feedback_id for one in said if one.idempotency_key is not None]
    if not keyed:
        return set()
    other = feedback.alias()
    is_same = [other.c[name] == feedback.c[name] for name in ("idempotency_key", "tenant", "key_name")]
    is_earlier = (other.c.received_us < feedback.c.received_us) | (
        (other.c.received_us == feedback.c.received_us) & (other.c.feedback_id < feedback.c.feedback_id)
    )
    is_joined = (other.c.state == FeedbackState.JOINED) & (other.c.feedback_id != feedback.c.feedback_id)
    # The first that is found is enough, however often something is sent again.
    before = exists().where(*is_same, is_earlier | is_joined).correlate(feedback)
    query = select(feedback.c.feedback_id).where(feedback.c.feedback_id.in_(keyed), before)
    return set(connection.execute(query).scalars())


def settle(connection: Connection, settled: Sequence[Settled]) -> None:
    """Say what became of feedback."""
    if settled:
        connection.execute(_SETTLE, [{**asdict(one), "state": one.state.value} for one in settled])


def refusals(connection: Connection, route: str, limit: int) -> list[Refusal]:
    """What was refused lately, newest first: of a route, and what found no request and so has none."""
    query: Select[Any] = (
        select(*_REFUSAL_COLUMNS)
        .select_from(feedback.outerjoin(requests, requests.c.request_id == feedback.c.joined_request_id))
        .where(feedback.c.state == FeedbackState.REFUSED)
        .where(or_(feedback.c.joined_request_id.is_(None), requests.c.route == route))
        .order_by(feedback.c.received_us.desc(), feedback.c.feedback_id.desc())
        .limit(limit)
    )
    return [Refusal(**row) for row in connection.execute(query).mappings()]


def _given(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})


def _found(connection: Connection, column: Column[Any], values: Iterable[str | None]) -> list[FoundRequest]:
    given = _given(values)
    if not given:
        return []
    query = select(*_REQUEST_COLUMNS).where(column.in_(given))
    return [FoundRequest(**row) for row in connection.execute(query).mappings()]
