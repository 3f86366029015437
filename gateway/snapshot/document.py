"""The snapshot as it is stored and exchanged: plain values, JSON through msgspec, nothing secret in the clear.

A snapshot is compiled by a control plane from file and overlay, and only loaded by workers. Client keys are digests;
an upstream's key is the reference that stood in the file (`${LARGE_API_KEY}`), which each worker resolves from its own
environment, or the literal when the file had one.
"""

from typing import Literal

import msgspec

from gateway.snapshot.drift_entry import DriftEntry
from gateway.snapshot.experiment_entry import ExperimentEntry
from gateway.snapshot.retrain_entry import RetrainEntry
from routing.answer.policy import HoldWindow
from routing.assignment.ranges import Ranges
from routing.assignment.targeting import Target
from routing.audit.compare import ComparerKind
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import Calibration
from routing.confidence.scores import ScoreName
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
    """How the route judges answers. Only the fields of its mode are set."""

    mode: ConfidenceMode = ConfidenceMode.OBSERVE
    score: ScoreName | None = None
    minimum: float | None = None
    """`threshold`: the least raw score that is served, in [0, 1]."""
    share: float | None = None
    """`budget`: how much falls back for low confidence, in (0, 1)."""
    alpha: float | None = None
    """`risk`, `selective_risk`: the bound on the risk, in (0, 1)."""
    delta: float | None = None
    """`risk`, `selective_risk`: the chance that the bound does not hold, in (0, 1)."""
    value_nanousd: int | None = None
    """`utility`: what a correct answer is worth."""
    is_frozen: bool = False
    """Calibration and thresholds stay as they are, as while an experiment runs."""


class FallbackEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers when the arm fails or is not sure."""

    to: ModelName
    when: frozenset[Reason]
    confidence: ConfidenceEntry
    hold: HoldWindow
    is_enabled: bool = True


class ComparerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """How an audit tells whether two answers agree."""

    kind: ComparerKind
    fields: tuple[str, ...] = ()
    """`json`: the fields that count, as dotted paths; empty for all."""
    tolerance: float = 0.0
    """`number`: the greatest relative difference that still agrees."""
    judge: ModelName | None = None
    """`judge`: the model that is asked."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A random share of requests that the fallback answers as well, to compare."""

    share: float
    """Of the route's requests, in (0, 1]."""
    min_labels: int
    """A version with fewer labels is audited more, as far as the spend allows."""
    spend_nanousd_per_day: int
    """The most that audits may cost in a day (UTC), on all machines together."""
    compare: ComparerEntry


class ShadowEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A random share of requests that another model answers as well, unseen."""

    to: ModelName
    share: float
    """Of the route's requests, in (0, 1]."""
    max_in_flight: int
    """At a time, in each worker."""
    spend_nanousd_per_day: int
    """The most that shadows may cost in a day (UTC), on all machines together."""
    compare: ComparerEntry
    """The audits' comparer, whether they are switched on or not; `exact` where there are none."""


class TimeoutsEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; see the configuration reference."""

    connect_s: float = 2.0
    first_token_s: float = 10.0
    idle_s: float = 60.0
    attempt_s: float = 120.0
    total_s: float = 600.0


class JudgeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What calibration has to say about one model on one route. Derived, not set: no part of the `ETag`."""

    calibration: Calibration | None = None
    whole_threshold: float | None = None
    """What confidence is compared with, or where a budget's tracker begins; `None` while unarmed."""
    prefix_threshold: float | None = None
    is_armed: bool = False
    reason: str = ""
    """Why it is armed, or why it is not: a sentence for operators."""
    labels: int = 0
    """How many labels there are by now."""


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
    audit: AuditEntry | None = None
    targets: tuple[Target, ...] = ()
    """Requests that get their arm before the split is asked; the first that fits counts."""
    shadow: ShadowEntry | None = None
    experiment: ExperimentEntry | None = None
    retrain: RetrainEntry = RetrainEntry()
    """When a version is due for training again. It moves no traffic, so it is no part of the `ETag`."""
    drift: DriftEntry = DriftEntry()
    """How closely it is watched. No part of the `ETag` either."""
    judges: dict[ModelName, JudgeEntry] = {}
    """By arm, where there is a fallback; an arm that is not there compares nothing."""


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
