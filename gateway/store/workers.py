"""What the workers say of themselves: which revision each has in force, and that it lives."""

from dataclasses import asdict, dataclass, field

from sqlalchemy import delete, select, text

from gateway.store.codec import dump, load
from gateway.store.engine import Store
from gateway.store.tables import workers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """One process of a data plane."""

    writer_id: str
    host: str
    pid: int
    revision: int
    """What its requests see; 0 before the first snapshot."""
    loaded_us: int
    """When that revision came into force there; 0 before the first."""
    heartbeat_us: int
    started_us: int
    ready: bool
    notices: list[str] = field(default_factory=list)
    """Sentences for the operator, such as an upstream's key that is missing from this worker's environment."""


_COLUMNS = [column.name for column in workers.columns]
_UPSERT = text(
    f"INSERT INTO workers ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    f"ON CONFLICT (writer_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


def report(store: Store, worker: WorkerReport) -> None:
    """Take down what a worker says, in place of what it said before."""
    with store.writing() as connection:
        connection.execute(_UPSERT, {**asdict(worker), "notices": dump(worker.notices)})


def live(store: Store, now_us: int, max_age_s: float = 10.0) -> list[WorkerReport]:
    """The workers that have been heard of lately, by writer id."""
    since_us = now_us - int(max_age_s * 1_000_000)
    query = select(workers).where(workers.c.heartbeat_us >= since_us).order_by(workers.c.writer_id)
    with store.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return [WorkerReport(**{**row, "notices": load(row["notices"], list[str])}) for row in rows]


def forget(store: Store, writer_id: str) -> None:
    """Strike a worker that ended as it should."""
    with store.writing() as connection:
        connection.execute(delete(workers).where(workers.c.writer_id == writer_id))
