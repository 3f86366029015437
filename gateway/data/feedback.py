"""`POST /v1/feedback`: what an application says of an answer is taken down, and looked into later by somebody else."""

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson
from starlette.responses import Response

from gateway.clock import Clock
from gateway.data.access import check_infers, identify
from gateway.data.body import ClientLeft, check_media, parse_object, read_body
from gateway.data.endpoint import not_ready
from gateway.data.guard import HEAD_KEY, Receive, RequestHead, Scope, Send
from gateway.data.live import Live
from gateway.errors import ApiError
from gateway.records.rows import FeedbackRow
from gateway.snapshot.document import KeyEntry
from gateway.store.feedback import FeedbackKind
from gateway.store.labels import AUDIT_AGREEMENT, SUCCESS

MAX_COMMENT_CHARS: Final = 4_000
MAX_DEMONSTRATION_BYTES: Final = 64 * 1024
MAX_ID_CHARS: Final = 200
MAX_IDEMPOTENCY_KEY_CHARS: Final = 128
IDEMPOTENCY_KEY: Final = b"idempotency-key"

_FIELDS: Final = ("request_id", "id", "metric", "value", "idempotency_key")
_METRIC: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VISIBLE: Final = re.compile(r"[!-~]+")
_PRINTABLE: Final = re.compile(r"[ -~]+")
_UUID7: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_REQUEST_ID: Final = re.compile(_UUID7, re.IGNORECASE)
# vLLM makes an answer's id of the request's, which it is sent: chatcmpl-ID, cmpl-ID.
_OWN_ANSWER_ID: Final = re.compile(f"(?:chat)?cmpl-({_UUID7})", re.IGNORECASE)


class FeedbackPlane(Protocol):
    """What the endpoint needs of its process."""

    live: Live | None
    """The snapshot in force."""
    clock: Clock

    def take_feedback(self, row: FeedbackRow) -> bool:
        """Hand feedback over, without waiting; whether there was room for it."""


class FeedbackEndpoint:
    """The endpoint, as a plain ASGI application. It answers before anybody has looked for the request.

    Whether there is such a request, and whose it is, is found out in the control plane: feedback may be quicker than
    the record, or come to another replica. So the answer tells nobody which requests there are.
    """

    def __init__(self, plane: FeedbackPlane) -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: RequestHead = scope[HEAD_KEY]
        live = self._plane.live
        if live is None:
            raise not_ready()
        key = identify(live, head)
        check_infers(key)
        check_media(head.headers)
        try:
            body = parse_object(await read_body(receive))
        except ClientLeft:
            return
        if not self._plane.take_feedback(_row(body, head, key)):
            raise _no_room()
        answer = orjson.dumps({"id": head.request_id, "status": "accepted"})
        await Response(answer, 202, {"x-request-id": head.request_id}, "application/json")(scope, receive, send)


def _row(body: Mapping[str, Any], head: RequestHead, key: KeyEntry) -> FeedbackRow:
    """Read a body. Raises `ApiError` (400), which names the field."""
    for field in body:
        if field not in _FIELDS:
            raise _wrong(field[:100], f"there is no such field; there are {', '.join(_FIELDS)}")
    request_id, answer_id = _meant(body)
    metric = _metric(body)
    kind, value = _value(body.get("value"), metric)
    return FeedbackRow(
        feedback_id=head.request_id,
        tenant=key.tenant,
        key_name=key.name,
        request_id=request_id,
        answer_id=answer_id,
        metric=metric,
        kind=kind,
        value=value,
        idempotency_key=_idempotency_key(body, head),
        received_us=head.arrived_us,
    )


