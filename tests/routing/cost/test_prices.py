from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.cost.prices import Price, Tier, Usage, cost_nanousd, half_even, per_mtok, price_at, rate_card
from routing.words import TokenKind

HOSTED = Price(
    version="file",
    nanousd_per_mtok={
        TokenKind.INPUT: per_mtok(Decimal("2.50")),
        TokenKind.CACHED_INPUT: per_mtok(Decimal("1.25")),
        TokenKind.OUTPUT: per_mtok(Decimal("10.00")),
    },
)
FULL = Price(
    version="file",
    nanousd_per_mtok={
        TokenKind.INPUT: per_mtok(Decimal("3")),
        TokenKind.CACHED_INPUT: per_mtok(Decimal("0.30")),
        TokenKind.CACHE_WRITE: per_mtok(Decimal("3.75")),
        TokenKind.OUTPUT: per_mtok(Decimal("15")),
        TokenKind.REASONING: per_mtok(Decimal("12")),
    },
    per_request_nanousd=10_000_000,
)
CARD = Price(version="file", nanousd_per_mtok={TokenKind.OUTPUT: rate_card(Decimal("1.20"), Decimal(900))})
WIDE = Context(prec=400)


@pytest.mark.parametrize(
    ("price", "usage", "nanousd"),
    [
        pytest.param(HOSTED, Usage(input=0, output=0), 0, id="nothing costs nothing"),
        pytest.param(HOSTED, Usage(input=1, output=0), 2_500, id="one token in"),
        pytest.param(HOSTED, Usage(input=1_000, output=100), 3_500_000, id="a request"),
        pytest.param(HOSTED, Usage(input=1_000, output=100, cached_input=800), 2_500_000, id="cached at its own price"),
        pytest.param(HOSTED, Usage(input=800, output=0, cached_input=800), 1_000_000, id="all cached"),
        pytest.param(HOSTED, Usage(input=1_000, output=0, cache_write=400), 2_500_000, id="writes billed as input"),
        pytest.param(HOSTED, Usage(input=0, output=100, reasoning=60), 1_000_000, id="reasoning billed as output"),
        pytest.param(HOSTED, Usage(input=1_000, output=100, is_estimated=True), 3_500_000, id="an estimate"),
        pytest.param(FULL, Usage(input=0, output=0), 10_000_000, id="a price by the request"),
        # 0.01 + 300 x 3.00 + 500 x 0.30 + 200 x 3.75 + 40 x 15 + 60 x 12, the latter per million
        pytest.param(
            FULL,
            Usage(input=1_000, output=100, cached_input=500, cache_write=200, reasoning=60),
            13_120_000,
            id="every kind at its own price",
        ),
        pytest.param(CARD, Usage(input=5_000, output=0), 0, id="a rate card charges no input"),
        pytest.param(CARD, Usage(input=5_000, output=900), 333_333, id="a second of the GPU, 900 tokens"),
        pytest.param(CARD, Usage(input=0, output=900, reasoning=400), 333_333, id="reasoning is output to a rate card"),
        pytest.param(
            HOSTED,
            Usage(input=10**15 + 1, output=10**15 + 1),
            12_500 * (10**15 + 1),
            id="more than a float holds",
        ),
        pytest.param(
            Price(version="file", nanousd_per_mtok={}),
            Usage(input=10, output=10),
            0,
            id="an empty price",
        ),
    ],
)
def test_what_an_attempt_costs(price: Price, usage: Usage, nanousd: int) -> None:
    assert cost_nanousd(price, usage) == nanousd


def test_each_line_item_is_rounded_by_itself() -> None:
    price = Price(version="file", nanousd_per_mtok={TokenKind.INPUT: 1_500_000, TokenKind.OUTPUT: 500_000})
    # 1.5 and 0.5 nano-dollars become 2 and 0; their sum, 2.0, would be the same only by chance.
    assert cost_nanousd(price, Usage(input=1, output=1)) == 2
    # 4.5 and 0.5 become 4 and 0, where the sum would be 5.
    assert cost_nanousd(price, Usage(input=3, output=1)) == 4


def test_more_cached_tokens_than_input_make_no_credit() -> None:
    usage = Usage(input=10, output=1, cached_input=50, reasoning=5)
    assert usage.by_kind().keys() == {TokenKind.CACHED_INPUT, TokenKind.REASONING}
    assert cost_nanousd(HOSTED, usage) == 50 * 1_250 + 5 * 10_000


TOKENS = st.integers(0, 10**18)


@given(plain=TOKENS, cached=TOKENS, written=TOKENS, said=TOKENS, thought=TOKENS)
def test_no_token_is_billed_twice_or_forgotten(plain: int, cached: int, written: int, said: int, thought: int) -> None:
    usage = Usage(
        input=plain + cached + written,
        output=said + thought,
        cached_input=cached,
        cache_write=written,
        reasoning=thought,
    )
    apart = {
        TokenKind.INPUT: plain,
        TokenKind.CACHED_INPUT: cached,
        TokenKind.CACHE_WRITE: written,
        TokenKind.OUTPUT: said,
        TokenKind.REASONING: thought,
    }
    assert usage.by_kind() == {kind: tokens for kind, tokens in apart.items() if tokens}
    exact = Fraction(10_000_000) + 3_000 * plain + 300 * cached + 3_750 * written + 15_000 * said + 12_000 * thought
    assert cost_nanousd(FULL, usage) == exact


