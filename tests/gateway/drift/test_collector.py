"""What is counted of requests, over real sockets before simulated models."""

from typing import Any

import msgspec
import pytest

from gateway.snapshot.drift_entry import DriftEntry
from routing.answer.policy import HOLD_FULL, HoldWindow
from routing.drift.counters import word_bin
from routing.drift.features import BY_NAME
from routing.drift.summary import Summary
from routing.words import ModelName, RouteName
from tests.fakes.asking import CHAT, TEXT, Stage, ask, stage
from tests.fakes.gateways import TESTER_SECRET, document, gateway, route, threshold

ARM = RouteName("support"), ModelName("v1")
LONG = " ".join(f"word{number}" for number in range(40))
UNSURE = {"text": LONG, "right_logprob": -3.0, "tokens_per_second": 400.0}


def gathered(made: Stage) -> Summary:
    """What the arm has had since it was asked last."""
    arms = made.gateway.drift.gathered().arms
    assert set(arms) <= {ARM}
    return arms[ARM].take() if arms else Summary()


def categories(summary: Summary, name: str) -> dict[str, int]:
    counts = summary.counts.get(name, ())
    return {word: count for word, count in zip(BY_NAME[name].categories, counts, strict=False) if count}


async def of_one(made: Stage, path: str = CHAT, **fields: Any) -> Summary:
    await made.ask(path, **fields)
    return gathered(made)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_request_and_its_answer_are_counted_by_the_arm_that_it_was_assigned(stream: bool) -> None:
    async with stage(large=[]) as made:
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is my parcel, please? Order 4711."},
        ]
        found = await of_one(made, messages=messages, stream=stream)
        assert (found.seen, found.inputs, found.outputs) == (1, 1, 1)
        assert found.words[word_bin("parcel")] == 1
        assert word_bin("brief") not in found.words
        assert found.sums["turns"] == (2_000_000, 4_000_000)
        assert categories(found, "language") == {"en": 1}
        told = {name: categories(found, name) for name in ("fallback", "refusal", "invalid", "finish_reason")}
        assert told == {"fallback": {"no": 1}, "refusal": {"no": 1}, "invalid": {"no": 1}, "finish_reason": {"stop": 1}}
        numbers = ("output_length", "latency", "confidence", "entropy")
        assert {name: sum(found.counts[name]) for name in numbers} == dict.fromkeys(numbers, 1)
        assert gathered(made) == Summary()


async def test_of_a_text_completion_the_prompt_is_described() -> None:
    async with stage() as made:
        found = await of_one(made, TEXT, prompt="how are you")
        assert (found.seen, found.inputs) == (1, 1)
        assert found.words == {word_bin(word): 1 for word in ("how", "are", "you")}


@pytest.mark.parametrize(
    "content",
    [[{"type": "image_url", "image_url": {"url": "data:,"}}], None],
    ids=["an image alone", "nothing"],
)
async def test_a_request_without_a_text_is_seen_and_not_described(content: object) -> None:
    async with stage() as made:
        found = await of_one(made, messages=[{"role": "user", "content": content}])
        assert (found.seen, found.inputs, found.outputs) == (1, 0, 1)


async def test_of_a_message_in_parts_the_texts_are_described() -> None:
    async with stage() as made:
        parts = [
            {"type": "text", "text": "what is"},
            {"type": "image_url", "image_url": {"url": "data:,"}},
            {"type": "text", "text": "this"},
        ]
        found = await of_one(made, messages=[{"role": "user", "content": parts}])
        assert found.words == {word_bin(word): 1 for word in ("what", "is", "this")}


@pytest.mark.parametrize("content", ["", " ", "12345", "🙂" * 9, "\x00", "a" * 400_000], ids=lambda text: text[:2])
async def test_odd_texts_are_answered_and_counted(content: str) -> None:
    async with stage() as made:
        answer = await made.ask(messages=[{"role": "user", "content": content}], max_tokens=5)
        assert answer.status == 200
        assert gathered(made).inputs == 1


