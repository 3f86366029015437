"""What a route costs and saves, from the ledger: gathered for the admin API and the command."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sqlalchemy import Connection

from gateway.snapshot.document import Document, RouteEntry
from gateway.store import idle, ledger, ledger_pairs
from gateway.store.versions import VersionRecord
from routing.cost import ledger_rates as rates
from routing.cost.idle import HOUR_US, cards_at
from routing.cost.ledger import COUNTS, Line
from routing.cost.prices import NANO, half_even
from routing.cost.savings import MIN_PAIRS, Estimate, Paid, Pairs, Savings, Unknown, paid, savings
from routing.words import ModelName, RouteName

Json = dict[str, Any]

_TOKENS: Final = tuple(name for name in COUNTS if name.endswith("_tokens"))
_WHY: Final[Mapping[Unknown, str]] = {
    Unknown.NO_LARGE: "there is no large model to compare with; give the route a `fallback`",
    Unknown.NO_REQUESTS: "no request reached a model in this time",
    Unknown.UNPRICED: "the price of some answers is unknown; give their models a `price`",
    Unknown.FEW_PAIRS: f"fewer than {MIN_PAIRS} requests were also answered by the large model; "
    "turn on `audit`, or a `shadow` to it",
}


class Bill:
    """A route's lines of some hours, and what follows from them."""

    def __init__(self, connection: Connection, route: RouteName, document: Document, span: tuple[int, int]) -> None:
        """`span`: the hours that began from the first moment on and before the second, UTC microseconds."""
        entry = document.routes[route]
        self.entry: RouteEntry = entry
        self.large = None if entry.fallback is None else entry.fallback.to
        self.lines = ledger.lines_of(connection, route, *span)
        self.pairs: Pairs | None = None
        if self.large is not None:
            self.pairs = ledger_pairs.pairs_of(connection, route, self.large, *span)
        self.paid = paid(self.lines, self.large)
        self.found = savings(self.paid, self.pairs, has_large=self.large is not None)
        first_us = min((line.hour_us for line in self.lines), default=span[1])
        self.hours = (span[1] - first_us) // HOUR_US
        self.idle = self._idle(connection, route, span)

    def _idle(self, connection: Connection, route: RouteName, span: tuple[int, int]) -> int:
        """Of the hardware's idle time, the share that the route has of what the hardware's requests were billed."""
        billed = ledger.billed_nanousd(connection, *span)
        total: dict[ModelName, int] = {}
        for line in idle.lines_between(connection, *span):
            total[line.model] = total.get(line.model, 0) + line.cost_nanousd
        mine = 0
        for model, nanousd in total.items():
            of_all = sum(amount for (_, name), amount in billed.items() if name == model)
            if of_all:
                mine += half_even(nanousd * billed.get((route, model), 0), of_all)
        return mine


def view(bill: Bill, document: Document, versions: Mapping[str, VersionRecord], now_us: int) -> Json:
    """The body, money in dollars."""
    known, found = bill.paid, bill.found
    large = rates.large_a_request(known, found) if isinstance(found, Savings) else None
    share = rates.fallback_share(known)
    return {
        "hours": bill.hours,
        "requests": known.requests,
        "lines": [_line(line) for line in bill.lines],
        "paid": _paid(known, bill),
        "large": {
            "model": bill.large,
            "pairs": 0 if bill.pairs is None else bill.pairs.n,
            **_ratios(bill.pairs),
            "a_request_usd": None if large is None else _usd(large),
            "alone_usd": _estimate(found.alone) if isinstance(found, Savings) else None,
            "a_month_usd": _month(found.alone.value, bill.hours) if isinstance(found, Savings) else None,
        },
        "savings": _savings(bill),
        "fallback": {"share": share, **_break_even(bill, large)},
        "hardware": _hardware(bill, document, large, share or 0.0, now_us),
        "training": _training(bill, versions),
    }


