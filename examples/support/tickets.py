"""Customer-service tickets and their labels: what the demo's two versions are trained and measured on.

Every choice is a hash of (seed, ticket number, purpose), so the files are the same, byte for byte, on every machine
and every version of Python. Run it to write them:

    python examples/support/tickets.py --out .demo/tickets
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent))  # so that it runs from anywhere, installed or not

import phrases  # noqa: E402

T = TypeVar("T")

NAME = "support-tickets"
SEED = 2026
COUNT = 3000
SPLITS = ("train", "validation", "test")
INTENTS = tuple(phrases.CORES)
URGENCIES = tuple(phrases.URGENCY)
PRODUCTS = tuple(phrases.PRODUCTS)

# The share of tickets whose wording fits two labels. What is drawn for them nobody can know; it bounds the accuracy
# that can be reached near 94 %.
SHARED_CORE_SHARE = 0.06
SHARED_URGENCY_SHARE = 0.05

SYSTEM = "Label the support ticket. Answer with JSON only: intent, urgency, product."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket with the label a clerk would give it."""

    number: int
    split: str
    text: str
    intent: str
    urgency: str
    product: str

    @property
    def answer(self) -> str:
        """The strict JSON a version should answer with."""
        return json.dumps({"intent": self.intent, "urgency": self.urgency, "product": self.product})


def messages(text: str) -> list[dict[str, str]]:
    """The chat messages that ask for the label of a ticket; the same in training, evaluation and traffic."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


class Draw:
    """Choices that depend on nothing but (seed, ticket number, purpose)."""

    def __init__(self, seed: int, number: int) -> None:
        self._key = f"{seed}/{number}/"

    def point(self, purpose: str) -> float:
        """A number in [0, 1)."""
        digest = hashlib.sha256((self._key + purpose).encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def below(self, share: float, purpose: str) -> bool:
        return self.point(purpose) < share

    def pick(self, options: Sequence[T], purpose: str) -> T:
        return options[int(self.point(purpose) * len(options))]

    def shuffled(self, items: Sequence[T], purpose: str) -> list[T]:
        order = sorted(range(len(items)), key=lambda i: self.point(f"{purpose}/{i}"))
        return [items[i] for i in order]


@functools.cache
def core_pools(seed: int) -> dict[tuple[str, str], tuple[str, ...]]:
    """The core sentences by (intent, split): of an intent's 22, two are for validation alone and two for test."""
    pools: dict[tuple[str, str], tuple[str, ...]] = {}
    for intent, cores in phrases.CORES.items():
        ranked = Draw(seed, 0).shuffled(cores, f"core/{intent}")
        pools[intent, "test"] = tuple(ranked[:2])
        pools[intent, "validation"] = tuple(ranked[2:4])
        pools[intent, "train"] = tuple(ranked[4:])
    return pools


def _core(draw: Draw, split: str, seed: int) -> tuple[str, str]:
    if draw.below(SHARED_CORE_SHARE, "core shared"):
        pair, text = draw.pick(phrases.SHARED_CORES, "core")
        return draw.pick(pair, "core meaning"), text
    intent = draw.pick(INTENTS, "intent")
    return intent, draw.pick(core_pools(seed)[intent, split], "core")


def _urgency(draw: Draw) -> tuple[str, str | None]:
    """An urgency and the words that show it. Saying nothing about it is the usual way to be normal."""
    if draw.below(SHARED_URGENCY_SHARE, "urgency shared"):
        pair, text = draw.pick(phrases.SHARED_URGENCY, "urgency")
        return draw.pick(pair, "urgency meaning"), text
    urgency = draw.pick(URGENCIES, "urgency")
    if urgency == "normal" and draw.below(0.7, "urgency silent"):
        return urgency, None
    return urgency, draw.pick(phrases.URGENCY[urgency], "urgency words")


