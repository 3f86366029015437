"""What the admin API shows of a snapshot: plain values, percentages as numbers, nothing secret."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from gateway.snapshot.change import route_etag
from gateway.snapshot.document import (
    AuditEntry,
    ComparerEntry,
    ConfidenceEntry,
    Document,
    FallbackEntry,
    JudgeEntry,
    RouteEntry,
    ShadowEntry,
    Snapshot,
)
from gateway.snapshot.experiment_entry import ExperimentEntry
from gateway.snapshot.overlay import Overlay, OverlayField
from gateway.store.calibrations import QualityRecord
from gateway.store.versions import VersionRecord
from gateway.store.workers import WorkerReport
from routing.answer.policy import HOLD_FULL, HOLD_NONE, HoldWindow
from routing.assignment.targeting import Target
from routing.audit.compare import ComparerKind
from routing.confidence.gate import CALIBRATED_MODES, ConfidenceMode
from routing.cost.prices import NANO, Price
from routing.words import ModelName, RouteName, TokenKind

Json = dict[str, Any]


def percent(share: int) -> int | float:
    """Hundredths of a percent as percent: 50, 12.5, 0.01."""
    return share // 100 if share % 100 == 0 else share / 100


def route_view(
    name: RouteName,
    snapshot: Snapshot,
    *,
    overlays: Iterable[Overlay],
    file_split: Mapping[ModelName, int] | None,
    workers: Iterable[WorkerReport],
    qualities: Mapping[str, QualityRecord],
) -> Json:
    """One route, as it is in force."""
    entry = snapshot.document.routes[name]
    return {
        "route": name,
        "revision": snapshot.revision,
        "etag": route_etag(entry),
        "split": _split(entry.split),
        "ranges": [{"arm": held.arm, "start": held.start, "stop": held.stop} for held in entry.ranges],
        "ranges_revision": entry.ranges_revision,
        "salt": entry.salt,
        "unit": list(entry.unit),
        "fallback": None if entry.fallback is None else _fallback(entry.fallback),
        "targets": [_target(target) for target in entry.targets],
        "audit": None if entry.audit is None else _audit(entry.audit),
        "shadow": None if entry.shadow is None else shadow_view(entry.shadow),
        "experiment": None if entry.experiment is None else _experiment(entry.experiment),
        "calibration": {arm: _judge(judge, qualities.get(arm)) for arm, judge in entry.judges.items()},
        "timeouts": msgspec.to_builtins(entry.timeouts),
        "overlay": [_overlay(overlay) for overlay in overlays],
        "file_split": None if file_split is None else _split(file_split),
        "warnings": [
            *_warnings(entry, snapshot.document),
            *_idle(entry),
            *_beside_file(entry, file_split),
            *_notices(name, workers),
        ],
    }


def model_view(
    name: ModelName, document: Document, *, version: VersionRecord | None, overlays: Iterable[Overlay]
) -> Json:
    """One model, without its key."""
    entry = document.models[name]
    return {
        "model": name,
        "provider": entry.provider,
        "base_url": entry.base_url,
        "upstream_model": entry.upstream_model,
        "has_api_key": entry.api_key is not None,
        "enabled": entry.is_enabled,
        "prices": [_price(price) for price in entry.prices],
        "lineage": None if version is None else _lineage(version),
        "arm_of": [route for route, found in document.routes.items() if name in found.split],
        "fallback_of": [r for r, found in document.routes.items() if found.fallback and found.fallback.to == name],
        "overlay": [_overlay(overlay) for overlay in overlays],
    }


def worker_view(worker: WorkerReport, now_us: int) -> Json:
    """One worker, as it reported last."""
    return {**asdict(worker), "heartbeat_age_s": round(max(0, now_us - worker.heartbeat_us) / 1e6, 3)}


def _split(split: Mapping[Any, int]) -> Json:
    return {arm: percent(share) for arm, share in split.items()}


def _fallback(fallback: FallbackEntry) -> Json:
    return {
        "to": fallback.to,
        "enabled": fallback.is_enabled,
        "when": sorted(fallback.when),
        "confidence": confidence_view(fallback.confidence),
        "hold": _hold(fallback.hold),
    }


def confidence_view(entry: ConfidenceEntry) -> Json:
    """The mode with its fields, by the names that they have in the file."""
    value_usd = None if entry.value_nanousd is None else entry.value_nanousd / NANO
    fields = {
        "min": entry.minimum,
        "share": entry.share,
        "alpha": entry.alpha,
        "delta": entry.delta,
        "value_usd": value_usd,
        "frozen": entry.is_frozen or None,
    }
    shown: Json = {"mode": entry.mode}
    if entry.mode is not ConfidenceMode.NONE:
        shown["score"] = entry.score
    return shown | {name: value for name, value in fields.items() if value is not None}


def _target(target: Target) -> Json:
    when = {f"{one.place}:{one.name}" if one.name else one.place.value: list(one.values) for one in target.when}
    return {"when": when, "arm": target.arm}


def shadow_view(entry: ShadowEntry) -> Json:
    """A route's shadow, by the names that its settings have in the file."""
    return {
        "to": entry.to,
        "share": entry.share,
        "max_in_flight": entry.max_in_flight,
        "spend_usd_per_day": entry.spend_nanousd_per_day / NANO,
        "compare": _compare(entry.compare),
    }


