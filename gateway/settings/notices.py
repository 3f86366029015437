"""What is allowed in a configuration and still worth a word."""

from collections.abc import Iterator
from typing import Any

from gateway.settings.expand import Expanded, has_default
from gateway.settings.models import Audit, ByJudge, Compare, Config, Experiment, Fallback, Model, Route, Shadow
from gateway.settings.price_notices import price_warnings
from gateway.settings.problems import Problem
from routing.confidence.gate import ConfidenceMode
from routing.experiment.contract import MetricName
from routing.words import Reason

_IDLE = frozenset({ConfidenceMode.NONE, ConfidenceMode.OBSERVE})


def warnings_of(config: Config, tree: dict[str, Any], at_us: int) -> Iterator[Problem]:
    """Warnings about a valid configuration and the tree that it was made of, at a time in UTC microseconds."""
    if not config.keys:
        sentence = "there are none; the first `fallgate serve` makes three (app, tester, ops) and prints them"
        yield Problem(path="keys", sentence=sentence)
    for name, model in config.models.items():
        yield from _api_key(f"models.{name}.api_key", model, tree["models"][name].get("api_key"))
    yield from price_warnings(config, at_us)
    for name, route in config.routes.items():
        if route.experiment is not None:
            yield from _experiment(f"routes.{name}.experiment", route, route.experiment, at_us)
        if route.fallback is not None:
            yield from _idle_confidence(f"routes.{name}.fallback.confidence", route.fallback, config)
            if route.audit is not None:
                yield from _unpriced_audit(f"routes.{name}.audit", route.audit, route.fallback, config)
        if route.shadow is not None:
            yield from _unpriced_shadow(f"routes.{name}.shadow", route.shadow, route.audit, config)


def _api_key(path: str, model: Model, written: object) -> Iterator[Problem]:
    if isinstance(written, Expanded) and not written and ":-" not in written.reference:
        yield Problem(path=path, sentence=f"{written.reference} is empty, so no key is sent")
    reference = model.api_key.reference if model.api_key else None
    if model.api_key is not None and (reference is None or has_default(reference)):
        yield Problem(path=path, sentence="stands in the file itself; ${NAME} would take it from the environment")


def _idle_confidence(path: str, fallback: Fallback, config: Config) -> Iterator[Problem]:
    mode = fallback.confidence.mode
    if mode not in _IDLE and Reason.LOW_CONFIDENCE not in fallback.when:
        what = "the threshold" if mode is ConfidenceMode.THRESHOLD else f"mode {mode}"
        yield Problem(path=path, sentence=f"{what} never acts, since `when` leaves out low_confidence")
    elif mode is ConfidenceMode.UTILITY and config.models[fallback.to].price is None:
        yield Problem(path=path, sentence=f"mode utility does not act while {fallback.to} has no price")


def _unpriced_audit(path: str, audit: Audit, fallback: Fallback, config: Config) -> Iterator[Problem]:
    for name in _unpriced(fallback.to, audit.compare, config):
        sentence = f"nothing is audited while {name} has no price, since nobody knows what an audit would cost"
        yield Problem(path=path, sentence=sentence)


def _unpriced_shadow(path: str, shadow: Shadow, audit: Audit | None, config: Config) -> Iterator[Problem]:
    for name in _unpriced(shadow.to, "exact" if audit is None else audit.compare, config):
        sentence = f"nothing is shadowed while {name} has no price, since nobody knows what a shadow would cost"
        yield Problem(path=path, sentence=sentence)


def _unpriced(asked: str, compare: Compare, config: Config) -> Iterator[str]:
    """Of the model that is asked and of the judge, if there is one, those without a price."""
    names = [asked, compare.judge] if isinstance(compare, ByJudge) else [asked]
    return (name for name in dict.fromkeys(names) if config.models[name].price is None)


def _experiment(path: str, route: Route, experiment: Experiment, at_us: int) -> Iterator[Problem]:
    if experiment.stop.timestamp() * 1e6 <= at_us:
        yield Problem(path=f"{path}.stop", sentence="is in the past; the experiment ends as soon as it is looked at")
    share = route.split[experiment.candidate]
    if share:
        sentence = f"has {share:g} percent of the units in the split; at the start it gets {experiment.steps[0]:g}"
        yield Problem(path=f"{path}.candidate", sentence=sentence)
    guardrails = [(f"guardrails.{number}", one.metric) for number, one in enumerate(experiment.guardrails)]
    for place, metric in [("primary", experiment.primary.metric), *guardrails]:
        if metric is MetricName.AUDIT_AGREEMENT and route.audit is None:
            sentence = "is never measured, since this route has no audit"
            yield Problem(path=f"{path}.{place}.metric", sentence=sentence)
