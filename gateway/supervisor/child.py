"""One process that is kept running: started with its plan, and again when it dies, later each time it dies young."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from gateway.launch import encode_plan

log = logging.getLogger(__name__)


class Backoff:
    """Seconds to wait before the next start: none after a long life, twice as long after every short one."""

    FIRST_S = 0.2
    MOST_S = 10.0
    LONG_LIFE_S = 10.0

    def __init__(self) -> None:
        self._short_lives = 0

    def after(self, lived_s: float) -> float:
        """The wait after a life of so many seconds."""
        if lived_s >= self.LONG_LIFE_S:
            self._short_lives = 0
            return 0.0
        self._short_lives += 1
        return min(self.MOST_S, self.FIRST_S * 2.0 ** min(self._short_lives - 1, 10))


def python_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this program, whatever folder of the same name the operator stands in."""
    return [sys.executable, "-P", "-m", name, *arguments]


class Child:
    """A process of this program. Its plan goes down a pipe that stays open for as long as we live."""

    def __init__(
        self, name: str, command: Sequence[str], plan: Callable[[], msgspec.Struct], fds: Sequence[int] = ()
    ) -> None:
        """`plan` is asked for anew at every start; `fds` are inherited."""
        self.name = name
        self._command = tuple(command)
        self._plan = plan
        self._fds = tuple(fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._due_s: float | None = 0.0
        self._backoff = Backoff()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not been seen to end."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process else None

    @property
    def due_s(self) -> float | None:
        """When to start it (monotonic clock); `None` while it runs or where it is not to be started any more."""
        return self._due_s

    def start_if_due(self, now_s: float) -> None:
        """Start it, if its time has come."""
        if self._due_s is None or now_s < self._due_s:
            return
        try:
            # A process group of its own: Ctrl-C at a terminal reaches the supervisor alone, which ends the rest.
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, pass_fds=self._fds, process_group=0)
        except OSError as error:
            wait_s = self._backoff.after(0.0)
            self._due_s = now_s + wait_s
            log.error("%s cannot be started (%s); tried again in %.1f s", self.name, error, wait_s)
            return
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(encode_plan(self._plan()))
            process.stdin.flush()
        self._process, self._started_s, self._due_s = process, now_s, None

    def reap(self, now_s: float, *, restarts: bool) -> bool:
        """Notice that it has ended; whether it just has."""
        if self._process is None or (code := self._process.poll()) is None:
            return False
        self._close()
        if restarts:
            wait_s = self._backoff.after(now_s - self._started_s)
            self._due_s = now_s + wait_s
            again = f"starts again in {wait_s:.1f} s" if wait_s else "starts again"
            log.warning("%s %s; it %s", self.name, _ending(code), again)
        elif code not in (0, -signal.SIGTERM):
            log.warning("%s %s", self.name, _ending(code))
        return True

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def tell(self, line: str) -> None:
        """Write a line behind the plan, if it runs."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()

    def want(self, now_s: float) -> None:
        """Have it started again after it was given up."""
        if self._process is None and self._due_s is None:
            self._due_s = now_s

    def give_up(self) -> None:
        """Do not start it any more."""
        self._due_s = None

    def end(self, timeout_s: float) -> None:
        """Ask it to end, and make it after `timeout_s`."""
        self.give_up()
        self.send(signal.SIGTERM)
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self.reap(time.monotonic(), restarts=False)

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process = None


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
