"""What it means for a request to be drawn, for an audit or for a shadow."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.snapshot.document import ComparerEntry
from routing.audit.compare import Comparer
from routing.audit.spend import Allowance
from routing.words import ModelName


class Plan(Protocol):
    """How many of a route's requests are drawn, and what that may cost."""

    @property
    def share(self) -> float:
        """Of the requests that is wanted, in (0, 1]."""

    @property
    def min_labels(self) -> int:
        """An arm with fewer labels is drawn more."""

    @property
    def spend_nanousd_per_day(self) -> int:
        """The most that all workers together may spend."""

    @property
    def asked(self) -> tuple[ModelName, ...]:
        """The models that are paid for: the one that answers too, and the judge if there is one."""


P_co = TypeVar("P_co", bound=Plan, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Generic[P_co]):
    """One request's draw: made before anything of its answer was known."""

    plan: P_co
    propensity: float
    """The chance with which it was drawn, in (0, 1]."""
    allowance: Allowance
    reserved_nanousd: int
    """Set aside for it."""
    size_bytes: int
    """Of the request, which is kept until it is over."""


def comparer_of(entry: ComparerEntry) -> Comparer:
    """What compares as a snapshot says."""
    return Comparer(kind=entry.kind, fields=entry.fields, tolerance=entry.tolerance)
