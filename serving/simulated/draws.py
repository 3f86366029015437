"""Repeatable draws: every chance of the simulated upstream is a hash of what it is about."""

import hashlib
import math


def fraction(seed: int, *about: str) -> float:
    """Return a number in [0, 1) that depends on `seed` and `about` alone."""
    told_apart = "\x1f".join((str(seed), *about))
    digest = hashlib.blake2b(told_apart.encode(errors="surrogatepass"), digest_size=8).digest()
    # 53 bits are what a float holds exactly; with 64 the quotient could round up to 1.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def bell(seed: int, *about: str) -> float:
    """Return a draw with mean 0 and standard deviation near 1.

    A logistic quantile, scaled by the square root of 3 over pi: close enough to a normal for a script, without tables.
    """
    point = min(max(fraction(seed, *about), 1e-9), 1 - 1e-9)
    return math.log(point / (1 - point)) * math.sqrt(3) / math.pi
