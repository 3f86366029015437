"""What a threshold did on tickets that nobody had labelled: the risk with its bounds, accuracy, money and streams.

Each held-out ticket has three answers: what the application got, what the version says by itself, and what the large
model says by itself. Two of them are the same one.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from asking import Answer
from recorded import Record
from stack import DemoError

from routing.confidence.features import Features
from routing.confidence.fit.quality import measure
from routing.confidence.fit.thresholds import lower_bound, upper_bound
from routing.confidence.scorer import Calibration

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """How the version's answers were judged."""

    arm: str
    calibration: Calibration
    whole_threshold: float

    def whole(self, features: Features | None) -> float:
        """The confidence in a whole answer."""
        confidence = None if features is None else self.calibration.whole.confidence(features)
        if confidence is None:
            raise DemoError("a record has no features of the whole answer")
        return confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One held-out ticket."""

    got: Answer
    alone: Answer
    """The version's own answer: the one that was got, or what it said when asked by itself."""
    large: Answer
    record: Record
    confidence: float
    """In the version's whole answer."""
    small_nanousd: int
    """What the version's whole answer cost."""
    large_nanousd: int

    @property
    def is_served(self) -> bool:
        """By the version."""
        return self.got is self.alone

    @property
    def is_harm(self) -> bool:
        """Served by the version, and wrong."""
        return self.is_served and not self.alone.is_right


def case_of(got: Answer, other: Answer, records: Mapping[str, Record], judge: Judge) -> Case:
    """A ticket from what the application got, and from the model that it did not get."""
    is_served = got.model == judge.arm
    alone, large = (got, other) if is_served else (other, got)
    whole = records[alone.request_id]
    if alone.model != judge.arm or large.model == judge.arm:
        raise DemoError(f"ticket {got.ticket.number}: {alone.model} and {large.model} answered")
    return Case(
        got=got,
        alone=alone,
        large=large,
        record=records[got.request_id],
        confidence=judge.whole(whole.whole),
        small_nanousd=whole.cost_of(judge.arm),
        large_nanousd=records[large.request_id].cost_of(large.model),
    )


def risk_of(cases: Sequence[Case], alpha: float, delta: float) -> Json:
    """Served by the version and wrong, of all; the bounds each hold with confidence 1 - delta (Clopper-Pearson)."""
    n, harm, served = len(cases), sum(case.is_harm for case in cases), sum(case.is_served for case in cases)
    lower = float(lower_bound(harm, n, delta))
    return {
        "n": n,
        "served": served,
        "served_share": served / n,
        "served_and_wrong": harm,
        "risk": harm / n,
        "risk_lower": lower,
        "risk_upper": float(upper_bound(harm, n, delta)),
        "selective_risk": harm / served if served else None,
        "holds": lower <= alpha,
    }


def accuracy_of(cases: Sequence[Case]) -> Json:
    """The share of right answers: of the route, of the version by itself, of the large model by itself."""
    n = len(cases)
    return {
        "cascade": sum(case.got.is_right for case in cases) / n,
        "small": sum(case.alone.is_right for case in cases) / n,
        "large": sum(case.large.is_right for case in cases) / n,
    }


def quality_of(cases: Sequence[Case]) -> Json:
    """AUROC and ECE of the confidence in whole answers, with 95 % bootstrap intervals."""
    found = measure([case.confidence for case in cases], [float(case.alone.is_right) for case in cases])
    return {"n": found.n, "auroc": found.auroc._asdict(), "ece": found.ece._asdict()}


def money_of(cases: Sequence[Case]) -> Json:
    """What was paid, to the nano-dollar, and what the large model alone would have cost."""
    n = len(cases)
    paid, large = sum(case.record.cost_nanousd for case in cases), sum(case.large_nanousd for case in cases)
    small = sum(case.small_nanousd for case in cases)
    return {
        "cascade_nanousd": paid,
        "small_nanousd": small,
        "large_nanousd": large,
        "saved_nanousd": large - paid,
        "saved_share": 1 - paid / large,
        "cascade_usd_per_1000": paid / n / 1e6,
        "small_usd_per_1000": small / n / 1e6,
        "large_usd_per_1000": large / n / 1e6,
        "saved_usd_per_1000": (large - paid) / n / 1e6,
    }


def write_curve(path: Path, cases: Iterable[Case]) -> Path:
    """The rows that `fallgate curve` reads. Costs are in dollars."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["score", "correct", "fallback_correct", "cost", "fallback_cost"])
        for case in cases:
            right = int(case.alone.is_right), int(case.large.is_right)
            rows.writerow([repr(case.confidence), *right, case.small_nanousd / 1e9, case.large_nanousd / 1e9])
    return path


def streams_of(cases: Sequence[Case], judge: Judge) -> Json:
    """What holding the start of streams costs in time, and how well a start tells what the whole answer will.

    `added_ms` is from the first token's arrival in the gateway to the commit, of streams that the version was let go
    on with; it is the same stream with and without its hold.
    """
    streams = [case for case in cases if case.got.is_stream]
    released = [case for case in streams if case.is_served]
    by_start = [case for case in streams if case.record.is_judged_by_start]
    sure = [case.confidence >= judge.whole_threshold for case in by_start]
    agreed = sum(is_sure == case.is_served for is_sure, case in zip(sure, by_start, strict=True))
    in_vain = sum(is_sure and not case.is_served for is_sure, case in zip(sure, by_start, strict=True))
    late = [case.record.late_confidence for case in released if case.record.late_confidence is not None]
    doubted = sum(confidence < judge.whole_threshold for confidence in late)
    held_ms = [case.record.held_ms for case in released if case.record.held_ms is not None]
    return {
        "n": len(streams),
        "released": len(released),
        "added_ms": _spread(held_ms),
        "first_token_ms": {
            "held_and_released": _spread([case.got.first_s * 1000 for case in released]),
            "held_and_replaced": _spread([case.got.first_s * 1000 for case in streams if not case.is_served]),
            "not_held": _spread([c.alone.first_s * 1000 for c in cases if not c.is_served and c.alone.is_stream]),
        },
        "judged_by_start": len(by_start),
        "agreement": agreed / len(by_start) if by_start else None,
        "replaced_though_sure_at_the_end": in_vain,
        "late_low_confidence": doubted,
        "late_low_confidence_share": doubted / len(late) if late else None,
    }


def replayed(records: Sequence[Record]) -> Json:
    """How many judgements come out the same when the recorded features are judged again."""
    verdicts = Counter(record.replay() for record in records)
    return {"n": len(records), **{verdict: verdicts[verdict] for verdict in ("same", "different", "impossible")}}


def _spread(values: Sequence[float]) -> Json | None:
    if not values:
        return None
    median, p90 = np.percentile(np.asarray(values), [50, 90])
    return {"n": len(values), "median": float(median), "p90": float(p90)}
