"""Shadows end to end, over real sockets: before simulated models, and with the store in memory."""

from typing import Any

import pytest

from gateway.background.desk import MAX_WAITING
from gateway.snapshot.document import ComparerEntry
from routing.answer.policy import HOLD_FULL, HoldWindow
from routing.audit.compare import ComparerKind
from routing.resilience.load_guard import LEARNT_FROM
from routing.words import ModelName
from serving.simulated.script import ToolCall
from tests.fakes.asking import ARM_TEXT, CHAT, LARGE_TEXT, TEXT, Wire, ask, post, question
from tests.fakes.audits import audit_entry
from tests.fakes.gateways import TESTER_SECRET, threshold
from tests.fakes.shadows import NEXT, ShadowStage, shadow_entry, shadow_stage

LONG = " ".join(f"word{number}" for number in range(40))
UNSURE = {"text": LONG, "right_logprob": -3.0, "tokens_per_second": 400.0}
HELD: dict[str, Any] = {"confidence": threshold(minimum=0.5), "hold": HoldWindow(tokens=16, ms=None)}
JUDGED = shadow_entry(compare=ComparerEntry(kind=ComparerKind.JUDGE, judge=ModelName("judge")))


def assert_it_adds_up(made: ShadowStage) -> None:
    """Counters say what the rows say, by purpose; so does the allowance; and no two calls have one number."""
    cost: dict[tuple[str, str], float] = {}
    attempts: dict[tuple[str, str], float] = {}
    for row in made.rows:
        cost[row.model, row.purpose] = cost.get((row.model, row.purpose), 0) + (row.cost_nanousd or 0) / 1e9
        attempts[row.model, row.result] = attempts.get((row.model, row.result), 0) + 1
    for (model, purpose), total in cost.items():
        found = made.gateway.metric("cost_usd_total", route="support", model=model, purpose=purpose)
        assert found == pytest.approx(total, abs=1e-12)
    for (model, result), count in attempts.items():
        assert made.gateway.metric("attempts_total", route="support", model=model, result=result) == count
    spent = sum(row.cost_nanousd or 0 for shadow in made.gateway.records.shadows for row in shadow.attempts)
    allowance = made.shadower.books.routes[made.last.route.name].allowance
    assert (allowance.settled, allowance.set_aside) == (spent, 0)
    numbers = [(row.request_id, row.number) for row in made.rows]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", [CHAT, TEXT], ids=["chat", "text"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("agrees", [True, False], ids=["the same", "something else"])
async def test_another_model_answers_the_request_too_and_the_two_are_a_pair(
    path: str, stream: bool, agrees: bool
) -> None:
    async with shadow_stage(agrees=agrees) as made:
        answer = await made.ask(path, stream=stream)
        assert answer.text == ARM_TEXT
        (shadow,) = await made.shadowed()
        (attempt,) = shadow.attempts
        assert (attempt.number, attempt.model, attempt.purpose, attempt.result) == (2, "next", "shadow", "completed")
        assert attempt.cost_nanousd
        assert shadow.row[:7] == (made.record.request_id, "support", "v1", "next", 2, 1.0, agrees)
        assert (made.record.attempts, made.record.audit_propensity) == (1, None)
        assert made.results_of_shadows == {"paired": 1}
        assert_it_adds_up(made)


async def test_the_other_model_is_asked_the_same_without_a_stream_and_under_an_id_of_its_own() -> None:
    async with shadow_stage() as made:
        await made.ask(stream=True, temperature=0.5, max_tokens=500, stream_options={"include_usage": True})
        await made.shadowed()
        asked = made.server.seen.requests[-1]
        assert asked.body["messages"] == question()["messages"]
        assert (asked.body["temperature"], asked.body["max_tokens"], asked.body["stream"]) == (0.5, 500, False)
        assert "stream_options" not in asked.body
        assert asked.headers["x-request-id"] == f"{made.record.request_id}-shadow-1"


async def test_only_what_is_drawn_is_shadowed_and_its_chance_is_kept() -> None:
    async with shadow_stage(shadow=shadow_entry(share=0.2)) as made:
        for _ in range(40):
            await made.ask()
        shadows = await made.shadowed()
        assert 0 < len(shadows) < 30
        assert {shadow.row.propensity for shadow in shadows} == {0.2}
        assert made.calls("next") == len(shadows)


async def test_an_audit_and_a_shadow_of_one_request_are_drawn_apart_and_numbered_apart() -> None:
    async with shadow_stage(audit=audit_entry(share=0.5), shadow=shadow_entry(share=0.5)) as made:
        for _ in range(40):
            await made.ask()
        await made.shadowed()
        await made.gateway.auditor.until_idle()
        audited = {audit.request_id for audit in made.gateway.records.audits}
        shadowed = {shadow.request_id for shadow in made.gateway.records.shadows}
        assert audited & shadowed
        assert audited - shadowed
        assert shadowed - audited
        assert_it_adds_up(made)


