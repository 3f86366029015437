"""What a comparison of two answers came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether two answers agree. `detail` names neither prompt nor answer."""

    agrees: bool | None
    """`None` where that cannot be told: it makes no label."""
    detail: str


AGREES = Comparison(agrees=True, detail="the answers agree")
DISAGREES = Comparison(agrees=False, detail="the answers differ")


def undefined(detail: str) -> Comparison:
    """One that cannot be told."""
    return Comparison(agrees=None, detail=detail)


def verdict(agrees: bool) -> Comparison:  # noqa: FBT001
    """One that can."""
    return AGREES if agrees else DISAGREES
