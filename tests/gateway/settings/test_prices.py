"""Prices: every form, and what is refused with its key path and one sentence."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from gateway.settings.load import load_text
from gateway.settings.models import Config, DatedRateCard, DatedTokenPrice
from gateway.settings.problems import ConfigError
from gateway.snapshot.file import from_config
from routing.cost.prices import Price
from routing.words import ModelName, TokenKind

TOKENS = {"input": 2.5, "output": 10}
CARD = {"gpu_hour_usd": 1.2, "tokens_per_second": 900}
ALONE = "write the amount alone, which is in US dollars"
CONVERT = "prices are in US dollars: convert them, and write USD or leave this out"
NOVEMBER_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**6


def text_of(*prices: Any, base_urls: tuple[str, ...] = ()) -> str:
    """A file with as many models as there are prices."""
    models = {
        f"m{number}": {
            "provider": "vllm",
            "base_url": base_urls[number] if base_urls else f"http://h{number}/v1",
            "model": "m",
            "price": price,
        }
        for number, price in enumerate(prices)
    }
    keys = [{"name": "app", "secret": "0123456789abcdef", "scopes": ["inference"]}]
    return yaml.safe_dump({"keys": keys, "models": models, "routes": {"r": {"split": {"m0": 100}}}})


def read(price: Any) -> Config:
    return load_text(text_of(price), {"EUROS": "2.50 EUR"}).config


def prices_of(price: Any) -> tuple[Price, ...]:
    return from_config(read(price)).models[ModelName("m0")].prices


def refusal(price: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(price)
    return str(caught.value)


def warnings(text: str, at_us: int = NOVEMBER_US) -> list[str]:
    return [str(warning) for warning in load_text(text, {}, clock=lambda: at_us).warnings]


@pytest.mark.parametrize(
    ("key", "amount", "said"),
    [
        ("input", -0.01, "-0.01 is not allowed; must be 0 or more"),
        ("output", -1, "-1 is not allowed; must be 0 or more"),
        ("cached_input", -1, "-1 is not allowed; must be 0 or more"),
        ("cache_write", -1, "-1 is not allowed; must be 0 or more"),
        ("reasoning", -1, "-1 is not allowed; must be 0 or more"),
        ("per_request", -1, "-1 is not allowed; must be 0 or more"),
        ("input", "2.50 EUR", f"'2.50 EUR' is not a number; {ALONE}"),
        ("input", "EUR 2.50", f"'EUR 2.50' is not a number; {ALONE}"),
        ("output", "€10", f"'€10' is not a number; {ALONE}"),
        ("output", "$10.00", f"'$10.00' is not a number; {ALONE}"),
        ("output", "1,000", f"'1,000' is not a number; {ALONE}"),
        ("per_request", "${EUROS}", f"'${{EUROS}}' is not a number; {ALONE}"),
        ("input", "free", "'free' is not a number"),
        ("input", ".nan", "'.nan' is not a number"),
        ("currency", "EUR", f"'EUR' is not known; {CONVERT}"),
        ("currency", "usd", f"'usd' is not known; {CONVERT}"),
        ("currency", None, f"null is not known; {CONVERT}"),
    ],
)
def test_an_amount_that_is_no_price_in_dollars_is_refused(key: str, amount: object, said: str) -> None:
    assert refusal({**TOKENS, key: amount}) == f"models.m0.price.{key}: {said}"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"gpu_hour_usd": -1}, "gpu_hour_usd: -1 is not allowed; must be 0 or more"),
        ({"gpu_hour_usd": "1.20 GBP"}, f"gpu_hour_usd: '1.20 GBP' is not a number; {ALONE}"),
        ({"tokens_per_second": -900}, "tokens_per_second: -900 is not allowed; must be more than 0"),
        ({"currency": "GBP"}, f"currency: 'GBP' is not known; {CONVERT}"),
    ],
)
def test_so_is_such_a_rate_card(card: dict[str, Any], said: str) -> None:
    assert refusal({**CARD, **card}) == f"models.m0.price.{said}"
    assert refusal([{**CARD, **card, "from": "2026-11-01"}]) == f"models.m0.price.0.{said}"


@pytest.mark.parametrize("amount", ["2.50", "1e-3", "1E+2", " 7 ", 0, "0"])
def test_a_number_is_a_number_however_it_is_written(amount: str | int) -> None:
    (price,) = prices_of({**TOKENS, "input": amount})
    assert price.nanousd_per_mtok[TokenKind.INPUT] == Decimal(amount) * 10**9


@pytest.mark.parametrize("price", [TOKENS, CARD])
def test_dollars_may_be_called_by_their_name(price: dict[str, Any]) -> None:
    assert prices_of({**price, "currency": "USD"}) == prices_of(price)


@pytest.mark.parametrize("first", [TOKENS, CARD])
@pytest.mark.parametrize("second", [TOKENS, CARD])
def test_two_prices_of_one_day_are_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    dated = [{**first, "from": "2026-11-01"}, {**TOKENS, "from": "2026-12-01"}, {**second, "from": "2026-11-01"}]
    assert refusal(dated) == "models.m0.price: has two prices from 2026-11-01; keep one of them"


@pytest.mark.parametrize("key", ["until", "to", "end"])
def test_a_price_that_says_when_it_ends_could_overlap_and_is_refused(key: str) -> None:
    said = "is not needed; a price holds until the day from which the next one in the list does"
    for price in (TOKENS, CARD):
        assert refusal([{**price, "from": "2026-11-01", key: "2026-12-01"}]) == f"models.m0.price.0.{key}: {said}"


def test_token_prices_and_rate_cards_may_follow_each_other() -> None:
    dated = [{**CARD, "from": "2026-11-01"}, {**TOKENS, "from": "2026-01-01"}]
    price = read(dated).models["m0"].price
    assert isinstance(price, tuple)
    assert [type(one) for one in price] == [DatedTokenPrice, DatedRateCard]

    bought, hosted = prices_of(dated)
    assert (bought.version, hosted.version) == ("2026-01-01", "2026-11-01")
    assert (bought.gpu_hour_nanousd, hosted.gpu_hour_nanousd) == (0, 1_200_000_000)
    assert hosted.since_us == NOVEMBER_US
    assert hosted.nanousd_per_mtok == {TokenKind.OUTPUT: 370_370_370}


@pytest.mark.parametrize(
    ("price", "said"),
    [
        ([TOKENS], "models.m0.price.0.from: required"),
        ([CARD], "models.m0.price.0.from: required"),
        ([{**TOKENS, **CARD, "from": "2026-11-01"}], "models.m0.price.0.input: does not belong beside gpu_hour_usd"),
        ({**CARD, "from": "2026-11-01"}, "models.m0.price.from: belongs in a list of prices"),
        (
            {"source": "genai-prices", "provider": "openai", "model": "gpt-4o", "input": 1},
            "models.m0.price.input: does not belong beside source",
        ),
        ({"source": "litellm"}, "models.m0.price.source: 'litellm' is not known; use 'genai-prices'"),
    ],
)
def test_what_belongs_to_another_form_is_told(price: Any, said: str) -> None:
    assert refusal(price).startswith(said)


def test_a_price_that_begins_later_is_told() -> None:
    text = text_of([{**TOKENS, "from": "2026-11-02"}, {**CARD, "from": "2026-12-01"}])
    assert warnings(text) == ["models.m0.price: begins on 2026-11-02; until then it is unknown"]
    assert warnings(text, NOVEMBER_US + 86_400 * 10**6) == []


def test_hardware_at_one_address_that_costs_this_and_that_is_told() -> None:
    cheaper = {**CARD, "gpu_hour_usd": 0.6}
    dated = [{**TOKENS, "from": "2026-10-01"}, {**cheaper, "from": "2026-11-01"}]
    here, there = "http://a/v1", "http://b/v1"
    said = (
        "models.m0.price: has less an hour than that of m1, 1.2, which has the same base_url: hardware there counts "
        "once, by the greatest"
    )
    assert warnings(text_of(cheaper, CARD, TOKENS, base_urls=(here,) * 3)) == [said]
    assert warnings(text_of(dated, CARD, base_urls=(here,) * 2)) == [said]
    assert warnings(text_of(dated, CARD, base_urls=(here,) * 2), NOVEMBER_US - 1) == []
    assert warnings(text_of(CARD, CARD, base_urls=(here,) * 2)) == []
    assert warnings(text_of(cheaper, CARD, base_urls=(here, there))) == []
