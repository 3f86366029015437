"""When a version should be trained again, why, and on what.

    reason      is there while                                                       has to last
    drift       an alarm of drift is on                                              yes
    quality     audits say something else than confidence, or less than at first     yes
    cadence     the newest version is old enough, and enough examples have come      no

Each reason of a route is told once for each cause:

    CALM --is there--> SEEN --lasts--> DUE --not there for a day, or a newer version serves--> CALM
            <--not there for a while--

What counts is the newest version that has a share of the route's units: while it serves, an older one beside it may
drift as it likes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from routing.words import ModelName, RouteName

MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
MOST_MOVED: Final = 20
"""Features that a summary names."""


CORRECT: Final = "correct"
"""The feature whose alarm says that answers are right less often, as labels one by one have it: that is quality."""


class RetrainingReason(StrEnum):
    """Why a version is due."""

    DRIFT = "drift"
    QUALITY = "quality"
    CADENCE = "cadence"


class QualityKind(StrEnum):
    """In what way quality has become worse."""

    PARTED = "parted"
    """Audits find another accuracy than calibrated confidence estimates."""
    LOWER = "lower"
    """Audits find less accuracy than when the version began to serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """By what a route's versions are found due; times in microseconds."""

    every_us: int
    min_new_examples: int
    lasting_us: int
    gap_us: int = 15 * MINUTE_US
    """For so long what is not due yet may be away without beginning anew: three windows of five minutes."""
    clear_us: int = DAY_US
    """For so long what is due has to be away until it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFacts:
    """An arm of a route."""

    model: ModelName
    share: int
    """Hundredths of a percent."""
    trained_us: int | None
    """`None` where nobody knows where it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What could be trained on, since the newest version was trained. Counts, never texts."""

    requests: int
    """With a label, a demonstration or both."""
    labels: Mapping[str, int]
    """By source."""
    demonstrations: int
    since_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A feature of an arm whose alarm is on."""

    model: ModelName
    feature: str
    family: str
    score: float | None
    """Its distance from the reference; `None` for what has none."""
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """An arm's quality, where that is alarming."""

    model: ModelName
    kind: QualityKind
    audited: float
    """The share of right answers among those audited lately."""
    expected: float
    """What confidence estimates, or what audits found at first."""
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFacts:
    """What is known of a route at a moment."""

    route: RouteName
    arms: Sequence[ArmFacts]
    examples: Examples
    moved: Sequence[Moved] = ()
    worse: Sequence[Worse] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far one reason of one route is. What is absent has not happened."""

    version: str | None = None
    """The newest version, or versions, when it was looked at last."""
    seen_since_us: int | None = None
    away_since_us: int | None = None
    due_since_us: int | None = None


CALM: Final = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A reason that is due, with what it takes to act on it."""

    reason: RetrainingReason
    version: str
    since_us: int
    sentence: str
    examples: Examples
    moved: Sequence[Moved] = field(default=())
    worse: Sequence[Worse] = field(default=())


def newest(arms: Iterable[ArmFacts]) -> tuple[ArmFacts, ...]:
    """The version that was trained last of those that have a share; several where that is the same moment."""
    serving = sorted((arm for arm in arms if arm.share), key=lambda arm: arm.model)
    latest = max((arm.trained_us for arm in serving if arm.trained_us is not None), default=None)
    return tuple(arm for arm in serving if arm.trained_us == latest)


def version_of(facts: RouteFacts) -> str:
    """The name of the newest version, or the names."""
    return ", ".join(arm.model for arm in newest(facts.arms))


def judge(
    facts: RouteFacts, policy: Policy, standings: Mapping[RetrainingReason, Standing], at_us: int
) -> dict[RetrainingReason, Standing]:
    """Where each reason stands after another look at a moment."""
    version = version_of(facts)
    return {
        reason: _advance(standings.get(reason, CALM), since_us, _policy_of(reason, policy), version, at_us)
        for reason, since_us in _seen(facts, policy, at_us).items()
    }


def due_of(facts: RouteFacts, reason: RetrainingReason, standing: Standing) -> Due | None:
    """What there is to tell of a reason; `None` while it is not due."""
    if standing.due_since_us is None:
        return None
    moved = ranked(facts)
    worse = tuple(one for one in facts.worse if one.model in _names(facts) and _is_worse(one))
    return Due(
        reason=reason,
        version=version_of(facts),
        since_us=standing.due_since_us,
        sentence=_sentence(facts, reason, moved, worse),
        examples=facts.examples,
        moved=moved,
        worse=worse,
    )


