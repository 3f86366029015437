"""What an experiment says about the rest of its route, and its metrics about each other."""

from collections.abc import Iterator
from typing import Final

from gateway.settings.problems import KeyPath
from gateway.settings.trees import Finding, Tree, listed, mapping, undeclared

_ARMS: Final = ("baseline", "candidate")


def experiment_findings(path: KeyPath, route: Tree, models: object) -> Iterator[Finding]:
    """Everything about the experiment of a route that does not fit together.

    Args:
        path: of the experiment.
        route: the route around it.
        models: what is declared as models, if that is a mapping.
    """
    experiment = mapping(route.get("experiment"))
    for word in _ARMS:
        name = experiment.get(word)
        if isinstance(name, str):
            found = _arm(name, route, models)
            if found is not None:
                yield (*path, word), found
    names = [experiment.get(word) for word in _ARMS]
    if isinstance(names[0], str) and names[0] == names[1]:
        yield (*path, "candidate"), f"{names[0]!r} is the baseline too; an experiment compares two arms"
    yield from _guardrails(path, experiment)


def _arm(name: str, route: Tree, models: object) -> str | None:
    if isinstance(models, dict) and name not in models:
        return undeclared(name, models)
    if name == mapping(route.get("fallback")).get("to"):
        return f"{name!r} is this route's fallback, which stands behind both arms and is none of them"
    split = route.get("split")
    if isinstance(split, dict) and name not in split:
        return f"{name!r} is no arm of this route's split; name it there, with 0 if it has no share yet"
    return None


def _guardrails(path: KeyPath, experiment: Tree) -> Iterator[Finding]:
    primary = mapping(experiment.get("primary")).get("metric")
    seen: dict[str, int] = {}
    for position, guardrail in enumerate(listed(experiment.get("guardrails"))):
        metric = mapping(guardrail).get("metric")
        if not isinstance(metric, str):
            continue
        place: KeyPath = (*path, "guardrails", position, "metric")
        if metric == primary:
            yield place, f"{metric!r} is the primary metric, which is watched anyway"
        if seen.setdefault(metric, position) != position:
            yield place, f"{metric!r} is guardrails.{seen[metric]} too; keep one of them"
