"""How a message proves whose it is."""

import base64

import pytest

from gateway.webhooks.signature import key_of, signature, signed_headers
from tests.fakes.webhooks import SECRET, Told

# From the reference library's own tests.
PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, AT_S, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_has_the_published_signature() -> None:
    assert signature(key_of(PUBLISHED), MESSAGE, AT_S, BODY) == SIGNED


def test_a_secret_without_the_prefix_is_the_key_itself() -> None:
    assert key_of("not-base64-but-a-key") == b"not-base64-but-a-key"
    assert key_of("whsec_" + base64.b64encode(b"k" * 24).decode()) == b"k" * 24


def told(**changed: str | bytes) -> Told:
    headers = signed_headers(SECRET, "msg_1", AT_S, BODY)
    body = changed.pop("body", BODY)
    assert isinstance(body, bytes)
    return Told("/", headers | {name.replace("_", "-"): str(text) for name, text in changed.items()}, body)


def test_a_receiver_finds_a_message_genuine() -> None:
    assert told().is_genuine(AT_S)


@pytest.mark.parametrize(
    "changed", [{"webhook_id": "msg_2"}, {"webhook_timestamp": str(AT_S + 1)}, {"body": b'{"test": 1}'}]
)
def test_nothing_of_a_message_can_be_changed_unnoticed(changed: dict[str, str | bytes]) -> None:
    assert not told(**changed).is_genuine(AT_S)


def test_a_message_that_somebody_kept_and_sends_again_is_told_by_its_age() -> None:
    assert not told().is_genuine(AT_S + 301)
