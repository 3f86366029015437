"""uvicorn, set up for the data plane."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

from uvicorn import Config, Server

from gateway.data.guard import AsgiApp
from gateway.data.protocol import WireProtocol

KEEP_ALIVE_S = 75
"""Above the idle timeout of any client or load balancer in use, so that it is never us who close first."""


class DataServer(Server):
    """Ends in order on SIGTERM or SIGINT, and then with exit code 0."""

    def __init__(self, config: Config, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but the signal is not raised again at the end: a drained server has done what it was told."""
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: object) -> None:
        self._on_drain()
        self.should_exit = True


def build_server(app: AsgiApp, drain_s: float, on_drain: Callable[[], None]) -> DataServer:
    """A server that waits `drain_s` seconds for what is in flight when it is told to end."""
    config = Config(
        app,
        loop="uvloop",
        http=WireProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        backlog=2048,
    )
    return DataServer(config, on_drain)
