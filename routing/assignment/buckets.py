"""From a unit to one of 10,000 buckets, by a hash that never changes."""

from hashlib import blake2b

BUCKETS = 10_000


def bucket(salt: str, tenant: str, unit: str) -> int:
    """The bucket of a unit, 0 to 9,999.

    BLAKE2b (RFC 7693) over the three texts, each ended by a NUL, cut to 64 bits and reduced modulo 10,000; the bias
    of the reduction is below 1e-15. Changing anything here reshuffles live traffic: golden values pin it.
    """
    text = f"{salt}\0{tenant}\0{unit}\0".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % BUCKETS


def draw(salt: str, purpose: str, request_id: str) -> float:
    """A number in [0, 1) that looks random and can be repeated: a hash of (salt, purpose, request id)."""
    text = f"{salt}\0{purpose}\0{request_id}\0".encode("utf-8", "surrogatepass")
    # 53 bits, as many as a float holds: dividing all 64 could round up to 1.
    return (int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 11) / 2**53


def unit_hash(secret: bytes, tenant: str, unit: str) -> str:
    """How a unit is stored: 32 hexadecimal digits of a keyed BLAKE2b of tenant and value, never the value itself."""
    text = f"{tenant}\0{unit}\0".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, key=secret).hexdigest()
