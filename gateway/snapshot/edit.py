"""Turn what an operator asks for into overlays, within the transaction that publishes them."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from gateway.snapshot.change import ClearOverlay, PolicyChange, RollBack, RouteChange, SplitChange
from gateway.snapshot.compile import check_split
from gateway.snapshot.confidence import check_fields
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.errors import NoAudit, NoFallback, NoShadow, NothingToRollBackTo, UnknownArm
from gateway.snapshot.file import FileDocument, FileRoute
from gateway.snapshot.overlay import Overlay, OverlayField, OverlayScope, SplitValue
from gateway.store import history, overlays
from gateway.store.history import HistoryEntry
from routing.confidence.gate import ConfidenceMode
from routing.words import ModelName, RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes something, why and when."""

    who: str
    reason: str | None
    at_us: int


def action_of(change: RouteChange) -> str:
    """The word that the audit and the history have for it."""
    match change:
        case SplitChange():
            return "split"
        case PolicyChange():
            return "policy"
        case ClearOverlay():
            return "clear"
        case RollBack():
            return "rollback"


def detail_of(change: RouteChange) -> dict[str, object]:
    """What the audit keeps of it beside the split before and after."""
    if not isinstance(change, PolicyChange):
        return {}
    return {field.value: value for field, value in _policy_values(change).items()}


def apply(
    connection: Connection,
    route: RouteName,
    change: RouteChange,
    author: Author,
    *,
    file: FileDocument,
    now: RouteEntry,
) -> HistoryEntry | None:
    """Write the overlays of a change; the entry that it goes back to, where it is a roll-back.

    Args:
        connection: of the transaction that publishes it.
        route: its name.
        change: what to do.
        author: who does it.
        file: the file that counts.
        now: the route as it is in force.

    Raises:
        UnknownArm, InvalidSplit, InvalidConfidence, NoFallback, NoAudit, NoShadow, NothingToRollBackTo: it cannot be.
    """
    match change:
        case SplitChange(split=split):
            check_split(route, split, file.models, file.routes[route])
            put_split(connection, route, SplitValue(split=dict(split)), author)
        case PolicyChange():
            values = _policy_values(change)
            _check_policy(route, values, file.routes[route], now)
            _put(connection, route, values, author)
        case ClearOverlay():
            overlays.remove(connection, OverlayScope.ROUTE, route)
        case RollBack():
            return _roll_back(connection, route, author, file)
    return None


def put_split(connection: Connection, route: RouteName, value: SplitValue, author: Author) -> None:
    """Lay a split over the file's."""
    _put(connection, route, {OverlayField.SPLIT: msgspec.to_builtins(value)}, author)


def switch_model(connection: Connection, model: ModelName, author: Author, *, enabled: bool) -> None:
    """Note that a model is switched off, or that it is as the file has it again."""
    if enabled:
        overlays.remove(connection, OverlayScope.MODEL, model)
        return
    off = _overlay(OverlayScope.MODEL, model, OverlayField.MODEL_ENABLED, value=False, author=author)
    overlays.put(connection, [off])


def _policy_values(change: PolicyChange) -> dict[OverlayField, object]:
    values = {
        OverlayField.FALLBACK_ENABLED: change.fallback_enabled,
        OverlayField.CONFIDENCE_MODE: change.mode,
        OverlayField.CONFIDENCE_SCORE: change.score,
        OverlayField.CONFIDENCE_MIN: change.minimum,
        OverlayField.CONFIDENCE_SHARE: change.share,
        OverlayField.CONFIDENCE_ALPHA: change.alpha,
        OverlayField.CONFIDENCE_DELTA: change.delta,
        OverlayField.CONFIDENCE_VALUE_USD: None if change.value_usd is None else float(change.value_usd),
        OverlayField.CONFIDENCE_FROZEN: change.is_frozen,
        OverlayField.AUDIT_SHARE: change.audit_share,
        OverlayField.SHADOW_SHARE: change.shadow_share,
    }
    return {field: value for field, value in values.items() if value is not None}


def _check_policy(route: RouteName, values: dict[OverlayField, object], file: FileRoute, now: RouteEntry) -> None:
    if OverlayField.AUDIT_SHARE in values and file.audit is None:
        raise NoAudit(f"routes.{route} has no audit; give it one in the file first")
    if OverlayField.SHADOW_SHARE in values and file.shadow is None:
        raise NoShadow(f"routes.{route} has no shadow; give it one in the file first")
    of_fallback = [field for field in values if field not in (OverlayField.AUDIT_SHARE, OverlayField.SHADOW_SHARE)]
    if of_fallback and (file.fallback is None or now.fallback is None):
        raise NoFallback(f"routes.{route} has no fallback; give it one in the file first")
    if now.fallback is not None:
        mode = ConfidenceMode(str(values.get(OverlayField.CONFIDENCE_MODE, now.fallback.confidence.mode)))
        check_fields(route, mode, [field for field in of_fallback if field is not OverlayField.FALLBACK_ENABLED])


def _roll_back(connection: Connection, route: RouteName, author: Author, file: FileDocument) -> HistoryEntry:
    target = history.one_back(connection, route)
    if target is None:
        raise NothingToRollBackTo(f"route {route!r} has no earlier split to go back to")
    gone = sorted(set(target.shares) - set(file.models))
    if gone:
        raise UnknownArm(
            f"routes.{route}.split: cannot go back to revision {target.revision}: {gone[0]!r} is no longer in models"
        )
    put_split(connection, route, SplitValue(split=target.split, ranges=target.ranges, salt=target.salt), author)
    return target


def _put(connection: Connection, route: RouteName, values: dict[OverlayField, object], author: Author) -> None:
    overlays.put(
        connection,
        [_overlay(OverlayScope.ROUTE, route, field, value=value, author=author) for field, value in values.items()],
    )


def _overlay(scope: OverlayScope, name: str, field: OverlayField, *, value: object, author: Author) -> Overlay:
    reason = None if author.reason is None else author.reason.replace("\0", "")
    return Overlay(scope=scope, name=name, field=field, value=value, who=author.who, reason=reason, at_us=author.at_us)
