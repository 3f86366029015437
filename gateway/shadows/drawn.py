"""How a route's requests are shadowed."""

from dataclasses import dataclass

from gateway.background.drawn import comparer_of
from gateway.snapshot.document import ShadowEntry
from routing.audit.compare import Comparer
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPlan:
    """How a route's requests are shadowed; see `gateway.background.drawn.Plan`."""

    entry: ShadowEntry
    comparer: Comparer

    @property
    def share(self) -> float:
        """Of the requests that is wanted, in (0, 1]."""
        return self.entry.share

    @property
    def min_labels(self) -> int:
        """Shadows do not wait for any."""
        return 0

    @property
    def spend_nanousd_per_day(self) -> int:
        """The most that all workers together may spend."""
        return self.entry.spend_nanousd_per_day

    @property
    def to(self) -> ModelName:
        """The model that is asked too."""
        return self.entry.to

    @property
    def judge(self) -> ModelName | None:
        """The model that compares, where one does."""
        return self.entry.compare.judge

    @property
    def asked(self) -> tuple[ModelName, ...]:
        """The models that a shadow pays for."""
        return (self.to,) if self.judge is None else (self.to, self.judge)


def shadow_plan_of(entry: ShadowEntry | None) -> ShadowPlan | None:
    """The plan of a route, if it has one."""
    if entry is None:
        return None
    return ShadowPlan(entry=entry, comparer=comparer_of(entry.compare))
