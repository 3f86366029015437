"""How a message proves whose it is, in the form of Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import hmac
from hashlib import sha256
from typing import Final

SECRET_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, else the text itself."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return secret.encode()


def signature(key: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """HMAC-SHA256 over id, time of the attempt and body.

    >>> key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    digest = hmac.digest(key, f"{message_id}.{at_s}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_headers(secret: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """What a receiver needs to tell that a message is ours, and not an old one that somebody sends again.

    Args:
        secret: shared with the receiver.
        message_id: the same at every attempt.
        at_s: the time of this attempt, seconds since 1970.
        body: the bytes that are sent.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signature(key_of(secret), message_id, at_s, body),
    }
