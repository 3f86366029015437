"""What tokens cost, exactly: integers of nano-dollars, dated prices, one line item a token kind.

A price is kept as nano-dollars per million tokens, so that every price with up to nine decimals is exact, and a line
item is rounded once, half to even.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routing.words import TokenKind

# Members of an enumeration are looked up slowly, and this is done for every answer.
_INPUT, _CACHED_INPUT, _CACHE_WRITE = TokenKind.INPUT, TokenKind.CACHED_INPUT, TokenKind.CACHE_WRITE
_OUTPUT, _REASONING = TokenKind.OUTPUT, TokenKind.REASONING
NANO = 10**9
MILLION = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What requests with a long input cost: all their tokens, not only those beyond the bound."""

    above_input_tokens: int
    """Of requests with more, cached ones and written ones among them."""
    nanousd_per_mtok: Mapping[TokenKind, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs from a moment on. A kind without a price of its own is billed as its parent."""

    since_us: int = 0
    """UTC microseconds since 1970; 0 for always."""
    version: str
    """Names the price in records: the date it holds from, or `file`, or the source that it was taken from."""
    nanousd_per_mtok: Mapping[TokenKind, int]
    per_request_nanousd: int = 0
    tiers: tuple[Tier, ...] = ()
    """Ascending. The last whose bound a request's input exceeds stands in place of `nanousd_per_mtok`."""
    gpu_hour_nanousd: int = 0
    """Of a rate card: what an hour of the hardware costs, used or not. No request is billed by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one attempt. `input` and `output` include their parts, as OpenAI-compatible servers report them."""

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    is_estimated: bool = False
    """Counted by the gateway, since the upstream gave nothing usable."""

    def by_kind(self) -> dict[TokenKind, int]:
        """Tokens of each kind there are, apart: cached ones are not input a second time, nor is reasoning output."""
        cached, written, reasoned = self.cached_input, self.cache_write, self.reasoning
        apart = {
            _INPUT: self.input - cached - written,
            _CACHED_INPUT: cached,
            _CACHE_WRITE: written,
            _OUTPUT: self.output - reasoned,
            _REASONING: reasoned,
        }
        return {kind: tokens for kind, tokens in apart.items() if tokens > 0}


_PARENT = {
    TokenKind.CACHED_INPUT: TokenKind.INPUT,
    TokenKind.CACHE_WRITE: TokenKind.INPUT,
    TokenKind.REASONING: TokenKind.OUTPUT,
}


def price_at(prices: Sequence[Price], at_us: int) -> Price | None:
    """The price in force at a moment, or `None` where none was yet. `prices` ascend by date."""
    found = None
    for price in prices:
        if price.since_us <= at_us:
            found = price
    return found


def cost_nanousd(price: Price, usage: Usage) -> int:
    """What one attempt costs, the sum of its rounded line items.

    >>> gpt = Price(version="file", nanousd_per_mtok={TokenKind.INPUT: 2_500_000_000, TokenKind.OUTPUT: 10_000_000_000})
    >>> cost_nanousd(gpt, Usage(input=1000, output=100))
    3500000
    """
    return cost_of_kinds(price, usage.by_kind())


def cost_of_kinds(price: Price, tokens_by_kind: Mapping[TokenKind, int]) -> int:
    """As `cost_nanousd`, from tokens told apart already."""
    rates = price.nanousd_per_mtok if not price.tiers else _rates_by_tier(price, tokens_by_kind)
    total = price.per_request_nanousd
    for kind, tokens in tokens_by_kind.items():
        rate = rates.get(kind)
        if rate is None:
            rate = rates.get(_PARENT.get(kind, kind), 0)
        if rate:
            total += half_even(tokens * rate, MILLION)
    return total


def _rates_by_tier(price: Price, tokens_by_kind: Mapping[TokenKind, int]) -> Mapping[TokenKind, int]:
    inputs = sum(tokens_by_kind.get(kind, 0) for kind in (_INPUT, _CACHED_INPUT, _CACHE_WRITE))
    rates = price.nanousd_per_mtok
    for tier in price.tiers:
        if inputs > tier.above_input_tokens:
            rates = tier.nanousd_per_mtok
    return rates


def half_even(numerator: int, denominator: int) -> int:
    """The quotient of two integers, rounded half to even, as in IEEE 754."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def per_mtok(usd_per_mtok: Decimal) -> int:
    """Dollars per million tokens as nano-dollars per million tokens."""
    return half_even(*(usd_per_mtok * NANO).as_integer_ratio())


def rate_card(gpu_hour_usd: Decimal, tokens_per_second: Decimal) -> int:
    """Nano-dollars per million output tokens of a GPU that makes so many useful tokens a second."""
    usd_per_mtok = gpu_hour_usd * MILLION / (tokens_per_second * 3600)
    return per_mtok(usd_per_mtok)
