"""What is allowed in a configuration and still worth a word."""

from collections.abc import Iterator
from typing import Any

from gateway.settings.expand import Expanded, has_default
from gateway.settings.models import Config, Fallback, Model, ThresholdConfidence
from gateway.settings.problems import Problem
from routing.words import Reason


def warnings_of(config: Config, tree: dict[str, Any]) -> Iterator[Problem]:
    """Warnings about a valid configuration and the tree that it was made of."""
    if not config.keys:
        sentence = "there are none; the first `fallgate serve` makes one for each scope and prints them"
        yield Problem(path="keys", sentence=sentence)
    for name, model in config.models.items():
        yield from _api_key(f"models.{name}.api_key", model, tree["models"][name].get("api_key"))
    for name, route in config.routes.items():
        if route.fallback is not None:
            yield from _idle_threshold(f"routes.{name}.fallback", route.fallback)


def _api_key(path: str, model: Model, written: object) -> Iterator[Problem]:
    if isinstance(written, Expanded) and not written and ":-" not in written.reference:
        yield Problem(path=path, sentence=f"{written.reference} is empty, so no key is sent")
    reference = model.api_key.reference if model.api_key else None
    if model.api_key is not None and (reference is None or has_default(reference)):
        yield Problem(path=path, sentence="stands in the file itself; ${NAME} would take it from the environment")


def _idle_threshold(path: str, fallback: Fallback) -> Iterator[Problem]:
    if isinstance(fallback.confidence, ThresholdConfidence) and Reason.LOW_CONFIDENCE not in fallback.when:
        yield Problem(
            path=f"{path}.confidence", sentence="the threshold never acts, since `when` leaves out low_confidence"
        )