def _typos(draw: Draw, text: str) -> str:
    """Swap or drop a letter in some longer words, as people in a hurry do."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) < 5 or not draw.below(0.09, f"typo/{i}"):
            continue
        at = 1 + int(draw.point(f"typo at/{i}") * (len(word) - 3))
        if draw.below(0.5, f"typo kind/{i}"):
            words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        else:
            words[i] = word[:at] + word[at + 1 :]
    return " ".join(words)


def _fill(draw: Draw, text: str, product: str) -> str:
    other = draw.pick([p for p in PRODUCTS if p != product], "other product")
    return (
        text.replace("{p}", draw.pick(phrases.PRODUCTS[product], "product name"))
        .replace("{q}", draw.pick(phrases.PRODUCTS[other], "other product name"))
        .replace("{o}", str(10_000 + int(draw.point("order") * 90_000)))
        .replace("{d}", draw.pick(phrases.WEEKDAYS, "weekday"))
        .replace("{n}", str(2 + int(draw.point("number") * 7)))
    )


def _joined(draw: Draw, sentences: list[str]) -> str:
    """Sentences as one text: punctuated, run together or all in lower case, depending on the writer."""
    opener = draw.pick(phrases.OPENERS, "opener") if draw.below(0.45, "opens") else None
    closer = draw.pick(phrases.CLOSERS, "closer") if draw.below(0.35, "closes") else None
    hasty = draw.below(0.2, "hasty")
    mark = ", " if hasty else draw.pick((". ", ". ", "! ", "\n"), "mark")
    body = mark.join(s if hasty else s[0].upper() + s[1:] for s in sentences)
    text = (f"{opener}, " if opener else "") + body + (f"{mark}{closer}" if closer else "")
    return text.lower() if hasty else text[0].upper() + text[1:] + ("" if closer else mark.strip())


def ticket(number: int, seed: int = SEED) -> Ticket:
    """Ticket `number` of the data set with this seed."""
    draw = Draw(seed, number)
    place = draw.point("split")
    split = "train" if place < 0.8 else "validation" if place < 0.9 else "test"
    product = draw.pick(PRODUCTS, "product")
    intent, core = _core(draw, split, seed)
    urgency, cue = _urgency(draw)
    sentences = [core, *([cue] if cue else [])]
    if draw.below(0.2, "has aside"):
        sentences.append(draw.pick(phrases.ASIDES, "aside"))
    if draw.below(0.2, "has detail"):
        sentences.append(draw.pick(phrases.DETAILS, "detail"))
    if draw.below(0.5, "reordered"):
        sentences = draw.shuffled(sentences, "order of sentences")
    text = _joined(draw, [_fill(draw, s, product) for s in sentences])
    if draw.below(0.5, "careless"):
        text = _typos(draw, text)
    return Ticket(number=number, split=split, text=text, intent=intent, urgency=urgency, product=product)


def tickets(count: int = COUNT, seed: int = SEED) -> Iterator[Ticket]:
    """All tickets in order; a text that came before (they are rare) is left out, so that no split sees another's."""
    seen: set[str] = set()
    for number in range(count):
        drawn = ticket(number, seed)
        key = " ".join(drawn.text.lower().split())
        if key not in seen:
            seen.add(key)
            yield drawn


def split_lines(split: str, count: int = COUNT, seed: int = SEED) -> list[str]:
    """The JSON lines of one split, as its file holds them."""
    return [
        json.dumps({"number": t.number, "text": t.text, "intent": t.intent, "urgency": t.urgency, "product": t.product})
        for t in tickets(count, seed)
        if t.split == split
    ]


def dataset_sha256(count: int = COUNT, seed: int = SEED) -> str:
    """The digest that lineage files pin: SHA-256 over the system prompt and the three files in order."""
    digest = hashlib.sha256((SYSTEM + "\n").encode())
    for split in SPLITS:
        digest.update("".join(line + "\n" for line in split_lines(split, count, seed)).encode())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".demo/tickets"), help="folder for the three files")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        lines = split_lines(split, args.count, args.seed)
        (args.out / f"{split}.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        print(f"{args.out / split}.jsonl: {len(lines)} tickets")
    print(f"sha256 {dataset_sha256(args.count, args.seed)}")


if __name__ == "__main__":
    main()
