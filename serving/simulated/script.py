"""The script of one model: how fast it answers, what it says, how sure it sounds and what goes wrong."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from serving.simulated.faults import Fault

GENERIC_TEXT: Final = "This is a simulated answer, written by a script and not by a model."


class LogprobMode(StrEnum):
    """What a model reports when it is asked for log-probabilities."""

    SCRIPTED = "scripted"  # by the levels of the script
    MISSING = "missing"  # null, though they were asked for
    ZERO = "zero"  # 0.0 everywhere, as some servers do that cannot compute them


class DrawBy(StrEnum):
    """What the share of a fault is drawn by."""

    PROMPT = "prompt"  # the same prompt always meets the same fault
    REQUEST_ID = "request_id"  # each request draws anew by its X-Request-Id; without one, by the prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The call a model answers with when the request offers tools.

    name: None for the first tool offered. arguments: the text that goes out, a JSON object unless a test wants else.
    """

    name: str | None = None
    arguments: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScript:
    """What one simulated model does.

    answers: prompt -> right answer. The prompt is the last user message (chat) or the prompt (completions), stripped.
    accuracy: the share of the prompts in `answers` that get their right answer; the others get another row's.
    text: what is said to prompts that are not in `answers`.
    latency_ms: time to the first token. tokens_per_second: pace after it, None for as fast as it goes.
    jitter: the latency and the pace of an answer vary by up to this share, by a hash of the prompt.
    right_logprob, wrong_logprob: the mean log-probability of an answer's tokens, 0 or less; a prompt that is missing
        from a table that exists counts as wrong, since it is outside what the model was made for.
    answer_spread: standard deviation of ln(-mean) between answers, 0 for none; it makes right and wrong overlap.
    token_spread: how far tokens lie from their answer's mean, as a share of it, from 0 to 1; the mean stays as it is.
    structure_logprob: of the punctuation and keys of a JSON answer; None: like all other tokens.
    end_token: an end-of-sequence token (such as `<|im_end|>`) that is counted, and reported in the log-probabilities
        of the finish chunk, as vLLM does; empty for none.
    prompt_tokens, completion_tokens: usage as reported; None: counted in pieces.
    """

    name: str
    text: str = GENERIC_TEXT
    answers: Mapping[str, str] = field(default_factory=dict)
    accuracy: float = 1.0
    latency_ms: float = 0.0
    tokens_per_second: float | None = None
    jitter: float = 0.0
    seed: int = 0
    logprobs: LogprobMode = LogprobMode.SCRIPTED
    right_logprob: float = -0.05
    wrong_logprob: float = -1.2
    answer_spread: float = 0.0
    token_spread: float = 0.0
    structure_logprob: float | None = None
    end_token: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    tool_call: ToolCall | None = None
    max_model_len: int = 4096
    faults: tuple[Fault, ...] = ()
    draw_by: DrawBy = DrawBy.PROMPT

    def __post_init__(self) -> None:
        for wrong, sentence in (
            (not self.name.strip(), "a model needs a name"),
            (not 0 <= self.accuracy <= 1, f"accuracy must be from 0 to 1, not {self.accuracy}"),
            (not 0 <= self.latency_ms < math.inf, f"latency_ms must be 0 or more, not {self.latency_ms}"),
            (
                self.tokens_per_second is not None and not self.tokens_per_second > 0,
                "tokens_per_second must be above 0",
            ),
            (not 0 <= self.jitter < 1, f"jitter must be from 0 to below 1, not {self.jitter}"),
            (self.right_logprob > 0 or self.wrong_logprob > 0, "right_logprob and wrong_logprob must be 0 or less"),
            ((self.structure_logprob or 0) > 0, "structure_logprob must be 0 or less"),
            (not 0 <= self.token_spread <= 1, f"token_spread must be from 0 to 1, not {self.token_spread}"),
            (self.answer_spread < 0, f"answer_spread must be 0 or more, not {self.answer_spread}"),
            (self.max_model_len < 1, f"max_model_len must be 1 or more, not {self.max_model_len}"),
        ):
            if wrong:
                raise ValueError(f"model '{self.name}': {sentence}")
