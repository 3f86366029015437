"""A reference that is being made of a version's first requests: enough of them, over long enough, in even chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from routing.drift.features import BY_NAME, Side
from routing.drift.summary import EMPTY, Summary

LEAST_CHUNKS: Final = 20
MOST_CHUNKS: Final = 40
"""When there are as many, neighbours are put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What makes a reference complete."""

    requests: int
    over_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """What there is so far. A value; `after` gives the next one."""

    side: Side
    since_us: int | None = None
    until_us: int = 0
    chunks: Sequence[Summary] = ()
    open: Summary = EMPTY
    """The chunk that is not full yet."""

    def after(self, summary: Summary, began_us: int, ended_us: int, wanted: Wanted) -> "Growing":
        """With what came in some seconds."""
        opened, chunks = self.open + of_side(summary, self.side), list(self.chunks)
        if opened.n(self.side) >= wanted.requests / LEAST_CHUNKS:
            chunks.append(opened.cut())
            opened = EMPTY
        if len(chunks) > MOST_CHUNKS:
            chunks = [(one + other).cut() for one, other in zip(chunks[::2], [*chunks[1::2], EMPTY], strict=False)]
        return Growing(
            side=self.side,
            since_us=began_us if self.since_us is None else min(self.since_us, began_us),
            until_us=max(self.until_us, ended_us),
            chunks=tuple(chunks),
            open=opened,
        )

    @property
    def n(self) -> int:
        """Requests in full chunks."""
        return sum(chunk.n(self.side) for chunk in self.chunks)

    def is_complete(self, wanted: Wanted) -> bool:
        """Whether it may be used."""
        lasts_us = self.until_us - (self.until_us if self.since_us is None else self.since_us)
        return self.n >= wanted.requests and lasts_us >= wanted.over_us and len(self.chunks) >= LEAST_CHUNKS

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "side": self.side.value,
            "since_us": self.since_us,
            "until_us": self.until_us,
            "chunks": [chunk.as_document() for chunk in self.chunks],
            "open": self.open.as_document(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Growing":
        """Read what `as_document` wrote."""
        return cls(
            side=Side(document["side"]),
            since_us=document["since_us"],
            until_us=document["until_us"],
            chunks=tuple(map(Summary.from_document, document["chunks"])),
            open=Summary.from_document(document["open"]),
        )


def of_side(summary: Summary, side: Side) -> Summary:
    """What a reference of one side needs of a summary."""
    counts = {name: counts for name, counts in summary.counts.items() if BY_NAME[name].side is side}
    sums = {name: sums for name, sums in summary.sums.items() if name in counts}
    if side is Side.OUTPUT:
        return Summary(seen=summary.seen, outputs=summary.outputs, counts=counts, sums=sums)
    return replace(summary, outputs=0, counts=counts, sums=sums)
