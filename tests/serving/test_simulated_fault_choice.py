"""How a fault of the simulated upstream is written, and which requests it strikes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from serving.simulated.faults import Fault
from serving.simulated.script import DrawBy, ModelScript
from serving.simulated.upstream import SimulatedUpstream
from tests.fakes.simulated import simulated


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def test_a_share_of_the_prompts_meets_the_fault_and_always_the_same_ones(client: aiohttp.ClientSession) -> None:
    script = ModelScript(name="model", faults=(Fault.parse("500@0.25"),))
    async with simulated([script]) as server:

        async def statuses() -> list[int]:
            return [await _status(client, server, f"prompt {number}") for number in range(200)]

        first = await statuses()
        assert first == await statuses()
        assert 25 <= first.count(500) <= 75


async def test_a_share_can_be_drawn_by_request_id(client: aiohttp.ClientSession) -> None:
    script = ModelScript(name="model", faults=(Fault.parse("500@0.5"),), draw_by=DrawBy.REQUEST_ID)
    async with simulated([script]) as server:
        statuses = {await _status(client, server, "the same", request_id=str(number)) for number in range(30)}
        assert statuses == {200, 500}


async def _status(client: aiohttp.ClientSession, server: SimulatedUpstream, prompt: str, request_id: str = "1") -> int:
    body = {"model": "model", "messages": [{"role": "user", "content": prompt}]}
    headers = {"x-request-id": request_id}
    async with client.post(f"{server.base_url}/chat/completions", json=body, headers=headers) as response:
        return response.status


@pytest.mark.parametrize(
    "text", ["cut", "cut:3", "429:30@0.1", "status:503", "redirect:http://127.0.0.1:9/x", "slow:2.5@0.5"]
)
def test_a_fault_is_written_as_it_is_read(text: str) -> None:
    assert str(Fault.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a fault"),
        ("cut:x", "takes a number of tokens"),
        ("hang:-1", "takes a number of seconds"),
        ("empty:1", "takes no argument"),
        ("status:200", "takes an HTTP status"),
        ("200", "there is no fault '200'"),
        ("500@2", "share must be from 0 to 1"),
    ],
)
def test_a_wrong_fault_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Fault.parse(text)
