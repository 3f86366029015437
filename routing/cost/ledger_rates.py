"""What follows from a route's bill: cost a request, when a cascade and when hardware pay off, and when training has.

A cascade pays the arm for every request and the large model for those that fall back, c_arm + f c_large. So it costs
less than the large model alone while the share that falls back is f < 1 - c_arm / c_large. Hardware costs its day
however much it is used, so it pays off from as many requests a day as the large model would be paid that much for.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from routing.cost.ledger import Line
from routing.cost.prices import half_even
from routing.cost.savings import SERVING, Paid, Savings
from routing.words import ModelName

MONTH_HOURS: Final = 30 * 24
_DAY_HOURS: Final = 24


def arms_a_request(lines: Iterable[Line], known: Paid, large: ModelName) -> Fraction | None:
    """What arms are billed for each request, drafts included, in nano-dollars; `None` without requests."""
    billed = sum(line.cost_nanousd for line in lines if line.purpose in SERVING and line.model != large)
    return Fraction(billed, known.requests) if known.requests else None


def large_a_request(known: Paid, found: Savings) -> Fraction | None:
    """What the large model alone would be billed for each request, in nano-dollars; `None` where none was answered."""
    answered = known.arms_answered + known.large_answered
    return Fraction(found.alone.value, answered) if answered else None


def fallback_share(known: Paid) -> float | None:
    """Of the answers that clients got, those of the large model, in [0, 1]; `None` where there are none."""
    answered = known.arms_answered + known.large_answered
    return known.large_answered / answered if answered else None


def break_even_share(small: Fraction, large: Fraction) -> float | None:
    """The share that may fall back before a cascade costs more than the large model alone; below 0: none may.

    >>> break_even_share(Fraction(4), Fraction(40))
    0.9
    """
    return float(1 - small / large) if large else None


def break_even_volume(hour_nanousd: int, large: Fraction, share: float) -> int | None:
    """Requests a day from which on hardware costs less than the large model, which still answers `share` of them.

    >>> break_even_volume(1_200_000_000, Fraction(35_000_000), 0.0)
    823
    """
    replaced = large * (1 - Fraction(share))
    if replaced <= 0:
        return None
    return -(-_DAY_HOURS * hour_nanousd // replaced)


def a_month(nanousd: int, hours: int) -> int | None:
    """What was so much in some hours, in thirty days; `None` for no hours."""
    return half_even(nanousd * MONTH_HOURS, hours) if hours else None


def earned_back_days(cost_nanousd: int, saved_nanousd: int, hours: int) -> float | None:
    """After how many days such savings are what training has cost; `None` where nothing is saved.

    >>> round(earned_back_days(45_000_000_000, 155_000_000_000, 24), 2)
    0.29
    """
    if saved_nanousd <= 0 or hours <= 0:
        return None
    return float(Fraction(cost_nanousd * hours, saved_nanousd * _DAY_HOURS))
