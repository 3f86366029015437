"""The demo's processes: started one after the other, watched, and ended without leaving one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FALLGATE = [sys.executable, "-m", "gateway.cli"]


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(slots=True)
class Running:
    """One process of the demo. Its output is in a file, so that the terminal stays readable."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def last_lines(self, count: int = 12) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line[:200]}" for line in lines[-count:])

    def end(self, patience_s: float = 20.0) -> None:
        """SIGTERM, and SIGKILL for whoever does not listen."""
        if self.has_ended:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Stack:
    """Everything that was started, ended in the opposite order."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self._running: list[Running] = []

    def start(self, name: str, arguments: list[str]) -> Running:
        """Start a `fallgate` command in a process group of its own, so that Ctrl-C reaches the demo alone."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*FALLGATE, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Running(name=name, process=process, log=log)
        self._running.append(running)
        return running

    def wait_for(self, running: Running, url: str, limit_s: float) -> None:
        """Wait until a URL answers 200, and show that time passes."""
        began = shown = time.monotonic()
        while not _answers(url):
            if running.has_ended:
                raise DemoError(f"{running.name} ended at its start; the end of {running.log}:\n{running.last_lines()}")
            now = time.monotonic()
            if now - began > limit_s:
                raise DemoError(f"{running.name} was not ready after {limit_s:.0f} s; see {running.log}")
            if now - shown > 5:
                shown = now
                print(f"    … {now - began:.0f} s", flush=True)
            time.sleep(0.1)

    def end(self) -> None:
        """End everything."""
        for running in reversed(self._running):
            running.end()
        self._running.clear()


@contextlib.contextmanager
def stack(folder: Path, environment: Mapping[str, str]) -> Iterator[Stack]:
    """A stack that is ended whatever happens."""
    made = Stack(folder, environment)
    try:
        yield made
    finally:
        made.end()


def hold_port(wanted: int, *, is_bound_early: bool = False) -> socket.socket:
    """A socket that keeps the wanted port, or a free one where it is in use, until it is closed.

    Another demo may be starting at the same moment. `is_bound_early`: whoever will listen there takes the port long
    before it listens, as vLLM does while it loads; until then it looks free to all that would share an address.
    """
    for port in (wanted, 0):
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if is_bound_early else 1)
        try:
            held.bind(("127.0.0.1", port))
            held.listen()
        except OSError:
            held.close()
        else:
            return held
    raise DemoError("no free port on 127.0.0.1")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
