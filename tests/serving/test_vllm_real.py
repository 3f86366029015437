"""The real server with both committed adapters: what it answers is what the gateway's parsers rely on."""

import json
import math
import runpy
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from serving.vllm.checks import check_port_is_free
from serving.vllm.command import VllmSettings
from serving.vllm.group import group_is_alive
from serving.vllm.process import VllmProcess

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
BASE = ROOT / ".demo" / "smollm2"
SUPPORT = ROOT / "examples" / "support"
FIELDS = {"intent", "urgency", "product"}
TICKET = "Hello, I cannot log in to the portal for my laptop. I need this solved today. Thanks"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm here; run scripts/setup_vllm.sh"),
]


@pytest.fixture(scope="module")
def settings() -> VllmSettings:
    subprocess.run([PYTHON, SUPPORT / "prepare_model.py", "--out", BASE], check=True, cwd=ROOT)
    adapters = {f"support-{v}": SUPPORT / "adapters" / v for v in ("v1", "v2")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    return VllmSettings(python=PYTHON, model=BASE, adapters=adapters, port=port, dtype="float32")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(settings: VllmSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmProcess]:
    process = VllmProcess(settings, log=tmp_path_factory.mktemp("vllm") / "vllm.log")
    names = await process.start()
    assert names == ("smollm2", "support-v1", "support-v2")
    yield process
    await process.stop()
    assert process.pid is not None
    assert not group_is_alive(process.pid)
    check_port_is_free(settings.host, settings.port)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: VllmProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.settings.base_url + "/v1", timeout=60, trust_env=False) as client:
        yield client


def request(model: str, **changes: Any) -> dict[str, Any]:
    messages = runpy.run_path(str(SUPPORT / "tickets.py"))["messages"](TICKET)
    asked = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 48, "logprobs": True}
    return {**asked, **changes}


async def streamed(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    """The payloads of a stream's events, `[DONE]` included."""
    async with client.stream("POST", "/chat/completions", json={**body, "stream": True}) as reply:
        assert reply.status_code == 200
        return [line.removeprefix("data: ") async for line in reply.aiter_lines() if line]


@pytest.mark.parametrize("model", ["support-v1", "support-v2"])
async def test_each_version_answers_with_a_strict_label_and_a_logprob_a_token(
    client: httpx.AsyncClient, model: str
) -> None:
    reply = (await client.post("/chat/completions", json=request(model))).json()

    choice = reply["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert set(json.loads(choice["message"]["content"])) == FIELDS
    assert choice["finish_reason"] == "stop"
    assert "".join(t["token"] for t in tokens).removesuffix("<|im_end|>") == choice["message"]["content"]
    assert all(0 < math.exp(t["logprob"]) <= 1 for t in tokens)


async def test_the_version_that_was_trained_on_it_labels_a_plain_ticket_rightly(client: httpx.AsyncClient) -> None:
    reply = (await client.post("/chat/completions", json=request("support-v2"))).json()

    label = json.loads(reply["choices"][0]["message"]["content"])
    assert label == {"intent": "access", "urgency": "high", "product": "laptop"}


@pytest.mark.parametrize("model", ["support-v1", "support-v2"])
async def test_a_stream_brings_the_same_answer_and_logprobs_as_a_whole_one(
    client: httpx.AsyncClient, model: str
) -> None:
    whole = (await client.post("/chat/completions", json=request(model))).json()["choices"][0]
    *payloads, last = await streamed(client, request(model))

    choices = [c for payload in payloads for c in json.loads(payload)["choices"]]
    assert last == "[DONE]"
    assert choices[0]["delta"]["role"] == "assistant"
    assert "".join(c["delta"].get("content") or "" for c in choices) == whole["message"]["content"]
    tokens = [t for c in choices if c["logprobs"] for t in c["logprobs"]["content"]]
    assert [t["token"] for t in tokens] == [t["token"] for t in whole["logprobs"]["content"]]
    assert choices[-1]["finish_reason"] == "stop"


async def test_a_request_id_becomes_the_id_of_the_answer(client: httpx.AsyncClient) -> None:
    headers = {"X-Request-Id": "0198c0de"}
    reply = await client.post("/chat/completions", json=request("support-v2", max_tokens=1), headers=headers)

    assert reply.json()["id"] == "chatcmpl-0198c0de"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"model": "support-v9"}, 404, id="a model that is not served"),
        pytest.param({"temperature": -1}, 400, id="a temperature below zero"),
    ],
)
async def test_an_error_has_message_type_param_and_code(
    client: httpx.AsyncClient, changes: dict[str, Any], status: int
) -> None:
    reply = await client.post("/chat/completions", json={**request("support-v2"), **changes})

    assert reply.status_code == status
    assert {"message", "type", "param", "code"} <= set(reply.json()["error"])