async def test_a_client_has_its_answer_while_the_other_model_hangs_and_no_more_are_under_way_than_allowed() -> None:
    async with shadow_stage(other=["hang"], shadow=shadow_entry(max_in_flight=2)) as made:
        for _ in range(5):
            answer = await made.ask()
            assert (answer.status, answer.text) == (200, ARM_TEXT)
        await made.server.seen.until(lambda seen: seen.models["next"] == 2)
    assert made.calls("next") == 2
    outcomes = made.gateway.records.shadows
    assert [[row.result for row in shadow.attempts] for shadow in outcomes] == [["cancelled"]] * 2
    assert made.results_of_shadows == {"failed": 2, "skipped": 3}
    assert_it_adds_up(made)


@pytest.mark.parametrize("fault", ["500", "refuse", "html", "400", "abort"])
async def test_a_model_that_is_down_leaves_no_pair_and_nothing_to_see(fault: str) -> None:
    async with shadow_stage(other=[fault]) as made:
        answer = await made.ask()
        assert (answer.status, answer.text) == (200, ARM_TEXT)
        (shadow,) = await made.shadowed()
        assert [row.purpose for row in shadow.attempts] == ["shadow"]
        assert (shadow.row.number, shadow.row.agrees) == (2, None)
        assert made.results_of_shadows == {"failed": 1}
        assert_it_adds_up(made)


async def test_failing_shadows_open_a_breaker_of_their_own_and_leave_that_of_requests_alone() -> None:
    async with shadow_stage(other=["500"]) as made:
        for _ in range(7):
            await made.ask()
            await made.shadowed()
        assert made.calls("next") == 5
        assert made.results_of_shadows == {"failed": 5, "shed": 2}
        assert made.gateway.live is not None
        assert made.gateway.live.models[NEXT].upstream.breaker.state(0.0) == "closed"
        assert_it_adds_up(made)


async def test_a_model_that_requests_find_down_is_spared() -> None:
    async with shadow_stage() as made:
        assert made.gateway.live is not None
        made.gateway.live.models[NEXT].upstream.breaker.cools_down(1e9, 60.0)
        await made.ask()
        assert await made.shadowed() == []
        assert (made.calls("next"), made.results_of_shadows) == (0, {"shed": 1})


async def test_a_model_that_says_429_is_spared_from_then_on() -> None:
    async with shadow_stage(other=["429"]) as made:
        for _ in range(4):
            await made.ask()
            await made.shadowed()
        assert made.calls("next") == 1
        assert made.results_of_shadows == {"failed": 1, "shed": 3}


async def test_a_model_that_has_become_slow_is_spared() -> None:
    async with shadow_stage() as made:
        guard = made.shadower._guard(NEXT)
        for _ in range(LEARNT_FROM):
            guard.answered(1e-6, 0, 0.0)
        for _ in range(5):
            await made.ask()
            await made.shadowed()
        assert made.results_of_shadows == {"paired": made.calls("next"), "shed": 5 - made.calls("next")}
        assert made.calls("next") < 5


async def test_requests_of_which_the_other_model_is_the_arm_are_not_shadowed() -> None:
    async with shadow_stage(split={"v1": 0, "next": 10000}) as made:
        await made.ask()
        assert await made.shadowed() == []
        assert (made.calls("next"), made.results_of_shadows) == (1, {})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_the_other_model_answered_already_as_the_fallback_is_not_asked_again(stream: bool) -> None:
    doubtful = {"v1": {"right_logprob": -3.0}}
    to_large = shadow_entry(to=ModelName("large"))
    async with shadow_stage(
        shadow=to_large, scripts=doubtful, confidence=threshold(minimum=0.5), hold=HOLD_FULL
    ) as made:
        answer = await made.ask(stream=stream)
        assert answer.headers["x-gateway-fallback"] == "low_confidence"
        (shadow,) = await made.shadowed()
        assert (list(shadow.attempts), made.calls("large")) == ([], 1)
        assert shadow.row[2:7] == ("v1", "large", 2, 1.0, False)


async def test_a_stream_that_was_given_up_is_closed_at_once_and_makes_no_pair() -> None:
    async with shadow_stage(scripts={"v1": UNSURE}, **HELD) as made:
        await made.ask(stream=True)
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
        assert await made.shadowed() == []
        assert (made.calls("next"), made.results_of_shadows) == (0, {"unpaired": 1})
        assert_it_adds_up(made)


async def test_nor_does_one_that_an_audit_hears_out() -> None:
    async with shadow_stage(scripts={"v1": UNSURE}, audit=audit_entry(), **HELD) as made:
        await made.ask(stream=True)
        await made.gateway.auditor.until_idle()
        assert await made.shadowed() == []
        assert made.results_of_shadows == {"unpaired": 1}
        assert len(made.gateway.records.audits) == 1


@pytest.mark.parametrize("fault", ["500", "refuse", "html"])
async def test_where_the_arm_did_not_answer_the_other_model_is_not_asked(fault: str) -> None:
    async with shadow_stage(fault) as made:
        assert (await made.ask()).headers["x-gateway-fallback"]
        assert await made.shadowed() == []
        assert (made.calls("next"), made.results_of_shadows) == (0, {"unpaired": 1})


