"""How a route judges answers: the fields of each mode, from the file and from what operators changed on top of it.

mode                        needs            may have
none                                         frozen
observe                                      frozen, score
threshold                   score, min       frozen
budget                      share            frozen, score
risk, selective_risk        alpha            frozen, score, delta
utility                     value_usd        frozen, score
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from gateway.snapshot.document import ConfidenceEntry
from gateway.snapshot.errors import InvalidConfidence
from gateway.snapshot.overlay import OverlayField
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.cost.prices import NANO, half_even
from routing.words import RouteName

DEFAULT_DELTA: Final = 0.1
_OPEN: Final = "above 0 and below 1"

LIMITS: Final[Mapping[OverlayField, str]] = {
    OverlayField.CONFIDENCE_SCORE: ", ".join(ScoreName),
    OverlayField.CONFIDENCE_MIN: "between 0 and 1",
    OverlayField.CONFIDENCE_SHARE: _OPEN,
    OverlayField.CONFIDENCE_ALPHA: _OPEN,
    OverlayField.CONFIDENCE_DELTA: _OPEN,
    OverlayField.CONFIDENCE_VALUE_USD: "above 0",
}
"""What may stand in a field."""


class _Fields(NamedTuple):
    """Those of a mode, beside the one that freezes."""

    needed: tuple[OverlayField, ...] = ()
    optional: tuple[OverlayField, ...] = ()


_RISK: Final = _Fields(
    needed=(OverlayField.CONFIDENCE_ALPHA,), optional=(OverlayField.CONFIDENCE_SCORE, OverlayField.CONFIDENCE_DELTA)
)
_OF_MODE: Final[Mapping[ConfidenceMode, _Fields]] = {
    ConfidenceMode.NONE: _Fields(),
    ConfidenceMode.OBSERVE: _Fields(optional=(OverlayField.CONFIDENCE_SCORE,)),
    ConfidenceMode.THRESHOLD: _Fields(needed=(OverlayField.CONFIDENCE_SCORE, OverlayField.CONFIDENCE_MIN)),
    ConfidenceMode.BUDGET: _Fields(needed=(OverlayField.CONFIDENCE_SHARE,), optional=(OverlayField.CONFIDENCE_SCORE,)),
    ConfidenceMode.RISK: _RISK,
    ConfidenceMode.SELECTIVE_RISK: _RISK,
    ConfidenceMode.UTILITY: _Fields(
        needed=(OverlayField.CONFIDENCE_VALUE_USD,), optional=(OverlayField.CONFIDENCE_SCORE,)
    ),
}


def confidence_entry(
    route: RouteName, written: ConfidenceEntry, changed: Mapping[OverlayField, object]
) -> ConfidenceEntry:
    """What counts: with the fields of its mode, and no others.

    Args:
        route: its name.
        written: what the file says.
        changed: what lies over it.

    Raises:
        InvalidConfidence: the mode lacks a field that it needs, or one is out of its limits.
    """
    mode = ConfidenceMode(str(changed.get(OverlayField.CONFIDENCE_MODE, written.mode)))
    needed, optional = _OF_MODE[mode]
    known = {field: changed.get(field, _written(written, field)) for field in (*needed, *optional)}
    missing = [f"{name_of(field)} ({LIMITS[field]})" for field in needed if known[field] is None]
    if missing:
        raise InvalidConfidence(f"routes.{route}.fallback.confidence: mode {mode} needs {' and '.join(missing)}")
    for field, value in known.items():
        _check(route, field, value)
    found = {_ATTRIBUTES[field]: value for field, value in known.items()}
    if OverlayField.CONFIDENCE_DELTA in known:
        found["delta"] = DEFAULT_DELTA if found["delta"] is None else found["delta"]
    if OverlayField.CONFIDENCE_VALUE_USD in known:
        found["value_nanousd"] = nanousd(Decimal(str(found["value_nanousd"])))
    is_frozen = bool(changed.get(OverlayField.CONFIDENCE_FROZEN, written.is_frozen))
    return msgspec.convert({"mode": mode, "is_frozen": is_frozen, **found}, ConfidenceEntry)


def check_fields(route: RouteName, mode: ConfidenceMode, given: Iterable[OverlayField]) -> None:
    """Refuse fields that a mode does not have, so that nobody believes that they do something.

    Raises:
        InvalidConfidence: there is one.
    """
    needed, optional = _OF_MODE[mode]
    own = (*needed, *optional, OverlayField.CONFIDENCE_FROZEN)
    for field in given:
        if field not in own and field is not OverlayField.CONFIDENCE_MODE:
            raise InvalidConfidence(
                f"routes.{route}.{field} does not belong to mode {mode}, which has {', '.join(map(name_of, own))}",
                f"confidence.{name_of(field)}",
            )


def name_of(field: OverlayField) -> str:
    """The last part of its path."""
    return field.rpartition(".")[2]


def nanousd(usd: Decimal) -> int:
    """Dollars as nano-dollars."""
    return half_even(*(usd * NANO).as_integer_ratio())


_ATTRIBUTES: Final[Mapping[OverlayField, str]] = {
    OverlayField.CONFIDENCE_SCORE: "score",
    OverlayField.CONFIDENCE_MIN: "minimum",
    OverlayField.CONFIDENCE_SHARE: "share",
    OverlayField.CONFIDENCE_ALPHA: "alpha",
    OverlayField.CONFIDENCE_DELTA: "delta",
    OverlayField.CONFIDENCE_VALUE_USD: "value_nanousd",
}


def _written(entry: ConfidenceEntry, field: OverlayField) -> object:
    """What the file has there, as an overlay would have it."""
    if field is OverlayField.CONFIDENCE_VALUE_USD:
        return None if entry.value_nanousd is None else Decimal(entry.value_nanousd) / NANO
    value: object = getattr(entry, _ATTRIBUTES[field])
    return value


def _check(route: RouteName, field: OverlayField, value: object) -> None:
    if isinstance(value, int | float | Decimal) and not _is_within(field, value):
        raise InvalidConfidence(
            f"routes.{route}.{field}: {value:g} is not {LIMITS[field]}", f"confidence.{name_of(field)}"
        )


def _is_within(field: OverlayField, value: int | float | Decimal) -> bool:
    if field is OverlayField.CONFIDENCE_VALUE_USD:
        return value > 0
    return 0 <= value <= 1 if field is OverlayField.CONFIDENCE_MIN else 0 < value < 1
