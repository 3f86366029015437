"""Audits end to end, over real sockets: before simulated models, and with the store in memory."""

import asyncio
from typing import Any

import pytest

from gateway.background.desk import MAX_WAITING
from gateway.snapshot.document import ComparerEntry
from routing.answer.policy import HOLD_FULL, HoldWindow
from routing.audit.compare import ComparerKind
from routing.audit.spend import Allowance
from routing.words import ModelName
from serving.simulated.script import ToolCall
from tests.fakes.asking import ARM_TEXT, CHAT, LARGE_TEXT, TEXT, Wire, ask, post, question
from tests.fakes.audits import AuditStage, audit_entry, audit_stage
from tests.fakes.gateways import TESTER_SECRET, threshold

LONG = " ".join(f"word{number}" for number in range(40))
UNSURE = {"text": LONG, "right_logprob": -3.0, "tokens_per_second": 400.0}
HELD: dict[str, Any] = {"confidence": threshold(minimum=0.5), "hold": HoldWindow(tokens=16, ms=None)}
JUDGED = audit_entry(compare=ComparerEntry(kind=ComparerKind.JUDGE, judge=ModelName("judge")))


def assert_it_adds_up(made: AuditStage) -> None:
    """Counters say what the rows say, by purpose; and so does the allowance."""
    sums: dict[tuple[str, ...], float] = {}
    for row in made.rows:
        attempts = "attempts_total", row.model, row.result
        sums[attempts] = sums.get(attempts, 0) + 1
        cost = "cost_usd_total", row.model, row.purpose
        sums[cost] = sums.get(cost, 0) + (row.cost_nanousd or 0) / 1e9
        output = "output", row.model, row.purpose
        sums[output] = sums.get(output, 0) + (row.output_tokens or 0)
    for (name, model, word), total in sums.items():
        if name == "attempts_total":
            assert made.gateway.metric(name, route="support", model=model, result=word) == total
        elif name == "cost_usd_total":
            found = made.gateway.metric(name, route="support", model=model, purpose=word)
            assert found == pytest.approx(total, abs=1e-12)
        else:
            found = made.gateway.metric("tokens_total", route="support", model=model, kind=name, purpose=word)
            assert found == total
    spent = sum(row.cost_nanousd or 0 for audit in made.gateway.records.audits for row in audit.attempts)
    allowance = made.auditor.books.routes[made.last.route.name].allowance
    assert (allowance.settled, allowance.set_aside) == (spent, 0)
    numbers = [(row.request_id, row.number) for row in made.rows]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("agrees", [True, False], ids=["agreeing", "differing"])
async def test_an_answer_is_compared_with_the_large_models(path: str, stream: bool, agrees: bool) -> None:
    async with audit_stage(agrees=agrees) as made:
        answer = await made.ask(path, stream=stream)
        assert answer.text == ARM_TEXT
        audit = (await made.audited())[-1]
        assert audit.label is not None
        assert audit.label[:7] == (made.record.request_id, "audit_agreement", "audit", "support", "v1", agrees, 1.0)
        assert audit.label.is_weighed
        (row,) = audit.attempts
        assert (row.number, row.model, row.purpose, row.result) == (2, "large", "audit", "completed")
        assert row.cost_nanousd
        assert (made.record.audit_propensity, made.record.attempts) == (1.0, 1)
        assert made.results_of_audits == {"agreed" if agrees else "disagreed": 1}
        assert_it_adds_up(made)


async def test_the_large_model_is_asked_the_same_without_a_stream_and_under_an_id_of_its_own() -> None:
    async with audit_stage() as made:
        await made.ask(stream=True, temperature=0.5, max_tokens=500, stream_options={"include_usage": True})
        await made.audited()
        asked = made.server.seen.requests[-1]
        assert asked.body["messages"] == question()["messages"]
        assert (asked.body["temperature"], asked.body["max_tokens"], asked.body["stream"]) == (0.5, 500, False)
        assert "stream_options" not in asked.body
        assert asked.headers["x-request-id"] == f"{made.record.request_id}-audit-1"


