"""Where the gateway listens and whom it talks to: addresses, checked."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from gateway.settings.fields import refused
from gateway.settings.secret import SecretUrl

_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
MAX_PORT = 65_535
_NO_HOST = "{value} has no valid host; in a user name or password write / as %2F, @ as %40, # as %23 and ? as %3F"

STORE_SCHEMES = frozenset({"sqlite", "postgresql", "postgresql+psycopg"})
COORDINATION_SCHEMES = frozenset({"redis", "rediss", "valkey", "valkeys"})


def check_listen(text: str) -> str:
    """`host:port` or `[ipv6]:port`; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise refused("{value} is not host:port, such as 127.0.0.1:8080 or [::1]:8080")
    if int(port) > MAX_PORT:
        raise refused(f"{{value}} has a port above {MAX_PORT}")
    if host in ("", "*"):
        raise refused("{value} has no host; write 0.0.0.0:PORT or [::]:PORT to listen on all addresses")
    if host.startswith("[") and host.endswith("]"):
        if not _is_ip(host[1:-1], 6):
            raise refused("{value} has no IPv6 address in its brackets")
    elif ":" in host:
        raise refused("{value} needs brackets around the IPv6 address, as in [::1]:8080")
    elif not _is_host(host):
        raise refused("{value} has a host that is neither a name nor an address")
    return text


def check_base_url(text: str) -> str:
    """The root of an OpenAI-compatible API; without its trailing slash."""
    url = _split(text)
    if url.scheme not in ("http", "https"):
        raise refused("{value} must begin with http:// or https://")
    if "@" in url.netloc:
        raise refused("{value} has a user or password in it; use api_key")
    if not _has_host(url):
        raise refused("{value} has no valid host")
    if url.query or url.fragment or text.endswith(("?", "#")):
        raise refused("{value} must end with its path, such as /v1, without ? or #")
    return text.rstrip("/")


def check_store_url(url: SecretUrl) -> SecretUrl:
    """SQLite in a file, or PostgreSQL."""
    parts = _split(url.reveal())
    if parts.scheme == "postgres":
        raise refused("{value} must begin with postgresql://")
    if parts.scheme not in STORE_SCHEMES:
        raise refused("{value} is no store; use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    if parts.scheme == "sqlite":
        _check_sqlite(parts)
    elif len(parts.path) < len("/x"):
        raise refused("{value} names no database; use postgresql://USER:PASSWORD@HOST/NAME")
    elif parts.netloc.rpartition("@")[2] and not _has_host(parts):  # without a host it is a socket of this machine
        raise refused(_NO_HOST)
    return url


def check_coordination_url(url: SecretUrl) -> SecretUrl:
    """Redis or Valkey."""
    parts = _split(url.reveal())
    if parts.scheme not in COORDINATION_SCHEMES:
        raise refused("{value} must begin with redis://, rediss://, valkey:// or valkeys://")
    if not _has_host(parts):
        raise refused(_NO_HOST)
    if not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path):
        raise refused("{value} must end with the number of a database, such as /0, or without one")
    return url


def _check_sqlite(parts: SplitResult) -> None:
    if parts.netloc:
        raise refused("{value} needs three slashes, or four before an absolute path: sqlite:///FILE")
    if parts.query or parts.fragment:
        raise refused("{value} must end with the name of the file, without ? or #")
    if parts.path in ("", "/") or ":memory:" in parts.path:
        raise refused("{value} is in memory, which processes cannot share; name a file, as in sqlite:///fallgate.db")


def _split(text: str) -> SplitResult:
    if not text.isprintable() or " " in text:
        raise refused("must not contain spaces, line breaks or control characters")
    try:
        return urlsplit(text)
    except ValueError:
        raise refused("{value} is not an address") from None


def _has_host(url: SplitResult) -> bool:
    try:
        port, host = url.port, url.hostname or ""
    except ValueError:
        return False
    return port != 0 and (_is_ip(host, 6) if "[" in url.netloc.rpartition("@")[2] else _is_host(host))


def _is_host(text: str) -> bool:
    looks_numeric = bool(re.fullmatch(r"[0-9.]+", text))
    return _is_ip(text, 4) if looks_numeric else bool(_HOST_NAME.fullmatch(text))


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


Listen = Annotated[str, AfterValidator(check_listen)]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
StoreUrl = Annotated[SecretUrl, AfterValidator(check_store_url)]
CoordinationUrl = Annotated[SecretUrl, AfterValidator(check_coordination_url)]
