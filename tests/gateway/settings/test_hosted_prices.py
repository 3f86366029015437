"""Prices that are looked up in the installed package, as it has them, and in nothing else."""

import socket
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot, types

from gateway.settings.hosted_prices import hosted_prices
from gateway.settings.load import load_text
from gateway.snapshot.file import decode_file, encode_file, from_config
from routing.cost.prices import Price, Tier, Usage, cost_nanousd, price_at
from routing.words import ModelName, TokenKind
from tests.gateway.settings.test_prices import prices_of, refusal, text_of, warnings

HOSTED = {"source": "genai-prices"}
OPENAI = "https://api.openai.com/v1"
VERSION = version("genai-prices")
NAME_IT = "name the model as in {source: genai-prices, model: MODEL}, or write its price out"
I, C, W, O, R = TokenKind  # noqa: E741 - the five kinds


def usd(**by_key: Any) -> types.ModelPrice:
    return types.ModelPrice(
        **{key: Decimal(value) if isinstance(value, str) else value for key, value in by_key.items()}
    )


def tiered(base: str, **by_start: str) -> types.TieredPrices:
    tiers = [types.Tier(start=int(start.strip("_")), price=Decimal(price)) for start, price in by_start.items()]
    return types.TieredPrices(base=Decimal(base), tiers=tiers)


def since(day: str, prices: types.ModelPrice) -> types.ConditionalPrice:
    return types.ConditionalPrice(types.StartDateConstraint(date.fromisoformat(day)), prices=prices)


def model(name: str, prices: Any) -> types.ModelInfo:
    return types.ModelInfo(id=name, match=types.ClauseEquals(name), prices=prices)


NIGHT = types.TimeOfDateConstraint(time(16, 30, tzinfo=UTC), time(0, 30, tzinfo=UTC))
PLAIN = usd(input_mtok="2.5", cache_read_mtok="1.25", output_mtok="10")
MODELS = [
    model("plain", PLAIN),
    model(
        "every-kind",
        usd(
            input_mtok="3",
            cache_read_mtok="0.3",
            cache_write_mtok="3.75",
            output_mtok="15",
            output_reasoning_mtok="12",
            requests_kcount="5",
        ),
    ),
    model(
        "dated",
        [
            types.ConditionalPrice(prices=usd(input_mtok="10", output_mtok="40")),
            since("2025-06-10", usd(input_mtok="2", output_mtok="8")),
            since("2026-11-01", usd(input_mtok="1", output_mtok="4")),
        ],
    ),
    model(
        "tiered",
        usd(
            input_mtok=tiered("2", _199999="4", _499999="8"),
            cache_read_mtok=tiered("0.2", _199999="0.4"),
            output_mtok=tiered("6", _199999="12"),
        ),
    ),
    model("searching", usd(input_mtok="1", output_mtok="2", web_searches_kcount="10", input_audio_mtok="40")),
    model("by-night", [types.ConditionalPrice(prices=PLAIN), types.ConditionalPrice(NIGHT, prices=PLAIN)]),
    model("one-way", usd(input_mtok="0.02")),
]


@pytest.fixture(autouse=True)
def snapshot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A list with known prices in place of the package's, and no network."""
    sellers = [
        types.Provider(id="openai", name="OpenAI", api_pattern=r"https://api\.openai\.com", models=MODELS),
        types.Provider(id="elsewhere", name="Elsewhere", api_pattern=r"https://elsewhere", models=[]),
    ]
    data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=sellers, from_auto_update=False))
    monkeypatch.setattr(socket, "socket", None)
    hosted_prices.cache_clear()
    yield
    data_snapshot.set_custom_snapshot(None)
    hosted_prices.cache_clear()


def found(name: str) -> tuple[Price, ...]:
    return hosted_prices("openai", OPENAI, name)


def test_a_price_is_as_the_list_has_it_and_names_the_list_with_its_version() -> None:
    (price,) = found("plain")
    assert price == Price(
        version=f"genai-prices {VERSION}", nanousd_per_mtok={I: 2_500_000_000, C: 1_250_000_000, O: 10_000_000_000}
    )


def test_every_kind_has_a_price_of_its_own() -> None:
    (price,) = found("every-kind")
    assert price.nanousd_per_mtok == {
        I: 3_000_000_000,
        C: 300_000_000,
        W: 3_750_000_000,
        O: 15_000_000_000,
        R: 12_000_000_000,
    }
    assert price.per_request_nanousd == 5_000_000


