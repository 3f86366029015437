"""An experiment of a route, as the file states it: what is compared, what is asked of it, and how it moves on."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.settings.fields import NUMBER, REFERENCE_PATTERN, NameText, Section, check_percent, refused
from routing.assignment.buckets import BUCKETS
from routing.experiment.contract import SHARES, Contract, ExperimentMode, Goal, Limit, MetricName
from routing.words import ModelName

MIN_UNITS: Final = 100
"""Below it the sequences do not hold."""
FIRST_REQUEST: Final = "first_request"

_UNITS_US: Final = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_MAX_DURATION_US = 366 * _UNITS_US["d"]
_WANTED = "such as 30m, 24h or 7d"


def duration_us(text: str) -> int:
    """Microseconds of a duration such as `30m`; of `first_request` 0."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS_US[found[2]] if found else 0


def _duration(value: object) -> object:
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise refused("{value} is not a duration, " + _WANTED)
    if duration_us(value) > _MAX_DURATION_US:
        raise refused("{value} is longer than 366d")
    return value


def _horizon(value: object) -> object:
    if value == FIRST_REQUEST:
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise refused("{value} is not a duration, " + _WANTED + ", and not first_request")
    if not duration_us(value):
        raise refused("{value} leaves no time for anything; first_request counts a unit's first request alone")
    return _duration(value)