@given(usage=st.builds(Usage, input=TOKENS, output=TOKENS), cents=st.integers(0, 10**9))
def test_a_cost_is_within_half_a_nano_dollar_an_item_of_the_truth(usage: Usage, cents: int) -> None:
    rate = per_mtok(Decimal(cents) / 100)
    price = Price(version="file", nanousd_per_mtok={TokenKind.INPUT: rate, TokenKind.OUTPUT: rate})
    truth = Fraction(cents, 100) * (usage.input + usage.output) * 1_000
    assert abs(cost_nanousd(price, usage) - truth) <= 1


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (-1, 2, 0), (-3, 2, -2), (-5, 2, -2), (1, 3, 0), (2, 3, 1), (0, 7, 0)],
)
def test_a_half_goes_to_the_even_neighbour(numerator: int, denominator: int, rounded: int) -> None:
    assert half_even(numerator, denominator) == rounded


@given(numerator=st.integers(-(10**60), 10**60), places=st.integers(0, 40))
def test_rounding_agrees_with_decimal(numerator: int, places: int) -> None:
    exact = Decimal(numerator).scaleb(-places, WIDE)
    assert half_even(numerator, 10**places) == exact.quantize(Decimal(1), ROUND_HALF_EVEN, WIDE)


@given(numerator=st.integers(-(10**30), 10**30), denominator=st.integers(1, 10**12))
def test_rounding_agrees_with_fractions(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("usd", "nanousd"),
    [("2.50", 2_500_000_000), ("0", 0), ("0.000000001", 1), ("0.0000000005", 0), ("0.0000000015", 2), ("1e3", 10**12)],
)
def test_a_price_in_dollars_is_kept_to_the_ninth_decimal(usd: str, nanousd: int) -> None:
    assert per_mtok(Decimal(usd)) == nanousd


def test_a_gpu_at_1_20_an_hour_and_900_tokens_a_second_costs_37_cents_a_million() -> None:
    # 1,000,000 / (900 x 3,600) hours at $1.20: $0.370370370...
    assert rate_card(Decimal("1.20"), Decimal(900)) == 370_370_370


def test_the_tokens_of_an_hour_cost_what_the_hour_costs_but_for_the_rounding_of_the_rate() -> None:
    an_hour = Usage(input=0, output=900 * 3_600)
    assert abs(cost_nanousd(CARD, an_hour) - 1_200_000_000) <= 2


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**6


FROM_NOVEMBER, FROM_DECEMBER = at("2026-11-01"), at("2026-12-01")
DATED = (
    Price(since_us=FROM_NOVEMBER, version="2026-11-01", nanousd_per_mtok={}),
    Price(since_us=FROM_DECEMBER, version="2026-12-01", nanousd_per_mtok={}),
)


@pytest.mark.parametrize(
    ("at_us", "version"),
    [
        pytest.param(FROM_NOVEMBER - 1, None, id="before the first date no price is known"),
        pytest.param(FROM_NOVEMBER, "2026-11-01", id="a date begins with its first microsecond"),
        pytest.param(FROM_DECEMBER - 1, "2026-11-01", id="and ends before the next one's"),
        pytest.param(FROM_DECEMBER, "2026-12-01", id="where the next begins"),
        pytest.param(FROM_DECEMBER * 2, "2026-12-01", id="the last holds on"),
    ],
)
def test_the_price_of_a_moment(at_us: int, version: str | None) -> None:
    price = price_at(DATED, at_us)
    assert (price and price.version) == version


def test_an_undated_price_always_holds_and_no_price_never_does() -> None:
    assert price_at([HOSTED], 0) is HOSTED
    assert price_at([], FROM_NOVEMBER) is None


BY_SIZE = Price(
    version="file",
    nanousd_per_mtok={TokenKind.INPUT: 2 * 10**9, TokenKind.CACHED_INPUT: 10**9, TokenKind.OUTPUT: 6 * 10**9},
    per_request_nanousd=5,
    tiers=(
        Tier(above_input_tokens=1_000, nanousd_per_mtok={TokenKind.INPUT: 4 * 10**9, TokenKind.OUTPUT: 12 * 10**9}),
        Tier(above_input_tokens=2_000, nanousd_per_mtok={TokenKind.INPUT: 8 * 10**9, TokenKind.OUTPUT: 24 * 10**9}),
    ),
)


@pytest.mark.parametrize(
    ("usage", "nanousd"),
    [
        pytest.param(Usage(input=1_000, output=10), 2_060_005, id="the bound itself is below"),
        pytest.param(Usage(input=1_001, output=10), 4_124_005, id="above it all tokens cost more, also those before"),
        pytest.param(Usage(input=2_001, output=0), 16_008_005, id="the last bound that is exceeded counts"),
        pytest.param(Usage(input=1_001, cached_input=900, output=0), 4_004_005, id="cached tokens are input"),
        pytest.param(Usage(input=1_001, cache_write=1_001, output=0), 4_004_005, id="and so are written ones"),
        pytest.param(Usage(input=0, output=5_000), 30_000_005, id="output is not"),
    ],
)
def test_tiers_are_chosen_by_the_size_of_the_whole_input(usage: Usage, nanousd: int) -> None:
    assert cost_nanousd(BY_SIZE, usage) == nanousd


def test_the_hour_of_the_hardware_is_no_part_of_a_requests_price() -> None:
    usage = Usage(input=10, output=900)
    assert cost_nanousd(replace(CARD, gpu_hour_nanousd=10**12), usage) == cost_nanousd(CARD, usage)
