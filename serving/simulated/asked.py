"""What a request asks for, read and checked as vLLM's server does, and its errors in the same shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import orjson

MOST_TOP_LOGPROBS: Final = 20
COMPLETION_LIMIT: Final = 16  # the default of max_tokens in /v1/completions


class Endpoint(StrEnum):
    """The two ways to ask."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"


class Rejected(Exception):
    """The request is refused: by its status, a sentence, and the parameter at fault where there is one."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param

    def body(self) -> bytes:
        """The error in vLLM's shape, whose `code` is a number."""
        return error_body(str(self), status=self.status, param=self.param)


def error_body(message: str, *, status: int, param: str | None = None) -> bytes:
    """Write an error as vLLM does: CamelCase type, the status as `code`."""
    known = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError"}
    kind = known.get(status) or HTTPStatus(status).phrase.title().replace(" ", "").removesuffix("Error") + "Error"
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": status}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, checked. `prompts` has one entry for chat, and one or more for completions."""

    endpoint: Endpoint
    model: str
    prompts: tuple[str, ...]
    request_id: str
    prompt_text: str  # everything that counts as prompt tokens
    choices: int = 1
    is_stream: bool = False
    top: int | None = None
    limit: int | None = None
    includes_usage: bool = False
    has_running_usage: bool = False  # in each chunk, not only in the last
    tool: str | None = None

    @property
    def answer_id(self) -> str:
        """The `id` of the answer."""
        return f"{'chatcmpl' if self.endpoint is Endpoint.CHAT else 'cmpl'}-{self.request_id}"


def parse_body(raw: bytes) -> dict[str, Any]:
    """Read a request's body, which must be a JSON object."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Rejected("the body must be a JSON object")
    return body


def parse_asked(endpoint: Endpoint, body: Mapping[str, Any], request_id: str) -> Asked:
    """Check a request's body and take from it what an answer depends on."""
    stream_options = body.get("stream_options")
    if not isinstance(stream_options, dict | None):
        raise Rejected("`stream_options` must be an object", param="stream_options")
    wants_usage = bool(stream_options and stream_options.get("include_usage"))
    is_stream = _boolean(body, "stream")
    if stream_options is not None and not is_stream:
        raise Rejected("Stream options can only be defined when `stream=True`.", param="stream_options")
    _check_number(body, "temperature", least=0.0)
    choices = _integer(body, "n", least=1) or 1
    texts = _chat_texts(body) if endpoint is Endpoint.CHAT else _prompts(body)
    return Asked(
        endpoint=endpoint,
        model=str(body.get("model")),
        prompts=(texts[-1],) if endpoint is Endpoint.CHAT else texts,
        prompt_text="\n".join(texts),
        request_id=request_id,
        choices=choices,
        is_stream=is_stream,
        top=_top_logprobs(endpoint, body),
        limit=_limit(endpoint, body),
        includes_usage=wants_usage,
        has_running_usage=wants_usage and bool(stream_options and stream_options.get("continuous_usage_stats")),
        tool=_offered_tool(body),
    )


def _chat_texts(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of the messages, the last user message moved to the end."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Rejected("`messages` must be a list of at least one message", param="messages")
    texts = []
    asked = -1
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise Rejected(f"`messages[{index}]` must be an object with a role", param="messages")
        texts.append(_content_text(message.get("content")))
        if message["role"] == "user":
            asked = index
    texts.append(texts.pop(asked))
    return tuple(texts)


def _content_text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _prompts(body: Mapping[str, Any]) -> tuple[str, ...]:
    prompt = body.get("prompt")
    prompts = prompt if isinstance(prompt, list) else [prompt]
    if not prompts or not all(isinstance(text, str) for text in prompts):
        raise Rejected("`prompt` must be a text or a list of texts", param="prompt")
    return tuple(prompts)


def _top_logprobs(endpoint: Endpoint, body: Mapping[str, Any]) -> int | None:
    """Return how many alternatives to list, None when no log-probabilities are wanted."""
    if endpoint is Endpoint.COMPLETIONS:
        top = _integer(body, "logprobs", least=0)
    else:
        top = _integer(body, "top_logprobs", least=0)
        if not _boolean(body, "logprobs"):
            if top:
                raise Rejected("when using `top_logprobs`, `logprobs` must be set to true.", param="top_logprobs")
            return None
        top = top or 0
    if top is not None and top > MOST_TOP_LOGPROBS:
        message = f"Requested sample logprobs of {top}, which is greater than max allowed: {MOST_TOP_LOGPROBS}"
        raise Rejected(message, param="top_logprobs" if endpoint is Endpoint.CHAT else "logprobs")
    return top


def _limit(endpoint: Endpoint, body: Mapping[str, Any]) -> int | None:
    if endpoint is Endpoint.COMPLETIONS:
        return _integer(body, "max_tokens", least=1) or COMPLETION_LIMIT
    return _integer(body, "max_completion_tokens", least=1) or _integer(body, "max_tokens", least=1)


def _offered_tool(body: Mapping[str, Any]) -> str | None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not isinstance(tools, list) or not tools or choice == "none":
        return None
    try:
        return str(choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"])
    except (KeyError, TypeError):
        raise Rejected("each of `tools` must have a `function` with a `name`", param="tools") from None


def _boolean(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Rejected(f"`{name}` must be true or false", param=name)
    return bool(value)


def _integer(body: Mapping[str, Any], name: str, *, least: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Rejected(f"`{name}` must be a whole number of at least {least}", param=name)
    return value


def _check_number(body: Mapping[str, Any], name: str, *, least: float) -> None:
    value = body.get(name)
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or value < least:
        raise Rejected(f"`{name}` must be a number of at least {least:g}", param=name)
