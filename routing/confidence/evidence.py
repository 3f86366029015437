"""What thresholds are computed from: answers that a score was not fitted to, how sure it was, and who was wrong."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """Answers with their confidence, in any order."""

    confidences: tuple[float, ...] = ()
    """In [0, 1], by the scorer that is served."""
    wrong: tuple[int, ...] = ()
    """1 for each answer that was wrong, else 0; empty where nobody has said so of any."""

    def __post_init__(self) -> None:
        """Raises `ValueError` where the two do not go together."""
        if self.wrong and len(self.wrong) != len(self.confidences):
            raise ValueError(f"{len(self.confidences)} confidences and {len(self.wrong)} grades do not go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one calibration beside its numbers. All of it is kept, so that a changed target needs no refit.

    None of its answers has been used to fit the scorers, and all had the same chance to be among them.
    """

    whole: Graded = field(default_factory=Graded)
    prefix: Graded = field(default_factory=Graded)
    auroc_low: float | None = None
    """The lower 95 % bound of AUROC for whole answers; `None` where it was not measured."""
    mu_large: float | None = None
    """How often the fallback's answers are right, in [0, 1]; `None` where that is not known."""
    cost_large_usd: float | None = None
    """What one answer of the fallback costs; `None` where no price is known."""
    alpha_shift: float = 0.0
    """Added to the `alpha` of `risk`: below 0 where audits found more wrong answers than it allows, never loosening."""
