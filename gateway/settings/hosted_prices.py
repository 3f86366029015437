"""Prices of hosted models by name, out of the package `genai-prices`: what it has installed, never from the network.

The package is optional, and loaded only for a file that asks for it. Its prices are for what is not said otherwise of a
request: no batches, no service tiers. Its dates and its tiers by the size of the input are kept; what it has by the
time of day has no place in a price, and is refused.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from gateway.settings.problems import KeyPath
from gateway.settings.trees import Finding, Tree, did_you_mean, mapping
from routing.cost.prices import Price, Tier, half_even, per_mtok
from routing.words import TokenKind

SOURCE: Final = "genai-prices"
_KINDS: Final = {
    "input_mtok": TokenKind.INPUT,
    "cache_read_mtok": TokenKind.CACHED_INPUT,
    "cache_write_mtok": TokenKind.CACHE_WRITE,
    "output_mtok": TokenKind.OUTPUT,
    "output_reasoning_mtok": TokenKind.REASONING,
}
_NO_TIER: Final = -1
_PER_REQUESTS: Final = "requests_kcount"
_REQUIRED: Final = frozenset({"input_mtok", "output_mtok"})


class PriceUnknown(Exception):
    """The source has no price for a model, told as a sentence."""


@lru_cache(maxsize=256)
def hosted_prices(provider: str | None, base_url: str, model: str) -> tuple[Price, ...]:
    """What a model costs, by date, ascending.

    Args:
        provider: whom the source calls so; `None`: whoever is at `base_url`.
        base_url: root of the API.
        model: as its provider calls it.

    Raises:
        PriceUnknown: nobody can say, or not in the form of a price.
    """
    found, version = _find(provider, base_url, model)
    return tuple(_price(prices, since, _version(version, since), model) for since, prices in _dated(found, model))


def unpriced_parts(provider: str | None, base_url: str, model: str) -> list[str]:
    """What the source prices beside tokens, which no request is billed for. Raises `PriceUnknown`."""
    found, _ = _find(provider, base_url, model)
    keys = {key for _, prices in _dated(found, model) for key in _entries(prices)}
    return sorted(keys - _KINDS.keys() - {_PER_REQUESTS})


def price_findings(models: object) -> Iterator[Finding]:
    """Prices that are to be looked up and cannot be. `models` is the tree of a file, which may be half wrong."""
    for name, model in mapping(models).items():
        asked = _asked(mapping(model))
        if asked is None:
            continue
        try:
            hosted_prices(*asked)
        except PriceUnknown as error:
            path: KeyPath = ("models", name, "price")
            yield path, str(error)


def _asked(model: Tree) -> tuple[str | None, str, str] | None:
    """Provider, base URL and model of a price that is to be looked up; `None` for any other, and for what is amiss."""
    price = mapping(model.get("price"))
    provider, base_url = price.get("provider"), model.get("base_url")
    ref = model.get("model") if price.get("model") is None else price["model"]
    is_sound = isinstance(provider, str | None) and isinstance(base_url, str) and isinstance(ref, str)
    if price.get("source") != SOURCE or not is_sound:
        return None
    return None if provider is None else str(provider), str(base_url), str(ref)


def _find(provider: str | None, base_url: str, model: str) -> tuple[Any, str]:
    """The source's entry for a model, and the source's version."""
    try:
        from genai_prices import __version__, data_snapshot
    except ImportError:
        raise PriceUnknown(
            f"needs the package {SOURCE}, which is not installed; pip install 'fallgate[prices]'"
        ) from None
    snapshot = data_snapshot.get_snapshot()
    # The provider by itself first: of a model's name alone the source would guess who sells it.
    sellers = {seller.id: seller for seller in snapshot.providers}
    try:
        seller = snapshot.find_provider(None, None, base_url) if provider is None else sellers[provider]
    except LookupError:
        raise PriceUnknown(_no_provider(provider, base_url, list(sellers))) from None
    found = seller.find_model(model, all_providers=snapshot.providers)
    if found is None:
        raise PriceUnknown(
            f"{SOURCE} {__version__} has no price of {model!r} at {seller.id}; name the model as in "
            f"{{source: {SOURCE}, model: MODEL}}, or write its price out"
        )
    return found, __version__


def _no_provider(provider: str | None, base_url: str, known: list[str]) -> str:
    if provider is None:
        return f"{SOURCE} does not know who is at {base_url}; say so, as in {{source: {SOURCE}, provider: openai}}"
    return f"{SOURCE} knows no provider {provider!r}{did_you_mean(provider, known)}"


def _dated(found: Any, model: str) -> Iterator[tuple[date | None, Any]]:
    """The prices of an entry by the day from which they hold, ascending; the first holds always."""
    conditions = found.prices if isinstance(found.prices, list) else []
    days: set[date] = set()
    for condition in conditions:
        if condition.constraint is not None and not hasattr(condition.constraint, "start_date"):
            raise PriceUnknown(
                f"{SOURCE} prices {model!r} by the time of day, which is not supported; write a price out"
            )
        if condition.constraint is not None:
            days.add(condition.constraint.start_date)
    ordered = sorted(days)
    before = ordered[0] - timedelta(days=1) if ordered else date(2000, 1, 1)
    for since, day in [(None, before), *((day, day) for day in ordered)]:
        yield since, found.get_prices(datetime.combine(day, time(), UTC))


def _entries(prices: Any) -> Mapping[str, Any]:
    return {key: value for key, value in vars(prices).items() if value is not None and not key.startswith("_")}


def _price(prices: Any, since: date | None, version: str, model: str) -> Price:
    entries = _entries(prices)
    missing = _REQUIRED - entries.keys()
    if missing:
        raise PriceUnknown(
            f"{SOURCE} has no price of {model!r} for {' and '.join(sorted(missing))}; write its price out"
        )
    starts = sorted({tier.start for key in _KINDS for tier in getattr(entries.get(key), "tiers", ())})
    per_thousand = entries.get(_PER_REQUESTS, Decimal(0))
    return Price(
        since_us=0 if since is None else int(datetime.combine(since, time(), UTC).timestamp()) * 1_000_000,
        version=version,
        nanousd_per_mtok=_rates(entries, _NO_TIER),
        per_request_nanousd=half_even(*(per_thousand * 1_000_000).as_integer_ratio()),
        tiers=tuple(Tier(above_input_tokens=start, nanousd_per_mtok=_rates(entries, start)) for start in starts),
    )


def _rates(entries: Mapping[str, Any], start: int) -> dict[TokenKind, int]:
    """Of requests whose input is just beyond `start`, in tokens."""
    rates: dict[TokenKind, int] = {}
    for key, kind in _KINDS.items():
        entry = entries.get(key)
        usd = getattr(entry, "base", entry)
        for tier in getattr(entry, "tiers", ()):
            if tier.start <= start:
                usd = tier.price
        if usd is not None:
            rates[kind] = per_mtok(usd)
    return rates


def _version(version: str, since: date | None) -> str:
    return f"{SOURCE} {version}" if since is None else f"{SOURCE} {version} from {since.isoformat()}"