def test_dates_are_kept() -> None:
    first, second, third = found("dated")
    assert [price.nanousd_per_mtok[I] for price in (first, second, third)] == [10**10, 2 * 10**9, 10**9]
    assert (first.since_us, first.version) == (0, f"genai-prices {VERSION}")
    assert second.version == f"genai-prices {VERSION} from 2025-06-10"
    assert third.since_us == int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**6


def test_tiers_are_of_the_whole_request_by_the_size_of_its_input() -> None:
    (price,) = found("tiered")
    assert price.nanousd_per_mtok == {I: 2 * 10**9, C: 2 * 10**8, O: 6 * 10**9}
    assert price.tiers == (
        Tier(above_input_tokens=199_999, nanousd_per_mtok={I: 4 * 10**9, C: 4 * 10**8, O: 12 * 10**9}),
        Tier(above_input_tokens=499_999, nanousd_per_mtok={I: 8 * 10**9, C: 4 * 10**8, O: 12 * 10**9}),
    )


@pytest.mark.parametrize("name", ["plain", "dated", "tiered"])
@pytest.mark.parametrize("inputs", [0, 1000, 199_999, 200_000, 500_000])
@pytest.mark.parametrize("cached", [0, 900])
@pytest.mark.parametrize("day", ["2025-01-01", "2025-06-10", "2026-10-31", "2026-11-01"])
def test_a_request_costs_what_the_list_itself_says(name: str, inputs: int, cached: int, day: str) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    cached = min(cached, inputs)
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=inputs, cache_read_tokens=cached, output_tokens=500),
        name,
        provider_id="openai",
        genai_request_timestamp=at,
    )
    price = price_at(found(name), int(at.timestamp()) * 10**6)
    assert price is not None
    assert cost_nanousd(price, Usage(input=inputs, cached_input=cached, output=500)) == theirs.total_price * 10**9


def test_the_installed_list_is_read_without_the_network() -> None:
    data_snapshot.set_custom_snapshot(None)
    for price in hosted_prices(None, OPENAI, "gpt-4o"):
        assert price.version.startswith("genai-prices ")
        assert price.nanousd_per_mtok.keys() >= {I, C, O}
        assert price.nanousd_per_mtok[I] > price.nanousd_per_mtok[C] > 0


def with_base_url(price: dict[str, Any], base_url: str = OPENAI) -> str:
    return text_of(price, base_urls=(base_url,))


def test_provider_and_model_are_those_of_the_model_unless_they_are_named() -> None:
    assert prices_of({**HOSTED, "provider": "openai", "model": "plain"}) == found("plain")
    file = from_config(load_text(with_base_url(HOSTED | {"model": "plain"}), {}).config)
    assert file.models[ModelName("m0")].prices == found("plain")
    assert decode_file(encode_file(file)) == file


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (
            {},
            "genai-prices does not know who is at http://h0/v1; say so, as in {source: genai-prices, provider: openai}",
        ),
        ({"provider": "opnai"}, "genai-prices knows no provider 'opnai'; did you mean 'openai'?"),
        (
            {"provider": "openai"},
            f"genai-prices {VERSION} has no price of 'm' at openai; {NAME_IT}",
        ),
        (
            {"provider": "elsewhere", "model": "plain"},
            f"genai-prices {VERSION} has no price of 'plain' at elsewhere; {NAME_IT}",
        ),
        (
            {"provider": "openai", "model": "by-night"},
            "genai-prices prices 'by-night' by the time of day, which is not supported; write a price out",
        ),
        (
            {"provider": "openai", "model": "one-way"},
            "genai-prices has no price of 'one-way' for output_mtok; write its price out",
        ),
    ],
)
def test_a_price_that_nobody_knows_is_refused(price: dict[str, Any], said: str) -> None:
    assert refusal({**HOSTED, **price}) == f"models.m0.price: {said}"


def test_without_the_package_such_a_price_is_refused_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert refusal({**HOSTED, "provider": "openai", "model": "plain"}) == (
        "models.m0.price: needs the package genai-prices, which is not installed; pip install 'fallgate[prices]'"
    )
    assert len(prices_of({"input": 1, "output": 2})) == 1


def test_what_is_priced_beside_tokens_is_told() -> None:
    parts = "input_audio_mtok, web_searches_kcount"
    said = f"models.m0.price: genai-prices prices {parts} apart, which no request is billed for"
    assert warnings(with_base_url({**HOSTED, "model": "searching"})) == [said]
    assert warnings(with_base_url({**HOSTED, "model": "plain"})) == []
