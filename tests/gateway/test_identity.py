"""A key is found by its digest, whatever the case of the scheme, and by nothing else."""

import pytest

from gateway.identity import KeyRing, digest_of
from gateway.snapshot.document import KeyEntry

SECRET = b"a-secret-of-some-length"
APP = KeyEntry(name="app", digest=digest_of(SECRET), scopes=frozenset({"inference"}))
RING = KeyRing([APP, KeyEntry(name="ops", digest=digest_of(b"another-secret-here"), scopes=frozenset({"admin"}))])


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_a_key_is_found_by_its_secret(scheme: bytes) -> None:
    assert RING.find(scheme + SECRET) is APP


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        SECRET,
        b"Basic " + SECRET,
        b"Bearer " + SECRET[:-1],
        b"Bearer " + SECRET + b"x",
        b"Bearer " + digest_of(SECRET).encode(),
        b"Bearer sk-' OR 1=1--",
        b"Bearer " + b"x" * 1_000_000,
        b"Bearer \xff\xfe",
    ],
    ids=lambda value: repr(value)[:40],
)
def test_anything_else_is_nobody(authorization: bytes | None) -> None:
    assert RING.find(authorization) is None
