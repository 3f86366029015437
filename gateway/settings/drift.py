"""How closely a route is watched for drift."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from gateway.settings.fields import NUMBER, Section, refused

_WORDS: Final = {"true": True, "false": False}


def _yes_or_no(value: Any) -> bool:  # whatever the file has, or the environment, where all is text
    known = _WORDS.get(value) if isinstance(value, str) else value
    if not isinstance(known, bool):
        raise refused("{value} must be true or false")
    return known


class Drift(Section):
    """Whether the route's requests and answers are still what they were, by arm. Texts are never kept for it."""

    enabled: Annotated[bool, BeforeValidator(_yes_or_no)] = Field(
        default=True, description="`false`: nothing of this route is looked at."
    )
    window_requests: Annotated[int, Field(ge=50, le=1_000_000), NUMBER] = Field(
        default=500, description="Requests of an arm that are judged together. Fewer show large shifts only."
    )
    window_minutes: Annotated[float, Field(ge=0, le=10_080), NUMBER] = Field(
        default=5, description="How long a window is at least: it ends when it has both its requests and its time."
    )
    false_alarm_every_days: Annotated[float, Field(ge=1, le=3650), NUMBER] = Field(
        default=30, description="How rare false alarms of a route shall be, over all that is looked at, on average."
    )
    alpha: Annotated[float, Field(gt=0, le=0.05), NUMBER] = Field(
        default=0.001, description="How unlikely by chance what is told as an alarm has to be."
    )
    reference_requests: Annotated[int, Field(ge=500, le=1_000_000), NUMBER] = Field(
        default=5000,
        description="First requests of a version, with which later ones are compared where no training set is known.",
    )
    reference_hours: Annotated[float, Field(ge=0, le=720), NUMBER] = Field(
        default=24, description="Over how many hours these are spread at least."
    )
    described_per_second: Annotated[int, Field(ge=1, le=10_000), NUMBER] = Field(
        default=50,
        description="Requests whose text is described, a second in each worker; of more traffic a random share is.",
    )
