"""`make demo` as a user runs it: the processes, the table, the real openai client against it, and Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

ROOT = Path(__file__).parent.parent
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Label the support ticket. Answer with JSON only: intent, urgency, product."},
    {"role": "user", "content": "Hi, when will you ship the headphone set? It is not urgent."},
]


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is up, and what it printed until then."""

    printed: str
    process: subprocess.Popen[str]

    @property
    def base_url(self) -> str:
        found = re.search(r'base_url="([^"]+)", api_key="([^"]+)"', self.printed)
        assert found is not None
        return found[1]

    @property
    def api_key(self) -> str:
        found = re.search(r'api_key="([^"]+)"', self.printed)
        assert found is not None
        return found[1]


@pytest.fixture(scope="module", params=["simulated", pytest.param("vllm", marks=pytest.mark.vllm)])
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    command = [sys.executable, "examples/demo/demo.py", "--models", request.param]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    printed: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        printed.append(line)
        if "stays up until Ctrl-C" in line:
            break
    else:
        pytest.fail("the demo ended by itself:\n" + "".join(printed))
    yield Demo("".join(printed), process)
    process.kill()
    process.stdout.close()
    process.wait()


def test_the_table_shows_both_arms_and_a_fallback_for_doubt(demo: Demo) -> None:
    assert "support-v1" in demo.printed
    assert "support-v2" in demo.printed
    assert re.search(r"large +low_confidence +0\.\d\d", demo.printed), demo.printed
    assert "$0.0" in demo.printed


def test_the_openai_client_works_unchanged(demo: Demo) -> None:
    with OpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0) as client:
        whole = client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
        )
        parts = list(
            client.chat.completions.create(
                model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben", stream=True
            )
        )
        models = [model.id for model in client.models.list()]

    assert whole.choices[0].message.content
    assert whole._request_id
    assert whole.usage is not None
    assert whole.choices[0].logprobs is None
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content
    assert parts[-1].choices[0].finish_reason == "stop"
    assert models == ["support"]


async def test_the_async_openai_client_works_unchanged(demo: Demo) -> None:
    async with AsyncOpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0) as client:
        whole = await client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
        )
        stream = await client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben", stream=True
        )
        text = "".join([part.choices[0].delta.content or "" async for part in stream])

    assert whole.choices[0].message.content == text


def test_requests_go_on_when_the_versions_are_stopped(demo: Demo) -> None:
    found = re.search(r"  kill (\d+)", demo.printed)
    assert found is not None
    os.kill(int(found[1]), signal.SIGTERM)
    with OpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0, timeout=60) as client:
        for _ in range(100):  # until it has ended, it may still answer itself
            raw = client.chat.completions.with_raw_response.create(
                model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
            )
            if raw.headers["x-gateway-model"] == "large":
                break

    assert raw.headers["x-gateway-fallback"] in ("error", "unavailable")
    assert raw.parse().choices[0].message.content


def test_ctrl_c_ends_all_of_it(demo: Demo) -> None:
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", demo.printed)}
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(timeout=40) == 0
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on {port}"
