"""Find where an answer begins in a list of tokens that holds the model's reasoning before it.

Servers that keep reasoning and answer apart in the message list the tokens of both in its log-probabilities, along with
the marks between and after them: `<think>`, reasoning, `</think>`, answer, `<|im_end|>`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

OPENS: Final = "<think>"
CLOSES: Final = "</think>"


def answer_start(tokens: Sequence[str], reasoning: str, answer: str | None) -> int | None:
    """The index of the answer's first token.

    Args:
        tokens: all of them, in order.
        reasoning: what comes first, as far as it is known.
        answer: what follows; `None` when it is no text, such as the call of a tool.

    Returns:
        `None` when it cannot be told.
    """
    marks = [at for at, token in enumerate(tokens) if token.strip() == CLOSES]
    if marks:
        return marks[0] + 1
    text = "".join(tokens)
    thought = reasoning.strip()
    found = text.find(thought)
    if found < 0:
        return None
    after = found + len(thought)
    starts = list(accumulate((len(token) for token in tokens), initial=0))[:-1]
    if answer is None:
        at = bisect_right(starts, after - 1) if after else 0
        return at if at < len(tokens) else None
    return _begins(text, starts, answer.strip(), after)


def _begins(text: str, starts: Sequence[int], answer: str, after: int) -> int | None:
    """The token with which the last occurrence of the answer begins: within a mark's token it may occur too."""
    at = text.rfind(answer, after) if answer else -1
    while at >= 0:
        token = bisect_right(starts, at) - 1
        if not text[starts[token] : at].strip():
            return token
        at = text.rfind(answer, after, at + len(answer) - 1)
    return None
