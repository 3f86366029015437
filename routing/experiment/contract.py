"""What an experiment promises before it starts, and how far it has come.

planned --start--> running --every condition of a step holds--> running, one step on --the last one--> promoted
                   running --a guardrail is breached, or the primary metric is surely worse--> rolled back
                   running --by hand: pause, a split or a roll-back--> paused --resume--> running
                   running --the stop date comes--> inconclusive
                   running or paused --by hand: abort--> rolled back
"""

from dataclasses import dataclass
from enum import StrEnum

from routing.assignment.buckets import BUCKETS
from routing.words import ModelName


class MetricName(StrEnum):
    """What experiments measure, each by assigned arm, whoever answered in the end."""

    FEEDBACK_SUCCESS = "feedback_success"
    """Share of labelled units' requests that their application called a success. Higher is better."""
    AUDIT_AGREEMENT = "audit_agreement"
    """Share of audited answers with which the large model agrees. Higher is better."""
    CONFIDENCE = "confidence"
    """Of the arm's answers. Higher is better."""
    FALLBACK_SHARE = "fallback_share"
    """Share of requests that the fallback answered, for whatever reason. Lower is better, as all that follow."""
    FAILURE_SHARE = "failure_share"
    """Share of requests that nobody answered."""
    INVALID_SHARE = "invalid_share"
    """Share of the arm's answers that did not pass a hard gate."""
    LATENCY_MS = "latency_ms"
    """Mean time to the end of an answer."""
    LATENCY_P95_MS = "latency_p95_ms"
    FIRST_TOKEN_MS = "first_token_ms"
    """Mean time to the first content of streams."""
    OUTPUT_TOKENS = "output_tokens"
    """A request, of all attempts."""
    COST_USD = "cost_usd"
    """A request, of the whole path, fallback included."""


IS_HIGHER_BETTER = frozenset({MetricName.FEEDBACK_SUCCESS, MetricName.AUDIT_AGREEMENT, MetricName.CONFIDENCE})
LABEL_METRICS = frozenset({MetricName.FEEDBACK_SUCCESS, MetricName.AUDIT_AGREEMENT})
SHARES = LABEL_METRICS | {
    MetricName.CONFIDENCE,
    MetricName.FALLBACK_SHARE,
    MetricName.FAILURE_SHARE,
    MetricName.INVALID_SHARE,
}
"""Those that lie between 0 and 1."""
MANUAL = "manual"
"""The reason of a pause that a change of the split by hand has made."""


class ExperimentMode(StrEnum):
    """Who acts."""

    OBSERVE = "observe"
    """Nobody: what would be done is reported."""
    AUTO = "auto"
    """The gateway itself."""


class ExperimentState(StrEnum):
    """How far an experiment is."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    INCONCLUSIVE = "inconclusive"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self in (ExperimentState.INCONCLUSIVE, ExperimentState.PROMOTED, ExperimentState.ROLLED_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The metric that the experiment is about."""

    metric: MetricName
    margin: float | None = None
    """How much worse is good enough, at least 0; `None`: the candidate has to be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A metric that must not get worse by more than a margin."""

    metric: MetricName
    margin: float
    """At least 0, in the metric's own unit; shares as fractions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Everything that is fixed before the start."""

    name: str
    baseline: ModelName
    candidate: ModelName
    mode: ExperimentMode
    primary: Goal
    guardrails: tuple[Limit, ...]
    min_units: int
    """Matured units an arm before any verdict; of a label metric those with a label."""
    planned_units: int
    """In both arms together; the sequences are tightest there."""
    alpha: float
    steps: tuple[int, ...]
    """The candidate's share at each step, in hundredths of a percent of all units but those of the hold-out, rising to
    10,000."""
    soak_us: int
    """The least time at each step."""
    horizon_us: int
    """How long a unit's value is summed up; 0 for its first request alone."""
    stop_us: int
    """UTC microseconds since 1970: when it ends without a verdict."""
    holdout: int = 0
    """Hundredths of a percent of all units that stay with the baseline whatever happens."""

    def share_at(self, step: int) -> int:
        """The candidate's share of all units at a step, in hundredths of a percent; never nothing."""
        return max(1, self.steps[step] * (BUCKETS - self.holdout) // BUCKETS)

    @property
    def last_step(self) -> int:
        """The index of the last of `steps`."""
        return len(self.steps) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one experiment has come."""

    state: ExperimentState
    step: int
    """Index into `Contract.steps`."""
    step_since_us: int
    started_us: int | None
    reason: str
    """Why it is in this state: a sentence, or `MANUAL`."""
