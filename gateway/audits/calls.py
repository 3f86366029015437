"""The calls of one audit, and what it cost to hear a draft out."""

from dataclasses import replace

from gateway.background.calls import BackgroundCalls, billed
from gateway.exchange.facts import Attempt
from routing.cost.prices import Usage, price_at
from routing.words import Purpose, Result


class AuditCalls(BackgroundCalls):
    """Those of one audit."""

    def add_rest(self, attempt: Attempt, before: Usage | None, started_us: int, started_s: float) -> None:
        """Note what it cost to let a draft come to its end, beyond what it had cost when it was given up."""
        after = attempt.usage
        if after is None:
            return
        rest = _rest(after, before)
        price = price_at(attempt.live.prices, self._exchange.head.arrived_us)
        if price is not None and before is not None:
            price = replace(price, per_request_nanousd=0)  # which was paid with the draft
        row = self.row(attempt.model, Purpose.AUDIT, started_us, started_s)
        self.add(billed(row._replace(result=Result.COMPLETED, upstream_status=200), rest, price))


def _rest(after: Usage, before: Usage | None) -> Usage:
    """What was used since."""
    if before is None:
        return after
    input_tokens, output_tokens = max(0, after.input - before.input), max(0, after.output - before.output)
    return Usage(
        input=input_tokens,
        output=output_tokens,
        cached_input=min(input_tokens, max(0, after.cached_input - before.cached_input)),
        reasoning=min(output_tokens, max(0, after.reasoning - before.reasoning)),
        is_estimated=after.is_estimated or before.is_estimated,
    )
