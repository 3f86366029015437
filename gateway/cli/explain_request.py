"""`fallgate explain ROUTE --request ID`: who answered and why, and whether judging the record again says the same."""

from dataclasses import asdict
from typing import Any, Final

import msgspec

from gateway.cli.client import AdminClient, Json
from routing.confidence.features import Features, from_row
from routing.confidence.gate import ConfidenceMode
from routing.confidence.replay import Recorded, Replay, replay
from routing.confidence.scorer import Calibration
from routing.confidence.scores import ScoreName
from routing.words import Reason, Result

NOT_CALIBRATED: Final = "none"
_COPIED: Final = (
    "request_id", "arm", "model", "outcome", "reason", "status", "finish_reason", "is_stream", "is_forced", "bucket",
    "revision", "started_us", "duration_us", "judged", "confidence", "threshold", "late_confidence", "audit_propensity",
    "cost_nanousd",
)  # fmt: skip
_ATTEMPT: Final = ("number", "model", "purpose", "result", "reason", "upstream_status", "duration_us", "cost_nanousd")


def explain_request(client: AdminClient, route: str, request_id: str) -> Json:
    """What was recorded of a request, and its judgement made again."""
    found = client.request(route, request_id)
    return explained(route, found["request"], found["attempts"], found["calibration"])


def explained(route: str, request: Json, attempts: list[Json], calibration: Json | None) -> Json:
    """The same, from the parts of the admin API's answer."""
    features = {name: _features(request[f"{name}_features"]) for name in ("prefix", "whole")}
    recorded = _recorded(request, features)
    made_by = None if calibration is None else msgspec.convert(calibration, Calibration)
    again = replay(recorded, made_by)
    return {
        "ok": True,
        "route": route,
        **{name: request[name] for name in _COPIED},
        "attempts": [{name: attempt[name] for name in _ATTEMPT} for attempt in attempts],
        "mode": request["confidence_mode"],
        "score": {"name": request["score_name"], "value": request["score"]},
        "calibration": request["calibration"],
        "compared": _compared(recorded),
        "doubtful": recorded.is_doubtful,
        "decision": decision(recorded, request, attempts),
        "features": {name: None if one is None else asdict(one) for name, one in features.items()},
        "replay": again.verdict,
        "replayed": _replayed(again),
    }


def decision(recorded: Recorded, request: Json, attempts: list[Json]) -> str:
    """What came of the judgement, in a sentence."""
    if recorded.mode is None:
        return "the answer was not judged"
    if recorded.compared is None:
        return "the answer had no usable log-probabilities, which is no evidence of doubt"
    if recorded.threshold is None:
        return f"nothing was compared: mode {recorded.mode} had no threshold for it"
    told = f"{_compared(recorded)} {recorded.compared:.4g} is"
    if not recorded.is_doubtful:
        return f"sure enough: {told} not below {recorded.threshold:.4g}"
    doubtful = f"doubtful: {told} below {recorded.threshold:.4g}"
    if request["reason"] == Reason.LOW_CONFIDENCE:
        return f"{doubtful}, so the fallback was asked"
    if attempts and attempts[0]["result"] != Result.COMPLETED:
        return f"{doubtful}, but it was no usable answer anyway"
    return f"{doubtful}, and nothing came of it: the answer was out already, or low confidence does not fall back here"


def _features(row: list[Any] | None) -> Features | None:
    return None if row is None else from_row(row)


def _recorded(request: Json, features: dict[str, Features | None]) -> Recorded:
    mode, calibration = request["confidence_mode"], request["calibration"]
    return Recorded(
        mode=None if mode is None or request["judged"] is None else ConfidenceMode(mode),
        is_by_prefix=request["judged"] == "prefix",
        score_name=ScoreName(request["score_name"] or ScoreName.MEAN_LOGPROB),
        score=request["score"],
        confidence=request["confidence"],
        calibration=None if calibration == NOT_CALIBRATED else calibration,
        threshold=request["threshold"],
        features=features["prefix" if request["judged"] == "prefix" else "whole"],
    )


def _compared(recorded: Recorded) -> str | None:
    if recorded.threshold is None:
        return None
    return f"score {recorded.score_name}" if recorded.mode is ConfidenceMode.THRESHOLD else "confidence"


def _replayed(again: Replay) -> Json:
    return {
        "detail": again.detail,
        "score": again.score,
        "confidence": again.confidence,
        "doubtful": again.is_doubtful,
    }


def show_request(found: Json) -> None:
    """As text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in _rows(found).items():
        table.add_row(name, Text(value))
    console = Console()
    console.print(table)
    console.print()
    console.print(_features_table(found))


def _rows(found: Json) -> dict[str, str]:
    reason = f", {found['reason']}" if found["reason"] else ""
    attempts = "; ".join(
        f"{one['number']} {one['model']} ({one['purpose']}) {one['result']}"
        + (f": {one['reason']}" if one["reason"] else "")
        for one in found["attempts"]
    )
    score, judged = found["score"], found["judged"]
    rows = {
        "request": f"{found['request_id']}{', a stream' if found['is_stream'] else ''}, revision {found['revision']}",
        "arm": _arm(found),
        "answered by": f"{found['model'] or 'nobody'} ({found['outcome']}{reason})",
        "attempts": attempts,
        "mode": found["mode"] or "-",
        "judged": "-" if judged is None else f"the {'start of the stream' if judged == 'prefix' else 'whole answer'}",
        "score": "-" if score["value"] is None else f"{score['name']} {score['value']:.6g}",
        "confidence": f"{_number(found['confidence'])}, calibration {found['calibration'] or '-'}",
        "threshold": _number(found["threshold"]),
        "decision": found["decision"],
    }
    if found["late_confidence"] is not None:
        rows["late"] = f"the whole answer came to {found['late_confidence']:.6g}"
    rows["replay"] = f"{found['replay']}: {found['replayed']['detail']}"
    return rows


def _arm(found: Json) -> str:
    if found["is_forced"]:
        return f"{found['arm']}, forced by a tester"
    return f"{found['arm']}, by a target" if found["bucket"] is None else f"{found['arm']}, bucket {found['bucket']}"


def _features_table(found: Json) -> Any:  # a table of rich, which is imported late
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("feature", style="dim")
    parts = [name for name in ("prefix", "whole") if found["features"][name] is not None]
    for name in parts:
        table.add_column(name, justify="right")
    names = found["features"][parts[0]] if parts else ()
    for name in names:
        table.add_row(name, *(_number(found["features"][part][name]) for part in parts))
    return table


def _number(value: float | bool | None) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"
