"""A client's request becomes what one upstream understands."""

import json
from typing import Any

import pytest

from serving.dialect import DROPPED, OPENAI_ONLY, VLLM_ONLY, shown_usage, to_upstream
from serving.errors import RequestRejected
from serving.logprobs import ALTERNATIVES
from serving.usage import ShownUsage

BODY: dict[str, Any] = {"model": "support", "messages": [{"role": "user", "content": "grüße"}], "temperature": 0}


def sent(body: dict[str, Any], provider: str = "vllm", *, asks: bool = False, is_chat: bool = True) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        to_upstream(body, provider=provider, upstream_model="v1", asks_logprobs=asks, is_chat=is_chat)
    )
    return made


def test_the_model_gets_its_own_name_and_the_rest_stays() -> None:
    assert sent(BODY) == {**BODY, "model": "v1"}
    assert BODY["model"] == "support"


@pytest.mark.parametrize("provider", ["vllm", "openai"])
def test_what_a_provider_does_not_know_is_dropped(provider: str) -> None:
    body = {**BODY, **dict.fromkeys((*VLLM_ONLY, *OPENAI_ONLY), 1)}
    assert not DROPPED[provider] & sent(body, provider).keys()
    assert (VLLM_ONLY | OPENAI_ONLY) - DROPPED[provider] <= sent(body, provider).keys()


def test_nothing_is_dropped_for_both() -> None:
    assert not VLLM_ONLY & OPENAI_ONLY


def test_what_a_hosted_text_completion_knows_is_kept() -> None:
    body = {"model": "x", "prompt": "p", "echo": True, "best_of": 2, "top_k": 1}
    assert sent(body, "openai", is_chat=False) == {"model": "v1", "prompt": "p", "echo": True, "best_of": 2}


@pytest.mark.parametrize("logprobs", [{}, {"logprobs": False}, {"logprobs": None}, {"logprobs": True}])
def test_log_probabilities_are_asked_for(logprobs: dict[str, Any]) -> None:
    assert sent({**BODY, **logprobs}, asks=True)["logprobs"] is True
    assert sent({**BODY, **logprobs}).get("logprobs", "absent") == logprobs.get("logprobs", "absent")


@pytest.mark.parametrize(
    ("asked", "sent_on"),
    [
        ({}, ALTERNATIVES),
        ({"top_logprobs": None}, ALTERNATIVES),
        ({"logprobs": True}, ALTERNATIVES),
        ({"logprobs": True, "top_logprobs": 0}, ALTERNATIVES),
        ({"logprobs": True, "top_logprobs": 1}, ALTERNATIVES),
        ({"logprobs": True, "top_logprobs": 20}, 20),
        ({"logprobs": True, "top_logprobs": 0, "logprob_token_ids": [1, 2]}, 0),
    ],
)
def test_alternatives_are_asked_for_as_many_as_the_client_or_the_gateway_needs(
    asked: dict[str, Any], sent_on: int
) -> None:
    assert sent({**BODY, **asked}, asks=True)["top_logprobs"] == sent_on
    assert sent({**BODY, **asked}).get("top_logprobs") == asked.get("top_logprobs")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
        ({"stream_options": {"continuous_usage_stats": True}}, {"include_usage": True}),
    ],
)
@pytest.mark.parametrize("provider", ["vllm", "openai"])
def test_a_stream_is_always_asked_for_its_usage(
    options: dict[str, Any], expected: dict[str, Any], provider: str
) -> None:
    body = {**BODY, "stream": True, **options}
    assert sent(body, provider, asks=True)["stream_options"] == expected
    # Where its tokens cannot be counted, for the case that it breaks off; hosted models do not know this option.
    running = {"continuous_usage_stats": True} if provider == "vllm" else {}
    assert sent(body, provider)["stream_options"] == {**expected, **running}


RUNNING = {"include_usage": True, "continuous_usage_stats": True}


@pytest.mark.parametrize("asks", [False, True])
def test_usage_in_every_chunk_is_asked_for_where_the_client_wants_it(asks: bool) -> None:
    body = {**BODY, "stream": True, "stream_options": RUNNING}
    assert sent(body, "vllm", asks=asks)["stream_options"] == RUNNING
    assert sent(body, "openai", asks=asks)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("options", "provider", "asks", "shown"),
    [
        (None, "vllm", False, ShownUsage.NONE),
        ({"include_usage": False, "continuous_usage_stats": True}, "vllm", False, ShownUsage.NONE),
        ({"include_usage": True}, "vllm", False, ShownUsage.LAST),
        ({"include_usage": True}, "vllm", True, ShownUsage.ALL),
        ({"include_usage": True}, "openai", False, ShownUsage.ALL),
        (RUNNING, "vllm", False, ShownUsage.ALL),
        (RUNNING, "vllm", True, ShownUsage.ALL),
    ],
)
def test_a_client_sees_the_usage_that_it_asked_for(
    options: dict[str, Any] | None, provider: str, asks: bool, shown: ShownUsage
) -> None:
    assert shown_usage({**BODY, "stream_options": options}, provider=provider, asks_logprobs=asks) is shown


def test_options_of_a_stream_without_a_stream_are_dropped() -> None:
    assert "stream_options" not in sent({**BODY, "stream": False, "stream_options": {"include_usage": True}})


def test_a_request_that_cannot_be_written_again_is_the_clients_mistake() -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(RequestRejected, match="nested too deeply"):
        to_upstream({"metadata": deep}, provider="openai", upstream_model="m", asks_logprobs=False)
