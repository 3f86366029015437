"""No secret shows anywhere: not in a configuration that is printed, not in an error, not in what the commands print."""

import copy
import json
import pickle
import traceback
from dataclasses import asdict
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.mask import MASK, mask_url
from gateway.settings.load import load_text
from gateway.settings.models import Config
from gateway.settings.problems import ConfigError
from gateway.settings.redact import shown
from gateway.settings.secret import Secret, SecretUrl

MODEL = {"provider": "openai", "base_url": "http://h/v1", "model": "m"}
# Long and odd enough not to be there by accident.
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40).map("Zq7".__add__)


def everything_said(text: str, environ: dict[str, str]) -> str:
    """All that a configuration gives to see, accepted or refused."""
    try:
        loaded = load_text(text, environ)
    except ConfigError as error:
        told = [asdict(problem) for problem in error.problems]
        return "".join([*traceback.format_exception(error), str(error), repr(error), json.dumps(told), str(told)])
    config = loaded.config
    tree = shown(config)
    warnings = "".join(map(str, loaded.warnings))
    views = [repr(config), str(config), config.model_dump_json(), str(config.model_dump()), json.dumps(tree), warnings]
    return "".join([*views, repr(loaded), yaml.safe_dump(tree)])


def planted(secret: str) -> dict[str, Any]:
    return {
        "store": {"url": f"postgresql://ana:{secret}@db/fallgate"},
        "coordination": {"url": f"redis://:{secret}@cache:6379/0"},
        "keys": [{"name": "app", "secret": secret, "scopes": ["inference"]}],
        "models": {"m": {**MODEL, "api_key": secret}, "n": {**MODEL, "base_url": f"http://ana:{secret}@h/v1"}},
        "routes": {"r": {"split": {"m": 100}}},
    }


WRONGS: list[tuple[str, object]] = [
    ("keys.0.scopes", []),
    ("keys.0.name", "a b"),
    ("keys.0", None),
    ("models.m.api_key", None),
    ("server", {"workers": 0}),
    ("routes.r.split", {"m": 95}),
    ("routes.r", {}),
    ("models.n.base_url", "http://h/v1"),
    ("store.url", "sqlite:///x.db"),
    ("coordination.url", None),
]


@given(secrets, st.lists(st.sampled_from(WRONGS), max_size=4), st.booleans())
def test_a_planted_secret_never_shows(secret: str, wrongs: list[tuple[str, object]], from_environment: bool) -> None:
    tree = planted("${SECRET}" if from_environment else secret.replace("$", "$$"))
    for path, value in wrongs:
        *parents, last = path.split(".")
        inner: Any = tree
        for part in parents:
            inner = inner[int(part)] if isinstance(inner, list) else inner[part]
            if inner is None:
                break
        else:
            inner[int(last) if isinstance(inner, list) else last] = copy.deepcopy(value)

    assert secret not in everything_said(yaml.safe_dump(tree), {"SECRET": secret})


@given(st.text("abcXYZ019-_.~", min_size=16, max_size=40).map("Zq7".__add__))
def test_a_secret_that_is_accepted_never_shows(secret: str) -> None:
    tree = planted("${SECRET}") | {"models": {"m": {**MODEL, "api_key": "${SECRET}"}}}
    text = yaml.safe_dump(tree)

    assert load_text(text, {"SECRET": secret}).config.keys[0].secret.reveal() == secret
    assert secret not in everything_said(text, {"SECRET": secret})


MARK = "Zq7Zq7Zq7Zq7Zq7Zq7"


@pytest.mark.parametrize(
    "written",
    [f"{start}{MARK}{end}" for start in "*&!@%`|>\"'[{-?#" for end in ("", "]", "}", ": x")]
    + [f"a: {MARK}", f"{{{MARK}: {MARK}}}", f"{{{MARK}, {MARK}}}", f"[{MARK}, {MARK}]", f"${{{MARK}", f"!x {MARK}"],
)
@pytest.mark.parametrize("key", ["secret", "api_key"])
def test_a_secret_without_quotes_does_not_show_in_what_yaml_makes_of_it(key: str, written: str) -> None:
    if key == "secret":
        text = f"keys:\n  - name: app\n    scopes: [inference]\n    secret: {written}\n"
    else:
        text = f"models:\n  m:\n    provider: vllm\n    base_url: http://h/v1\n    model: m\n    api_key: {written}\n"

    assert MARK not in everything_said(f"{text}routes: {{r: {{split: {{m: 100}}}}}}\n", {})


@pytest.mark.parametrize(
    "keys",
    [{"name": "app", "secret": MARK}, [MARK], [[MARK]], MARK, [{"name": "app", "secrets": MARK}], [{"secret": [MARK]}]],
)
def test_a_secret_in_the_wrong_place_does_not_show(keys: object) -> None:
    tree = planted("0123456789abcdef") | {"keys": keys}

    assert MARK not in everything_said(yaml.safe_dump(tree), {})


def test_a_configuration_built_in_code_hides_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Config.model_validate(planted(MARK) | {"server": {"workers": 0}})

    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shows"),
    [
        ("sqlite:///fallgate.db", "sqlite:///fallgate.db"),
        ("postgresql://ana:pw@db/n", f"postgresql://ana:{MASK}@db/n"),
        ("postgresql://ana@db/n", f"postgresql://{MASK}@db/n"),
        ("redis://:pw@h:6379/0", f"redis://:{MASK}@h:6379/0"),
        ("redis://h/0?password=pw&x=1", f"redis://h/0?password={MASK}&x=1"),
        ("postgresql://ana:p@ss:w/rd@db/n", f"postgresql://ana:{MASK}@db/n"),
        ("postgresql//ana:pw@db", f"{MASK}@db"),
    ],
)
def test_an_address_shows_without_its_password(url: str, shows: str) -> None:
    assert mask_url(url) == shows
    assert repr(SecretUrl(url)) == f"SecretUrl({shows!r})"


def test_a_secret_reveals_itself_on_demand_only() -> None:
    secret = Secret("s3cret", reference="${KEY}")

    assert secret.reveal() == "s3cret"
    assert (str(secret), repr(secret), f"{secret}") == (MASK, f"Secret('{MASK}')", MASK)
    assert copy.deepcopy(secret) is secret
    assert secret == Secret("s3cret", reference="${KEY}")
    assert secret != Secret("other", reference="${KEY}")


def test_a_secret_does_not_travel_by_pickle() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret("s3cret"))


def test_show_hides_secrets_and_keeps_the_order_of_the_file() -> None:
    text = yaml.safe_dump(planted("0123456789abcdef") | {"models": {"m": {**MODEL, "api_key": "k"}}})
    tree = shown(load_text(text, {}).config)

    assert list(tree) == ["version", "server", "state_dir", "store", "coordination", "keys", "models", "routes"]
    assert tree["keys"] == [{"name": "app", "secret": MASK, "scopes": ["inference"]}]
    assert tree["models"]["m"]["api_key"] == MASK
    assert tree["store"]["url"] == f"postgresql://ana:{MASK}@db/fallgate"
    assert tree["coordination"]["url"] == f"redis://:{MASK}@cache:6379/0"
