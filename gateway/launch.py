"""How the supervisor starts the other processes: what it tells them, and how they notice that it is gone.

A plan is one line of JSON on the child's standard input. The pipe then stays open: its end means that the supervisor
no longer exists, by whatever signal, and the child ends as if it had been asked to. Behind the plan, the control
plane is told of every worker that ended, one writer id a line. Nothing secret is in an argument.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

import msgspec

from gateway.logs.formats import LogFormat, formatter_of

STDIN_FD = 0

Plan = TypeVar("Plan", bound=msgspec.Struct)


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one data-plane worker is started with."""

    writer_id: str
    """Unique for every start of a worker: batches and summaries are told apart by it."""
    store_url: str
    coordination_url: str | None
    state_dir: str
    data_fd: int
    """The listening socket, shared with the other workers."""
    drain_s: float
    """How long requests in flight may go on after SIGTERM."""
    log_level: str
    log_format: str = LogFormat.TEXT
    log_requests: float = 0.0
    """The share of requests that is logged, in [0, 1]; with 0 not even those that fail."""


class ControlPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the control plane is started with. It reads the configuration file itself, again on every SIGHUP."""

    holder: str
    """The name under which this replica takes the lease; it outlives a restart of the control plane."""
    config: str
    """Path of the configuration file."""
    store_url: str
    coordination_url: str | None
    state_dir: str
    admin_fd: int
    """The listening socket."""
    log_level: str
    log_format: str = LogFormat.TEXT


class LoopsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the loops of the control plane are started with."""

    store_url: str
    coordination_url: str | None = None
    state_dir: str
    retention_days: int
    """How long records are kept."""
    log_level: str
    log_format: str = LogFormat.TEXT


def encode_plan(plan: msgspec.Struct) -> bytes:
    """One line."""
    return msgspec.json.encode(plan) + b"\n"


def read_plan(kind: type[Plan], fd: int = STDIN_FD) -> Plan:
    """Read the plan that the supervisor wrote, and nothing behind it.

    Raises:
        SystemExit: standard input is not a plan; this process is started by `fallgate serve`, not by hand.
    """
    line = b"".join(iter(lambda: _next_byte(fd), b""))
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise SystemExit("this process is started by `fallgate serve`, which tells it what to do") from error


def follow_supervisor(
    on_gone: Callable[[], None] | None = None, fd: int = STDIN_FD, *, on_line: Callable[[str], None] | None = None
) -> None:
    """Listen to the supervisor in a thread of its own.

    Args:
        on_gone: called once the supervisor no longer exists; SIGTERM to ourselves by default.
        fd: where it is heard.
        on_line: called with each line that it says after the plan.
    """
    arguments = (fd, on_gone or terminate_self, on_line or _ignore)
    Thread(target=_listen, args=arguments, name="supervisor", daemon=True).start()


def metrics_dir(state_dir: str | Path) -> Path:
    """Where the processes of one machine leave their metrics for its control plane."""
    return Path(state_dir) / "runtime" / "metrics"


def configure_logging(level: str, kind: str = LogFormat.TEXT) -> None:
    """One line an event on standard error, the same in every process; control characters cannot start another."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter_of(kind))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _next_byte(fd: int) -> bytes:
    byte = os.read(fd, 1)
    return b"" if byte == b"\n" else byte


def _listen(fd: int, on_gone: Callable[[], None], on_line: Callable[[str], None]) -> None:
    rest = b""
    while piece := os.read(fd, 4096):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            on_line(line.decode())
    on_gone()


def _ignore(line: str) -> None:
    """Nothing that this process needs to know."""


def terminate_self() -> None:
    """End this process in order, as if it had been told to. Whoever supervises it starts another."""
    os.kill(os.getpid(), signal.SIGTERM)