async def test_only_what_is_drawn_is_audited() -> None:
    async with audit_stage(audit=audit_entry(share=0.2)) as made:
        for _ in range(40):
            await made.ask()
        await made.audited()
        drawn = [row.request_id for row, _ in made.gateway.records.kept if row.audit_propensity == 0.2]
        assert 0 < len(drawn) < 30
        assert drawn == [audit.request_id for audit in made.gateway.records.audits]
        assert made.calls("large") == len(drawn)
        rest = [row.audit_propensity for row, _ in made.gateway.records.kept if row.request_id not in drawn]
        assert set(rest) == {None}
        assert all(
            (exchange.attempts[0].answer is None) == (exchange.audit is None) for exchange in made.gateway.finished
        )


async def test_a_version_that_lacks_labels_is_audited_more() -> None:
    async with audit_stage(audit=audit_entry(share=1e-9, min_labels=300)) as made:
        await made.ask()
        assert made.record.audit_propensity == 1.0
        made.store.labels[ModelName("v1")] = 300
        made.look()
        await made.ask()
        assert made.record.audit_propensity is None


async def test_a_client_has_its_answer_while_the_large_model_hangs() -> None:
    async with audit_stage(large=["hang"]) as made:
        for stream in (False, True):
            answer = await made.ask(stream=stream)
            assert (answer.status, answer.text) == (200, ARM_TEXT)
        await made.server.seen.until(lambda seen: seen.models["large"] == 2)
        assert made.results_of_audits == {}


async def test_what_is_under_way_when_the_worker_ends_is_broken_off_and_told() -> None:
    async with audit_stage(large=["hang"]) as made:
        for _ in range(6):
            await made.ask()
        await made.server.seen.until(lambda seen: seen.models["large"] == 4)
    outcomes = made.gateway.records.audits
    assert [[row.result for row in audit.attempts] for audit in outcomes] == [["cancelled"]] * 4
    assert [audit.label for audit in outcomes] == [None] * 4
    assert made.results_of_audits == {"failed": 4, "skipped": 2}
    assert_it_adds_up(made)


@pytest.mark.parametrize("fault", ["500", "refuse", "html", "429", "400", "abort"])
async def test_a_large_model_that_is_down_leaves_no_label_and_nothing_to_see(fault: str) -> None:
    async with audit_stage(large=[fault]) as made:
        answer = await made.ask()
        assert (answer.status, answer.text) == (200, ARM_TEXT)
        (audit,) = await made.audited()
        assert audit.label is None
        assert [row.purpose for row in audit.attempts] == ["audit"]
        assert made.results_of_audits == {"failed": 1}
        assert_it_adds_up(made)


async def test_failing_audits_open_a_breaker_of_their_own_and_leave_that_of_requests_alone() -> None:
    async with audit_stage(large=["500"]) as made:
        for _ in range(7):
            await made.ask()
            await made.audited()
        assert made.calls("large") == 5
        assert made.results_of_audits == {"failed": 5, "skipped": 2}
        assert made.gateway.live is not None
        assert made.gateway.live.models[ModelName("large")].upstream.breaker.state(0.0) == "closed"
        assert_it_adds_up(made)


async def test_a_large_model_that_requests_find_down_is_not_asked_by_audits() -> None:
    async with audit_stage() as made:
        assert made.gateway.live is not None
        made.gateway.live.models[ModelName("large")].upstream.breaker.cools_down(1e9, 60.0)
        await made.ask()
        assert await made.audited() == []
        assert (made.calls("large"), made.results_of_audits) == (0, {"skipped": 1})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_answer_of_a_fallback_is_there_already(stream: bool) -> None:
    doubtful = {"v1": {"right_logprob": -3.0}}
    async with audit_stage(scripts=doubtful, agrees=False, confidence=threshold(minimum=0.5), hold=HOLD_FULL) as made:
        answer = await made.ask(stream=stream)
        assert answer.headers["x-gateway-fallback"] == "low_confidence"
        (audit,) = await made.audited()
        assert (audit.attempts, made.calls("large")) == ([], 1)
        assert audit.label is not None
        assert (audit.label.model, audit.label.value) == ("v1", 0.0)
        assert_it_adds_up(made)