async def test_a_fallback_counts_for_the_arm_that_needed_it_and_the_answer_is_the_arms_own() -> None:
    async with stage(large=[], v1=UNSURE, confidence=threshold(minimum=0.5), hold=HOLD_FULL) as made:
        found = await of_one(made)
        assert made.last.outcome == "fallback"
        assert categories(found, "fallback") == {"yes": 1}
        assert sum(found.counts["confidence"]) == sum(found.counts["output_length"]) == 1
        assert found.sums["confidence"][0] < 500_000


async def test_how_long_an_answer_would_have_been_that_was_given_up_is_not_known() -> None:
    hold = HoldWindow(tokens=8, ms=None)
    async with stage(large=[], v1=UNSURE, confidence=threshold(minimum=0.5), hold=hold) as made:
        found = await of_one(made, stream=True)
        assert made.last.outcome == "fallback"
        assert (categories(found, "fallback"), sum(found.counts["confidence"])) == ({"yes": 1}, 1)
        assert (found.missing("output_length"), found.missing("finish_reason")) == (1, 1)


@pytest.mark.parametrize(("fault", "invalid"), [("500", {}), ("refuse", {}), ("html", {"yes": 1})])
async def test_a_model_that_is_down_gave_no_answer_to_look_at(fault: str, invalid: dict[str, int]) -> None:
    async with stage(fault, large=[]) as made:
        found = await of_one(made)
        assert (found.seen, found.inputs, found.outputs) == (1, 1, 1)
        assert categories(found, "fallback") == {"yes": 1}
        assert categories(found, "invalid") == invalid
        assert (found.missing("confidence"), found.missing("output_length")) == (1, 1)


async def test_an_empty_answer_is_invalid_and_a_refusal_is_a_refusal() -> None:
    async with stage("empty", large=[]) as made:
        found = await of_one(made)
        assert (categories(found, "invalid"), categories(found, "refusal")) == ({"yes": 1}, {"no": 1})
    async with stage("refusal", large=[]) as made:
        found = await of_one(made)
        assert (categories(found, "invalid"), categories(found, "refusal")) == ({"no": 1}, {"yes": 1})


async def test_a_bad_request_says_nothing_of_answers() -> None:
    async with stage("400") as made:
        found = await of_one(made)
        assert (found.seen, found.inputs, found.outputs) == (1, 1, 0)


async def test_what_a_tester_forces_is_left_out() -> None:
    async with stage() as made:
        headers = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "v1"}
        answer = await made.ask(headers=headers)
        assert answer.headers["x-gateway-arm"] == "v1"
        assert gathered(made) == Summary()
        assert (await of_one(made, headers={"authorization": f"Bearer {TESTER_SECRET}"})).seen == 1


async def test_a_route_that_is_not_to_be_watched_is_not_and_is_again_when_it_is() -> None:
    async with stage() as made:
        entry = route({"v1": 10000})
        base_url = made.server.base_url
        off = msgspec.structs.replace(entry, drift=DriftEntry(is_enabled=False))
        made.gateway.publish(document(base_url, {"support": off}), 2)
        assert (await of_one(made)).seen == 0
        made.gateway.publish(document(base_url, {"support": entry}), 3)
        assert (await of_one(made)).seen == 1


async def test_every_request_is_seen_however_few_are_described() -> None:
    async with stage() as made:
        entry = msgspec.structs.replace(route({"v1": 10000}), drift=DriftEntry(described_per_second=1))
        made.gateway.publish(document(made.server.base_url, {"support": entry}), 2)
        for _ in range(60):
            await made.ask()
        found = gathered(made)
        assert found.seen == 60
        assert 1 <= found.inputs < 60
        assert found.outputs >= found.inputs


async def test_arms_are_counted_apart() -> None:
    async with stage() as made:
        what = document(made.server.base_url, {"support": route({"v1": 5000, "large": 5000})})
        async with gateway(what) as other:
            for number in range(40):
                await ask(other, headers={"x-user-id": f"u{number}"})
            arms = {arm: gatherer.take().seen for arm, gatherer in other.drift.gathered().arms.items()}
            told = [exchange.assignment.arm for exchange in other.finished]
        assert arms == {("support", arm): told.count(ModelName(arm)) for arm in ("v1", "large")}
        assert sum(arms.values()) == 40
