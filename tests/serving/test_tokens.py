"""The log-probabilities of a stream: gathered, and without those of the model's reasoning."""

import json
from typing import Any

import pytest

from routing.confidence.features import Features, as_row
from routing.confidence.tally import Tally, Token
from serving.chunks import ChunkReader
from serving.usage import ShownUsage


def reader(*, judges: bool = True) -> ChunkReader:
    return ChunkReader(judges=judges, shown_usage=ShownUsage.NONE)


def chunk(delta: dict[str, Any], **choice: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "logprobs": None, **choice}]}).encode()


PAIRS = (("re", -0.25), ("fund", -0.5), (" is", -0.125), (" due", -1.0))


def entry(token: str, logprob: float, *others: tuple[str, float]) -> dict[str, Any]:
    tokens = [
        {"token": text, "logprob": number, "bytes": list(text.encode())} for text, number in ((token, logprob), *others)
    ]
    return {**tokens[0], "top_logprobs": tokens if others else []}


def said(text: str, *entries: dict[str, Any], **choice: Any) -> bytes:
    """A chunk of content with the tokens of it."""
    return chunk({"content": text}, logprobs={"content": list(entries)}, **choice)


def whole_of(*payloads: bytes, **options: bool) -> ChunkReader:
    read = reader(**options)
    for payload in payloads:
        read.read(payload)
    return read


def test_the_features_of_a_prefix_and_of_the_whole_are_those_of_its_tokens() -> None:
    entries = [entry(*pair, ("x", -2.0)) for pair in PAIRS * 20]
    read = reader()
    for at, each in enumerate(entries, start=1):
        read.read(said(each["token"], each))
        if at in (1, 3, 40, 80):
            features, expected = read.features, summed(entries[:at])
            assert features is not None
            assert as_row(features) == pytest.approx(as_row(expected))
    read.read(chunk({}, finish_reason="length"))
    assert read.features is not None
    assert (read.features.is_cut, read.features.is_valid, read.features.tokens) == (True, None, 80)


def summed(entries: list[dict[str, Any]], **options: bool) -> Features:
    tally = Tally(**options)
    tally.extend(
        [
            Token(
                each["token"],
                each["logprob"],
                [Token(other["token"], other["logprob"]) for other in each["top_logprobs"]],
            )
            for each in entries
        ]
    )
    assert tally.features is not None
    return tally.features


def test_a_stream_that_is_not_judged_has_no_features() -> None:
    assert whole_of(said("a", entry("a", -0.5)), judges=False).features is None


def test_unreadable_log_probabilities_among_others_are_passed_over() -> None:
    read = whole_of(said("a", entry("a", -0.5)), chunk({"content": "b"}, logprobs={"content": [{"token": 5}]}))
    assert read.features is not None
    assert (read.features.tokens, read.tokens) == (1, 2)


def test_several_tokens_in_a_chunk_are_several() -> None:
    read = whole_of(said("refund", entry("re", -0.25), entry("fund", -0.5)))
    assert read.features is not None
    assert (read.features.tokens, read.tokens) == (2, 2)


def test_tokens_are_counted_in_log_probabilities_of_any_form() -> None:
    odd = {"content": [{"token": '"top_logprobs"', "logprob": -0.5}, {"token": "b", "logprob": -0.5}]}
    assert whole_of(chunk({"content": "ab"}, logprobs=odd)).tokens == 2


# Reasoning


def thought(text: str, *entries: dict[str, Any], **delta: Any) -> bytes:
    return chunk({"reasoning": text, **delta}, logprobs={"content": list(entries)})


def mark(token: str) -> bytes:
    """A chunk whose token is no text."""
    return chunk({}, logprobs={"content": [entry(token, -3.0)]})


ANSWER = (
    said("Yes", entry("Yes", -0.5)),
    said(".", entry(".", -0.25)),
    said("", entry("<|im_end|>", -0.125), finish_reason="stop"),
)
HM = thought("Hm", entry("Hm", -4.0))


@pytest.mark.parametrize(
    "front",
    [
        pytest.param([], id="none"),
        pytest.param([mark("<think>"), HM, HM, mark("</think>")], id="a token a chunk"),
        pytest.param([HM, mark("</think>")], id="the first mark in the prompt"),
        pytest.param(
            [thought("Hm", entry("<think>", -3.0), entry("Hm", -4.0), entry("</think>", -3.0))], id="in one chunk"
        ),
        pytest.param(
            [chunk({"reasoning_content": "Hm"}, logprobs={"content": [entry("Hm", -4.0)]})], id="another name"
        ),
    ],
)
def test_the_tokens_of_reasoning_do_not_count(front: list[bytes]) -> None:
    features = whole_of(*front, *ANSWER).features
    assert features is not None
    assert (features.tokens, features.sum_logprob, features.first_logprob) == (3, -0.875, -0.5)


def test_there_are_no_features_before_the_answer() -> None:
    read = whole_of(mark("<think>"), HM)
    assert (read.features, read.has_content, read.tokens) == (None, True, 2)
    assert whole_of(mark("<think>")).features is None


@pytest.mark.parametrize(
    ("boundary", "total"),
    [
        pytest.param(
            thought("m", entry("m", -4.0), entry("</think>", -3.0), entry("Yes", -0.5), content="Yes"),
            -0.875,
            id="both",
        ),
        pytest.param(said("Yes", entry("</think>", -3.0), entry("Yes", -0.5)), -0.875, id="a mark and the answer"),
        pytest.param(
            said("Yes", entry("[/X]", -3.0), entry("\n", -3.0), entry("Yes", -0.5)), -0.875, id="another mark"
        ),
        pytest.param(said("Yes", entry("token_id:5", -3.0), entry("token_id:7", -0.5)), None, id="it cannot be told"),
    ],
)
def test_a_chunk_with_the_end_of_the_reasoning_is_divided_where_that_can_be_told(
    boundary: bytes, total: float | None
) -> None:
    features = whole_of(HM, boundary, *ANSWER[1:]).features
    assert (features and features.sum_logprob) == total


def test_reasoning_after_the_answer_has_begun_does_not_count() -> None:
    features = whole_of(*ANSWER[:1], HM, *ANSWER[1:]).features
    assert features is not None
    assert features.tokens == 3


def test_a_stream_of_reasoning_only_is_empty() -> None:
    assert whole_of(HM, chunk({}, finish_reason="length")).flaw == "empty"
