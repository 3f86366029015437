"""A route of the file: its split, whom it keeps together, its fallback, time limits, audits, experiment and drift."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainSerializer, Tag, WithJsonSchema

from gateway.settings.audit import Audit
from gateway.settings.confidence import Confidence, ObserveConfidence
from gateway.settings.drift import Drift
from gateway.settings.experiment import Experiment
from gateway.settings.fields import NUMBER, NameKey, NameText, Percent, Seconds, Section, refused
from gateway.settings.retrain import Retrain
from gateway.settings.shadow import Shadow
from gateway.settings.target import Target
from routing.answer.policy import CONDITIONAL_REASONS
from routing.assignment.units import UnitPlace
from routing.words import Reason

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_BODY_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_ALWAYS_PRESENT = (UnitPlace.REQUEST, UnitPlace.KEY)


class HoldPrefix(Section):
    """The start of a stream that is held until it is judged."""

    tokens: Annotated[int, Field(ge=1, le=100_000), NUMBER] = Field(
        default=16, description="Content tokens after which the prefix is judged."
    )
    ms: Annotated[int, Field(ge=1, le=600_000), NUMBER] = Field(
        default=300, description="Milliseconds from the first content token after which it is judged at the latest."
    )


def _hold_form(value: object) -> str | None:
    if isinstance(value, dict | HoldPrefix):
        return "<prefix>"
    return "<word>" if isinstance(value, str) and value in ("none", "full") else None


Hold = Annotated[
    Annotated[Literal["none", "full"], Tag("<word>")] | Annotated[HoldPrefix, Tag("<prefix>")],
    Discriminator(
        _hold_form,
        custom_error_type="sentence",
        custom_error_message="must be none, full, or a mapping such as {tokens: 16, ms: 300}",
    ),
]


def _conditional(reason: Reason) -> Reason:
    if reason not in CONDITIONAL_REASONS:
        raise refused("{value} always falls back; leave it out")
    return reason


def _in_order(reasons: frozenset[Reason]) -> list[str]:
    return [reason.value for reason in CONDITIONAL_REASONS if reason in reasons]


ConditionalReason = Annotated[
    Reason,
    AfterValidator(_conditional),
    WithJsonSchema({"type": "string", "enum": [reason.value for reason in CONDITIONAL_REASONS]}),
]


class Fallback(Section):
    """The model that answers instead, and when."""

    to: NameText = Field(description="The model of `models` that answers instead. It is no arm of the same split.")
    when: Annotated[frozenset[ConditionalReason], PlainSerializer(_in_order)] = Field(
        default=frozenset(CONDITIONAL_REASONS),
        json_schema_extra={"default": [reason.value for reason in CONDITIONAL_REASONS]},
        description="The reasons to fall back for. `unavailable` (breaker open, or a 429) always falls back.",
    )
    confidence: Confidence = Field(default=ObserveConfidence(), description="How answers are judged.")
    hold: Hold = Field(
        default=HoldPrefix(),
        description="How much of a stream is kept back until it is judged: `none`, `full`, or a prefix.",
    )


class Timeouts(Section):
    """Time limits, in seconds."""

    connect_s: Seconds = Field(default=2, description="To open a connection to an upstream.")
    first_token_s: Seconds = Field(default=10, description="To the first content of a stream.")
    idle_s: Seconds = Field(default=60, description="Between two pieces of a stream.")
    attempt_s: Seconds = Field(
        default=120,
        description="One attempt at a whole answer, and never more than half of what is left of `total_s` while a "
        "fallback remains.",
    )
    total_s: Seconds = Field(default=600, description="The request, whatever happens.")


def _hundred(split: dict[str, Decimal]) -> dict[str, Decimal]:
    if not split:
        raise refused("is empty; name at least one model, as in {support-v1: 100}")
    total = sum(split.values())
    if total != 100:
        raise refused("percentages sum to {total}, not 100", total=f"{total.normalize():f}" if total else "0")
    return split


def _unit(text: str) -> str:
    place, colon, name = text.partition(":")
    if not colon and place in _ALWAYS_PRESENT:
        return text
    if place == UnitPlace.HEADER and _HEADER.fullmatch(name):
        return text.lower()
    if place == UnitPlace.BODY and _BODY_FIELD.fullmatch(name):
        return text
    raise refused("{value} is no unit; use header:NAME, body:FIELD, key or request")


def _ends_always_present(units: tuple[str, ...]) -> tuple[str, ...]:
    if not units or units[-1] not in _ALWAYS_PRESENT:
        raise refused("must end with request or key, which every request has")
    for unit in units:
        if units.count(unit) > 1:
            raise refused("names {unit} twice", unit=unit)
    early = next((unit for unit in units[:-1] if unit in _ALWAYS_PRESENT), None)
    if early is not None:
        raise refused("has {unit}, which every request has, before its end; what follows would never count", unit=early)
    return units


class Route(Section):
    """A task that applications name in `model`."""

    split: Annotated[dict[NameKey, Percent], AfterValidator(_hundred)] = Field(
        description="Percent of the units for each arm, which is a model of `models`; two decimals at most, 100 in "
        "all. 0 keeps an arm ready."
    )
    unit: Annotated[tuple[Annotated[str, AfterValidator(_unit)], ...], AfterValidator(_ends_always_present)] = Field(
        default=("header:x-user-id", "body:user", "body:safety_identifier", "request"),
        description="Whom the split keeps together: the first of these that a request has. "
        "`header:NAME`, `body:FIELD`, `key` (the client's key) or `request` (nobody: each request by itself).",
    )
    targets: tuple[Target, ...] = Field(
        default=(),
        max_length=100,
        description="Requests that get a certain arm before the split is asked; the first that fits counts.",
    )
    fallback: Fallback | None = Field(default=None, description="Which model answers instead. Absent: none.")
    timeouts: Timeouts = Field(default=Timeouts(), description="Time limits.")
    audit: Audit | None = Field(
        default=None,
        description="A random share of requests that the fallback answers as well, to compare. Absent: none.",
    )
    shadow: Shadow | None = Field(
        default=None,
        description="A random share of requests that another model answers too, unseen, to compare. Absent: none.",
    )
    experiment: Experiment | None = Field(
        default=None, description="A candidate beside a baseline, under a contract. Absent: none."
    )
    drift: Drift = Field(
        default=Drift(), description="Whether requests and answers are still what they were. Absent: the defaults."
    )
    retrain: Retrain = Field(default=Retrain(), description="When a version is due for training again.")
