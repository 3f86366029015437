"""What to show of an alarm: pieces of words and templates that have become more or less frequent. Never a text."""

from dataclasses import dataclass
from math import log
from typing import Final

from routing.drift.reference import Reference, new_templates
from routing.drift.summary import Summary

MOST_SHOWN: Final = 10
LEAST_SHARE: Final = 1e-4
"""Below, the share of a piece is taken for this: what a reference lacks altogether is not infinitely rare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Three characters, or the fingerprint of a template, and its share of all."""

    piece: str
    before: float
    now: float


def shifted_grams(reference: Reference, window: Summary) -> list[Piece]:
    """The pieces of three characters that have moved most, as they add to PSI. Only those frequent enough to be named
    are known by name, so one that was rare counts as absent before.
    """
    before, now = reference.total.top_grams, window.top_grams
    all_before, all_now = sum(reference.total.grams), sum(window.grams)
    if not all_before or not all_now:
        return []
    moved = [
        Piece(piece=gram, before=before.get(gram, 0) / all_before, now=now.get(gram, 0) / all_now)
        for gram in {**before, **now}
        if gram.strip()
    ]
    return sorted(moved, key=lambda piece: (-_part(piece), piece.piece))[:MOST_SHOWN]


def _part(piece: Piece) -> float:
    p, q = max(piece.before, LEAST_SHARE), max(piece.now, LEAST_SHARE)
    return (q - p) * log(q / p)


def fresh_templates(reference: Reference, window: Summary) -> list[Piece]:
    """Fingerprints of templates that many requests have now and none had before."""
    found = new_templates(window, reference)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST_SHOWN]
    return [Piece(piece=name, before=0.0, now=count / window.inputs) for name, count in ranked]
