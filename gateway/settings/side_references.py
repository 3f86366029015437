"""What targets and shadows say about the rest of their route."""

from collections.abc import Iterator

from gateway.settings.problems import KeyPath, shown
from gateway.settings.trees import Finding, Tree, did_you_mean, listed, mapping, undeclared
from routing.assignment.targeting import TEXT_PLACES, TargetPlace, parse_place


def target_findings(path: KeyPath, route: Tree) -> Iterator[Finding]:
    """Arms that the split lacks, and values that can never be there. `path` is that of the route's targets."""
    split = route.get("split")
    for position, target in enumerate(listed(route.get("targets"))):
        arm = mapping(target).get("arm")
        if isinstance(arm, str) and isinstance(split, dict) and arm not in split:
            hint = did_you_mean(arm, split)
            yield (
                (*path, position, "arm"),
                f"{shown(arm, ())} is no arm of this route's split; name it there, with 0 if it has no share{hint}",
            )
        seen: dict[object, str] = {}
        for place, values in mapping(mapping(target).get("when")).items():
            where: KeyPath = (*path, position, "when", place)
            try:
                kind, name = parse_place(place)
            except ValueError:
                continue  # which the target itself tells
            if seen.setdefault((kind, name), place) != place:
                yield where, f"is the same as {seen[kind, name]!r}; keep one of them"
            if kind in TEXT_PLACES:
                yield from _values(where, kind, values)


def _values(path: KeyPath, kind: TargetPlace, values: object) -> Iterator[Finding]:
    for value in listed(values) if isinstance(values, list | tuple) else [values]:
        if value is not None and not isinstance(value, str | dict | list):
            yield path, f"{shown(value, path)} is not text; {kind} values always are, so put it in quotes"


def shadow_findings(path: KeyPath, route: Tree, models: object) -> Iterator[Finding]:
    """A shadow of a model that is not there, or that would be its own judge. `path` is that of the route's shadow."""
    to = mapping(route.get("shadow")).get("to")
    if not isinstance(to, str):
        return
    if isinstance(models, dict) and to not in models:
        yield (*path, "to"), undeclared(to, models)
    if to == mapping(mapping(route.get("audit")).get("compare")).get("judge"):
        yield (
            (*path, "to"),
            f"{shown(to, ())} is the judge of this route's audits, who would compare its own answers; to have both, "
            "declare it in models a second time under another name",
        )
