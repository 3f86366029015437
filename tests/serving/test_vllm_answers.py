"""What a real vLLM 0.32 sent (tests/fixtures/vllm), read by the readers."""

import json
from pathlib import Path

import pytest

from routing.confidence.scores import ScoreName, raw_score
from serving.chunks import ChunkReader
from serving.errors import ModelMissing, RequestRejected
from serving.logprobs import without
from serving.sse import EventSplitter
from serving.statuses import error_of
from serving.whole import read_whole

VLLM = Path(__file__).parent.parent / "fixtures" / "vllm"


@pytest.mark.parametrize("name", ["whole.json", "whole-top2.json"])
def test_a_whole_answer_is_scored_as_its_log_probabilities_say(name: str) -> None:
    body = (VLLM / name).read_bytes()
    choice = json.loads(body)["choices"][0]
    logprobs = [entry["logprob"] for entry in choice["logprobs"]["content"]]

    answer = read_whole(body, judges=True, rewrite=without)

    assert answer.features is not None
    assert answer.features.tokens == len(logprobs) == json.loads(body)["usage"]["completion_tokens"]
    assert answer.features.sum_logprob == pytest.approx(sum(logprobs))
    assert answer.features.min_logprob == min(logprobs)
    first = raw_score(answer.features, ScoreName.FIRST_TOKEN)
    assert first is not None
    assert 0 < first <= 1
    assert (answer.flaw, answer.finish_reason) == (None, "stop")
    shown = json.loads(answer.body)
    assert shown["choices"][0].pop("logprobs") is None
    choice.pop("logprobs")
    assert shown["choices"][0] == choice


def test_the_first_value_token_is_that_of_the_intent() -> None:
    content = json.loads((VLLM / "whole.json").read_bytes())["choices"][0]["logprobs"]["content"]
    intent = json.loads(json.loads((VLLM / "whole.json").read_bytes())["choices"][0]["message"]["content"])["intent"]
    starts = [
        entry["logprob"]
        for entry in content
        if entry["token"].strip(' "') and intent.startswith(entry["token"].strip(' "'))
    ]

    answer = read_whole((VLLM / "whole.json").read_bytes(), judges=True)

    assert answer.features is not None
    assert answer.features.first_logprob in starts


@pytest.mark.parametrize("size", [1, 7, 4096, 1_000_000])
def test_a_stream_is_scored_as_its_whole(size: int) -> None:
    data = (VLLM / "stream.sse").read_bytes()
    splitter, reader = EventSplitter(), ChunkReader(judges=True, rewrite=without, shows_usage=False)

    shown = [
        payload
        for start in range(0, len(data), size)
        for event in splitter.feed(data[start : start + size])
        if (payload := reader.read(event)) is not None
    ]

    assert reader.is_done
    assert reader.is_whole
    assert (reader.flaw, reader.finish_reason) == (None, "stop")
    assert reader.usage is not None
    assert reader.features is not None
    assert reader.features.tokens == reader.usage.output
    assert not any(b'"logprob":' in payload or b'"prompt_tokens"' in payload for payload in shown)
    text = "".join(
        choice["delta"].get("content") or "" for payload in shown[:-1] for choice in json.loads(payload)["choices"]
    )
    assert set(json.loads(text)) == {"intent", "urgency", "product"}


@pytest.mark.parametrize("name", ["error-400.json", "error-400-json.json", "error-400-length.json"])
def test_a_refusal_is_passed_on_in_the_one_shape(name: str) -> None:
    body = (VLLM / name).read_bytes()

    error = error_of(400, {}, body, 0)

    assert isinstance(error, RequestRejected)
    assert str(error) == json.loads(body)["error"]["message"]
    assert error.error_code is None or not error.error_code.isdigit()


def test_a_missing_adapter_is_the_operators_matter() -> None:
    error = error_of(404, {}, (VLLM / "error-404.json").read_bytes(), 0)

    assert isinstance(error, ModelMissing)
    assert "support" not in str(error)
