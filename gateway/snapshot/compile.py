"""From file and overlays to a document: pure, so that every control plane compiles the same."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.snapshot.confidence import confidence_entry
from gateway.snapshot.document import (
    AuditEntry,
    Document,
    FallbackEntry,
    KeyEntry,
    ModelEntry,
    RouteEntry,
    ShadowEntry,
    Snapshot,
)
from gateway.snapshot.errors import InvalidAudit, InvalidShadow, InvalidSplit, UnknownArm
from gateway.snapshot.experiment_entry import experiment_entry
from gateway.snapshot.file import FileDocument, FileRoute, from_config
from gateway.snapshot.judges import by_arm, judges_of
from gateway.snapshot.overlay import Overlay, OverlayField, OverlayScope, SplitValue
from gateway.store.calibrations import StoredCalibration
from gateway.store.experiments import StoredExperiment
from routing.assignment.buckets import BUCKETS
from routing.assignment.ranges import allocate
from routing.words import ModelName, RouteName

__all__ = ["FileDocument", "FileRoute", "check_split", "compile_document", "from_config"]


def compile_document(  # noqa: PLR0913  # everything a document is made of
    file: FileDocument,
    overlays: Iterable[Overlay],
    stored_keys: Sequence[KeyEntry],
    previous: Snapshot | None,
    unit_secret: str,
    *,
    revision: int,
    calibrations: Iterable[StoredCalibration] = (),
    experiments: Iterable[StoredExperiment] = (),
) -> Document:
    """The document of `revision`.

    Args:
        file: the file that counts.
        overlays: all that operators changed; what lies on something that the file does not have has no effect.
        stored_keys: the keys that are not in the file.
        previous: the snapshot in force, from whose ranges the new ones are allocated; `None` for the first.
        unit_secret: 64 hexadecimal digits.
        revision: the number that the document will be published under.
        calibrations: those in force; those of what the file does not have have no effect.
        experiments: all that were started.

    Raises:
        UnknownArm, InvalidSplit, InvalidConfidence, InvalidAudit, InvalidShadow: an overlay does not go together with
            the file.
    """
    by_thing: dict[tuple[OverlayScope, str], dict[OverlayField, object]] = {}
    for overlay in overlays:
        by_thing.setdefault((overlay.scope, overlay.name), {})[overlay.field] = overlay.value
    routes = {}
    known_arms = by_arm(calibrations)
    started = list(experiments)
    for name, route in file.routes.items():
        fields = by_thing.get((OverlayScope.ROUTE, name), {})
        known = None if previous is None else previous.document.routes.get(name)
        entry = _route(name, route, fields, known, models=file.models, revision=revision)
        routes[name] = msgspec.structs.replace(
            entry,
            experiment=experiment_entry(route.experiment, [one for one in started if one.route == name]),
            judges=judges_of(name, entry, known, known_arms),
        )
    models = {name: _model(model, by_thing.get((OverlayScope.MODEL, name), {})) for name, model in file.models.items()}
    return Document(keys=(*file.keys, *stored_keys), models=models, routes=routes, unit_secret=unit_secret)


def _model(model: ModelEntry, fields: Mapping[OverlayField, object]) -> ModelEntry:
    if OverlayField.MODEL_ENABLED not in fields:
        return model
    return msgspec.structs.replace(model, is_enabled=bool(fields[OverlayField.MODEL_ENABLED]))


def _route(  # a route and its surroundings
    name: RouteName,
    route: FileRoute,
    fields: Mapping[OverlayField, object],
    known: RouteEntry | None,
    *,
    models: Mapping[ModelName, ModelEntry],
    revision: int,
) -> RouteEntry:
    value = _split(name, route, fields, models)
    salt = value.salt or (known.salt if known else f"{name}.1")
    ranges = value.ranges or allocate(known.ranges if known else (), value.split)
    stands = known is not None and (known.salt, known.ranges) == (salt, ranges)
    fallback = None if route.fallback is None else _fallback(name, route.fallback, fields)
    idle = {OverlayField.AUDIT_SHARE} if route.audit is None else set()
    if fallback is None:
        idle = set(OverlayField) - {OverlayField.SPLIT, OverlayField.SHADOW_SHARE}
    if route.shadow is None:
        idle.add(OverlayField.SHADOW_SHARE)
    return RouteEntry(
        salt=salt,
        split=value.split,
        ranges=ranges,
        ranges_revision=known.ranges_revision if known is not None and stands else revision,
        unit=route.unit,
        fallback=fallback,
        timeouts=route.timeouts,
        overlay=tuple(sorted(field.value for field in fields if field not in idle)),
        audit=_audit(name, route.audit, fields),
        targets=route.targets,
        shadow=_shadow(name, route.shadow, fields),
        retrain=route.retrain,
        drift=route.drift,
    )


def _split(
    name: RouteName, route: FileRoute, fields: Mapping[OverlayField, object], models: Mapping[ModelName, ModelEntry]
) -> SplitValue:
    """The split that counts, with the file's other arms at 0, so that they can be seen and given a share again."""
    if OverlayField.SPLIT not in fields:
        return SplitValue(split=route.split)
    value = msgspec.convert(fields[OverlayField.SPLIT], SplitValue)
    split = {arm: share for arm, share in value.split.items() if share or arm in models}
    check_split(name, split, models, route)
    return msgspec.structs.replace(value, split={**dict.fromkeys(route.split, 0), **split})


