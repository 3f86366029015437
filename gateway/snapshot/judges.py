"""What calibration has to say about each arm of a route: derived from what the route wants and from what is known."""

from collections.abc import Iterable

from gateway.snapshot.document import JudgeEntry, RouteEntry
from gateway.store.calibrations import StoredCalibration
from routing.confidence.arming import Terms, arm
from routing.confidence.evidence import Evidence
from routing.cost.prices import NANO
from routing.words import ModelName, RouteName

_NOTHING_KNOWN = Evidence()

ByArm = dict[tuple[RouteName, ModelName], StoredCalibration]


def by_arm(calibrations: Iterable[StoredCalibration]) -> ByArm:
    """Calibrations in force, to be found by route and model."""
    return {(stored.route, stored.model): stored for stored in calibrations}


def judges_of(
    name: RouteName, entry: RouteEntry, known: RouteEntry | None, calibrations: ByArm
) -> dict[ModelName, JudgeEntry]:
    """One judge for each arm, whatever its share; none for a route without a fallback.

    Args:
        name: of the route.
        entry: the route as it will be, but for its judges.
        known: the route as it is. What was derived from the same calibration for the same settings is not derived
            again, so that a roll-back waits for no statistics.
        calibrations: those in force.
    """
    return {
        model: _known(model, entry, known, stored) or _judge(entry, stored)
        for model, stored in ((model, calibrations.get((name, model))) for model in entry.split)
        if entry.fallback is not None
    }


def _known(
    model: ModelName, entry: RouteEntry, known: RouteEntry | None, stored: StoredCalibration | None
) -> JudgeEntry | None:
    judge = None if known is None else known.judges.get(model)
    if judge is None or known is None or known.fallback is None or entry.fallback is None:
        return None
    is_same_calibration = judge.calibration == (None if stored is None else stored.calibration)
    return judge if is_same_calibration and known.fallback.confidence == entry.fallback.confidence else None


def _judge(entry: RouteEntry, stored: StoredCalibration | None) -> JudgeEntry:
    labels = 0 if stored is None else stored.labels
    found = arm(
        _terms(entry),
        None if stored is None else stored.calibration,
        _NOTHING_KNOWN if stored is None else stored.evidence,
        labels,
    )
    return JudgeEntry(
        calibration=None if stored is None else stored.calibration,
        whole_threshold=found.whole_threshold,
        prefix_threshold=found.prefix_threshold,
        is_armed=found.is_armed,
        reason=found.reason,
        labels=labels,
    )


def _terms(entry: RouteEntry) -> Terms:
    assert entry.fallback is not None
    confidence = entry.fallback.confidence
    return Terms(
        mode=confidence.mode,
        share=confidence.share,
        alpha=confidence.alpha,
        delta=confidence.delta,
        value_usd=None if confidence.value_nanousd is None else confidence.value_nanousd / NANO,
    )