def ranked(facts: RouteFacts) -> tuple[Moved, ...]:
    """The features of the newest version whose alarms are on, what moved most first."""
    own = [one for one in facts.moved if one.model in _names(facts)]
    own.sort(key=lambda one: (-(one.score or 0.0), one.feature, one.model))
    return tuple(own[:MOST_MOVED])


def _names(facts: RouteFacts) -> set[ModelName]:
    return {arm.model for arm in newest(facts.arms)}


def _seen(facts: RouteFacts, policy: Policy, at_us: int) -> dict[RetrainingReason, int | None]:
    """Since when each reason is there; `None` where it is not."""
    names = _names(facts)
    own = [one for one in facts.moved if one.model in names]
    return {
        RetrainingReason.DRIFT: _first(own, lambda one: not _is_worse(one)),
        RetrainingReason.QUALITY: _first([*own, *facts.worse], lambda one: _is_worse(one) and one.model in names),
        RetrainingReason.CADENCE: at_us if _is_of_age(facts, policy, at_us) else None,
    }


def _first(signs: Iterable[Moved | Worse], counts: Callable[[Moved | Worse], bool]) -> int | None:
    return min((one.since_us for one in signs if counts(one)), default=None)


def _is_worse(one: Moved | Worse) -> bool:
    """Answers that are better than expected are no reason: it is confidence that wants labels then."""
    return one.feature == CORRECT if isinstance(one, Moved) else one.audited < one.expected


def _is_of_age(facts: RouteFacts, policy: Policy, at_us: int) -> bool:
    trained_us = next((arm.trained_us for arm in newest(facts.arms)), None)
    is_of_age = trained_us is not None and at_us - trained_us >= policy.every_us
    return is_of_age and facts.examples.requests >= policy.min_new_examples


def _policy_of(reason: RetrainingReason, policy: Policy) -> Policy:
    """Age neither has to last nor comes back by itself."""
    if reason is not RetrainingReason.CADENCE:
        return policy
    return replace(policy, lasting_us=0, gap_us=0, clear_us=0)


def _advance(standing: Standing, since_us: int | None, policy: Policy, version: str, at_us: int) -> Standing:
    if standing.version != version:
        standing = Standing(version=version)  # somebody has acted; what is still there has a new cause
    if since_us is None:
        return _away(standing, policy, at_us)
    first_us = min(since_us, at_us) if standing.seen_since_us is None else min(since_us, standing.seen_since_us)
    due_us = standing.due_since_us
    if due_us is None and at_us - first_us >= policy.lasting_us:
        due_us = at_us
    return replace(standing, seen_since_us=first_us, away_since_us=None, due_since_us=due_us)


def _away(standing: Standing, policy: Policy, at_us: int) -> Standing:
    if standing.seen_since_us is None:
        return standing
    since_us = at_us if standing.away_since_us is None else standing.away_since_us
    patience_us = policy.gap_us if standing.due_since_us is None else policy.clear_us
    if at_us - since_us >= patience_us:
        return Standing(version=standing.version)
    return replace(standing, away_since_us=since_us)


def _sentence(facts: RouteFacts, reason: RetrainingReason, moved: Sequence[Moved], worse: Sequence[Worse]) -> str:
    version, examples = version_of(facts), facts.examples.requests
    said = f"{version} is due for training again"
    if reason is RetrainingReason.DRIFT:
        names = (
            ", ".join(dict.fromkeys(one.feature for one in moved if one.feature != CORRECT))
            or "what moved has come back since"
        )
        return f"{said}: its requests or answers have moved ({names}); {examples} new examples"
    if reason is RetrainingReason.QUALITY:
        told = [_worse(one) for one in worse]
        told += ["labels say that its answers are right less often"] * any(one.feature == CORRECT for one in moved)
        what = "; ".join(told) or "quality has come back since"
        return f"{said}: {what}; {examples} new examples"
    trained_us = next((arm.trained_us for arm in newest(facts.arms)), None)
    days = (facts.examples.until_us - (trained_us or 0)) // DAY_US
    return f"{said}: it was trained {days} days ago, and {examples} new examples have come since"


def _worse(one: Worse) -> str:
    if one.kind is QualityKind.PARTED:
        return f"audits find {one.audited:.3f} of its answers right where its confidence says {one.expected:.3f}"
    return f"audits find {one.audited:.3f} of its answers right, and found {one.expected:.3f} at first"
