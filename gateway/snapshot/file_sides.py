"""What a valid configuration file says of requests that go past the split, or to another model as well."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.snapshot.confidence import nanousd
from gateway.snapshot.document import AuditEntry, ComparerEntry, ShadowEntry
from routing.assignment.targeting import Condition, Target, parse_place
from routing.audit.compare import ComparerKind
from routing.words import ModelName

if TYPE_CHECKING:
    from gateway.settings import models as settings


def targets_of(targets: Iterable["settings.Target"]) -> tuple[Target, ...]:
    """The targets of a route, in order."""
    return tuple(_target(target) for target in targets)


def _target(target: "settings.Target") -> Target:
    places = {parse_place(text): values for text, values in target.when.items()}
    when = tuple(Condition(place=place, name=name, values=values) for (place, name), values in places.items())
    return Target(when=when, arm=ModelName(target.arm))


def shadow_of(shadow: "settings.Shadow | None", audit: AuditEntry | None) -> ShadowEntry | None:
    """The shadow of a route, which compares as its audits do."""
    if shadow is None:
        return None
    return ShadowEntry(
        to=ModelName(shadow.to),
        share=shadow.share,
        max_in_flight=shadow.max_in_flight,
        spend_nanousd_per_day=nanousd(shadow.spend_usd_per_day),
        compare=ComparerEntry(kind=ComparerKind.EXACT) if audit is None else audit.compare,
    )
