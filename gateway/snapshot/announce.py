"""The signal that a revision is out, through Redis or Valkey. It only makes replicas look sooner; they look anyway."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis

CHANNEL = "fallgate:revision"
_TIMEOUT_S = 0.5
_RETRY_S = 5.0

log = logging.getLogger(__name__)


def announce(coordination_url: str | None) -> Callable[[int], None]:
    """A function that tells the others of a new revision, or one that does nothing where there is no Redis."""
    if coordination_url is None:
        return _nothing
    client = _client(coordination_url)

    def tell(revision: int) -> None:
        from redis import RedisError

        try:
            client.publish(CHANNEL, revision)
        except RedisError as error:
            log.warning("the signal of revision %d was not sent (%s); replicas find it by polling", revision, error)

    return tell


class Listener:
    """A thread that calls `wake` whenever a revision is announced, and comes back after every failure."""

    def __init__(self, coordination_url: str, wake: Callable[[], object]) -> None:
        self._client = _client(coordination_url)
        self._wake = wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fallgate-announcements", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End within about half a second."""
        self._stopping.set()
        self._thread.join(timeout=2 * _TIMEOUT_S)
        self._client.close()

    def _run(self) -> None:
        from redis import RedisError

        while not self._stopping.is_set():
            try:
                self._listen()
            except RedisError as error:
                log.warning("not listening for new revisions (%s); polling goes on", error)
                self._stopping.wait(_RETRY_S)

    def _listen(self) -> None:
        with self._client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(CHANNEL)
            while not self._stopping.is_set():
                if subscription.get_message(timeout=_TIMEOUT_S) is not None:
                    self._wake()


def _client(url: str) -> "Redis":
    # A process without coordination does without the library's memory.
    from redis import Redis

    scheme, colon, rest = url.partition("://")
    return Redis.from_url(
        f"{scheme.replace('valkey', 'redis')}{colon}{rest}",
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=2 * _TIMEOUT_S,
    )


def _nothing(revision: int) -> None:
    """Nobody to tell."""
