"""How a route judges answers, as the file states it: a section a mode, with the keys of that mode and no others."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from gateway.settings.fields import NUMBER, Fraction, Section, Share, check_price
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName

MODES = ", ".join(mode for mode in ConfidenceMode if mode is not ConfidenceMode.UTILITY) + " or utility"
"""All of them, in words."""

_SHOWN = "Which raw score is shown beside the confidence, and stands in for it before there is a calibration. Absent: "
_SHOWN += "`mean_logprob`."
_DELTA = "The chance that the bound does not hold all the same."

ShownScore = Annotated[ScoreName | None, Field(description=_SHOWN)]
Value = Annotated[Decimal, Field(gt=0, le=1_000_000), AfterValidator(check_price), NUMBER]


class NoConfidence(Section):
    """Ask for no log-probabilities."""

    mode: Literal[ConfidenceMode.NONE]


class ObserveConfidence(Section):
    """Score, export and record every answer; never act."""

    mode: Literal[ConfidenceMode.OBSERVE] = ConfidenceMode.OBSERVE
    score: ShownScore = None


class ThresholdConfidence(Section):
    """Fall back where a raw score is below a fixed one, calibrated or not."""

    mode: Literal[ConfidenceMode.THRESHOLD]
    score: ScoreName = Field(description="Which score is compared.")
    min: Share = Field(description="The least score that is served, in [0, 1].")


class BudgetConfidence(Section):
    """Let a stated share of answers fall back, those that are the least sure."""

    mode: Literal[ConfidenceMode.BUDGET]
    share: Fraction = Field(description="How much falls back for low confidence, of the answers that are judged.")
    score: ShownScore = None


class RiskConfidence(Section):
    """Bound the share of all answers that are served by an arm and wrong."""

    mode: Literal[ConfidenceMode.RISK]
    alpha: Fraction = Field(description="The bound, of all answers.")
    delta: Fraction = Field(default=0.1, description=_DELTA)
    score: ShownScore = None


class SelectiveRiskConfidence(Section):
    """Bound the share of wrong answers among those that an arm serves."""

    mode: Literal[ConfidenceMode.SELECTIVE_RISK]
    alpha: Fraction = Field(description="The bound, of the answers served.")
    delta: Fraction = Field(default=0.1, description=_DELTA)
    score: ShownScore = None


class UtilityConfidence(Section):
    """Fall back where the expected gain is worth the price."""

    mode: Literal[ConfidenceMode.UTILITY]
    value_usd: Value = Field(description="What a correct answer is worth, in dollars.")
    score: ShownScore = None


def _mode(value: object) -> str | None:
    mode = value.get("mode", ConfidenceMode.OBSERVE) if isinstance(value, dict) else getattr(value, "mode", None)
    return f"<{mode}>" if isinstance(mode, str) and mode in set(ConfidenceMode) else None


Confidence = Annotated[
    Annotated[NoConfidence, Tag("<none>")]
    | Annotated[ObserveConfidence, Tag("<observe>")]
    | Annotated[ThresholdConfidence, Tag("<threshold>")]
    | Annotated[BudgetConfidence, Tag("<budget>")]
    | Annotated[RiskConfidence, Tag("<risk>")]
    | Annotated[SelectiveRiskConfidence, Tag("<selective_risk>")]
    | Annotated[UtilityConfidence, Tag("<utility>")],
    Discriminator(_mode, custom_error_type="confidence_mode", custom_error_message="unknown mode"),
]
