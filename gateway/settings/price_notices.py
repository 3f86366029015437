"""What is worth a word about valid prices: unknown for a while, not covering all, or of one GPU and not equal."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal

from gateway.settings.hosted_prices import unpriced_parts
from gateway.settings.models import Config, DatedRateCard, DatedTokenPrice, HostedPrice, Model, Price, RateCard
from gateway.settings.problems import Problem


def price_warnings(config: Config, at_us: int) -> Iterator[Problem]:
    """Warnings about the prices of a valid configuration, at a time in UTC microseconds."""
    for name, model in config.models.items():
        path = f"models.{name}.price"
        if isinstance(model.price, tuple):
            first = model.price[0]
            if not _has_begun(first, at_us):
                yield Problem(path=path, sentence=f"begins on {first.since.isoformat()}; until then it is unknown")
        elif isinstance(model.price, HostedPrice):
            yield from _uncovered(path, model, model.price)
    yield from _one_gpu(config, at_us)


def _uncovered(path: str, model: Model, price: HostedPrice) -> Iterator[Problem]:
    parts = unpriced_parts(price.provider, model.base_url, price.model or model.model)
    if parts:
        sentence = f"{price.source} prices {', '.join(parts)} apart, which no request is billed for"
        yield Problem(path=path, sentence=sentence)


def _has_begun(price: DatedTokenPrice | DatedRateCard, at_us: int) -> bool:
    return datetime.combine(price.since, time(), UTC).timestamp() * 1e6 <= at_us


def _one_gpu(config: Config, at_us: int) -> Iterator[Problem]:
    """Rate cards of one `base_url` that do not agree what its hardware costs."""
    hours: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for name, model in config.models.items():
        card = _card_at(model.price, at_us)
        if card is not None:
            hours[model.base_url][name] = card.gpu_hour_usd
    for known in hours.values():
        most = max(known, key=lambda name: known[name])
        for name, usd in known.items():
            if usd != known[most]:
                sentence = (
                    f"has less an hour than that of {most}, {known[most]}, which has the same base_url: hardware there "
                    "counts once, by the greatest"
                )
                yield Problem(path=f"models.{name}.price", sentence=sentence)


def _card_at(price: Price | None, at_us: int) -> RateCard | None:
    if isinstance(price, tuple):
        begun = [dated for dated in price if _has_begun(dated, at_us)]
        price = begun[-1] if begun else None
    return price if isinstance(price, RateCard) else None