def _compare(compare: ComparerEntry) -> object:
    by_kind: dict[ComparerKind, object] = {
        ComparerKind.JSON: {"fields": list(compare.fields)} if compare.fields else "json",
        ComparerKind.NUMBER: {"tolerance": compare.tolerance},
        ComparerKind.JUDGE: {"judge": compare.judge},
    }
    return by_kind.get(compare.kind, compare.kind)


def _audit(entry: AuditEntry) -> Json:
    return {
        "share": entry.share,
        "min_labels": entry.min_labels,
        "spend_usd_per_day": entry.spend_nanousd_per_day / NANO,
        "compare": _compare(entry.compare),
    }


def _experiment(entry: ExperimentEntry) -> Json:
    baseline, candidate = entry.arms
    return {
        "name": entry.name,
        "state": entry.state,
        "step": entry.step,
        "baseline": baseline,
        "candidate": candidate,
    }


def _judge(judge: JudgeEntry, known: QualityRecord | None) -> Json:
    calibration = judge.calibration
    is_same = known is not None and calibration is not None and known.version == calibration.version
    return {
        "version": None if calibration is None else calibration.version,
        "kind": None if calibration is None else calibration.whole.kind,
        "labels": judge.labels,
        "armed": judge.is_armed,
        "reason": judge.reason,
        "thresholds": {"whole": judge.whole_threshold, "prefix": judge.prefix_threshold},
        "created_us": known.created_us if known is not None and is_same else None,
        "quality": known.quality if known is not None and is_same else None,
    }


def _hold(hold: HoldWindow) -> object:
    if hold == HOLD_NONE:
        return "none"
    return "full" if hold == HOLD_FULL else {"tokens": hold.tokens, "ms": hold.ms}


def _overlay(overlay: Overlay) -> Json:
    value: Any = overlay.value
    if overlay.field is OverlayField.SPLIT:
        value = _split(value["split"])
    return {
        "field": overlay.field,
        "value": value,
        "who": overlay.who,
        "at_us": overlay.at_us,
        "reason": overlay.reason,
    }


def _price(price: Price) -> Json:
    return {
        "version": price.version,
        "since_us": price.since_us,
        "usd_per_mtok": _per_mtok(price.nanousd_per_mtok),
        "usd_per_request": price.per_request_nanousd / NANO,
        "tiers": [
            {"above_input_tokens": tier.above_input_tokens, "usd_per_mtok": _per_mtok(tier.nanousd_per_mtok)}
            for tier in price.tiers
        ],
        "gpu_hour_usd": price.gpu_hour_nanousd / NANO if price.gpu_hour_nanousd else None,
    }


def _per_mtok(rates: Mapping[TokenKind, int]) -> Json:
    return {kind.value: nano / NANO for kind, nano in rates.items()}


def _lineage(version: VersionRecord) -> Json:
    said = version.lineage
    return {
        "version": said.get("version"),
        "base_model": version.base_model,
        "dataset_sha256": version.dataset_sha256,
        "evaluation": said.get("evaluation", {}),
        "created": said.get("created"),
        "created_by": said.get("created_by"),
        "registered_us": version.registered_us,
    }


def _warnings(entry: RouteEntry, document: Document) -> Iterable[str]:
    fallback = entry.fallback
    for arm, share in entry.split.items():
        if share and not document.models[arm].is_enabled:
            yield f"{arm} has {percent(share):g} percent of the units and is switched off; its requests fall back"
        if share and not document.models[arm].prices:
            yield f"{arm} has no price; what it costs is unknown and not counted"
    if fallback is None:
        return
    if not fallback.is_enabled:
        yield f"the fallback to {fallback.to} is switched off"
    elif not document.models[fallback.to].is_enabled:
        yield f"the fallback {fallback.to} is switched off as a model; nobody stands in for the arms"
    if not document.models[fallback.to].prices:
        yield f"{fallback.to} has no price; what it costs is unknown and not counted"


def _beside_file(entry: RouteEntry, file_split: Mapping[ModelName, int] | None) -> Iterable[str]:
    """An edit of the file has no effect where an operator's split lies over it, which should surprise nobody."""
    is_over = OverlayField.SPLIT in entry.overlay and file_split is not None
    if is_over and {**dict.fromkeys(entry.split, 0), **(file_split or {})} != entry.split:
        yield "an operator's split is in force, not the file's; DELETE the route's overlay to go back to the file"


def _idle(entry: RouteEntry) -> Iterable[str]:
    """Audits, shadows and a confidence that the configuration asks for, and that do nothing."""
    if entry.audit is None and OverlayField.AUDIT_SHARE in entry.overlay:
        yield "audits are switched off"
    if entry.shadow is None and OverlayField.SHADOW_SHARE in entry.overlay:
        yield "shadows are switched off"
    if entry.fallback is None or entry.fallback.confidence.mode not in CALIBRATED_MODES:
        return
    for arm, judge in entry.judges.items():
        if entry.split[arm] and not judge.is_armed:
            yield f"the confidence of {arm} is not acted on: {judge.reason}"


def _notices(name: str, workers: Iterable[WorkerReport]) -> list[str]:
    """What workers noticed of this route, each sentence once."""
    about_it = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)")
    said = (notice for worker in workers for notice in worker.notices)
    return list(dict.fromkeys(notice for notice in said if about_it.search(notice)))