def _moment(value: object) -> object:
    """A day, which is its beginning, or a time; without a zone in UTC."""
    try:
        text = value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else ""
        found = datetime.fromisoformat(text)
    except ValueError:
        raise refused("{value} is not a date, such as 2026-12-31, or a time, such as 2026-12-31T18:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _rising(steps: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    for before, after in pairwise(steps):
        if after < before:
            raise refused("go down from {before} to {after}; a step is never down", before=before, after=after)
        if after == before:
            raise refused("have {after} twice", after=after)
    if not steps or steps[-1] != 100:
        raise refused("must end at 100, as in [1, 5, 25, 50, 100]")
    return steps


def _not_negative(value: float) -> float:
    if value < 0:
        raise refused(
            "{value} is not allowed; a margin says by how much the candidate may be worse, and is never negative, "
            "whichever direction is better"
        )
    return value


def _duration_schema(*words: str) -> WithJsonSchema:
    patterns = [f"^{_DURATION.pattern}$", *(f"^{word}$" for word in words), REFERENCE_PATTERN]
    return WithJsonSchema({"type": "string", "pattern": "|".join(patterns)})


Duration = Annotated[str, BeforeValidator(_duration), _duration_schema()]
Horizon = Annotated[str, BeforeValidator(_horizon), _duration_schema(FIRST_REQUEST)]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string"})]
Step = Annotated[Decimal, Field(gt=0, le=100), AfterValidator(check_percent), NUMBER]
Margin = Annotated[float, AfterValidator(_not_negative), NUMBER]


class _Metric(Section):
    metric: MetricName = Field(description="What is measured, by assigned arm, whoever answered in the end.")

    def _check_share(self, margin: float | None) -> None:
        if margin is not None and margin >= 1 and self.metric in SHARES:
            raise refused(
                "a margin of {margin} of {metric}, which lies between 0 and 1, excludes nothing; 0.02 is two points",
                margin=f"{margin:g}",
                metric=self.metric.value,
            )


class PrimaryMetric(_Metric):
    """What the experiment is about."""

    margin: Annotated[Margin, Field(json_schema_extra={"exclusiveMinimum": 0})] | None = Field(
        default=None,
        description="How much worse is good enough, in the metric's own unit; shares as fractions. Absent: the "
        "candidate has to be better.",
    )

    @model_validator(mode="after")
    def _excludes_something(self) -> Self:
        self._check_share(self.margin)
        if self.margin == 0:
            raise refused("a margin of 0 asks for a candidate that is better: leave it out")
        return self


class Guardrail(_Metric):
    """A metric that must not get worse by more than a margin."""

    margin: Annotated[Margin, Field(json_schema_extra={"minimum": 0})] = Field(
        description="By how much the candidate may be worse, in the metric's own unit; shares as fractions."
    )

    @model_validator(mode="after")
    def _excludes_something(self) -> Self:
        self._check_share(self.margin)
        return self


class Experiment(Section):
    """A candidate beside a baseline, under a contract that does not change once it has started."""

    name: NameText = Field(description="Used once on a route: the next experiment needs another.")
    baseline: NameText = Field(description="The arm that is in use. Both are arms of the route's split, be it with 0.")
    candidate: NameText = Field(description="The arm that may take over.")
    mode: ExperimentMode = Field(
        default=ExperimentMode.OBSERVE,
        description="`auto`: the gateway steps, promotes and rolls back by itself. `observe`: it says what it would "
        "do.",
    )
    primary: PrimaryMetric = Field(description="The one metric that decides.")
    guardrails: tuple[Guardrail, ...] = Field(
        default=(), description="Metrics that must not get worse by more than a margin; a breach rolls back."
    )
    min_units: Annotated[int, Field(ge=MIN_UNITS, le=1_000_000_000), NUMBER] = Field(
        default=500,
        description="Units an arm, at each step, before it moves on; of a metric of labels those with a label.",
    )
    planned_units: Annotated[int, Field(ge=2 * MIN_UNITS, le=1_000_000_000), NUMBER] = Field(
        default=5000, description="Units in both arms together at which intervals are tightest; see `fallgate plan`."
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5), NUMBER] = Field(
        default=0.05, description="How often a difference may be seen where there is none, however often one looks."
    )
    steps: Annotated[tuple[Step, ...], AfterValidator(_rising)] = Field(
        default=tuple(map(Decimal, (1, 5, 25, 50, 100))),
        json_schema_extra={"default": [1, 5, 25, 50, 100]},
        description="The candidate's percent of the units, one step after the other; two decimals at most.",
    )
    soak: Duration = Field(default="1h", description="The least time at each step: a number with `s`, `m`, `h` or `d`.")
    horizon: Horizon = Field(
        default="24h",
        description="How long a unit's requests are summed up from its first on, or `first_request` for that alone.",
    )
    stop: Moment = Field(
        description="When it ends without a verdict: a date (UTC), which is its beginning, or a time such as "
        "`2026-12-31T18:00Z`."
    )
    holdout: Annotated[Decimal, Field(ge=0, le=50), AfterValidator(check_percent), NUMBER] = Field(
        default=Decimal(0), description="Percent of all units that stay with the baseline whatever happens."
    )

    @model_validator(mode="after")
    def _leaves_something_to_compare(self) -> Self:
        if len(self.steps) == 1 and not self.holdout:
            raise refused("steps begin at 100, which leaves the baseline no unit; begin lower, or keep a holdout")
        kept = BUCKETS - _hundredths(self.holdout)
        shares = [max(1, _hundredths(step) * kept // BUCKETS) for step in self.steps]
        if len(set(shares)) < len(shares):
            raise refused("has two steps that are the same share of the units once the holdout is taken away")
        return self

    def contract(self) -> Contract:
        """The same in the units that everything else counts in."""
        return Contract(
            name=self.name,
            baseline=ModelName(self.baseline),
            candidate=ModelName(self.candidate),
            mode=self.mode,
            primary=Goal(metric=self.primary.metric, margin=_float(self.primary.margin)),
            guardrails=tuple(Limit(metric=one.metric, margin=float(one.margin)) for one in self.guardrails),
            min_units=self.min_units,
            planned_units=self.planned_units,
            alpha=float(self.alpha),
            steps=tuple(map(_hundredths, self.steps)),
            soak_us=duration_us(self.soak),
            horizon_us=duration_us(self.horizon),
            stop_us=int(self.stop.timestamp()) * 1_000_000,
            holdout=_hundredths(self.holdout),
        )


def _hundredths(percent: Decimal) -> int:
    return int(percent * 100)


def _float(value: float | None) -> float | None:
    # A configuration that is built in code may hold an integer; equal contracts have to be equal texts too.
    return None if value is None else float(value)
