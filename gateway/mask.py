"""Addresses as they may be shown. Needs the standard library alone, so that the store can use it in a worker."""

import re

MASK = "********"

_PASSWORD_IN_QUERY = re.compile(r"([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;]*", re.IGNORECASE)


def mask_url(text: str) -> str:
    """An address without what could be a password, even when the address is malformed.

    >>> mask_url("postgresql://ana:s3cret@db/fallgate?sslpassword=x")
    'postgresql://ana:********@db/fallgate?sslpassword=********'
    """
    masked = _PASSWORD_IN_QUERY.sub(rf"\g<1>{MASK}", text)
    # The last @ counts: a password may hold one, and to hide too much is the smaller harm.
    head, at, tail = masked.rpartition("@")
    if not at:
        return masked
    scheme, slashes, userinfo = head.partition("://")
    user, colon, _ = userinfo.partition(":")
    # Without a colon the user may well be a token.
    return (
        f"{scheme}://{user}:{MASK}@{tail}"
        if slashes and colon
        else f"{scheme if slashes else ''}{slashes}{MASK}@{tail}"
    )
