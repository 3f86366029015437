"""Which addresses a webhook's receiver may have."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address without brackets, is this machine and nothing else."""
    address = parsed(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_nowhere(host: str) -> bool:
    """Whether it is an address that would reach a cloud's metadata, many machines, or none."""
    address = parsed(host)
    return address is not None and _is_nowhere(address)


def reachable(host: str, addresses: Sequence[str]) -> tuple[Address, ...]:
    """The addresses of a host, if all of them are such as a receiver of this name may have; else none.

    One whose name says that it is on this machine has to be there, another must not be: so a name that somebody else
    owns leads neither to what listens here nor to a cloud's metadata. Private networks are allowed, for receivers live
    there.
    """
    found = [address for address in map(parsed, addresses) if address is not None]
    is_here = is_loopback(host)
    allowed = all(one.is_loopback if is_here else not (one.is_loopback or _is_nowhere(one)) for one in found)
    return tuple(dict.fromkeys(found)) if allowed else ()


def parsed(text: str) -> Address | None:
    """An address, an IPv4 one out of its IPv6 form; `None` where it is a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_nowhere(address: Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified
