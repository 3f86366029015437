"""The snapshot as it is stored and exchanged: plain values, JSON through msgspec, nothing secret in the clear.

A snapshot is compiled by a control plane from file and overlay, and only loaded by workers. Client keys are digests;
an upstream's key is the reference that stood in the file (`${LARGE_API_KEY}`), which each worker resolves from its own
environment, or the literal when the file had one.
"""

from typing import Literal

import msgspec

from routing.answer.policy import HoldWindow
from routing.assignment.ranges import Ranges
from routing.confidence.gate import ConfidenceMode
from routing.confidence.tally import ScoreName
from routing.cost.prices import Price
from routing.words import ModelName, Reason, RouteName


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key: what it may do, and the SHA-256 of its secret (64 hexadecimal digits)."""

    name: str
    digest: str
    scopes: frozenset[str]
    tenant: str = "default"


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can answer."""

    provider: Literal["vllm", "openai"]
    base_url: str
    """Without a trailing slash; paths such as `/chat/completions` are put behind it."""
    upstream_model: str
    """The name the upstream knows."""
    api_key: str | None = None
    prices: tuple[Price, ...] = ()
    """Ascending by date; empty where no price is known."""
    is_enabled: bool = True


class ConfidenceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """How the route judges answers."""

    mode: ConfidenceMode = ConfidenceMode.OBSERVE
    score: ScoreName | None = None
    minimum: float | None = None


class FallbackEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers when the arm fails or is not sure."""

    to: ModelName
    when: frozenset[Reason]
    confidence: ConfidenceEntry
    hold: HoldWindow
    is_enabled: bool = True


class TimeoutsEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; see the configuration reference."""

    connect_s: float = 2.0
    first_token_s: float = 10.0
    idle_s: float = 60.0
    attempt_s: float = 120.0
    total_s: float = 600.0


class RouteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A task that applications name in `model`."""

    salt: str
    split: dict[ModelName, int]
    """Hundredths of a percent an arm, summing to 10,000; arms at 0 are listed."""
    ranges: Ranges
    ranges_revision: int
    """The revision in which these ranges came into force."""
    unit: tuple[str, ...]
    fallback: FallbackEntry | None
    timeouts: TimeoutsEntry
    overlay: tuple[str, ...] = ()
    """The fields that operators changed at run time."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What the snapshot says, without its number. Equal documents are the same configuration."""

    keys: tuple[KeyEntry, ...]
    models: dict[ModelName, ModelEntry]
    routes: dict[RouteName, RouteEntry]
    unit_secret: str
    """64 hexadecimal digits: the key of the hash under which units are stored."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was published."""

    revision: int
    created_us: int
    document: Document


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Snapshot)


def encode_document(document: Document) -> bytes:
    """Canonical JSON: equal documents give equal bytes."""
    return _encoder.encode(document)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """JSON, as kept in the state directory."""
    return _encoder.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    """Read it back. Raises `msgspec.DecodeError` on anything else."""
    return _decoder.decode(data)
