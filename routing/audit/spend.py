"""What audits and shadows may cost: money is set aside before a call, and what it really cost is settled after it.

Workers share a day's cap through the store. Each takes a grant out of what is left before it spends anything, and what
the store says of it is never less than what it has spent or set aside. So the sum over all workers stays within the
cap, however they start, end or lose the store meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from routing.cost.prices import Price, Usage, cost_nanousd

_BYTES_PER_INPUT_TOKEN: Final = 3
_USUAL_OUTPUT_TOKENS: Final = 1024
_MOST_OUTPUT_TOKENS: Final = 8192
_VERDICT_TOKENS: Final = 256


@dataclass(slots=True)
class Allowance:
    """One worker's money for the audits, or shadows, of one route on one day, in nano-dollars."""

    day: int
    """Days since 1970 (UTC)."""
    granted: int = 0
    """What the store says that this worker may spend."""
    settled: int = 0
    set_aside: int = 0

    @property
    def committed(self) -> int:
        """What is spent or set aside."""
        return self.settled + self.set_aside

    def reserve(self, amount: int) -> bool:
        """Set an amount aside, if the grant covers it."""
        if self.committed + amount > self.granted:
            return False
        self.set_aside += amount
        return True

    def settle(self, reserved: int, spent: int) -> None:
        """Put what something really cost in the place of what was set aside for it.

        It may be more, where an answer was longer than anybody could know: then the next one has to wait.
        """
        self.set_aside -= reserved
        self.settled += spent

    def want(self, ahead: int) -> int:
        """The grant to ask for. What is above it is given back at once, before the store is told."""
        wanted = self.committed + ahead
        self.granted = min(self.granted, wanted)
        return wanted


def grant(*, cap: int, others: int, committed: int, wanted: int) -> int:
    """What a worker is granted, given what the store says that all others have been.

    >>> grant(cap=100, others=70, committed=10, wanted=50), grant(cap=100, others=95, committed=10, wanted=50)
    (30, 10)
    """
    return max(committed, min(wanted, cap - others))


def reserve_for(body: Mapping[str, Any], size_bytes: int, large: Price, judge: Price | None) -> int:
    """What to set aside for one, in nano-dollars, by the request alone: no draw may depend on an answer.

    A token is taken for three bytes of the request, and the answer for as long as the request allows; where it says
    nothing, 1,024 tokens. A judge is asked twice, with the request and both answers.
    """
    input_tokens = size_bytes // _BYTES_PER_INPUT_TOKEN + 1
    output_tokens = min(_limit_of(body) or _USUAL_OUTPUT_TOKENS, _MOST_OUTPUT_TOKENS)
    cost = cost_nanousd(large, Usage(input=input_tokens, output=output_tokens))
    if judge is None:
        return cost
    asked = Usage(input=input_tokens + 2 * output_tokens + _VERDICT_TOKENS, output=_VERDICT_TOKENS)
    return cost + 2 * cost_nanousd(judge, asked)


def _limit_of(body: Mapping[str, Any]) -> int | None:
    return body.get("max_completion_tokens") or body.get("max_tokens")
