"""Process handling against a real subprocess that takes vLLM's command line (tests/fakes/vllm_script.py)."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from serving.vllm.command import VllmSettings
from serving.vllm.errors import PortTaken, VllmDied, VllmMisconfigured, VllmNotInstalled, VllmNotReady
from serving.vllm.group import group_is_alive
from serving.vllm.process import VllmProcess, last_lines

SCRIPT = Path(__file__).parents[1] / "fakes" / "vllm_script.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VllmProcess]:
    """A server with one adapter that will behave as named; nothing is launched yet."""
    for name, file in (("base", "config.json"), ("tuned", "adapter_config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")

    def built(manner: str = "serve", **changes: object) -> VllmProcess:
        monkeypatch.setenv("FAKE_VLLM", manner)
        monkeypatch.setenv("FAKE_VLLM_PIDS", str(tmp_path / "pids"))
        fields: dict[str, object] = {
            "python": Path(sys.executable),
            "model": tmp_path / "base",
            "adapters": {"tuned": tmp_path / "tuned"},
            "port": free_port(),
            "entrypoint": (str(SCRIPT),),
            **changes,
        }
        return VllmProcess(VllmSettings(**fields), log=tmp_path / "logs" / "vllm.log")  # type: ignore[arg-type]  # the test says what it changes

    return built


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        await asyncio.sleep(0.02)


async def test_a_server_that_started_serves_the_base_model_and_its_adapters(build: Callable[..., VllmProcess]) -> None:
    server = build()
    try:
        assert await server.start() == ("base", "tuned")
    finally:
        await server.stop()


async def test_a_stopped_server_leaves_no_process_and_frees_its_port(build: Callable[..., VllmProcess]) -> None:
    async with build() as server:
        assert server.pid is not None
    assert not group_is_alive(server.pid)

    async with build(port=server.settings.port) as again:
        assert again.pid != server.pid


async def test_stopping_twice_or_before_the_start_is_harmless(build: Callable[..., VllmProcess]) -> None:
    server = build()
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_an_early_death_shows_the_last_lines_of_the_log(build: Callable[..., VllmProcess]) -> None:
    with pytest.raises(VllmDied, match="exit code 1") as death:
        await build("die").start()

    assert "rank 64 is greater than max_lora_rank 16" in str(death.value)


async def test_a_server_that_never_listens_is_given_up_and_ended(build: Callable[..., VllmProcess]) -> None:
    server = build("never_ready")

    with pytest.raises(VllmNotReady, match="not ready within 1 s"):
        await server.start(ready_timeout_s=1.0)

    assert server.pid is not None
    assert not group_is_alive(server.pid)


async def test_a_server_that_lacks_an_adapter_is_not_ready(build: Callable[..., VllmProcess]) -> None:
    with pytest.raises(VllmNotReady, match="does not serve tuned"):
        await build("forgetful").start()


async def test_a_server_that_ignores_sigterm_is_killed_after_the_grace_time(build: Callable[..., VllmProcess]) -> None:
    server = build("stubborn")
    await server.start()

    await server.stop(grace_s=0.3)

    assert await server.wait() == -9


async def test_children_that_ignore_sigterm_are_ended_with_the_server(
    build: Callable[..., VllmProcess], tmp_path: Path
) -> None:
    server = build("family")
    await server.start()
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2

    await server.stop(grace_s=0.3)

    assert [runs(pid) for pid in pids] == [False, False]


async def test_a_cancelled_start_leaves_no_process(build: Callable[..., VllmProcess], tmp_path: Path) -> None:
    server = build("never_ready")
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(server.start())
        await until((tmp_path / "pids").exists)
        starting.cancel()

    assert server.pid is not None
    assert not group_is_alive(server.pid)


async def test_a_death_while_serving_ends_the_wait_and_says_how(build: Callable[..., VllmProcess]) -> None:
    async with build("die_later") as server:
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(server.settings.base_url + "/die")

        assert await server.wait() == 4
        assert "exit code 4" in str(server.died())


async def test_a_taken_port_is_named_before_anything_is_launched(build: Callable[..., VllmProcess]) -> None:
    with socket.socket() as other:
        # As vLLM listens: with SO_REUSEPORT a second server would start and share the port.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = build(port=port)

        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is taken"):
            await server.start()

    assert server.pid is None


async def test_folders_that_hold_no_model_or_adapter_are_named(
    build: Callable[..., VllmProcess], tmp_path: Path
) -> None:
    with pytest.raises(VllmMisconfigured, match=r"model: .*nowhere holds no checkpoint"):
        await build(model=tmp_path / "nowhere").start()
    with pytest.raises(VllmMisconfigured, match=r"adapter v9: .*base holds no LoRA adapter"):
        await build(adapters={"v9": tmp_path / "base"}).start()


async def test_an_interpreter_without_vllm_says_what_to_run(build: Callable[..., VllmProcess]) -> None:
    absent = build(entrypoint=("-m", "a_package_that_is_not_there.server"))

    with pytest.raises(VllmNotInstalled, match=r"scripts/setup_vllm\.sh"):
        await absent.start()
    with pytest.raises(VllmNotInstalled, match="there is no Python at"):
        await build(python=Path("/nowhere/python")).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_a_launcher_that_is_killed_outright_leaves_no_server(
    build: Callable[..., VllmProcess], tmp_path: Path
) -> None:
    settings = build().settings
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.vllm_launcher", str(settings.model), str(settings.port), str(SCRIPT)),
        cwd=SCRIPT.parents[2],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
    )
    await until((tmp_path / "pids").exists)
    server_pid = int((tmp_path / "pids").read_text())
    assert runs(server_pid)

    launcher.kill()
    await launcher.wait()

    await until(lambda: not runs(server_pid))


def test_the_last_lines_of_a_log_skip_blank_ones_and_need_no_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_lines(log) == []

    log.write_text("\n".join(f"line {i}\n" for i in range(40)))

    assert last_lines(log, 2) == ["line 38", "line 39"]
