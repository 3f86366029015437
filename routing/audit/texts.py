"""Answers that are the same text."""

from unicodedata import normalize

from routing.audit.verdict import Comparison, verdict


def same_text(arm: str, large: str) -> Comparison:
    """Equal apart from letter case, white space around them, and how Unicode writes the same characters.

    >>> same_text("Straße ", "STRASSE").agrees
    True
    """
    return verdict(normalized(arm) == normalized(large))


def normalized(text: str) -> str:
    """Compatibility form, case folded (Unicode 3.13, D146, in short), without white space around it."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).strip()
