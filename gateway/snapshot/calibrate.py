"""Take calibrations in, within the transaction that publishes them, and say what became of each."""

from sqlalchemy import Connection

from gateway.snapshot.document import Document, RouteEntry, Snapshot
from gateway.snapshot.errors import CalibrationExists
from gateway.store import calibrations
from gateway.store.calibrations import StoredCalibration


def takes(document: Document, stored: StoredCalibration) -> bool:
    """Whether a calibration may count: its model is an arm of a route that has a fallback and is not frozen."""
    entry = document.routes.get(stored.route)
    if entry is None or entry.fallback is None or stored.model not in entry.split:
        return False
    return not is_frozen(entry)


def is_frozen(entry: RouteEntry) -> bool:
    """Whether the calibrations of a route's arms stay as they are: somebody said so, or an experiment is running."""
    is_said = entry.fallback is not None and entry.fallback.confidence.is_frozen
    return is_said or (entry.experiment is not None and entry.experiment.is_running)


def take(connection: Connection, stored: StoredCalibration) -> None:
    """Put it in force.

    Raises:
        CalibrationExists: its route has had one of the same version.
    """
    if calibrations.one(connection, stored.route, stored.version) is not None:
        raise CalibrationExists(f"route {stored.route!r} has had a calibration {stored.version!r} already")
    calibrations.add(connection, stored)


def told(stored: StoredCalibration, previous: Snapshot | None, snapshot: Snapshot) -> tuple[str, dict[str, object]]:
    """What the audit says of it: whether it is acted on and why, and what it is."""
    judge = snapshot.document.routes[stored.route].judges[stored.model]
    route = None if previous is None else previous.document.routes.get(stored.route)
    before = None if route is None or stored.model not in route.judges else route.judges[stored.model].calibration
    return judge.reason, {
        "model": stored.model,
        "version": stored.version,
        "replaces": None if before is None else before.version,
        "labels": stored.labels,
        "armed": judge.is_armed,
        "thresholds": {"whole": judge.whole_threshold, "prefix": judge.prefix_threshold},
    }
