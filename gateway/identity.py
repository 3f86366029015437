"""Who asks: an API key, found by the digest of its secret."""

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest

from gateway.snapshot.document import KeyEntry

_SCHEME = b"bearer"


def digest_of(secret: bytes) -> str:
    """How a key is stored: the SHA-256 of its secret, 64 hexadecimal digits. Secrets are long and random."""
    return sha256(secret).hexdigest()


class KeyRing:
    """The keys of one snapshot. The secret itself is compared with nothing; only its digest is looked up."""

    __slots__ = ("_entries",)

    def __init__(self, keys: Iterable[KeyEntry]) -> None:
        self._entries = {entry.digest: entry for entry in keys}

    def find(self, authorization: bytes | None) -> KeyEntry | None:
        """The key of an `Authorization: Bearer ...` value, or `None`. Two such headers are the caller's to refuse."""
        scheme, _, secret = (authorization or b"").partition(b" ")
        secret = secret.strip(b" ")
        if not secret or scheme.lower() != _SCHEME:
            return None
        digest = digest_of(secret)
        entry = self._entries.get(digest)
        return entry if entry is not None and compare_digest(entry.digest, digest) else None
