"""Signals as something to wait for beside sockets and timers, instead of something that interrupts."""

import select
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """Collects signals from the moment it is entered. In the main thread only."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()

    def __enter__(self) -> Self:
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in CAUGHT:
            signal.signal(number, _ignore)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number in CAUGHT:
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()

    def wait(self, timeout_s: float | None) -> list[int]:
        """The signals that arrived, waiting for the first for at most `timeout_s`; SIGCHLD is among them."""
        ready, _, _ = select.select([self._reader], [], [], timeout_s)
        return list(self._reader.recv(4096)) if ready else []


def _ignore(number: int, frame: FrameType | None) -> None:
    """The wake-up says it all; a handler has to be there for it."""
