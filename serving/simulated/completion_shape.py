"""The shape of /v1/completions: one choice of it, whole or in chunks, as vLLM writes it."""

from itertools import accumulate
from typing import Any, Final

from serving.simulated.answer import Answer, Token

Json = dict[str, Any]  # what orjson writes

WHOLE_OBJECT: Final = "text_completion"
CHUNK_OBJECT: Final = "text_completion"
WHOLE_EXTRAS: Final = {"service_tier": None, "system_fingerprint": None, "kv_transfer_params": None}


def whole_choice(index: int, answer: Answer, top: int | None) -> Json:
    """Write one choice of a whole answer."""
    tokens = answer.tokens if answer.end is None else (*answer.tokens, answer.end)
    return {
        **_chunk(index, answer.text, logprobs(tokens, top), answer.finish_reason),
        "prompt_logprobs": None,
    }


def content_choices(index: int, answer: Answer, top: int | None) -> list[Json]:
    """Write the choices of the chunks that carry the answer, one a token."""
    offsets = accumulate((len(token.text) for token in answer.tokens), initial=0)
    return [
        _chunk(index, token.text, logprobs((token,), top, offset), None)
        for token, offset in zip(answer.tokens, offsets, strict=False)
    ]


def finish_choice(index: int, answer: Answer, top: int | None) -> Json:
    """Write the choice of the last chunk, which carries the end-of-sequence token where there is one."""
    end = None if answer.end is None else logprobs((answer.end,), top, len(answer.text))
    return _chunk(index, "", end, answer.finish_reason)


def logprobs(tokens: tuple[Token, ...], top: int | None, offset: int = 0) -> Json | None:
    """Write the log-probabilities in parallel lists; the token itself is listed even when no alternatives are."""
    if top is None or any(token.logprob is None for token in tokens):
        return None
    offsets = accumulate((len(token.text) for token in tokens), initial=offset)
    return {
        "text_offset": [at for at, _ in zip(offsets, tokens, strict=False)],
        "token_logprobs": [token.logprob for token in tokens],
        "tokens": [token.text for token in tokens],
        "top_logprobs": [dict(((token.text, token.logprob), *token.others)[: max(top, 1)]) for token in tokens],
    }


def _chunk(index: int, text: str, scores: Json | None, finish_reason: str | None) -> Json:
    return {
        "index": index,
        "text": text,
        "logprobs": scores,
        "finish_reason": finish_reason,
        "stop_reason": None,
        "prompt_token_ids": None,
        "token_ids": None,
    }
