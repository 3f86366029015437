"""Listening sockets, bound before any other process starts, so that a port that is taken is known at once."""

import errno
import socket

BACKLOG = 2048


class CannotListen(Exception):
    """The address cannot be listened on; the message names the key of the configuration and what to do."""


def listen_on(key: str, address: str) -> socket.socket:
    """A listening socket for `host:port` or `[ipv6]:port`; port 0 lets the system choose.

    A host name is taken at its first address.

    Raises:
        CannotListen: it is taken, not this machine's, or not allowed.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _bound(socket.socket(family, kind, protocol), where)
    except OSError as error:
        raise CannotListen(f"{key}: {address} {_sentence(error)}") from error


def shown(listener: socket.socket) -> str:
    """Its address as `host:port`, with the port that the system chose."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound(listener: socket.socket, where: tuple[str | int, ...] | tuple[int, bytes]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _sentence(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"has a host name that does not resolve ({error.strerror})"
    if error.errno == errno.EADDRINUSE:
        return "is already in use; stop what listens there, or choose another address"
    if error.errno == errno.EADDRNOTAVAIL:
        return "is not an address of this machine; use 127.0.0.1, [::1], or 0.0.0.0 and [::] for all of them"
    if error.errno == errno.EACCES:
        return "may not be listened on by this user; choose a port of 1024 or above"
    return f"cannot be listened on ({error.strerror})"
