"""Whether one run was a lucky one: all answers of the run, divided anew into labels and hold-out, many times over.

A bound with confidence 1 - delta is a promise about the draw of the labels: of many draws, about delta may miss it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from routing.confidence.arming import Terms, arm
from routing.confidence.features import Features
from routing.confidence.fit.online import Recorded, fit_online
from routing.confidence.gate import ConfidenceMode

TIMES = 100
DRAWS = 100
"""Resamples behind the bound of each AUROC: enough to see that a score is not blind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A version's whole answer, and whether it was right."""

    value: float
    whole: Features
    prefix: Features | None = None
    judged: str = "whole"
    is_weighed: bool = True


def divide(answers: Sequence[Graded], terms: Terms, labels: int, times: int = TIMES) -> dict[str, Any]:
    """Calibrate from `labels` of the answers with the gateway's own code, and count the rest; `times` over.

    The rest are some hundred answers, so the risk seen on them scatters around the true one.
    """
    chance = np.random.default_rng(0)
    orders = (chance.permutation(len(answers)) for _ in range(times))
    found = [_once([answers[at] for at in order], terms, labels) for order in orders]
    armed = np.asarray([one for one in found if one is not None], dtype=np.float64).reshape(-1, 2)
    risks = armed[:, 0]
    return {
        "times": times,
        "labels": labels,
        "held_out": len(answers) - labels,
        "armed": len(armed),
        "risk_mean": float(risks.mean()) if len(armed) else None,
        "risk_p90": float(np.quantile(risks, 0.9)) if len(armed) else None,
        "above_alpha": int((risks > (terms.alpha or 0.0)).sum()),
        "served_share_mean": float(armed[:, 1].mean()) if len(armed) else None,
    }


def terms_of(alpha: float, delta: float) -> Terms:
    """What is asked for."""
    return Terms(mode=ConfidenceMode.RISK, alpha=alpha, delta=delta)


def _once(answers: Sequence[Graded], terms: Terms, labels: int) -> tuple[float, float] | None:
    """The risk and the share served, of those not labelled; None where no bound was armed."""
    made = fit_online(answers[:labels], Recorded(), version="divided.1", draws=DRAWS)
    if made is None:
        return None
    arming = arm(terms, made.calibration, made.evidence, labels)
    if not arming.is_armed or arming.whole_threshold is None:
        return None
    rest = answers[labels:]
    served = [one for one in rest if (made.calibration.whole.confidence(one.whole) or 0.0) >= arming.whole_threshold]
    wrong = sum(one.value < 0.5 for one in served)
    return wrong / len(rest), len(served) / len(rest)
