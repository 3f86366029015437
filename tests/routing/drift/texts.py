"""Texts that look like tickets, drawn from a seed, for tests of drift."""

from collections.abc import Iterable, Sequence

import numpy as np

from routing.drift.describe import describe_input
from routing.drift.features import Side
from routing.drift.reference import Reference
from routing.drift.summary import Gatherer, Summary

PRODUCTS = ("router", "headset", "tablet", "watch", "phone", "camera")
ASKS = (
    "Where is the {p} that I ordered on Monday? It has not arrived yet.",
    "Please send me a new invoice for the {p}, the old one is wrong.",
    "my {p} does not turn on any more and I need it for my work",
    "I would like to return the {p}. How do I get my money back?",
    "Can you tell me how to connect the {p} with my account, please?",
    "The {p} is broken. Is there a way to have it repaired in {n} days?",
    "Hello, order {n} with the {p} came twice, what should I do with it?",
)
OPENERS = ("Hello,", "Hi there", "good morning", "Dear team,", "Hey", "")
CLOSERS = ("Thanks!", "thank you very much", "Kind regards, Ann", "asap please", "This is the 3rd time I ask.", "")
GERMAN = (
    "Guten Tag, wo ist mein {p}? Ich habe ihn am Montag bestellt und er ist noch nicht da.",
    "Bitte schicken Sie mir eine neue Rechnung für den {p}, die alte ist nicht richtig.",
    "Der {p} ist kaputt, kann ich ihn mit der Rechnung in {n} Tagen bei Ihnen tauschen?",
)


def texts(
    n: int, seed: int, *, products: Sequence[str] = PRODUCTS, asks: Sequence[str] = ASKS, together: int = 1
) -> list[str]:
    """`n` texts, each of so many requests `together`."""
    chance = np.random.default_rng(seed)

    def one() -> str:
        ask = asks[int(chance.integers(len(asks)))]
        filled = ask.replace("{p}", products[int(chance.integers(len(products)))])
        opener, closer = (ends[int(chance.integers(len(ends)))] for ends in (OPENERS, CLOSERS))
        return f"{opener} {filled.replace('{n}', str(int(chance.integers(2, 90_000))))} {closer}".strip()

    return [" ".join(one() for _ in range(together)) for _ in range(n)]


def summary_of(lines: Iterable[str], turns: int = 2) -> Summary:
    """What those texts come to."""
    gatherer = Gatherer()
    for line in lines:
        gatherer.see()
        gatherer.add_input(describe_input(line, turns))
    return gatherer.take()


def reference_of(lines: Sequence[str], chunks: int = 25) -> Reference:
    """A reference of texts, in chunks."""
    return Reference(Side.INPUT, [summary_of(lines[at::chunks]) for at in range(chunks)])
