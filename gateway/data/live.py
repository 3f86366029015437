"""The snapshot in force, made ready for requests: keys to look up, routes to assign by, models to call."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.audits.drawn import AuditPlan, plan_of
from gateway.data.judging import Trackers, policy_of
from gateway.identity import KeyRing
from gateway.settings.expand import ExpandError, expand
from gateway.shadows.drawn import ShadowPlan, shadow_plan_of
from gateway.snapshot.document import ModelEntry, RouteEntry, Snapshot, TimeoutsEntry
from gateway.snapshot.drift_entry import DriftEntry
from routing.answer.policy import AnswerPolicy
from routing.assignment.assign import Allocation
from routing.assignment.targeting import Target
from routing.assignment.units import UnitSource
from routing.cost.prices import Price
from routing.resilience.breaker import Breaker
from routing.words import ModelName, RouteName
from serving.upstream import Address, Upstream

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """A model of one snapshot; the upstream outlives it as long as address and key stay the same."""

    upstream: Upstream
    is_enabled: bool
    prices: tuple[Price, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRoute:
    """A route of one snapshot."""

    name: RouteName
    arms: tuple[ModelName, ...]
    allocation: Allocation
    ranges_revision: int
    policies: Mapping[ModelName, AnswerPolicy]
    """By arm: their answers are judged by calibrations of their own."""
    trackers: Trackers
    """The moving thresholds of this worker, which outlive the snapshot."""
    units: tuple[UnitSource, ...]
    timeouts: TimeoutsEntry
    targets: tuple[Target, ...] = ()
    audit: AuditPlan | None = None
    shadow: ShadowPlan | None = None
    drift: DriftEntry = field(default_factory=DriftEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Everything a request may know. One request sees exactly one of these."""

    revision: int
    revision_header: bytes
    keys: KeyRing
    routes: Mapping[str, LiveRoute]
    models: Mapping[ModelName, LiveModel]
    unit_secret: bytes
    created_s: int


def build_live(snapshot: Snapshot, previous: Live | None, environ: Mapping[str, str]) -> Live:
    """Make a snapshot ready; connections and breakers of models that stay where they are stay too.

    Must be called on the event loop that the connections belong to.
    """
    document = snapshot.document
    return Live(
        revision=snapshot.revision,
        revision_header=str(snapshot.revision).encode(),
        keys=KeyRing(document.keys),
        routes={
            name: _live_route(name, entry, previous.routes.get(name) if previous else None)
            for name, entry in document.routes.items()
        },
        models={
            name: _live_model(name, entry, previous.models.get(name) if previous else None, environ)
            for name, entry in document.models.items()
        },
        unit_secret=bytes.fromhex(document.unit_secret),
        created_s=snapshot.created_us // 1_000_000,
    )


def _live_route(name: RouteName, entry: RouteEntry, previous: LiveRoute | None) -> LiveRoute:
    trackers = previous.trackers if previous is not None else Trackers()
    return LiveRoute(
        name=name,
        arms=tuple(entry.split),
        allocation=Allocation(entry.salt, entry.ranges),
        ranges_revision=entry.ranges_revision,
        policies={arm: policy_of(entry.fallback, entry.judges.get(arm), trackers.of(arm)) for arm in entry.split},
        trackers=trackers,
        units=tuple(UnitSource.parse(text) for text in entry.unit),
        timeouts=entry.timeouts,
        targets=entry.targets,
        audit=plan_of(entry.audit, None if entry.fallback is None else entry.fallback.to),
        shadow=shadow_plan_of(entry.shadow),
        drift=entry.drift,
    )


def _live_model(
    name: ModelName, entry: ModelEntry, previous: LiveModel | None, environ: Mapping[str, str]
) -> LiveModel:
    api_key = _resolved(name, entry.api_key, environ)
    address = Address(provider=entry.provider, base_url=entry.base_url, model=entry.upstream_model, api_key=api_key)
    upstream = previous.upstream if previous is not None and previous.upstream.address == address else None
    if upstream is None:
        upstream = Upstream(name, address, Breaker())
    return LiveModel(upstream=upstream, is_enabled=entry.is_enabled, prices=entry.prices)


def _resolved(name: ModelName, api_key: str | None, environ: Mapping[str, str]) -> str | None:
    """The upstream's key. One that this machine's environment lacks is told once, and the upstream will refuse us."""
    if api_key is None:
        return None
    try:
        return str(expand(api_key, environ))
    except ExpandError as error:
        _log.error("models.%s.api_key: %s", name, error)
        return None
