"""What operators may ask of a route, and the mark by which they show what they based it on."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """Other settings of the fallback; what is `None` stays as it is."""

    fallback_enabled: bool | None = None
    mode: ConfidenceMode | None = None
    score: ScoreName | None = None
    minimum: float | None = None
    """The least score that is served, in [0, 1]."""


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

    It changes with split, ranges, salt and fallback (to whom, when, hold, whether on, confidence mode and fields), and
    with nothing else: not with the revision, and not with what calibration derives from the settings.
    """
    settings = (entry.split, entry.ranges, entry.salt, entry.fallback)
    return f'"{sha256(_encoder.encode(settings)).hexdigest()[:32]}"'
