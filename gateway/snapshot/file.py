"""What a valid configuration file contributes to a snapshot."""

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from gateway.identity import digest_of
from gateway.snapshot.confidence import nanousd
from gateway.snapshot.document import (
    AuditEntry,
    ComparerEntry,
    ConfidenceEntry,
    FallbackEntry,
    KeyEntry,
    ModelEntry,
    ShadowEntry,
    TimeoutsEntry,
)
from gateway.snapshot.drift_entry import DriftEntry, drift_of
from gateway.snapshot.file_sides import shadow_of, targets_of
from gateway.snapshot.prices import prices_of
from gateway.snapshot.retrain_entry import RetrainEntry, retrain_of
from routing.answer.policy import HOLD_FULL, HOLD_NONE, HoldWindow
from routing.assignment.targeting import Target
from routing.audit.compare import ComparerKind
from routing.experiment.contract import Contract
from routing.words import ModelName, RouteName

if TYPE_CHECKING:
    from gateway.settings import models as settings


class FileRoute(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says about a route."""

    split: dict[ModelName, int]
    """Hundredths of a percent an arm, summing to 10,000."""
    unit: tuple[str, ...]
    fallback: FallbackEntry | None
    timeouts: TimeoutsEntry
    audit: AuditEntry | None = None
    targets: tuple[Target, ...] = ()
    shadow: ShadowEntry | None = None
    experiment: Contract | None = None
    retrain: RetrainEntry = RetrainEntry()
    drift: DriftEntry = DriftEntry()


class FileDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the file contributes to a snapshot. Equal documents are files that say the same."""

    keys: tuple[KeyEntry, ...]
    models: dict[ModelName, ModelEntry]
    routes: dict[RouteName, FileRoute]


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(FileDocument)


def encode_file(file: FileDocument) -> str:
    """Canonical JSON."""
    return _encoder.encode(file).decode()


def decode_file(text: str) -> FileDocument:
    """Read it back. Raises `msgspec.DecodeError` on anything else."""
    return _decoder.decode(text)


def digest_of_file(encoded: str) -> str:
    """By which two files are told apart: 64 hexadecimal digits."""
    return sha256(encoded.encode()).hexdigest()


def from_config(config: "settings.Config") -> FileDocument:
    """Everything that a worker needs of the file: secrets of clients as digests, percentages as hundredths."""
    return FileDocument(
        keys=tuple(_key(key) for key in config.keys),
        models={ModelName(name): _model(model) for name, model in config.models.items()},
        routes={RouteName(name): _route(route) for name, route in config.routes.items()},
    )


def _key(key: "settings.Key") -> KeyEntry:
    return KeyEntry(name=key.name, digest=digest_of(key.secret.reveal().encode()), scopes=frozenset(key.scopes))


def _model(model: "settings.Model") -> ModelEntry:
    key = model.api_key
    return ModelEntry(
        provider=model.provider.value,
        base_url=model.base_url,
        upstream_model=model.model,
        api_key=None if key is None else key.reference or key.reveal().replace("$", "$$"),
        prices=prices_of(model),
    )


def _route(route: "settings.Route") -> FileRoute:
    limits = route.timeouts
    audit = None if route.audit is None else _audit(route.audit)
    return FileRoute(
        split={ModelName(arm): int(percent * 100) for arm, percent in route.split.items()},
        unit=route.unit,
        fallback=None if route.fallback is None else _fallback(route.fallback),
        # A default may be an integer; equal files have to be equal texts too.
        timeouts=TimeoutsEntry(
            connect_s=float(limits.connect_s),
            first_token_s=float(limits.first_token_s),
            idle_s=float(limits.idle_s),
            attempt_s=float(limits.attempt_s),
            total_s=float(limits.total_s),
        ),
        audit=audit,
        targets=targets_of(route.targets),
        shadow=shadow_of(route.shadow, audit),
        experiment=None if route.experiment is None else route.experiment.contract(),
        retrain=retrain_of(route.retrain),
        drift=drift_of(route.drift),
    )


def _fallback(fallback: "settings.Fallback") -> FallbackEntry:
    return FallbackEntry(
        to=ModelName(fallback.to),
        when=fallback.when,
        confidence=_confidence(fallback.confidence),
        hold=_hold(fallback.hold),
    )


def _confidence(confidence: "settings.Confidence") -> ConfidenceEntry:
    said = confidence.model_dump()
    value_usd = said.get("value_usd")
    return ConfidenceEntry(
        mode=confidence.mode,
        score=said.get("score"),
        minimum=said.get("min"),
        share=said.get("share"),
        alpha=said.get("alpha"),
        delta=said.get("delta"),
        value_nanousd=None if value_usd is None else nanousd(value_usd),
    )


def _audit(audit: "settings.Audit") -> AuditEntry:
    return AuditEntry(
        share=audit.share,
        min_labels=audit.min_labels,
        spend_nanousd_per_day=nanousd(audit.spend_usd_per_day),
        compare=_comparer(audit.compare),
    )


def _comparer(compare: "settings.Compare") -> ComparerEntry:
    from gateway.settings.audit import DEFAULT_TOLERANCE, ByFields, ByNumber

    if isinstance(compare, str):
        kind = ComparerKind(compare)
        return ComparerEntry(kind=kind, tolerance=DEFAULT_TOLERANCE if kind is ComparerKind.NUMBER else 0.0)
    if isinstance(compare, ByFields):
        return ComparerEntry(kind=ComparerKind.JSON, fields=compare.fields)
    if isinstance(compare, ByNumber):
        return ComparerEntry(kind=ComparerKind.NUMBER, tolerance=compare.tolerance)
    return ComparerEntry(kind=ComparerKind.JUDGE, judge=ModelName(compare.judge))


def _hold(hold: "settings.Hold") -> HoldWindow:
    if hold == "none":
        return HOLD_NONE
    if hold == "full":
        return HOLD_FULL
    return HoldWindow(tokens=hold.tokens, ms=hold.ms)
