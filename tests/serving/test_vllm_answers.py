"""What a real vLLM 0.32 sent (tests/fixtures/vllm), read by the readers."""

import json
import re
from itertools import accumulate
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from routing.confidence.scores import ScoreName, raw_score
from serving.chunks import ChunkReader
from serving.errors import ModelMissing, RequestRejected
from serving.logprobs import without
from serving.sse import EventSplitter
from serving.statuses import error_of
from serving.structure import structure_of
from serving.usage import ShownUsage
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
    splitter, reader = EventSplitter(), ChunkReader(judges=True, rewrite=without, shown_usage=ShownUsage.NONE)

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


def values_in(tokens: list[str]) -> list[int]:
    """The places of the tokens that touch a value, told another way: by the values' places in the text."""
    text = "".join(tokens)
    spans = [found.span(1) for found in re.finditer(r'": "([^"]+)"', text)]
    starts = list(accumulate(map(len, tokens), initial=0))
    return [at for at in range(len(tokens)) if any(starts[at] < end and start < starts[at + 1] for start, end in spans)]


@pytest.mark.parametrize("name", ["whole.json", "whole-top2.json"])
def test_with_json_asked_only_the_values_count(name: str) -> None:
    body = (VLLM / name).read_bytes()
    content = json.loads(body)["choices"][0]["logprobs"]["content"]
    counted = [content[at]["logprob"] for at in values_in([entry["token"] for entry in content])]
    structure = structure_of({"response_format": {"type": "json_object"}})

    answer = read_whole(body, judges=True, structure=structure)

    assert 0 < len(counted) < len(content)
    assert answer.features is not None
    assert answer.features.tokens == len(counted)
    assert answer.features.sum_logprob == pytest.approx(sum(counted))
    assert answer.features.min_logprob == min(counted)
    assert answer.features.is_valid
    assert (answer.features.max_entropy is not None) == (name == "whole-top2.json")


def test_the_entropies_are_those_of_the_alternatives() -> None:
    body = (VLLM / "whole-top2.json").read_bytes()
    entropies = []
    for entry in json.loads(body)["choices"][0]["logprobs"]["content"]:
        shares = [exp(other["logprob"]) for other in entry["top_logprobs"]]
        shares.append(max(1 - sum(shares), 1e-300))
        entropies.append(-sum(share * log(share) for share in shares))

    features = read_whole(body, judges=True).features

    assert features is not None
    assert features.mean_entropy == pytest.approx(sum(entropies) / len(entropies), rel=1e-9)
    assert features.max_entropy == pytest.approx(max(entropies), rel=1e-9)


@pytest.mark.parametrize("asked", [None, {"response_format": {"type": "json_object"}}], ids=["text", "json"])
def test_a_stream_has_the_features_of_its_whole(asked: dict[str, Any] | None) -> None:
    data = (VLLM / "stream.sse").read_bytes()
    structure = structure_of(asked) if asked else None
    reader = ChunkReader(judges=True, shown_usage=ShownUsage.ALL, structure=structure, keeps_text=True)
    for event in EventSplitter().feed(data):
        reader.read(event)

    entries = [
        entry
        for line in data.split(b"\n\n")
        if line.startswith(b"data: {")
        for choice in json.loads(line[6:])["choices"]
        for entry in (choice.get("logprobs") or {"content": []})["content"]
    ]
    message = {"role": "assistant", "content": reader.text}
    body = {"choices": [{"message": message, "logprobs": {"content": entries}, "finish_reason": "stop"}]}
    whole = read_whole(json.dumps(body).encode(), judges=True, structure=structure)

    assert reader.features == whole.features
    assert reader.features is not None
    assert reader.features.is_valid is (True if asked else None)
    assert reader.has_value is bool(asked)
    assert reader.answer_id == "chatcmpl-01990a6e-0000-7000-8000-000000000001"
