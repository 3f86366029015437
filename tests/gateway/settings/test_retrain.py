"""When a version is due for training again: what the file may say of it."""

import base64

import pytest

from gateway.settings.load import load_text
from gateway.settings.models import Retrain
from gateway.settings.problems import ConfigError
from gateway.settings.redact import shown
from gateway.snapshot.compile import from_config
from gateway.snapshot.retrain_entry import RetrainEntry, WebhookEntry
from routing.words import RouteName

LEAST = """
models: {m: {provider: vllm, base_url: "http://127.0.0.1:8100/v1", model: m}}
routes:
  r:
    split: {m: 100}
"""
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


def with_webhook(url: str, secret: str = SECRET) -> str:
    return f'{LEAST}    retrain: {{webhook: {{url: "{url}", secret: "{secret}"}}}}\n'


def retrain_of(text: str, environ: dict[str, str] | None = None) -> Retrain:
    return load_text(text, environ or {}).config.routes["r"].retrain


def refusal_of(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_text(text, {})
    return str(refused.value)


def test_a_route_without_a_word_is_retrained_by_the_defaults_and_tells_nobody() -> None:
    found = retrain_of(LEAST)
    assert (found.every_days, found.min_new_examples, found.lasting_minutes, found.webhook) == (90, 500, 60, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/retrain?team=ml",
        "https://10.0.0.7:8443/hook",
        "http://127.0.0.1:9000/hook",
        "http://localhost:9000",
        "http://[::1]:9000/hook",
    ],
)
def test_a_receiver_is_https_or_on_this_machine(url: str) -> None:
    webhook = retrain_of(with_webhook(url)).webhook
    assert webhook is not None
    assert webhook.url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/x", "must begin with https://; http:// is for this machine alone"),
        ("http://10.0.0.7/hook", "must begin with https://"),
        ("http://localhost.example.com/hook", "must begin with https://"),
        ("https://user:password-1@hooks.example.com/x", "has a user or password in it; leave it out"),
        ("https://169.254.169.254/latest", "is an address that no receiver has"),
        ("https://[fe80::1]/x", "is an address that no receiver has"),
        ("https://0.0.0.0/x", "is an address that no receiver has"),
        ("https://hooks.example.com/x?a=1#top", "without #"),
        ("ftp://hooks.example.com/x", "must begin with http:// or https://"),
        ("https:///x", "has no valid host"),
    ],
)
def test_a_receiver_that_cannot_be_is_refused_with_a_sentence(url: str, said: str) -> None:
    found = refusal_of(with_webhook(url))
    assert found.startswith("routes.r.retrain.webhook.url: ")
    assert said in found


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("tiny-planted", "is too short; 16 characters or more"),
        ("whsec_not*base64*at*all", "begins with whsec_ and does not go on with base64"),
        ("whsec_" + base64.b64encode(b"k" * 16).decode(), "has 16 bytes behind whsec_; 24 to 64 are wanted"),
        ("whsec_" + base64.b64encode(b"k" * 65).decode(), "has 65 bytes behind whsec_"),
    ],
)
def test_a_secret_that_receivers_could_not_use_is_refused_and_not_shown(secret: str, said: str) -> None:
    found = refusal_of(with_webhook("https://hooks.example.com", secret))
    assert found.startswith("routes.r.retrain.webhook.secret: ")
    assert said in found
    assert secret not in found


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("every_days", 0, "every_days: 0 is not allowed; must be 1 or more"),
        ("min_new_examples", -1, "min_new_examples: -1 is not allowed; must be 0 or more"),
        ("lasting_minutes", 10_081, "lasting_minutes: 10081 is not allowed; must be 10080 or less"),
        ("every_day", 1, "every_day: unknown key; did you mean 'every_days'?"),
        ("webhook", {}, "webhook.url: required\nroutes.r.retrain.webhook.secret: required"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(key: str, value: object, said: str) -> None:
    assert refusal_of(f"{LEAST}    retrain: {{{key}: {value}}}\n") == f"routes.r.retrain.{said}"


def test_the_secret_shows_nowhere() -> None:
    config = load_text(with_webhook("https://hooks.example.com"), {}).config
    assert SECRET not in repr(config) + str(shown(config))


def test_a_snapshot_keeps_the_reference_of_a_secret_and_not_the_secret() -> None:
    config = load_text(with_webhook("https://hooks.example.com", "${HOOK_SECRET}"), {"HOOK_SECRET": SECRET}).config
    entry = from_config(config).routes[RouteName("r")].retrain
    assert entry == RetrainEntry(webhook=WebhookEntry(url="https://hooks.example.com", secret="${HOOK_SECRET}"))
