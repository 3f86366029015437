"""Log-probabilities that the gateway asks for on its own behalf, and those that a client sees."""

import json
from typing import Any

import pytest

from gateway.snapshot.document import ConfidenceEntry
from routing.confidence.gate import ConfidenceMode
from serving.logprobs import ALTERNATIVES
from tests.fakes.asking import stage
from tests.gateway.exchange.expectations import BOTH


def shown(answer: Any, *, stream: bool) -> list[Any]:
    """The tokens' entries that the client got."""
    bodies = answer.chunks if stream else [answer.json]
    return [
        entry
        for body in bodies
        for choice in body["choices"]
        for entry in (choice.get("logprobs") or {"content": []})["content"]
    ]


@BOTH
async def test_a_client_who_did_not_ask_sees_none(stream: bool) -> None:
    async with stage(large=()) as made:
        answer = await made.ask(stream=stream)
        assert shown(answer, stream=stream) == []
        asked = made.server.seen.requests[-1].body
        assert (asked["logprobs"], asked["top_logprobs"]) == (True, ALTERNATIVES)
        judged = made.last.attempts[0].judgement or made.last.attempts[0].late
        assert judged is not None
        assert judged.features is not None
        assert judged.features.mean_entropy is not None


@BOTH
@pytest.mark.parametrize(
    ("asked", "alternatives"),
    [({}, 0), ({"top_logprobs": 0}, 0), ({"top_logprobs": 1}, 1), ({"top_logprobs": 2}, 2), ({"top_logprobs": 3}, 3)],
    ids=["no number", "none", "one", "two", "three"],
)
async def test_a_client_sees_as_many_alternatives_as_it_asked_for(
    stream: bool, asked: dict[str, Any], alternatives: int
) -> None:
    async with stage(large=()) as made:
        entries = shown(await made.ask(stream=stream, logprobs=True, **asked), stream=stream)
        sent = made.server.seen.requests[-1].body
    async with stage(large=(), confidence=ConfidenceEntry(mode=ConfidenceMode.NONE)) as unjudged:
        expected = shown(await unjudged.ask(stream=stream, logprobs=True, **asked), stream=stream)
    assert entries
    assert {len(entry["top_logprobs"]) for entry in entries} == {alternatives}
    assert sent["top_logprobs"] == max(alternatives, ALTERNATIVES)
    assert json.dumps(entries) == json.dumps(expected)
