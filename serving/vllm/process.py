"""One vLLM server as a child process: launch, wait until it is healthy, watch, end with all its children."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from serving.vllm.checks import check_before_launch
from serving.vllm.command import VllmSettings, build_command, build_environment, leashed
from serving.vllm.errors import VllmDied, VllmNotReady
from serving.vllm.group import end_group

HEALTH_POLL_S = 0.25
PROGRESS_EVERY_S = 5.0
LAST_LINES = 12
LOG_TAIL_BYTES = 16_384


def _discard(_line: str) -> None:
    return


class VllmProcess:
    """A vLLM server that runs from `start` to `stop`.

    Use as `async with VllmProcess(settings, log=path) as server`. Its output goes to the file `log`, overwritten at
    each start; `report` gets a line of progress now and then while the model loads.
    """

    def __init__(self, settings: VllmSettings, *, log: Path, report: Callable[[str], None] = _discard) -> None:
        self.settings = settings
        self.log = log
        self._report = report
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The server's process and group id; None unless it was launched."""
        return self._process.pid if self._process else None

    async def start(self, *, ready_timeout_s: float = 300.0) -> tuple[str, ...]:
        """Launch and wait until it answers; returns the model names it serves.

        Raises a VllmError, and leaves nothing running, when the launch cannot work, the process dies or is not
        ready within `ready_timeout_s`.
        """
        if self._process is not None:
            raise RuntimeError("this server was started before; make a new VllmProcess")
        await check_before_launch(self.settings)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._process = await self._launch(output)
        is_ready = False
        try:
            await self._healthy(time.monotonic() + ready_timeout_s, ready_timeout_s)
            names = await self._served_names()
            is_ready = True
        finally:
            if not is_ready:  # a start that failed or was cancelled must not leave a server behind
                await self.stop(grace_s=2.0)
        return names

    async def wait(self) -> int:
        """Wait until the server ends, by itself or by `stop`; returns its exit code (negative: a signal)."""
        if self._process is None:
            raise RuntimeError("this server was never started")
        return await self._process.wait()

    async def stop(self, *, grace_s: float = 15.0) -> None:
        """End the server and every process it made; does nothing when it never ran. Safe to call twice."""
        if self._process is None:
            return
        gently = await end_group(self._process.pid, grace_s=grace_s)
        await self._process.wait()
        if not gently:
            self._report(f"vLLM did not end within {grace_s:.0f} s and was killed")

    def died(self) -> VllmDied:
        """The error that says how the server ended, with the last lines of its log."""
        code = self._process.returncode if self._process else None
        return VllmDied(f"vLLM ended {_how(code)}; its log is {self.log}", last_lines(self.log))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _launch(self, output: BinaryIO) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *leashed(build_command(self.settings), os.getpid()),
            env=build_environment(self.settings, os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a group of its own: Ctrl-C reaches us, and we end all of it
        )

    async def _healthy(self, deadline_s: float, limit_s: float) -> None:
        """Poll `/health` until it answers 200."""
        started_s = reported_s = time.monotonic()
        # A proxy from the environment has no business between this machine and itself.
        async with httpx.AsyncClient(base_url=self.settings.base_url, timeout=2.0, trust_env=False) as client:
            while not await _answers(client):
                now_s = time.monotonic()
                self._check_runs()
                if now_s >= deadline_s:
                    raise VllmNotReady(_not_ready(limit_s, self.log))
                if now_s - reported_s >= PROGRESS_EVERY_S:
                    reported_s = now_s
                    self._report(f"loading {self.settings.base_name} ... {now_s - started_s:.0f} s")
                await asyncio.sleep(HEALTH_POLL_S)
        self._check_runs()  # else it was another server that answered

    def _check_runs(self) -> None:
        if self._process is not None and self._process.returncode is not None:
            raise self.died()

    async def _served_names(self) -> tuple[str, ...]:
        """The names `/v1/models` lists; raises VllmNotReady when one that was asked for is not among them."""
        try:
            async with httpx.AsyncClient(base_url=self.settings.base_url, timeout=10.0, trust_env=False) as client:
                listed = (await client.get("/v1/models")).raise_for_status().json()["data"]
                names = tuple(str(model["id"]) for model in listed)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise VllmNotReady(f"the server at {self.settings.base_url} gave no list of models: {error}") from error
        missing = [name for name in self.settings.served_names if name not in names]
        if missing:
            raise VllmNotReady(f"the server is up but does not serve {', '.join(missing)}; its log is {self.log}")
        return names


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False  # not listening yet


def _how(code: int | None) -> str:
    if code is None:
        return "for an unknown reason"
    if code >= 0:
        return f"by itself with exit code {code}"
    return f"by {signal.Signals(-code).name}"


def _not_ready(limit_s: float, log: Path) -> str:
    lines = "\n".join(f"  | {line}" for line in last_lines(log))
    return f"vLLM was not ready within {limit_s:.0f} s and was stopped; its log is {log}\n{lines}"


def last_lines(log: Path, count: int = LAST_LINES) -> list[str]:
    """The last lines of a log that are not blank, oldest first; empty where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]
