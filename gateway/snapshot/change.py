"""What operators may ask of a route, and the mark by which they show what they based it on."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

import msgspec

from gateway.snapshot.document import RouteEntry
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitChange:
    """Another split, in hundredths of a percent an arm, summing to 10,000. Arms left out get nothing."""

    split: Mapping[ModelName, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """Other settings of the fallback, of audits and of shadows; what is `None` stays as it is."""

    fallback_enabled: bool | None = None
    mode: ConfidenceMode | None = None
    score: ScoreName | None = None
    minimum: float | None = None
    """The least score that is served, in [0, 1]."""
    share: float | None = None
    """How much falls back for low confidence, in (0, 1)."""
    alpha: float | None = None
    """The bound on the risk, in (0, 1)."""
    delta: float | None = None
    """The chance that the bound does not hold, in (0, 1)."""
    value_usd: Decimal | None = None
    """What a correct answer is worth, above 0; nine decimals at most."""
    is_frozen: bool | None = None
    """Whether calibrations stay as they are."""
    audit_share: float | None = None
    """How much is audited, in [0, 1]; 0 is nothing."""
    shadow_share: float | None = None
    """How much is shadowed, in [0, 1]; 0 is nothing."""


@dataclass(frozen=True, slots=True)
class ClearOverlay:
    """Back to the file, in everything."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Back to the last split that differs from the one in force, with its very ranges and salt."""


RouteChange = SplitChange | PolicyChange | ClearOverlay | RollBack

_encoder = msgspec.json.Encoder(order="sorted")


def route_etag(entry: RouteEntry) -> str:
    """A strong entity tag of a route's traffic settings, quotes included.

    It changes with split, ranges, salt, fallback (to whom, when, hold, whether on, confidence mode and fields),
    audits, targets and shadow, with the experiment and how far it is, and with nothing else: not with the revision, and
    not with what calibration derives from the settings.
    """
    split = (entry.split, entry.ranges, entry.salt, entry.targets)
    settings: tuple[object, ...] = (*split, entry.fallback, entry.audit, entry.shadow)
    if entry.experiment is not None:
        settings = (*settings, entry.experiment)
    return f'"{sha256(_encoder.encode(settings)).hexdigest()[:32]}"'
