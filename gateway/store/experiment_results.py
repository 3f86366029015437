"""What was seen of experiments at their looks, as far as it is kept."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from gateway.store.codec import dump, load_any
from gateway.store.tables import experiment_results


def results(connection: Connection, experiment_id: int) -> Iterator[tuple[int, Any]]:
    """When it was looked at, as far as that was kept, and what was seen, as plain JSON; the first look first."""
    query = select(experiment_results).where(experiment_results.c.experiment_id == experiment_id)
    for row in connection.execute(query.order_by(experiment_results.c.at_us)):
        yield row.at_us, load_any(row.body)


def add_result(
    connection: Connection, experiment_id: int, at_us: int, body: Mapping[str, object], since_us: int
) -> None:
    """Keep what was seen, in place of what was seen since a moment."""
    same = experiment_results.c.experiment_id == experiment_id
    connection.execute(delete(experiment_results).where(same, experiment_results.c.at_us >= since_us))
    row = {"experiment_id": experiment_id, "at_us": at_us, "body": dump(body)}
    connection.execute(insert(experiment_results), row)