def _meant(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The request's id and the answer's, as far as they are said."""
    request_id, answer_id = body.get("request_id"), body.get("id")
    if (request_id is None) == (answer_id is None):
        raise _wrong(
            "request_id",
            "give either this, from the header x-request-id, or `id`, from the answer's body, and not both",
        )
    if request_id is not None:
        if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
            raise _wrong("request_id", "must be the x-request-id of an answer, a UUID of version 7")
        return request_id.lower(), None
    if not isinstance(answer_id, str) or len(answer_id) > MAX_ID_CHARS or not _VISIBLE.fullmatch(answer_id):
        raise _wrong("id", f"must be the id of an answer, at most {MAX_ID_CHARS} visible ASCII characters")
    own = _OWN_ANSWER_ID.fullmatch(answer_id)
    # It may still be the id that another gateway of this kind gave, which stands before the model.
    return (None if own is None else own[1].lower()), answer_id


def _metric(body: Mapping[str, Any]) -> str:
    metric = body.get("metric")
    if not isinstance(metric, str) or not _METRIC.fullmatch(metric):
        raise _wrong("metric", f"must be a name of a-z, 0-9 and _, at most 64 characters, such as {SUCCESS!r}")
    if metric == AUDIT_AGREEMENT:
        raise _wrong("metric", f"{AUDIT_AGREEMENT} is what the gateway itself finds out; use another name")
    return metric


def _value(value: object, metric: str) -> tuple[FeedbackKind, str]:
    """The kind of a value, and the value as JSON."""
    if metric == SUCCESS:
        if value in (0, 1):  # and so True and False; other types equal neither
            return FeedbackKind.BOOLEAN, "true" if value else "false"
        raise _wrong("value", f"of the metric {SUCCESS!r} must be true or false, or 1 or 0")
    if isinstance(value, bool):
        return FeedbackKind.BOOLEAN, "true" if value else "false"
    if isinstance(value, int | float):
        return FeedbackKind.NUMBER, _json(value)
    if isinstance(value, str):
        if not 0 < len(value) <= MAX_COMMENT_CHARS:
            raise _wrong("value", f"a comment has from 1 to {MAX_COMMENT_CHARS:,} characters, not {len(value):,}")
        return FeedbackKind.COMMENT, _json(value)
    if isinstance(value, dict) and value.keys() == {"demonstration"}:
        return FeedbackKind.DEMONSTRATION, _demonstration(value["demonstration"])
    raise _wrong("value", 'must be true or false, a number, a comment (text), or {"demonstration": …}')


def _demonstration(shown: object) -> str:
    """The answer that should have been given: its text, or a whole message of the assistant."""
    is_message = isinstance(shown, dict) and shown.get("role") == "assistant"
    if not is_message and not (isinstance(shown, str) and shown):
        raise _wrong(
            "value.demonstration",
            'must be the text of the answer that is right, or its message: {"role": "assistant", "content": …}',
        )
    try:
        text = _json(shown)
    except orjson.JSONEncodeError as error:
        raise _wrong("value.demonstration", "is nested too deeply") from error
    if len(text.encode()) > MAX_DEMONSTRATION_BYTES:
        raise _wrong("value.demonstration", f"is larger than {MAX_DEMONSTRATION_BYTES // 1024} KiB of JSON")
    return text


def _idempotency_key(body: Mapping[str, Any], head: RequestHead) -> str | None:
    """That of the body or, where it has none, of the header."""
    key = body.get("idempotency_key")
    if key is None:
        header = head.headers.get(IDEMPOTENCY_KEY)
        if header is None:
            return None
        key = header.decode("latin-1")
    if not isinstance(key, str) or len(key) > MAX_IDEMPOTENCY_KEY_CHARS or not _PRINTABLE.fullmatch(key):
        raise _wrong("idempotency_key", f"must be text of 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters")
    return key


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _wrong(field: str, sentence: str) -> ApiError:
    return ApiError(400, f"{field}: {sentence}", param=field, code="invalid_value")


def _no_room() -> ApiError:
    return ApiError(
        503,
        "the gateway cannot store feedback now; send it again later, with the same idempotency_key",
        type="service_unavailable_error",
        code="feedback_queue_full",
        headers=[(b"retry-after", b"5")],
    )
