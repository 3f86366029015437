"""What a client's request becomes for one upstream: the model's own name, and only what that provider knows."""

from collections.abc import Mapping
from typing import Any

import orjson

from serving.errors import RequestRejected
from serving.logprobs import ALTERNATIVES
from serving.usage import ShownUsage

VLLM_ONLY = frozenset(
    {
        "add_generation_prompt",
        "add_special_tokens",
        "allowed_token_ids",
        "bad_words",
        "best_of",
        "cache_salt",
        "chat_template_kwargs",
        "continue_final_message",
        "documents",
        "echo",
        "guided_choice",
        "guided_decoding_backend",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "ignore_eos",
        "include_reasoning",
        "include_stop_str_in_output",
        "kv_transfer_params",
        "length_penalty",
        "min_p",
        "min_tokens",
        "mm_processor_kwargs",
        "priority",
        "prompt_logprobs",
        "repetition_penalty",
        "return_token_ids",
        "return_tokens_as_token_ids",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "stop_token_ids",
        "structured_outputs",
        "top_k",
        "truncate_prompt_tokens",
        "use_beam_search",
        "vllm_xargs",
    }
)
"""Sampling and serving parameters of vLLM's OpenAI-compatible server that hosted APIs refuse."""

OPENAI_ONLY = frozenset(
    {
        "metadata",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters of the hosted API that mean nothing to a self-hosted model."""

DROPPED: Mapping[str, frozenset[str]] = {"openai": VLLM_ONLY, "vllm": OPENAI_ONLY}
"""By provider. `echo` and `best_of` of a text completion are kept, see `to_upstream`."""

_RUNNING_USAGE = "continuous_usage_stats"
"""A stream option of vLLM's, which counts only beside `include_usage`."""
_TEXT_COMPLETION = frozenset({"echo", "best_of"})


def to_upstream(
    body: Mapping[str, Any], *, provider: str, upstream_model: str, asks_logprobs: bool, is_chat: bool = True
) -> bytes:
    """The request as it is sent to one upstream.

    Args:
        body: the client's request, parsed.
        provider: whose parameters are known.
        upstream_model: the name the upstream knows.
        asks_logprobs: ask for log-probabilities, with as many alternatives as the gateway needs, whether or not the
            client did (chat only).
        is_chat: chat, or text completion.

    Raises:
        RequestRejected: it is nested more than 254 levels deep.
    """
    request = dict(body)
    request["model"] = upstream_model
    for name in request.keys() & DROPPED[provider]:
        if is_chat or name not in _TEXT_COMPLETION:
            del request[name]
    if asks_logprobs:
        request["logprobs"] = True
        if "logprob_token_ids" not in request:  # with these vLLM returns the alternatives that they name
            request["top_logprobs"] = max(request.get("top_logprobs") or 0, ALTERNATIVES)
    if request.get("stream"):
        request["stream_options"] = _stream_options(body, provider, asks_logprobs=asks_logprobs)
    else:
        request.pop("stream_options", None)
    try:
        return orjson.dumps(request)
    except TypeError as error:  # of what was parsed from JSON there is nothing else that cannot be JSON again
        raise RequestRejected(
            "the request is nested too deeply; 254 levels are the most",
            upstream_status=400,
            param=None,
            error_code="invalid_request",
        ) from error


def shown_usage(body: Mapping[str, Any], *, provider: str, asks_logprobs: bool) -> ShownUsage:
    """How much of a stream's usage is for the client."""
    if not (body.get("stream_options") or {}).get("include_usage"):
        return ShownUsage.NONE
    is_ours = _asks_running_usage(provider, asks_logprobs=asks_logprobs) and not _wants_running_usage(body)
    return ShownUsage.LAST if is_ours else ShownUsage.ALL


def _asks_running_usage(provider: str, *, asks_logprobs: bool) -> bool:
    """Whether usage is asked for in every chunk, on the gateway's own behalf.

    It is the only way to know what a stream came to that breaks off: a chunk may bring several tokens. Where the
    gateway gets log-probabilities, it counts those instead, which costs it nothing more.
    """
    return provider == "vllm" and not asks_logprobs


def _wants_running_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options") or {}
    return bool(options.get("include_usage") and options.get(_RUNNING_USAGE))


def _stream_options(body: Mapping[str, Any], provider: str, *, asks_logprobs: bool) -> dict[str, Any]:
    # Without usage nobody knows what a stream cost; it is taken out again for clients who did not ask.
    options = {**(body.get("stream_options") or {}), "include_usage": True}
    options.pop(_RUNNING_USAGE, None)
    if _asks_running_usage(provider, asks_logprobs=asks_logprobs) or (
        provider == "vllm" and _wants_running_usage(body)
    ):
        options[_RUNNING_USAGE] = True
    return options
