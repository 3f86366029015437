"""One attempt to hand a message to a webhook's receiver: no redirect, no proxy, no address that it must not reach."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx

from serving.webhook_address import Address, reachable
from serving.webhook_answer import Answer

CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0
MOST_ADDRESSES: Final = 4
"""Of one host, as many are tried in one attempt."""
_PORTS: Final = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, by name and port; raises `OSError` where there are none."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def post(url: str, body: bytes, headers: Mapping[str, str], *, resolver: Resolve = resolve) -> Answer:
    """Send a message, and say what came of it. Nothing of the answer but its status is read.

    The connection goes to an address that was looked at, so a name that changes its mind in between reaches nothing
    else: a machine's own services are for receivers whose name says so, link-local addresses (the metadata of a cloud)
    are for nobody.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        addresses = reachable(host, resolver(host, port))
    except (OSError, UnicodeError) as error:
        return Answer(error=f"the name {host} cannot be resolved: {getattr(error, 'strerror', None) or error}")
    said = f"{host} has no address that a receiver may have"
    sent = {**headers, "host": parts.netloc, "content-type": "application/json", "user-agent": "fallgate"}
    for target in _targets(parts, port, addresses):
        try:
            return _send(target, body, sent, host)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing was sent; another address may do
            said = _unreached(host, error)
    return Answer(error=said)


def _targets(parts: SplitResult, port: int, addresses: Sequence[Address]) -> Iterator[str]:
    for address in addresses[:MOST_ADDRESSES]:
        place = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
        yield urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def _send(target: str, body: bytes, headers: Mapping[str, str], host: str) -> Answer:
    limits = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    # The certificate is checked against the name, although the connection is made to the address.
    named = {"sni_hostname": host}
    trusted = ssl.create_default_context()
    try:
        with (
            httpx.Client(timeout=limits, verify=trusted, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", target, content=body, headers=dict(headers), extensions=named) as answer,
        ):
            return _read(answer.status_code)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(error=_unreached(host, error))


def _unreached(host: str, error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"{host} did not answer in time"
    return f"{host} cannot be reached: {str(error) or type(error).__name__}"


def _read(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer(status=status)
    if 300 <= status < 400:
        return Answer(status=status, error=f"the receiver answers {status}, and redirects are not followed")
    return Answer(status=status, error=f"the receiver answers {status}")
