"""Forget what is older than the operator wants to keep, a little at a time, so that nobody waits for it."""

from sqlalchemy import Connection, delete, func, select

from gateway.store import drift
from gateway.store.engine import Store
from gateway.store.tables import attempts, batches, feedback, labels, requests, shadows, snapshots, spend, workers
from routing.audit.sample import day_of


def expire(store: Store, older_than_us: int, limit: int = 1000) -> int:
    """Delete up to `limit` requests that began before `older_than_us`, with all that hangs on them.

    With the last of them go the batches, the silent workers, the snapshots, the spending and drift's windows of that
    time, and feedback that found no request; the snapshot that was in force at the end of it stays, and so do audit and
    history.

    Returns:
        How many requests were deleted. Fewer than `limit`: there are no more.
    """
    with store.writing() as connection:
        deleted = _expire_requests(connection, older_than_us, limit)
        if deleted < limit:
            connection.execute(delete(batches).where(batches.c.written_us < older_than_us))
            connection.execute(delete(workers).where(workers.c.heartbeat_us < older_than_us))
            connection.execute(delete(feedback).where(feedback.c.received_us < older_than_us))
            connection.execute(delete(spend).where(spend.c.day < day_of(older_than_us)))
            drift.expire(connection, older_than_us)
            _expire_snapshots(connection, older_than_us)
    return deleted


def _expire_requests(connection: Connection, older_than_us: int, limit: int) -> int:
    # A request id begins with its time, and is the primary key: no index on the time itself is needed.
    old = select(requests.c.request_id).where(requests.c.request_id < first_id_at(older_than_us))
    ids = connection.execute(old.order_by(requests.c.request_id).limit(limit)).scalars().all()
    if ids:
        # The ids are the lowest that there are, so a range deletes exactly them.
        connection.execute(delete(attempts).where(attempts.c.request_id <= ids[-1]))
        connection.execute(delete(labels).where(labels.c.request_id <= ids[-1]))
        connection.execute(delete(shadows).where(shadows.c.request_id <= ids[-1]))
        connection.execute(delete(feedback).where(feedback.c.joined_request_id <= ids[-1]))
        connection.execute(delete(requests).where(requests.c.request_id <= ids[-1]))
    return len(ids)


def _expire_snapshots(connection: Connection, older_than_us: int) -> None:
    old = select(func.max(snapshots.c.revision)).where(snapshots.c.created_us < older_than_us)
    in_force = connection.execute(old).scalar()
    if in_force is not None:
        connection.execute(delete(snapshots).where(snapshots.c.revision < in_force))


def first_id_at(at_us: int) -> str:
    """The lowest UUIDv7 of a moment: its first 48 bits are milliseconds since 1970."""
    milliseconds = f"{at_us // 1000:012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7000-8000-000000000000"
