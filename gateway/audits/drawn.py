"""How a route's requests are audited."""

from dataclasses import dataclass

from gateway.background.drawn import comparer_of
from gateway.snapshot.document import AuditEntry
from routing.audit.compare import Comparer
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """How a route's requests are audited; see `gateway.background.drawn.Plan`."""

    entry: AuditEntry
    comparer: Comparer
    large: ModelName
    """Whose answers the arms' are held to: the route's fallback."""

    @property
    def share(self) -> float:
        """Of the requests that is wanted, in (0, 1]."""
        return self.entry.share

    @property
    def min_labels(self) -> int:
        """An arm with fewer labels is audited more."""
        return self.entry.min_labels

    @property
    def spend_nanousd_per_day(self) -> int:
        """The most that all workers together may spend."""
        return self.entry.spend_nanousd_per_day

    @property
    def judge(self) -> ModelName | None:
        """The model that compares, where one does."""
        return self.entry.compare.judge

    @property
    def asked(self) -> tuple[ModelName, ...]:
        """The models that an audit pays for."""
        return (self.large,) if self.judge is None else (self.large, self.judge)


def plan_of(entry: AuditEntry | None, fallback: ModelName | None) -> AuditPlan | None:
    """The plan of a route; `None` where it is not audited, or has nobody to be held to."""
    if entry is None or fallback is None:
        return None
    return AuditPlan(entry=entry, comparer=comparer_of(entry.compare), large=fallback)
