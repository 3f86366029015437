"""Whether two answers to one request agree: that of the arm and that of the large model, which is what it is held to.

    the arm's answer          the large model's      comparison
    none at all               anything               undefined: what did not arrive says nothing of quality
    neither text nor calls    anything               undefined: it cannot be read here
    flawed                    good                   disagrees: nobody could have used it
    anything                  none, or flawed        undefined: there is nothing to hold it to
    tool calls                tool calls             by name and arguments, whatever the comparer
    tool calls                text, or the reverse   disagrees
    text                      text                   by the route's comparer

Tool calls are compared and never made.
"""

from dataclasses import dataclass
from enum import StrEnum

from routing.audit.calls import same_calls
from routing.audit.fields import agree_as_json
from routing.audit.numbers import agree_as_numbers
from routing.audit.texts import same_text
from routing.audit.verdict import AGREES, DISAGREES, Comparison, undefined


class ComparerKind(StrEnum):
    """How two answers are compared."""

    EXACT = "exact"
    """The same text, apart from white space around it and letter case."""
    JSON = "json"
    """JSON objects with the same values in the fields that count."""
    NUMBER = "number"
    """The last number in each, within a relative tolerance."""
    JUDGE = "judge"
    """A model is asked, twice, with the two in either order; both times it has to find them equivalent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer as far as it is compared."""

    text: str | None = None
    tool_calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments (JSON text) of each call, in order."""
    flaw: str | None = None
    """Why it is no answer to anybody, such as `empty` or `refused`."""

    @property
    def has_content(self) -> bool:
        """Whether there is something to compare."""
        return bool(self.text and not self.text.isspace()) or bool(self.tool_calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparer:
    """A route's comparer. `fields` are of `json`, `tolerance` of `number`."""

    kind: ComparerKind
    fields: tuple[str, ...] = ()
    tolerance: float = 0.0

    def compare(self, arm: Said | None, large: Said | None) -> Comparison | None:
        """Compare two answers; `None` where a judge has to be asked.

        >>> Comparer(kind=ComparerKind.EXACT).compare(Said(text="Refund"), Said(text=" refund\\n")).agrees
        True
        """
        known = _without_reading(arm, large)
        if known is not None or arm is None or large is None:
            return known
        if arm.tool_calls:
            return same_calls(arm.tool_calls, large.tool_calls)
        small_text, large_text = arm.text or "", large.text or ""
        if self.kind is ComparerKind.JUDGE:
            # The same words need no judge.
            return AGREES if same_text(small_text, large_text) is AGREES else None
        if self.kind is ComparerKind.JSON:
            return agree_as_json(small_text, large_text, self.fields)
        if self.kind is ComparerKind.NUMBER:
            return agree_as_numbers(small_text, large_text, self.tolerance)
        return same_text(small_text, large_text)


def _without_reading(arm: Said | None, large: Said | None) -> Comparison | None:
    """What is clear from whether there are answers, and of which kind."""
    if large is None:
        return undefined("the large model did not answer")
    if arm is None:
        return undefined("the arm did not answer")
    if large.flaw is not None or not large.has_content:
        return undefined(f"the large model's answer is flawed: {large.flaw or 'empty'}")
    if arm.flaw is None and arm.text is None and not arm.tool_calls:
        return undefined("the arm's answer is neither text nor calls")
    if arm.flaw is not None or not arm.has_content:
        return Comparison(agrees=False, detail=f"the arm's answer is flawed: {arm.flaw or 'empty'}")
    if bool(arm.tool_calls) != bool(large.tool_calls):
        return DISAGREES
    return None
