"""What hardware costs while nobody uses it: of an hour's price, what no request of that hour was billed for.

A rate card prices each request once and for all, as if the hardware were always as busy as the card expects. What an
hour costs beyond that is idle time, a line of its own, so that requests and idle time together are what was paid:

    an hour of the hardware ............ 1.20
    billed to requests of the hour ..... 0.45   by whatever they were for: also drafts, shadows and audits use it
    idle ............................... 0.75

Models with one `base_url` share hardware, whose hour counts once: by the greatest price that their cards state, less
what all of them were billed. What is left is divided evenly among them, since idle time is nobody's doing. Where more
was billed than the hour cost, as by a card that expects too little, there is no idle time, and no credit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from routing.cost.prices import Price, price_at
from routing.words import ModelName

HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a model's rate card states of an hour."""

    model: ModelName
    hardware: str
    """Equal for models that share it."""
    hour_nanousd: int
    """More than 0."""
    version: str
    """Of the price."""


def cards_at(models: Iterable[tuple[ModelName, str, Sequence[Price]]], at_us: int) -> tuple[Card, ...]:
    """The rate cards in force at a moment, of models with their hardware and their prices, which ascend by date."""
    priced = ((model, hardware, price_at(prices, at_us)) for model, hardware, prices in models)
    return tuple(
        Card(model=model, hardware=hardware, hour_nanousd=price.gpu_hour_nanousd, version=price.version)
        for model, hardware, price in priced
        if price is not None and price.gpu_hour_nanousd > 0
    )


def idle_nanousd(cards: Iterable[Card], billed_nanousd: Mapping[ModelName, int]) -> dict[ModelName, int]:
    """What idle time of one hour cost, by model, 0 or more.

    >>> a, b = (Card(model=ModelName(name), hardware="gpu", hour_nanousd=100, version="file") for name in "ab")
    >>> idle_nanousd((a, b), {ModelName("a"): 30, ModelName("b"): 5})
    {'a': 33, 'b': 32}
    """
    sharing: dict[str, list[Card]] = defaultdict(list)
    for card in cards:
        sharing[card.hardware].append(card)
    found: dict[ModelName, int] = {}
    for some in sharing.values():
        names = sorted(card.model for card in some)
        hour = max(card.hour_nanousd for card in some)
        idle = max(0, hour - sum(billed_nanousd.get(name, 0) for name in names))
        each, rest = divmod(idle, len(names))
        # The nano-dollars that cannot be divided go to the first ones, so that the parts are the whole.
        found |= {name: each + (position < rest) for position, name in enumerate(names)}
    return found


def hours_between(after_us: int, until_us: int) -> range:
    """The starts of the whole hours from `after_us`, which must not begin before it, and end by `until_us`."""
    return range(-(-after_us // HOUR_US) * HOUR_US, until_us - HOUR_US + 1, HOUR_US)
