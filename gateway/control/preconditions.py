"""`If-Match`: a change says which state it is based on, so that of two operators none undoes the other unseen.

RFC 9110 section 13.1.1; missing is 428 (RFC 6585 section 3).
"""

import re

from gateway.errors import ApiError

_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_ANY = "*"


def expected_etag(if_match: str | None, current: str) -> str | None:
    """The tag that the change must still find when it is made; `None` where the client asked for any state.

    Raises:
        ApiError: 428 without the header, 412 where it names other states than the current, 400 where it is neither.
    """
    if if_match is None:
        raise ApiError(
            428,
            "this changes live traffic: send If-Match with the ETag of the route as you read it, so that nobody's "
            "change is undone unseen",
            code="precondition_required",
        )
    if if_match.strip() == _ANY:
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if not all(_TAG.fullmatch(tag) for tag in tags):
        raise ApiError(400, "If-Match is not a quoted entity tag, a list of them, or *", code="invalid_header")
    if current not in tags:
        raise lost_race()
    return current


def lost_race() -> ApiError:
    """The 412 for whoever came second."""
    return ApiError(
        412,
        "the route was changed by somebody else since you read it; read it again, then decide",
        code="precondition_failed",
    )