def check_split(route: RouteName, split: Mapping[ModelName, int], models: Iterable[ModelName], file: FileRoute) -> None:
    """Refuse a split that cannot be served.

    Raises:
        UnknownArm: it names something that is not in `models`.
        InvalidSplit: its shares are negative or do not sum to 100 percent, or the route's fallback or the judge of its
            audits is one of its arms.
    """
    known = set(models)
    fallback = None if file.fallback is None else file.fallback.to
    judge = None if file.audit is None else file.audit.compare.judge
    for arm in split:
        if arm not in known:
            raise UnknownArm(f"routes.{route}.split: {arm!r} is no model; there are {', '.join(sorted(known))}")
        if arm == fallback:
            raise InvalidSplit(
                f"routes.{route}.split: {arm!r} is this route's fallback and would fall back to itself; "
                "declare it in models a second time under another name"
            )
        if arm == judge:
            raise InvalidSplit(
                f"routes.{route}.split: {arm!r} is the judge of this route's audits and would judge itself; "
                "declare it in models a second time under another name"
            )
        if split[arm] < 0:
            raise InvalidSplit(f"routes.{route}.split: {arm} has {split[arm] / 100:g} percent; 0 is the least")
    total = sum(split.values())
    if total != BUCKETS:
        raise InvalidSplit(f"routes.{route}.split: percentages sum to {total / 100:g}, not 100")


def _fallback(name: RouteName, fallback: FallbackEntry, fields: Mapping[OverlayField, object]) -> FallbackEntry:
    return msgspec.structs.replace(
        fallback,
        is_enabled=bool(fields.get(OverlayField.FALLBACK_ENABLED, fallback.is_enabled)),
        confidence=confidence_entry(name, fallback.confidence, fields),
    )


def _audit(name: RouteName, audit: AuditEntry | None, fields: Mapping[OverlayField, object]) -> AuditEntry | None:
    """The audits of a route; `None` also where an operator has switched them off."""
    if audit is None or OverlayField.AUDIT_SHARE not in fields:
        return audit
    share = msgspec.convert(fields[OverlayField.AUDIT_SHARE], float)
    if not 0 <= share <= 1:
        raise InvalidAudit(f"routes.{name}.audit.share: {share:g} is not between 0 and 1")
    return msgspec.structs.replace(audit, share=share) if share else None


def _shadow(name: RouteName, shadow: ShadowEntry | None, fields: Mapping[OverlayField, object]) -> ShadowEntry | None:
    """The shadow of a route; `None` also where an operator has switched it off."""
    if shadow is None or OverlayField.SHADOW_SHARE not in fields:
        return shadow
    share = msgspec.convert(fields[OverlayField.SHADOW_SHARE], float)
    if not 0 <= share <= 1:
        raise InvalidShadow(f"routes.{name}.shadow.share: {share:g} is not between 0 and 1")
    return msgspec.structs.replace(shadow, share=share) if share else None