def _line(line: Line) -> Json:
    return {
        "model": line.model,
        "purpose": line.purpose,
        "requests": line.requests,
        "attempts": line.attempts,
        "unpriced": line.unpriced,
        "estimated": line.estimated,
        "tokens": {name.removesuffix("_tokens"): getattr(line, name) for name in _TOKENS},
        "cost_usd": line.cost_nanousd / NANO,
    }


def _paid(known: Paid, bill: Bill) -> Json:
    is_known = not known.unpriced and known.requests > 0
    return {
        "to_answer_usd": known.serving / NANO,
        "beside_usd": known.beside / NANO,
        "idle_usd": bill.idle / NANO,
        "unpriced": known.unpriced,
        "a_request_usd": half_even(known.serving, known.requests) / NANO if is_known else None,
        "a_month_usd": _month(known.serving, bill.hours) if is_known else None,
    }


def _savings(bill: Bill) -> Json:
    found = bill.found
    if not isinstance(found, Savings):
        return {"known": False, "code": found.value, "reason": _WHY[found]}
    alone = found.alone.value
    return {
        "known": True,
        "saved_usd": _estimate(found.saved),
        "net_usd": _estimate(found.net),
        "share": found.saved.value / alone if alone else None,
        "a_month_usd": _month(found.saved.value, bill.hours),
    }


def _ratios(pairs: Pairs | None) -> Json:
    """How many tokens the large model takes for one of the arm's."""
    if pairs is None:
        return {"input_ratio": None, "output_ratio": None}
    return {
        "input_ratio": pairs.large_input / pairs.arm_input if pairs.arm_input else None,
        "output_ratio": pairs.large_output / pairs.arm_output if pairs.arm_output else None,
    }


def _break_even(bill: Bill, large: Any) -> Json:
    small = None if bill.large is None else rates.arms_a_request(bill.lines, bill.paid, bill.large)
    is_known = small is not None and large is not None
    return {"break_even_share": rates.break_even_share(small, large) if is_known and small is not None else None}


def _hardware(bill: Bill, document: Document, large: Any, share: float, now_us: int) -> Json:
    named = ((name, document.models[name]) for name in bill.entry.split if name in document.models)
    by_hardware: dict[str, int] = {}
    for card in cards_at(((name, model.base_url, model.prices) for name, model in named), now_us):
        by_hardware[card.hardware] = max(by_hardware.get(card.hardware, 0), card.hour_nanousd)
    hour = sum(by_hardware.values())
    volume = rates.break_even_volume(hour, large, share) if hour and large else None
    return {"day_usd": 24 * hour / NANO if hour else None, "break_even_requests_a_day": volume}


def _training(bill: Bill, versions: Mapping[str, VersionRecord]) -> Json:
    """Of the arms whose lineage says what their training cost."""
    costs = {arm: cost for arm in bill.entry.split if (cost := training_nanousd(versions.get(arm))) is not None}
    total = sum(costs.values())
    days = None
    if costs and isinstance(bill.found, Savings):
        days = rates.earned_back_days(total, bill.found.saved.value, bill.hours)
    return {
        "cost_usd": total / NANO if costs else None,
        "models": sorted(costs),
        "earned_back_days": days,
    }


def training_nanousd(version: VersionRecord | None) -> int | None:
    """What a lineage says that training cost (`training: {cost_usd: 45}`); `None` where it says nothing usable."""
    training = None if version is None else version.lineage.get("training")
    said = training.get("cost_usd") if isinstance(training, Mapping) else None
    if said is None or isinstance(said, bool):
        return None
    try:
        usd = Decimal(str(said))
    except InvalidOperation:
        return None
    return half_even(*(usd * NANO).as_integer_ratio()) if usd.is_finite() and usd >= 0 else None


def _estimate(found: Estimate) -> Json:
    return {"value": found.value / NANO, "lower": found.lower / NANO, "upper": found.upper / NANO}


def _month(nanousd: int, hours: int) -> float | None:
    found = rates.a_month(nanousd, hours)
    return None if found is None else found / NANO


def _usd(nanousd: Any) -> float:
    return half_even(*nanousd.as_integer_ratio()) / NANO
