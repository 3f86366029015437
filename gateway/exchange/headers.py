"""The response headers with which every answer explains itself."""

from gateway.errors import Headers
from gateway.exchange.facts import Exchange
from routing.confidence.gate import Judgement
from routing.words import Outcome

UNCALIBRATED = "none"
"""What stands for the calibration of a raw score."""


def explain(exchange: Exchange) -> Headers:
    """What is known of the request: its route, arm and attempts, and why this model answered.

    Scores are those of the assigned arm's answer, whoever answered in the end.
    """
    headers = [
        (b"x-request-id", exchange.head.request_id.encode()),
        (b"x-gateway-route", exchange.route.name.encode()),
        (b"x-gateway-arm", exchange.assignment.arm.encode()),
        (b"x-gateway-revision", exchange.live.revision_header),
        (b"x-gateway-attempts", b"%d" % len(exchange.attempts)),
    ]
    if exchange.assignment.bucket is not None:
        headers.append((b"x-gateway-bucket", b"%d" % exchange.assignment.bucket))
    if exchange.served is not None:
        headers.append((b"x-gateway-model", exchange.served.model.encode()))
    if exchange.reason is not None:
        if exchange.outcome is Outcome.FALLBACK:
            headers.append((b"x-gateway-fallback", exchange.reason.encode()))
        elif exchange.outcome is Outcome.DEGRADED:
            headers.append((b"x-gateway-degraded", exchange.reason.encode()))
    judgement = exchange.arm_judgement
    if judgement is not None and judgement.score is not None:
        headers += _worth(judgement, judgement.score)
    return headers


def _worth(judgement: Judgement, score: float) -> Headers:
    """What the arm's answer was found to be worth."""
    headers = [(b"x-gateway-score", b"%s=%.4f" % (judgement.score_name.encode(), score))]
    if judgement.confidence is not None:
        headers.append((b"x-gateway-confidence", b"%.4f" % judgement.confidence))
    headers.append((b"x-gateway-calibration", (judgement.calibration or UNCALIBRATED).encode()))
    if judgement.threshold is not None:
        headers.append((b"x-gateway-threshold", b"%.4f" % judgement.threshold))
    return headers
