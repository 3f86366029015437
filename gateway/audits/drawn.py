"""What it means for a request to be drawn for an audit."""

from dataclasses import dataclass

from gateway.snapshot.document import AuditEntry
from routing.audit.compare import Comparer
from routing.audit.spend import Allowance
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """How a route's requests are audited."""

    entry: AuditEntry
    comparer: Comparer
    large: ModelName
    """Whose answers the arms' are held to: the route's fallback."""

    @property
    def judge(self) -> ModelName | None:
        """The model that compares, where one does."""
        return self.entry.compare.judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One request's draw: made before anything of its answer was known."""

    plan: AuditPlan
    propensity: float
    """The chance with which it was drawn, in (0, 1]."""
    allowance: Allowance
    reserved_nanousd: int
    """Set aside for it."""
    size_bytes: int
    """Of the request, which is kept until it is audited."""


def plan_of(entry: AuditEntry | None, fallback: ModelName | None) -> AuditPlan | None:
    """The plan of a route; `None` where it is not audited, or has nobody to be held to."""
    if entry is None or fallback is None:
        return None
    compare = entry.compare
    comparer = Comparer(kind=compare.kind, fields=compare.fields, tolerance=compare.tolerance)
    return AuditPlan(entry=entry, comparer=comparer, large=fallback)