@pytest.mark.parametrize("large", ["same", "other"])
async def test_a_stream_that_was_abandoned_comes_to_its_end_for_its_audit(large: str) -> None:
    scripts: dict[str, dict[str, Any]] = {
        "v1": UNSURE,
        "large": {"text": LONG if large == "same" else LARGE_TEXT},
    }
    async with audit_stage(scripts=scripts, **HELD) as made:
        answer = await made.ask(stream=True)
        assert answer.text == scripts["large"]["text"]
        assert made.record.whole_features is None
        (audit,) = await made.audited()
        assert audit.label is not None
        assert audit.label.value == (large == "same")
        draft, fallback = made.gateway.records.kept[-1][1]
        (rest,) = audit.attempts
        assert (rest.number, rest.model, rest.purpose, rest.result) == (3, "v1", "audit", "completed")
        assert (draft.output_tokens or 0) + (rest.output_tokens or 0) == 40
        assert fallback.purpose == "fallback"
        assert audit.whole_features is not None
        assert audit.whole_features.startswith("[40,")
        assert made.server.seen.clients_gone == 0
        assert made.calls("large") == 1
        assert_it_adds_up(made)


async def test_a_stream_that_was_abandoned_and_is_not_audited_is_closed_at_once() -> None:
    async with audit_stage(scripts={"v1": UNSURE}, audit=audit_entry(share=1e-12), **HELD) as made:
        await made.ask(stream=True)
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
        assert made.results_of_audits == {}


async def test_a_stream_that_breaks_off_after_it_was_abandoned_makes_no_label() -> None:
    async with audit_stage("cut:30", scripts={"v1": UNSURE}, **HELD) as made:
        answer = await made.ask(stream=True)
        assert (answer.status, answer.payloads[-1]) == (200, "[DONE]")
        (audit,) = await made.audited()
        assert (audit.label, audit.whole_features) == (None, None)
        assert made.results_of_audits == {"undefined": 1}
        assert_it_adds_up(made)


async def test_an_abandoned_stream_whose_audit_never_comes_is_closed_with_the_worker() -> None:
    async with audit_stage(scripts={"v1": {**UNSURE, "tokens_per_second": 20.0}}, is_running=False, **HELD) as made:
        await made.ask(stream=True)
        ending = asyncio.ensure_future(made.auditor.run())
        await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)


@pytest.mark.parametrize("fault", ["500", "refuse", "html"])
async def test_an_arm_that_did_not_answer_is_not_wrong(fault: str) -> None:
    async with audit_stage(fault) as made:
        assert (await made.ask()).headers["x-gateway-fallback"]
        assert await made.audited() == []
        assert made.results_of_audits == {"undefined": 1}


@pytest.mark.parametrize("fault", ["empty_answer", "refusal", "content_filter"])
async def test_an_answer_that_nobody_can_use_is_wrong_where_the_large_model_has_one(fault: str) -> None:
    async with audit_stage(fault) as made:
        audit = await made.audit_of()
        assert made.calls("large") == 1
        assert audit.label is not None
        assert audit.label.value == 0.0


async def test_where_the_large_models_answer_is_no_good_either_nothing_is_known() -> None:
    async with audit_stage(large=["empty_answer"]) as made:
        assert (await made.audit_of()).label is None
        assert made.results_of_audits == {"undefined": 1}


async def test_a_client_that_leaves_within_an_answer_makes_no_label() -> None:
    async with audit_stage(scripts={"v1": {"text": LONG, "tokens_per_second": 50.0}}) as made:
        async with Wire.to(made.gateway) as wire:
            wire.send(post(question(stream=True)))
            await wire.until(b"word2")
        await made.gateway.until_finished(1)
        assert await made.audited() == []
        assert (made.last.outcome, made.calls("large")) == ("client_closed", 0)
        assert made.results_of_audits == {"undefined": 1}


async def test_testers_requests_and_those_for_several_answers_are_not_audited() -> None:
    async with audit_stage() as made:
        await made.ask(n=2)
        headers = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "v1"}
        await ask(made.gateway, headers=headers)
        await made.audited()
        assert [row.audit_propensity for row, _ in made.gateway.records.kept] == [None, None]
        assert made.calls("large") == 0


async def test_tool_calls_are_compared_by_what_they_mean() -> None:
    tools = [{"type": "function", "function": {"name": "find"}}]
    calls = {"v1": '{"id": 7, "all": true}', "large": '{"all":true,"id":7}'}
    scripts = {name: {"tool_call": ToolCall(arguments=arguments)} for name, arguments in calls.items()}
    async with audit_stage(scripts=scripts) as made:
        for stream in (False, True):
            audit = await made.audit_of(stream=stream, tools=tools)
            assert audit.label is not None
            assert audit.label.value == 1.0
    scripts["large"] = {"tool_call": ToolCall(arguments='{"id":8,"all":true}')}
    async with audit_stage(scripts=scripts) as made:
        audit = await made.audit_of(tools=tools)
        assert audit.label is not None
        assert audit.label.value == 0.0


