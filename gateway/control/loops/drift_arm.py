"""What is kept of an arm that is watched for drift, and one pass over its slices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.snapshot.document import RouteEntry
from gateway.snapshot.drift_entry import DriftEntry
from gateway.store.drift import Slice, Window
from routing.drift.accuracy import Estimate, estimated, have_parted, interval
from routing.drift.alarms import Alarm, Sign, raised
from routing.drift.audited import Audited
from routing.drift.features import Side
from routing.drift.growing import Growing, Wanted
from routing.drift.labels import LabelWatch
from routing.drift.means import WATCHED
from routing.drift.rates import Looks, Rates, rates_of, windows_a_day
from routing.drift.watch import NUMBERS, Ended, Terms, Watch
from routing.words import ModelName, RouteName

if TYPE_CHECKING:
    from routing.drift.reference import Reference

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The state of an arm."""

    watch: Watch
    labels: LabelWatch
    quality: Json
    """What is known of its accuracy: `estimated`, `audited` and `parted_since_us`, each null where it is unknown."""

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> "Arm":
        """As it was kept; fresh where nothing was."""
        if state is None:
            quality: Json = {"estimated": None, "audited": None, "parted_since_us": None}
            return cls(watch=Watch(), labels=LabelWatch(), quality=quality)
        return cls(
            watch=Watch.from_document(state["watch"]),
            labels=LabelWatch.from_document(state["labels"]),
            quality=dict(state["quality"]),
        )

    def as_document(self) -> Json:
        """As JSON can hold it."""
        watch, labels = self.watch.as_document(), self.labels.as_document()
        return {"watch": watch, "labels": labels, "quality": self.quality}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a pass over an arm goes by."""

    route: RouteName
    model: ModelName
    entry: RouteEntry
    arm: Arm
    references: "Mapping[Side, Reference]"
    labels: Sequence[tuple[float, int]]
    """New ones: 0 or 1, and when each was made; in their order."""
    audited: Audited | None
    is_calibrated: bool
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a pass leaves."""

    route: RouteName
    model: ModelName
    arm: Arm
    windows: Sequence[Window]
    complete: Sequence[Growing]
    """References that are complete now."""
    begun: Sequence[Alarm]
    over: Sequence[str]


def terms_of(entry: DriftEntry, arms: int) -> Terms:
    """How each of a route's arms is watched."""
    looks = Looks(
        arms=arms, windows_a_day=windows_a_day(entry.window_minutes), sums=len(NUMBERS), detectors=len(WATCHED)
    )
    return Terms(
        window_requests=entry.window_requests,
        window_us=round(entry.window_minutes * MINUTE_US),
        rates=rates_of(entry.false_alarm_every_days, entry.alpha, looks),
        wanted=Wanted(requests=entry.reference_requests, over_us=round(entry.reference_hours * HOUR_US)),
    )


def pass_of(known: Known, slices: Iterable[Slice]) -> Passed:
    """Fold slices, in the order of their time, into an arm's state."""
    terms = terms_of(known.entry.drift, len(known.entry.split))
    watch, ended = known.arm.watch, []
    for one in slices:
        watch, window = watch.after(one.summary, one.began_us, one.ended_us, terms, known.references)
        if window is not None:
            ended.append(window)
    watch, labels = _labelled(watch, known, terms.rates)
    complete = [growing for growing in watch.growing.values() if growing.is_complete(terms.wanted)]
    for side in {growing.side for growing in complete} | set(known.references):
        watch = watch.without_growing(side)
    before, after = known.arm.watch.alarms, watch.alarms
    quality = _quality(known, ended)
    return Passed(
        route=known.route,
        model=known.model,
        arm=Arm(watch=watch, labels=labels, quality=quality),
        windows=[_window(known, window, after) for window in ended],
        complete=complete,
        begun=[alarm for name, alarm in after.items() if name not in before],
        over=[name for name in before if name not in after],
    )


def _labelled(watch: Watch, known: Known, rates: Rates) -> tuple[Watch, LabelWatch]:
    labels = known.arm.labels
    if known.labels:
        labels = labels.after([value for value, _ in known.labels], max(made_us for _, made_us in known.labels))
    labels, sign = labels.sign(rates.label_alarm)
    return (watch, labels) if sign is None else (_raise(watch, sign, known.at_us), labels)


def _raise(watch: Watch, sign: Sign, at_us: int) -> Watch:
    return replace(watch, alarms=raised(watch.alarms, [sign], at_us))


def _quality(known: Known, ended: Sequence[Ended]) -> Json:
    """Both accuracies as they are now; an estimate stands until another window is over."""
    quality = dict(known.arm.quality)
    found = estimated(ended[-1].summary) if ended and known.is_calibrated else None
    if ended:
        quality["estimated"] = None if found is None else _estimate(found)
    audited = known.audited
    if audited is None:
        quality["audited"] = None
    else:
        lower, upper = interval(audited)
        quality["audited"] = {"n": audited.n, "accuracy": audited.accuracy, "lower": lower, "upper": upper}
    if found is not None and audited is not None:
        since_us = quality["parted_since_us"] or known.at_us
        quality["parted_since_us"] = since_us if have_parted(found, audited) else None
    return quality


def _estimate(found: Estimate) -> Json:
    return {"n": found.n, "accuracy": found.accuracy, "lower": found.lower, "upper": found.upper}


def _window(known: Known, ended: Ended, alarms: Mapping[str, Alarm]) -> Window:
    """What is kept of a window: findings, and what has shifted where there is an alarm."""
    reference = known.references.get(Side.INPUT)
    has_alarm = any(found.is_alarm for found in ended.findings)
    body: Json = {
        "inputs": ended.summary.inputs,
        "outputs": ended.summary.outputs,
        "findings": [asdict(found) for found in ended.findings],
        "grams": [],
        "templates": [],
    }
    if has_alarm and reference is not None:
        from routing.drift.shifted import fresh_templates, shifted_grams

        body["grams"] = [asdict(piece) for piece in shifted_grams(reference, ended.summary)]
        body["templates"] = [asdict(piece) for piece in fresh_templates(reference, ended.summary)]
    return Window(known.route, known.model, ended.began_us, ended.ended_us, ended.summary.seen, body)
