"""Whether a calibration may act, and from which confidence on an answer is served: from what the route wants of it.

    mode              needs                                         serves
    budget            nothing; refused where the score is blind     all but the share with the lowest confidence
    risk              300 labels                                    as much as P(served and wrong) <= alpha allows
    selective_risk    300 labels                                    as much as P(wrong given served) <= alpha allows
    utility           200 labels, the fallback's worth and price    what the fallback is not worth its price for

The other modes compare no confidence. What cannot be met is refused with a sentence that says why. Blind is a score of
which 200 labels or more do not show that it tells right answers from wrong ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from routing.confidence.evidence import Evidence, Graded
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import Calibration

if TYPE_CHECKING:
    from routing.confidence.fit.thresholds import Decision

MIN_FIT_LABELS: Final = 200
MIN_RISK_LABELS: Final = 300
MIN_AUROC: Final = 0.55
"""A score whose lower 95 % bound of AUROC is under this tells too little to act on."""
MOST_TIGHTENING: Final = 0.5
"""Audits take away at most this part of `alpha`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a route wants of confidence; only the fields of the mode are looked at."""

    mode: ConfidenceMode
    share: float | None = None
    """`budget`: how much falls back, in (0, 1)."""
    alpha: float | None = None
    """`risk`, `selective_risk`: the bound on the risk, in (0, 1)."""
    delta: float | None = None
    """`risk`, `selective_risk`: the chance that the bound does not hold, in (0, 1)."""
    value_usd: float | None = None
    """`utility`: what a correct answer is worth, above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arming:
    """Whether confidence is acted on, and where the thresholds lie."""

    is_armed: bool
    reason: str
    """A sentence, armed or not."""
    whole_threshold: float | None = None
    prefix_threshold: float | None = None
    """`None` beside a threshold for whole answers: the starts of streams are not judged."""


_IDLE: Final = {
    ConfidenceMode.NONE: "mode none asks for no log-probabilities, so there is nothing to compare",
    ConfidenceMode.OBSERVE: "mode observe compares nothing",
}
_ALWAYS: Final = Arming(is_armed=True, reason="mode threshold compares the raw score, calibrated or not")


def arm(terms: Terms, calibration: Calibration | None, evidence: Evidence, labels: int) -> Arming:
    """Decide for one model on one route.

    Args:
        terms: what the route wants.
        calibration: how the model's answers become confidence; `None` before there is one.
        evidence: what came with the calibration; an empty one without.
        labels: how many labels there are, those of the fit included.

    >>> arm(Terms(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1), None, Evidence(), 0).reason
    'mode risk needs 300 labels; there are 0'
    """
    mode = terms.mode
    if mode is ConfidenceMode.THRESHOLD:
        return _ALWAYS
    if mode in _IDLE:
        return Arming(is_armed=False, reason=_IDLE[mode])
    if mode is ConfidenceMode.BUDGET:
        return _blind(evidence, labels) or _budget(terms.share or 0.0, calibration, evidence)
    needed = MIN_FIT_LABELS if mode is ConfidenceMode.UTILITY else MIN_RISK_LABELS
    if calibration is None or labels < needed:
        return _refused(f"mode {mode} needs {needed} labels; there are {labels}")
    refused = _blind(evidence, labels)
    if refused is not None:
        return refused
    return _utility(terms, calibration, evidence) if mode is ConfidenceMode.UTILITY else _risk(terms, evidence)


def tightened(alpha: float, shift: float) -> float:
    """The bound to aim for when audits find more wrong answers than it allows; never above it, and half of it at least.

    >>> [round(tightened(0.1, shift), 3) for shift in (-0.9, -0.03, 0.0, 0.2)]
    [0.05, 0.07, 0.1, 0.1]
    """
    return alpha + max(-MOST_TIGHTENING * alpha, min(0.0, shift))


def _blind(evidence: Evidence, labels: int) -> Arming | None:
    low = evidence.auroc_low
    if low is None or labels < MIN_FIT_LABELS or low >= MIN_AUROC:
        return None
    return _refused(
        f"the score hardly tells right answers from wrong ones: with {labels} labels the lower 95 % bound of its AUROC "
        f"is {low:.3f}, under {MIN_AUROC}"
    )


def _budget(share: float, calibration: Calibration | None, evidence: Evidence) -> Arming:
    held = f"the {_percent(share)} of answers that are the least sure fall back"
    if calibration is None:
        return Arming(is_armed=True, reason=f"{held}; there is no calibration yet, so raw scores are compared")
    return Arming(
        is_armed=True,
        reason=held,
        whole_threshold=_quantile(evidence.whole.confidences, share),
        prefix_threshold=_quantile(evidence.prefix.confidences, share),
    )


def _quantile(confidences: tuple[float, ...], share: float) -> float | None:
    """Where a tracker may begin: about `share` of these lie below. `None` without any."""
    if not confidences:
        return None
    return sorted(confidences)[min(int(share * len(confidences)), len(confidences) - 1)]


def _risk(terms: Terms, evidence: Evidence) -> Arming:
    from routing.confidence.fit.thresholds import risk_threshold, selective_risk_threshold

    alpha, delta = terms.alpha or 0.0, terms.delta or 0.0
    if terms.mode is ConfidenceMode.SELECTIVE_RISK:
        return _armed(evidence, lambda graded: selective_risk_threshold(graded.confidences, graded.wrong, alpha, delta))
    goal = tightened(alpha, evidence.alpha_shift)
    return _armed(evidence, lambda graded: risk_threshold(graded.confidences, graded.wrong, goal, delta))


def _utility(terms: Terms, calibration: Calibration, evidence: Evidence) -> Arming:
    from routing.confidence.fit.thresholds import utility_threshold

    accuracy, cost_usd = evidence.mu_large, evidence.cost_large_usd
    if not calibration.is_probability:
        return _refused("mode utility needs a confidence that is a probability; this one only puts answers in order")
    if accuracy is None:
        return _refused("mode utility needs to know how often the fallback is right, and no label says so yet")
    if cost_usd is None:
        return _refused("mode utility needs to know what the fallback's answers cost; give its model a price")
    price = cost_usd / (terms.value_usd or 1.0)
    return _armed(evidence, lambda graded: utility_threshold(graded.confidences, accuracy, price))


def _armed(evidence: Evidence, decide: "Callable[[Graded], Decision]") -> Arming:
    """Whole answers decide whether a target can be met; the starts of streams are judged where they can be as well."""
    if not evidence.whole.confidences:
        return _refused("there are no labels left for the threshold, beside those of the fit")
    whole = decide(evidence.whole)
    if not whole.feasible:
        return _refused(whole.reason)
    reason = f"{whole.reason}; {_percent(whole.accepted_share or 0.0)} of the labelled answers are served"
    if not evidence.prefix.confidences:
        return Arming(is_armed=True, reason=reason, whole_threshold=whole.threshold)
    prefix = decide(evidence.prefix)
    if not prefix.feasible:
        reason += f". The starts of streams are not judged: {prefix.reason}"
    return Arming(is_armed=True, reason=reason, whole_threshold=whole.threshold, prefix_threshold=prefix.threshold)


def _refused(reason: str) -> Arming:
    return Arming(is_armed=False, reason=reason)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
