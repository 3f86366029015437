"""A client's request, checked as far as the gateway must understand it. What it does not know it passes on."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

from gateway.errors import ApiError
from serving.logprobs import Rewrite, rewrite_for
from serving.structure import Structure, structure_of

MAX_CHOICES: Final = 64
MAX_TOP_LOGPROBS: Final = 20
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_PARTS: Final = frozenset(
    {
        *("text", "refusal", "thinking", "input_text", "output_text", "file"),
        *("image_url", "input_image", "image_embeds", "audio_url", "input_audio", "audio_embeds", "video_url"),
    }
)
"""The types of content parts that OpenAI's API or vLLM knows."""
_REFUSED: Final[Mapping[str, str]] = {
    "api_base": "which server answers is the operator's to decide",
    "api_key": "the gateway has its own keys for upstreams",
    "base_url": "which server answers is the operator's to decide",
    "chat_template": "templates from requests are not run",
    "prompt_embeds": "embeddings from requests are not loaded",
}


class Inquiry:
    """A parsed request for a chat or text completion."""

    __slots__ = (
        "body",
        "choices",
        "is_chat",
        "is_stream",
        "model",
        "rewrite",
        "size_bytes",
        "structure",
        "wants_logprobs",
    )

    def __init__(self, body: dict[str, Any], *, is_chat: bool, size_bytes: int) -> None:
        """Raises `ApiError` (400) naming the field that is wrong."""
        _check(body, _CHAT if is_chat else _TEXT)
        needed = "messages" if is_chat else "prompt"
        if body.get(needed) is None:
            raise _wrong(needed, "required")
        self.body = body
        self.is_chat = is_chat
        self.size_bytes = size_bytes
        self.model: str = body.get("model") or _missing_model()
        self.is_stream: bool = body.get("stream") or False
        self.choices: int = (body.get("n") or 1) * (1 if is_chat else _count_prompts(body["prompt"]))
        self.wants_logprobs: bool = is_chat and (body.get("logprobs") or False)
        if is_chat and body.get("top_logprobs") and not self.wants_logprobs:
            raise _wrong("top_logprobs", "needs `logprobs: true`")
        self.rewrite: Rewrite | None = rewrite_for(body, wants_logprobs=self.wants_logprobs)
        """What becomes of the log-probabilities of a judged answer before the client gets them."""
        self.structure: Structure | None = structure_of(body) if is_chat else None
        """What the client asked the answer to be."""


def _wrong(param: str, sentence: str) -> ApiError:
    return ApiError(400, f"{param}: {sentence}", param=param)


def _missing_model() -> str:
    raise _wrong("model", "required; it names a route of this gateway, see GET /v1/models")


Check = Callable[[str, Any], None]


def _check(body: dict[str, Any], checks: Mapping[str, Check]) -> None:
    for name, value in body.items():
        check = checks.get(name)
        if check is not None and value is not None:
            check(name, value)


def _is_boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, "must be true or false")


def _is_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(name, "must be a string")


def _is_object(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise _wrong(name, "must be an object")


def _is_list(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise _wrong(name, "must be a list")


def _is_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _wrong(name, "must be a finite number")


def _is_integer(least: int, most: int) -> Check:
    def check(name: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(name, f"must be an integer from {least} to {most}")

    return check


def _are_messages(name: str, value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise _wrong(name, "must be a list of at least one message")
    for at, message in enumerate(value):
        if not isinstance(message, dict):
            raise _wrong(f"{name}.{at}", "must be an object with a role and content")
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise _wrong(f"{name}.{at}.role", f"must be one of {', '.join(sorted(_ROLES))}")
        content = message.get("content")
        if not isinstance(content, str):
            _is_content(f"{name}.{at}.content", content)


def _is_content(name: str, value: Any) -> None:
    if value is None:
        return  # an assistant's tool calls stand without
    if not isinstance(value, list):
        raise _wrong(name, "must be a string or a list of parts")
    for at, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in _PARTS:
            raise _wrong(f"{name}.{at}", f"must be an object whose type is one of {', '.join(sorted(_PARTS))}")


def _is_response_format(name: str, value: Any) -> None:
    _is_object(name, value)
    if value.get("type") == "json_schema":
        named = value.get("json_schema")
        if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
            raise _wrong(name, "the type json_schema needs `json_schema` with a `schema`")


def _is_prompt(name: str, value: Any) -> None:
    if not isinstance(value, str | list) or not value:
        raise _wrong(name, "must be a string or a list that is not empty")


def _count_prompts(prompt: Any) -> int:
    """A text completion may ask several things at once: a list of texts, or of lists of token ids."""
    return len(prompt) if isinstance(prompt, list) and not isinstance(prompt[0], int) else 1


def _is_refused(name: str, value: Any) -> None:
    raise _wrong(name, f"not accepted; {_REFUSED[name]}")


_TOKENS = _is_integer(0, 10_000_000)
_SHARED: Final[Mapping[str, Check]] = {
    "model": _is_text,
    "stream": _is_boolean,
    "stream_options": _is_object,
    "n": _is_integer(1, MAX_CHOICES),
    "max_tokens": _TOKENS,
    "temperature": _is_number,
    "top_p": _is_number,
    "frequency_penalty": _is_number,
    "presence_penalty": _is_number,
    "user": _is_text,
    "logit_bias": _is_object,
    **dict.fromkeys(_REFUSED, _is_refused),
}
_CHAT: Final[Mapping[str, Check]] = {
    **_SHARED,
    "messages": _are_messages,
    "max_completion_tokens": _TOKENS,
    "logprobs": _is_boolean,
    "top_logprobs": _is_integer(0, MAX_TOP_LOGPROBS),
    "tools": _is_list,
    "safety_identifier": _is_text,
    "metadata": _is_object,
    "response_format": _is_response_format,
}
_TEXT: Final[Mapping[str, Check]] = {
    **_SHARED,
    "prompt": _is_prompt,
    "logprobs": _is_integer(0, MAX_TOP_LOGPROBS),
    "best_of": _is_integer(1, MAX_CHOICES),
}