@pytest.mark.parametrize(
    ("reply", "value", "asked"), [("EQUIVALENT", 1.0, 2), ("different.", 0.0, 1), ("perhaps", None, 1)]
)
async def test_a_judge_is_asked_in_both_orders_until_it_is_clear(reply: str, value: float | None, asked: int) -> None:
    async with audit_stage(agrees=False, audit=JUDGED, scripts={"judge": {"text": reply}}) as made:
        audit = await made.audit_of()
        assert (audit.label and audit.label.value) == value
        purposes = [(row.model, row.purpose) for row in audit.attempts]
        assert purposes == [("large", "audit"), *[("judge", "judge")] * asked]
        assert_it_adds_up(made)
        bodies = [seen.body for seen in made.server.seen.requests if seen.body["model"] == "judge"]
        shown = [body["messages"][1]["content"] for body in bodies]
        assert all("where is my parcel?" in text for text in shown)
        firsts = [text.index(ARM_TEXT) < text.index(LARGE_TEXT) for text in shown]
        assert firsts == [True, False][:asked]


async def test_a_judge_that_fails_makes_no_label() -> None:
    async with audit_stage(agrees=False, audit=JUDGED) as made:
        made.server.rescript("judge", faults=["500"])
        audit = await made.audit_of()
        assert audit.label is None
        assert made.results_of_audits == {"failed": 1}
        assert_it_adds_up(made)


async def test_a_day_whose_cap_is_spent_has_no_more_audits() -> None:
    once = 3_500_000  # what is set aside for one at these prices: 31 tokens in, 1,024 out, and their like
    async with audit_stage(audit=audit_entry(spend_nanousd_per_day=12_000_000)) as made:
        for _ in range(60):
            await made.ask()
            await made.audited()
            made.look()
        spent = made.auditor.books.routes[made.last.route.name].allowance.settled
        assert once // 10 < spent <= 12_000_000
        assert 0 < made.audits("agreed") < 60
        assert max(made.store.rows.values()) <= 12_000_000
        before = made.calls("large")
        await made.ask()
        assert made.record.audit_propensity is None or made.calls("large") == before


async def test_without_money_a_request_that_would_be_drawn_is_skipped() -> None:
    async with audit_stage() as made:
        book = made.auditor.books.routes[next(iter(made.auditor.books.routes))]
        book.allowance = Allowance(book.allowance.day)
        await made.ask()
        assert await made.audited() == []
        assert (made.record.audit_propensity, made.results_of_audits) == (None, {"skipped": 1})


async def test_when_many_wait_no_more_are_drawn() -> None:
    async with audit_stage(is_running=False, audit=audit_entry(spend_nanousd_per_day=10**13)) as made:
        for _ in range(MAX_WAITING + 3):
            await made.ask()
        propensities = [row.audit_propensity for row, _ in made.gateway.records.kept]
        assert propensities == [1.0] * MAX_WAITING + [None] * 3
        assert made.results_of_audits == {"skipped": 3}


@pytest.mark.parametrize("model", ["large", "judge"])
async def test_a_route_whose_audits_have_no_known_price_is_not_audited_and_says_so(model: str) -> None:
    async with audit_stage(audit=JUDGED, unpriced=[model]) as made:
        await made.ask()
        assert await made.audited() == []
        assert (made.record.audit_propensity, made.results_of_audits) == (None, {})
        (notice,) = made.auditor.notices()
        assert notice.startswith(f"route support is not audited: without a price of {model} nobody knows")


async def test_an_audit_that_goes_wrong_within_the_gateway_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with audit_stage() as made:
        await made.ask()
        await made.audited()
        made.gateway.records.audits = None  # type: ignore[assignment]  # so that handing over raises
        await made.ask()
        await made.auditor.until_idle()
        made.gateway.records.audits = []
        assert (await made.audit_of()).label is not None
        assert "failed" in caplog.text
        assert made.auditor.books.routes[made.last.route.name].allowance.set_aside == 0
