"""The `fallgate vllm` command, run as a program against the script that stands in for vLLM."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gateway.cli.vllm import parse_adapters

ROOT = Path(__file__).parents[2]
# What the command's entry in the app comes down to, with the stand-in as the server's entrypoint.
PROGRAM = (
    "import sys, typer\n"
    "from pathlib import Path\n"
    "from gateway.cli import vllm as command\n"
    "from serving.vllm.command import VllmSettings\n"
    "entry = sys.argv.pop(1)\n"
    "command.VllmSettings = lambda **given: VllmSettings(**given, entrypoint=(entry,))\n"
    "typer.run(command.vllm)\n"
)

Run = Callable[..., AbstractAsyncContextManager[asyncio.subprocess.Process]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name, file in (("base", "config.json"), ("tuned", "adapter_config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    @asynccontextmanager
    async def running(*arguments: str, manner: str = "serve") -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, str(ROOT / "tests/fakes/vllm_script.py")),
            *("--python", sys.executable, "--model", str(tmp_path / "base"), "--port", str(port), "--cpu"),
            *("--log", str(tmp_path / "vllm.log"), *arguments),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FAKE_VLLM": manner, "FALLGATE_VLLM_ARGS": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_ready_with_address_and_names_and_ends_with_0_on_a_signal(
    run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    async with run("--adapter", f"tuned={tmp_path / 'tuned'}") as process:
        assert process.stdout is not None
        ready = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        assert ready.startswith("ready: http://127.0.0.1:")
        assert ready.rstrip().endswith("/v1 serves base, tuned")

        process.send_signal(number)

        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_a_server_that_dies_at_the_start_exits_1_with_its_last_words(run: Run) -> None:
    async with run(manner="die") as process:
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 1
    assert b"exit code 1" in said
    assert b"rank 64 is greater" in said
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--adapter", "tuned"], b"write NAME=DIR", id="an adapter without a folder"),
        pytest.param(["--adapter", "a=x", "--adapter", "a=y"], b"named twice", id="an adapter named twice"),
        pytest.param(["--port", "70000"], b"not between 1 and 65535", id="a port that does not exist"),
    ],
)
async def test_wrong_usage_exits_2_with_a_sentence(run: Run, arguments: list[str], sentence: bytes) -> None:
    async with run(*arguments) as process:
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 2
    assert sentence in said


async def test_an_interpreter_that_is_not_there_exits_1_and_says_what_to_run(run: Run) -> None:
    async with run("--python", "/nowhere/python") as process:
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 1
    assert b"scripts/setup_vllm.sh" in said


def test_an_adapters_folder_may_hold_an_equals_sign() -> None:
    assert parse_adapters(["v1=/a=b"]) == {"v1": Path("/a=b")}
