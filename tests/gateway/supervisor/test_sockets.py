import socket

import pytest

from gateway.supervisor.sockets import CannotListen, listen_on, shown


def test_port_0_takes_a_free_one_and_shows_it() -> None:
    with listen_on("server.listen", "127.0.0.1:0") as listener:
        port = listener.getsockname()[1]
        assert shown(listener) == f"127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_a_port_that_is_taken_is_named_with_its_key_and_what_to_do() -> None:
    with listen_on("server.listen", "127.0.0.1:0") as first:
        address = shown(first)
        with pytest.raises(CannotListen) as refusal:
            listen_on("server.admin_listen", address)
    expected = f"server.admin_listen: {address} is already in use; stop what listens there, or choose another address"
    assert str(refusal.value) == expected


def test_a_port_can_be_taken_again_at_once_after_a_connection() -> None:
    with listen_on("server.listen", "127.0.0.1:0") as listener:
        address = shown(listener)
        with socket.create_connection(listener.getsockname(), timeout=1):
            accepted, _ = listener.accept()
            accepted.close()
    listen_on("server.listen", address).close()


def test_ipv6_is_listened_on_and_shown_in_brackets() -> None:
    try:
        listener = listen_on("server.listen", "[::1]:0")
    except CannotListen:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert shown(listener).startswith("[::1]:")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("192.0.2.1:0", "is not an address of this machine"), ("no.such.host.invalid:0", "does not resolve")],
)
def test_an_address_that_cannot_be_is_explained(address: str, sentence: str) -> None:
    with pytest.raises(CannotListen, match=f"server.listen: {address} .*{sentence}"):
        listen_on("server.listen", address)
