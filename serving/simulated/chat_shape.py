"""The shape of /v1/chat/completions: one choice of it, whole or in chunks, as vLLM writes it."""

from typing import Any, Final

from serving.simulated.answer import Answer, Token

Json = dict[str, Any]  # what orjson writes

WHOLE_OBJECT: Final = "chat.completion"
CHUNK_OBJECT: Final = "chat.completion.chunk"
WHOLE_EXTRAS: Final = {
    "service_tier": None,
    "system_fingerprint": None,
    "prompt_logprobs": None,
    "prompt_token_ids": None,
    "kv_transfer_params": None,
}


def whole_choice(index: int, answer: Answer, top: int | None) -> Json:
    """Write one choice of a whole answer."""
    tokens = answer.tokens if answer.end is None else (*answer.tokens, answer.end)
    message: Json = {
        "role": "assistant",
        "content": None if answer.called or answer.refusal is not None else answer.text,
        "refusal": answer.refusal,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "reasoning": None,
    }
    if answer.called:
        arguments = "".join(answer.called.pieces)
        message["tool_calls"] = [_tool_call(index, {"name": answer.called.name, "arguments": arguments})]
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs(tokens, top),
        "finish_reason": answer.finish_reason,
        "stop_reason": None,
        "token_ids": None,
    }


def opening_choice(index: int) -> Json:
    """Write the choice of the first chunk: the role, and no content yet."""
    return _chunk(index, {"role": "assistant", "content": ""})


def content_choices(index: int, answer: Answer, top: int | None) -> list[Json]:
    """Write the choices of the chunks that carry the answer, one a token."""
    if answer.called:
        first = {"index": 0, **_tool_call(index, {"name": answer.called.name, "arguments": ""})}
        rest = [{"index": 0, "function": {"arguments": piece}} for piece in answer.called.pieces]
        return [_chunk(index, {"tool_calls": [part]}) for part in (first, *rest)]
    if answer.refusal is not None:
        return [_chunk(index, {"refusal": answer.refusal})]
    return [_chunk(index, {"content": token.text}, logprobs((token,), top)) for token in answer.tokens]


def finish_choice(index: int, answer: Answer, top: int | None) -> Json:
    """Write the choice of the last chunk, which carries the end-of-sequence token where there is one."""
    end = None if answer.end is None else logprobs((answer.end,), top)
    delta = {} if answer.called else {"content": ""}
    return {**_chunk(index, delta, end), "finish_reason": answer.finish_reason, "stop_reason": None}


def logprobs(tokens: tuple[Token, ...], top: int | None) -> Json | None:
    """Write the log-probabilities; None when they were not asked for or the model has none."""
    if top is None or any(token.logprob is None for token in tokens):
        return None
    return {
        "content": [
            {
                **_entry(token.text, token.logprob or 0.0),
                "top_logprobs": [_entry(*pair) for pair in ((token.text, token.logprob or 0.0), *token.others)[:top]],
            }
            for token in tokens
        ]
    }


def _entry(text: str, logprob: float) -> Json:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _chunk(index: int, delta: Json, scores: Json | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": scores, "finish_reason": None, "token_ids": None}


def _tool_call(index: int, function: Json) -> Json:
    return {"id": f"chatcmpl-tool-{index:032x}", "type": "function", "function": function}
