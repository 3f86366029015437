"""Find one request by the id that a client has, with all that was recorded of it."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from gateway.store.codec import load_any
from gateway.store.tables import attempts, requests

# An answer's id is made of the request's where the upstream is vLLM.
_OWN_ANSWER_ID: Final = re.compile(r"(?:chat)?cmpl-(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A record, by the names of its columns; features are lists."""

    request: dict[str, Any]
    attempts: list[dict[str, Any]]


def find_request(connection: Connection, given_id: str) -> RecordedRequest | None:
    """The request of this id, or the newest whose answer has it; `None` where nothing is recorded."""
    if "\0" in given_id:
        return None  # no id has that, and PostgreSQL does not even look for it
    own = _OWN_ANSWER_ID.fullmatch(given_id)
    request_id = (own[1] if own else given_id).lower()
    row = connection.execute(select(requests).where(requests.c.request_id == request_id)).mappings().first()
    if row is None:
        by_answer = select(requests).where(requests.c.answer_id == given_id)
        row = connection.execute(by_answer.order_by(requests.c.request_id.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    found = _plain(row)
    for name in ("prefix_features", "whole_features"):
        found[name] = None if found[name] is None else load_any(found[name])
    made = select(attempts).where(attempts.c.request_id == found["request_id"]).order_by(attempts.c.number)
    return RecordedRequest(request=found, attempts=[_plain(one) for one in connection.execute(made).mappings()])


def _plain(row: RowMapping) -> dict[str, Any]:
    # The names of columns are a kind of text of their own, which is not JSON to everybody.
    return {str(name): value for name, value in row.items()}
