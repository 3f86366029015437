"""What operators change at run time, on top of the file: one value per thing and field, until cleared."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from routing.assignment.ranges import Ranges
from routing.words import ModelName


class OverlayScope(StrEnum):
    """What an overlay lies on."""

    ROUTE = "route"
    MODEL = "model"


class OverlayField(StrEnum):
    """Which value it replaces, by its path in the file."""

    SPLIT = "split"
    FALLBACK_ENABLED = "fallback.enabled"
    CONFIDENCE_MODE = "fallback.confidence.mode"
    CONFIDENCE_SCORE = "fallback.confidence.score"
    CONFIDENCE_MIN = "fallback.confidence.min"
    CONFIDENCE_SHARE = "fallback.confidence.share"
    CONFIDENCE_ALPHA = "fallback.confidence.alpha"
    CONFIDENCE_DELTA = "fallback.confidence.delta"
    CONFIDENCE_VALUE_USD = "fallback.confidence.value_usd"
    CONFIDENCE_FROZEN = "fallback.confidence.frozen"
    AUDIT_SHARE = "audit.share"
    """0 switches audits off."""
    SHADOW_SHARE = "shadow.share"
    """0 switches shadows off."""
    MODEL_ENABLED = "enabled"


class SplitValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of an overlaid split. One that a roll-back made holds ranges and salt, which are then kept exactly."""

    split: dict[ModelName, int]
    """Hundredths of a percent an arm."""
    ranges: Ranges | None = None
    salt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One value that replaces the file's, and who set it, when and why."""

    scope: OverlayScope
    name: str
    """Of the route or model."""
    field: OverlayField
    value: object
    """Plain JSON: a boolean, a number, a text, or what `SplitValue` reads."""
    who: str
    reason: str | None
    at_us: int
