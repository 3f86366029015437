"""What a simulated model says: the text, its tokens with their log-probabilities, and how the answer ends."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from serving.simulated.draws import bell, fraction
from serving.simulated.pieces import are_structure, split
from serving.simulated.script import LogprobMode, ModelScript

# What a model might have said instead. Twenty is the most that vLLM lists, and one may equal the token itself.
_FILLERS: Final = tuple(
    re.findall(r" \w+", " the a and to of in is it on for you with as not or be this that are at by")
)
LEAST_LOGPROB: Final = -9999.0  # what vLLM writes for minus infinity


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `logprob` is None when the model does not report it; `others` are less likely, the likeliest first."""

    text: str
    logprob: float | None
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """The tool call of an answer. `pieces` join to its arguments."""

    name: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One choice of an answer. `end` is the end-of-sequence token where the script has one."""

    tokens: tuple[Token, ...]
    finish_reason: str = "stop"
    end: Token | None = None
    called: Called | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(token.text for token in self.tokens)

    @property
    def length(self) -> int:
        """How many tokens were generated."""
        called = len(self.called.pieces) if self.called else 0
        return len(self.tokens) + called + (self.end is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request wants of a model. `top` is None without log-probabilities, else how many alternatives (0 to 20).

    `limit` is the most tokens to generate. `tool` is the first tool offered, None when none may be called.
    """

    prompt: str
    choice: int = 0
    top: int | None = None
    limit: int | None = None
    tool: str | None = None


def compose(script: ModelScript, ask: Ask) -> Answer:
    """Write the answer of `script` to `ask`: the same one whenever it is asked again."""
    if script.tool_call is not None and ask.tool is not None:
        name = script.tool_call.name or ask.tool
        called = Called(name=name, pieces=tuple(split(script.tool_call.arguments)))
        return Answer(tokens=(), finish_reason="tool_calls", called=called)
    text, is_right = choose_text(script, ask)
    pieces = split(text)
    if ask.limit is not None and len(pieces) + bool(script.end_token) > ask.limit:
        return Answer(tokens=_tokens(script, ask, pieces[: ask.limit], is_right=is_right), finish_reason="length")
    end = None
    if script.end_token:
        level = script.right_logprob if is_right else script.wrong_logprob
        end = _token(script, ask, script.end_token, level)
    return Answer(tokens=_tokens(script, ask, pieces, is_right=is_right), end=end)


def choose_text(script: ModelScript, ask: Ask) -> tuple[str, bool]:
    """Return the text of the answer and whether the model is right about it."""
    prompt = ask.prompt.strip()
    right = script.answers.get(prompt)
    if right is None:
        return script.text, not script.answers
    about = (script.name, prompt, str(ask.choice))
    if fraction(script.seed, "accuracy", *about) < script.accuracy:
        return right, True
    rows = list(script.answers.values())
    first = int(fraction(script.seed, "wrong answer", *about) * len(rows))
    wrong = (answer for answer in rows[first:] + rows[:first] if answer != right)
    return next(wrong, script.text), False


def _tokens(script: ModelScript, ask: Ask, pieces: list[str], *, is_right: bool) -> tuple[Token, ...]:
    if ask.top is None or script.logprobs is LogprobMode.MISSING:
        return tuple(Token(piece, None) for piece in pieces)
    about = (script.name, ask.prompt, str(ask.choice))
    level = script.right_logprob if is_right else script.wrong_logprob
    if script.answer_spread:
        level *= math.exp(script.answer_spread * bell(script.seed, "level", *about))
    structure = are_structure(pieces) if script.structure_logprob is not None else [False] * len(pieces)
    factors = _around_one(script, about, structure.count(False))
    return tuple(
        _token(script, ask, piece, script.structure_logprob or 0.0 if is_structure else level * next(factors))
        for piece, is_structure in zip(pieces, structure, strict=True)
    )


def _around_one(script: ModelScript, about: tuple[str, ...], count: int) -> Iterator[float]:
    """Yield the factors of `count` tokens. They go in pairs whose mean is 1, so that every even prefix has it too."""
    for pair in range(count // 2):
        away = script.token_spread and script.token_spread * (2 * fraction(script.seed, "pair", *about, str(pair)) - 1)
        yield 1 + away
        yield 1 - away
    if count % 2:
        yield 1.0


def _token(script: ModelScript, ask: Ask, piece: str, logprob: float) -> Token:
    if ask.top is None or script.logprobs is LogprobMode.MISSING:
        return Token(piece, None)
    count = max(ask.top - 1, 0)
    names = [filler for filler in _FILLERS[: count + 1] if filler != piece][:count]
    if script.logprobs is LogprobMode.ZERO:
        return Token(piece, 0.0, tuple((name, 0.0) for name in names))
    return Token(piece, logprob, tuple(zip(names, _less_likely(logprob, len(names)), strict=True)))


def _less_likely(logprob: float, count: int) -> list[float]:
    """Share out what probability the token leaves, by halves; no alternative becomes likelier than the token."""
    left = -math.expm1(logprob)
    if left <= 0:
        return [LEAST_LOGPROB] * count
    return [min(math.log(left) - rank * math.log(2), logprob - rank * 0.1) for rank in range(1, count + 1)]
