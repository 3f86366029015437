"""Each fault of the simulated upstream does over the wire what its name says."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from serving.simulated.faults import FaultName
from serving.simulated.script import ModelScript
from serving.simulated.seen import Ended
from serving.simulated.upstream import SimulatedUpstream
from tests.fakes.simulated import simulated
from tests.fakes.simulated_client import Got, call, parsed, receive

WORDS = " ".join(f"word{number}" for number in range(10))


@pytest.fixture
async def server() -> AsyncIterator[SimulatedUpstream]:
    async with simulated([ModelScript(name="model", text=WORDS)]) as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.mark.parametrize("stream", [True, False])
async def test_refuse_resets_before_any_byte(
    server: SimulatedUpstream, client: aiohttp.ClientSession, stream: bool
) -> None:
    got = await call(server, client, "refuse", stream=stream)
    assert (got.status, got.end) == (0, "broken")
    await server.seen.until(lambda seen: seen.ends[Ended.RESET] == 1)


async def test_close_reused_serves_the_first_request_of_a_connection_only(server: SimulatedUpstream) -> None:
    async with aiohttp.ClientSession() as client:
        first = await call(server, client, "close_reused", stream=False)
        second = await call(server, client, "close_reused", stream=False)
    assert (first.status, first.end) == (200, "end")
    # aiohttp itself tries a POST once only, so that the close is seen.
    assert (second.status, second.end) == (0, "broken")
    assert [request.connection for request in server.seen.requests] == [1, 1]


@pytest.mark.parametrize(
    ("fault", "stream", "status", "text"),
    [
        pytest.param("hang", True, 0, "", id="hang sends not even headers"),
        pytest.param("hang", False, 0, "", id="hang sends not even headers of a whole answer"),
        pytest.param("headers_only_hang", True, 200, "", id="only the headers"),
        pytest.param("headers_only_hang", False, 200, "", id="only the headers of a whole answer"),
        pytest.param("role_only_hang", True, 200, "", id="the role and no content"),
        pytest.param("hang_during", True, 200, "word0 word1", id="two tokens"),
        pytest.param("hang_during:3", True, 200, "word0 word1 word2", id="as many tokens as asked"),
        pytest.param("hang_after_done", True, 200, WORDS, id="everything, but the connection stays open"),
    ],
)
async def test_a_hang_sends_what_comes_before_it_and_then_nothing(
    server: SimulatedUpstream, client: aiohttp.ClientSession, fault: str, stream: bool, status: int, text: str
) -> None:
    got = Got()
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(receive(got, server, client, fault, stream=stream))
        await server.seen.until(lambda seen: seen.in_flight == 1)
        await got.until(status, text)
        assert not receiving.done()
        receiving.cancel()
    await server.seen.until(lambda seen: seen.clients_gone == 1 and not seen.in_flight)
    assert (got.status, got.text) == (status, text)


async def test_a_hang_with_a_time_goes_on_after_it(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    got = await call(server, client, "hang:0.01", stream=True)
    assert (got.text, got.end) == (WORDS, "end")


async def test_a_whole_answer_hangs_and_breaks_in_its_middle(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    whole = await call(server, client, "none", stream=False)
    for fault, end in (("cut", "broken"), ("early_end", "end")):
        got = await call(server, client, fault, stream=False)
        assert (fault, got.end) == (fault, end)
        assert 0 < len(got.body) < len(whole.body)
    async with asyncio.TaskGroup() as tasks:
        got = Got()
        receiving = tasks.create_task(receive(got, server, client, "hang_during", stream=False))
        await server.seen.until(lambda seen: bool(seen.in_flight and seen.calls[-1].events == 1))
        receiving.cancel()
    await server.seen.until(lambda seen: seen.clients_gone == 1)


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ("429", 429, "1"),
        ("429:30", 429, "30"),
        ("bad_retry_after", 429, "soon"),
        ("bad_retry_after:-5", 429, "-5"),
        ("500", 500, None),
        ("status:503", 503, None),
        ("404", 404, None),
        ("401", 401, None),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_status_has_a_body_of_vllms_shape(
    server: SimulatedUpstream,
    client: aiohttp.ClientSession,
    fault: str,
    status: int,
    retry_after: str | None,
    stream: bool,
) -> None:
    got = await call(server, client, fault, stream=stream)
    assert (got.status, got.headers.get("retry-after")) == (status, retry_after)
    error = json.loads(got.body)["error"]
    assert error["code"] == status
    assert error["type"].endswith("Error")
    assert "simulated" in error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_answers_that_are_none(server: SimulatedUpstream, client: aiohttp.ClientSession, stream: bool) -> None:
    html = await call(server, client, "html", stream=stream)
    assert (html.status, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    empty = await call(server, client, "empty", stream=stream)
    assert (empty.status, empty.body, empty.end) == (200, b"", "end")
    error = await call(server, client, "error_in_200", stream=stream)
    assert (error.status, list(json.loads(error.body))) == (200, ["error"])


async def test_a_redirect_points_to_where_followers_are_counted(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    got = await call(server, client, "redirect", stream=False)
    assert got.status == 302
    async with client.get(f"{server.root_url}{got.headers['location']}"):
        assert server.seen.paths["/simulate/redirected"] == 1


async def test_cut_resets_the_stream_after_some_tokens(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    got = await call(server, client, "cut:3", stream=True)
    assert (got.text, got.end) == ("word0 word1 word2", "broken")


async def test_early_end_is_clean_but_without_finish_and_done(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    got = await call(server, client, "early_end", stream=True)
    assert (got.text, got.end) == ("word0 word1 word2 word3 word4", "end")
    assert b"[DONE]" not in got.body
    assert b'"stop"' not in got.body


async def test_garbage_is_one_event_that_is_not_json(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    got = await call(server, client, "garbage:2", stream=True)
    garbage = [index for index, event in enumerate(got.events) if isinstance(event, bytes)]
    assert garbage == [3, len(got.events) - 1]  # after the role and two tokens; and [DONE]
    assert got.text == WORDS
    whole = await call(server, client, "garbage", stream=False)
    assert (whole.status, isinstance(parsed(whole.body), bytes)) == (200, True)


async def test_errors_inside_a_stream_are_events(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    first = await call(server, client, "error_first_event", stream=True)
    assert [list(event) if isinstance(event, dict) else event for event in first.events] == [["error"], b"[DONE]"]
    later = await call(server, client, "error_event:1", stream=True)
    assert later.text == "word0"
    assert list(later.events[-2]) == ["error"]


@pytest.mark.parametrize(
    ("fault", "finish", "text"),
    [
        ("abort", "abort", "word0 word1 word2 word3 word4"),
        ("abort:0", "abort", ""),
        ("content_filter", "content_filter", ""),
        ("content_filter:2", "content_filter", "word0 word1"),
        ("empty_answer", "stop", ""),
    ],
)
async def test_an_answer_can_end_for_another_reason(
    server: SimulatedUpstream, client: aiohttp.ClientSession, fault: str, finish: str, text: str
) -> None:
    stream = await call(server, client, fault, stream=True)
    assert stream.text == text
    assert stream.events[-3]["choices"][0]["finish_reason"] == finish
    assert stream.events[-2]["usage"]["completion_tokens"] == len(text.split())
    whole = json.loads((await call(server, client, fault, stream=False)).body)
    assert whole["choices"][0]["message"]["content"] == text
    assert whole["choices"][0]["finish_reason"] == finish


async def test_a_refusal_stands_in_its_own_field(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    whole = json.loads((await call(server, client, "refusal", stream=False)).body)
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    stream = await call(server, client, "refusal", stream=True)
    assert stream.events[1]["choices"][0]["delta"] == {"refusal": message["refusal"]}


@pytest.mark.parametrize("stream", [True, False])
async def test_parts_of_an_answer_can_be_missing_or_wrong(
    server: SimulatedUpstream, client: aiohttp.ClientSession, stream: bool
) -> None:
    def counts(got: Got) -> list[int]:
        chunks = got.events[:-1] if stream else [json.loads(got.body)]
        return [chunk["usage"]["completion_tokens"] for chunk in chunks if "usage" in chunk]

    assert counts(await call(server, client, "no_usage", stream=stream)) == []
    assert counts(await call(server, client, "negative_usage", stream=stream)) == [-3]
    assert counts(await call(server, client, "duplicate_usage", stream=stream)) == ([1, 10] if stream else [10])
    bare = await call(server, client, "no_choices", stream=stream)
    assert "choices" not in (bare.events[0] if stream else json.loads(bare.body))


async def test_a_broken_tool_call_has_half_a_json_text(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    whole = json.loads((await call(server, client, "broken_tool_call", stream=False)).body)
    function = whole["choices"][0]["message"]["tool_calls"][0]["function"]
    assert function["arguments"] == '{"query": "half a te'


async def test_after_done_chunks_go_on(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    got = await call(server, client, "after_done", stream=True)
    assert got.text == WORDS * 2
    assert got.events.count(b"[DONE]") == 2


async def test_big_answers_are_as_big_as_asked(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    body = await call(server, client, "big_body:200000", stream=False)
    assert len(json.loads(body.body)["choices"][0]["message"]["content"]) == 200_000
    line = await call(server, client, "big_line:200000", stream=True)
    assert len(line.text) == 200_000


async def test_a_bomb_is_small_on_the_wire_and_large_unpacked(server: SimulatedUpstream) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as packed:
        got = await call(server, packed, "bomb:8388608", stream=False)
        assert got.headers["content-encoding"] == "deflate"
        assert 0 < len(got.body) < 20_000


@pytest.mark.parametrize("fault", ["ragged", "ragged:1", "odd_framing", "odd_framing:cr", "odd_framing:lf"])
async def test_odd_but_valid_streams_carry_the_same_events(
    server: SimulatedUpstream, client: aiohttp.ClientSession, fault: str
) -> None:
    got = await call(server, client, fault, stream=True)
    lines = got.body.decode("utf-8-sig").splitlines()
    texts = "".join(line.removeprefix("data:").strip() if line.startswith("data:") else "\0" for line in lines)
    events = [text for text in texts.split("\0") if text]
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == WORDS


async def test_slow_tokens_come_one_by_one(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    got = await call(server, client, "slow:5", stream=True)
    assert got.text == WORDS
    assert loop.time() - start >= 0.045


@pytest.mark.parametrize("fault", list(FaultName))
def test_every_fault_does_something_in_a_stream_or_a_whole_answer(fault: FaultName) -> None:
    from serving.simulated.broken_answers import IN_ANSWER
    from serving.simulated.broken_delivery import IN_STREAM
    from serving.simulated.broken_replies import INSTEAD

    places = [table for table in (INSTEAD, IN_ANSWER, IN_STREAM) if fault in table]
    assert len(places) == (0 if fault is FaultName.NONE else 1)


async def test_an_unknown_fault_in_the_header_is_refused(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    got = await call(server, client, "meltdown", stream=False)
    assert got.status == 400
    assert "there is no fault 'meltdown'" in json.loads(got.body)["error"]["message"]
