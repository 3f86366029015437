"""From file and overlays to a document: pure, so that every control plane compiles the same."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.snapshot.document import (
    ConfidenceEntry,
    Document,
    FallbackEntry,
    KeyEntry,
    ModelEntry,
    RouteEntry,
    Snapshot,
)
from gateway.snapshot.errors import InvalidConfidence, InvalidSplit, UnknownArm
from gateway.snapshot.file import FileDocument, FileRoute, from_config
from gateway.snapshot.overlay import Overlay, OverlayField, OverlayScope, SplitValue
from routing.assignment.buckets import BUCKETS
from routing.assignment.ranges import allocate
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.words import ModelName, RouteName

__all__ = ["FileDocument", "FileRoute", "check_split", "compile_document", "from_config"]


def compile_document(  # everything a document is made of
    file: FileDocument,
    overlays: Iterable[Overlay],
    stored_keys: Sequence[KeyEntry],
    previous: Snapshot | None,
    unit_secret: str,
    *,
    revision: int,
) -> Document:
    """The document of `revision`.

    Args:
        file: the file that counts.
        overlays: all that operators changed; what lies on something that the file does not have has no effect.
        stored_keys: the keys that are not in the file.
        previous: the snapshot in force, from whose ranges the new ones are allocated; `None` for the first.
        unit_secret: 64 hexadecimal digits.
        revision: the number that the document will be published under.

    Raises:
        UnknownArm, InvalidSplit, InvalidConfidence: an overlay does not go together with the file.
    """
    by_thing: dict[tuple[OverlayScope, str], dict[OverlayField, object]] = {}
    for overlay in overlays:
        by_thing.setdefault((overlay.scope, overlay.name), {})[overlay.field] = overlay.value
    routes = {}
    for name, route in file.routes.items():
        fields = by_thing.get((OverlayScope.ROUTE, name), {})
        known = None if previous is None else previous.document.routes.get(name)
        routes[name] = _route(name, route, fields, known, models=file.models, revision=revision)
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
    applied = [field.value for field in fields if fallback is not None or field is OverlayField.SPLIT]
    return RouteEntry(
        salt=salt,
        split=value.split,
        ranges=ranges,
        ranges_revision=known.ranges_revision if known is not None and stands else revision,
        unit=route.unit,
        fallback=fallback,
        timeouts=route.timeouts,
        overlay=tuple(sorted(applied)),
    )


def _split(
    name: RouteName, route: FileRoute, fields: Mapping[OverlayField, object], models: Mapping[ModelName, ModelEntry]
) -> SplitValue:
    """The split that counts, with the file's other arms at 0, so that they can be seen and given a share again."""
    if OverlayField.SPLIT not in fields:
        return SplitValue(split=route.split)
    value = msgspec.convert(fields[OverlayField.SPLIT], SplitValue)
    split = {arm: share for arm, share in value.split.items() if share or arm in models}
    check_split(name, split, models, None if route.fallback is None else route.fallback.to)
    return msgspec.structs.replace(value, split={**dict.fromkeys(route.split, 0), **split})


def check_split(
    route: RouteName, split: Mapping[ModelName, int], models: Iterable[ModelName], fallback: ModelName | None
) -> None:
    """Refuse a split that cannot be served.

    Raises:
        UnknownArm: it names something that is not in `models`.
        InvalidSplit: its shares are negative or do not sum to 100 percent, or the route's fallback is one of its arms.
    """
    known = set(models)
    for arm in split:
        if arm not in known:
            raise UnknownArm(f"routes.{route}.split: {arm!r} is no model; there are {', '.join(sorted(known))}")
        if arm == fallback:
            raise InvalidSplit(
                f"routes.{route}.split: {arm!r} is this route's fallback and would fall back to itself; "
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
        confidence=_confidence(name, fallback.confidence, fields),
    )


def _confidence(name: RouteName, confidence: ConfidenceEntry, fields: Mapping[OverlayField, object]) -> ConfidenceEntry:
    mode = ConfidenceMode(str(fields.get(OverlayField.CONFIDENCE_MODE, confidence.mode)))
    score = fields.get(OverlayField.CONFIDENCE_SCORE, confidence.score)
    minimum = fields.get(OverlayField.CONFIDENCE_MIN, confidence.minimum)
    entry = msgspec.convert({"mode": mode, "score": score, "minimum": minimum}, ConfidenceEntry)
    if mode is not ConfidenceMode.THRESHOLD:
        # The score goes on being shown; a minimum that nothing is compared with would mislead.
        return msgspec.structs.replace(entry, minimum=None)
    if entry.score is None or entry.minimum is None:
        raise InvalidConfidence(
            f"routes.{name}.fallback.confidence: mode threshold needs score ({', '.join(ScoreName)}) and min (0 to 1)"
        )
    if not 0 <= entry.minimum <= 1:
        raise InvalidConfidence(f"routes.{name}.fallback.confidence.min: {entry.minimum:g} is not between 0 and 1")
    return entry
