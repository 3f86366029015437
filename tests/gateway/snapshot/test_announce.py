from threading import Event

import pytest

from gateway.snapshot.announce import Listener, announce
from tests.fakes.waiting import wait_until


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_an_announcement_is_heard(valkey_url: str, scheme: str) -> None:
    url = valkey_url.replace("redis", scheme)
    heard = Event()
    tell = announce(url)
    listener = Listener(url, heard.set)
    listener.start()

    def told() -> bool:
        tell(7)  # until the listener has subscribed nobody hears it
        return heard.wait(0.05)

    wait_until(told, "the announcement is heard")
    listener.stop()


def test_without_coordination_nobody_is_told() -> None:
    announce(None)(7)


def test_a_server_that_is_down_delays_nobody() -> None:
    announce("redis://127.0.0.1:1/0")(7)
    listener = Listener("redis://127.0.0.1:1/0", lambda: None)
    listener.start()
    listener.stop()