async def test_a_client_that_leaves_within_an_answer_makes_no_pair() -> None:
    async with shadow_stage(scripts={"v1": {"text": LONG, "tokens_per_second": 50.0}}) as made:
        async with Wire.to(made.gateway) as wire:
            wire.send(post(question(stream=True)))
            await wire.until(b"word2")
        await made.gateway.until_finished(1)
        assert await made.shadowed() == []
        assert made.results_of_shadows == {"unpaired": 1}
        assert_it_adds_up(made)


@pytest.mark.parametrize(
    ("faults", "other", "agrees"),
    [((), ["empty_answer"], False), (["empty_answer"], (), None)],
    ids=["the other's is empty", "the arm's is empty"],
)
async def test_the_other_model_is_held_to_the_arm(faults: list[str], other: list[str], agrees: bool | None) -> None:
    async with shadow_stage(*faults, other=other) as made:
        assert (await made.shadow_of()).row.agrees is agrees
        assert made.results_of_shadows == {"paired": 1}


async def test_testers_requests_and_those_for_several_answers_are_not_shadowed() -> None:
    async with shadow_stage() as made:
        await made.ask(n=2)
        headers = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "v1"}
        await ask(made.gateway, headers=headers)
        assert await made.shadowed() == []
        assert made.calls("next") == 0


async def test_tool_calls_are_compared_and_never_made() -> None:
    tools = [{"type": "function", "function": {"name": "find"}}]
    calls = {"v1": '{"id": 7, "all": true}', "next": '{"all":true,"id":7}'}
    scripts = {name: {"tool_call": ToolCall(arguments=arguments)} for name, arguments in calls.items()}
    async with shadow_stage(scripts=scripts) as made:
        assert (await made.shadow_of(tools=tools)).row.agrees is True


@pytest.mark.parametrize(("reply", "agrees", "asked"), [("EQUIVALENT", True, 2), ("different.", False, 1)])
async def test_the_audits_judge_compares_where_there_is_one(reply: str, agrees: bool, asked: int) -> None:
    async with shadow_stage(agrees=False, shadow=JUDGED, scripts={"judge": {"text": reply}}) as made:
        shadow = await made.shadow_of()
        assert shadow.row.agrees is agrees
        purposes = [(row.model, row.purpose) for row in shadow.attempts]
        assert purposes == [("next", "shadow"), *[("judge", "judge")] * asked]
        assert_it_adds_up(made)


async def test_a_judge_that_fails_leaves_the_rest_of_the_pair() -> None:
    async with shadow_stage(agrees=False, shadow=JUDGED) as made:
        made.server.rescript("judge", faults=["500"])
        shadow = await made.shadow_of()
        assert (shadow.row.number, shadow.row.agrees) == (2, None)
        assert made.results_of_shadows == {"paired": 1}
        assert_it_adds_up(made)


async def test_a_day_whose_cap_is_spent_has_no_more_shadows() -> None:
    async with shadow_stage(shadow=shadow_entry(spend_nanousd_per_day=12_000_000)) as made:
        for _ in range(60):
            await made.ask()
            await made.shadowed()
            made.look()
        spent = made.shadower.books.routes[made.last.route.name].allowance.settled
        assert 0 < spent <= 12_000_000
        assert 0 < made.results_of_shadows["paired"] < 60
        assert max(made.store.rows.values()) <= 12_000_000


async def test_when_many_wait_no_more_are_drawn() -> None:
    async with shadow_stage(is_running=False, shadow=shadow_entry(spend_nanousd_per_day=10**13)) as made:
        for _ in range(MAX_WAITING + 3):
            await made.ask()
        drawn = [exchange.shadow is not None for exchange in made.gateway.finished]
        assert drawn == [True] * MAX_WAITING + [False] * 3
        assert made.results_of_shadows == {"skipped": 3}


@pytest.mark.parametrize("model", ["next", "judge"])
async def test_a_route_whose_shadows_have_no_known_price_is_not_shadowed_and_says_so(model: str) -> None:
    async with shadow_stage(shadow=JUDGED, unpriced=[model]) as made:
        await made.ask()
        assert await made.shadowed() == []
        assert made.results_of_shadows == {}
        (notice,) = made.shadower.notices()
        assert notice.startswith(f"route support is not shadowed: without a price of {model} nobody knows")


async def test_a_shadow_that_goes_wrong_within_the_gateway_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with shadow_stage(agrees=False) as made:
        made.gateway.records.shadows = None  # type: ignore[assignment]  # so that handing over raises
        answer = await made.ask()
        assert answer.text != LARGE_TEXT
        await made.shadower.until_idle()
        made.gateway.records.shadows = []
        assert (await made.shadow_of()).row.agrees is False
        assert "failed" in caplog.text
        assert made.shadower.books.routes[made.last.route.name].allowance.set_aside == 0
