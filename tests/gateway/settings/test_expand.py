"""References to the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.expand import Expanded, ExpandError, expand, has_default
from gateway.settings.load import load_text
from gateway.settings.problems import ConfigError

ENVIRON = {"NAME": "value", "EMPTY": "", "NESTED": "${NAME}", "N": "3"}
LEAST = """
models: {m: {provider: vllm, base_url: http://h/v1, model: m}}
routes: {r: {split: {m: 100}}}
"""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${NAME}", "value"),
        ("a${NAME}b${N}", "avalueb3"),
        ("${MISSING:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NAME:-default}", "value"),
        ("${MISSING:-}", ""),
        ("${EMPTY}", ""),
        ("${MISSING:-a:-b $$ c}", "a:-b $$ c"),
        ("$$", "$"),
        ("$${NAME}", "${NAME}"),
        ("$$$${NAME}", "$${NAME}"),
        ("$$${NAME}", "$value"),
        ("$NAME costs $5", "$NAME costs $5"),
        ("${NESTED}", "${NAME}"),
        ("", ""),
    ],
)
def test_references_become_text_once(text: str, meant: str) -> None:
    assert expand(text, ENVIRON) == meant


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${NAME", "${NA ME}", "${NAME-x}", "${A:-${B}}"])
def test_what_begins_like_a_reference_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(ExpandError, match="begins a reference"):
        expand(text, ENVIRON)


def test_all_missing_variables_of_a_text_are_named() -> None:
    with pytest.raises(ExpandError, match="the environment variable A and B is not set"):
        expand("${A}${NAME}${B}${A}", ENVIRON)


def test_a_text_remembers_its_references() -> None:
    expanded = expand("Bearer ${NAME}", ENVIRON)

    assert isinstance(expanded, Expanded)
    assert expanded.reference == "Bearer ${NAME}"
    assert not isinstance(expand("$$5", ENVIRON), Expanded)


@pytest.mark.parametrize(
    ("text", "carries"), [("${A:-x}", True), ("${A:-}", False), ("${A}", False), ("$${A:-x}", False)]
)
def test_a_default_that_is_not_empty_is_known(text: str, carries: bool) -> None:
    assert has_default(text) is carries


@given(st.text())
def test_dollars_that_are_doubled_come_out_as_they_were(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


def test_a_reference_serves_where_a_number_belongs() -> None:
    text = LEAST.replace("{m: 100}", '{m: "${SHARE}"}') + "server: {workers: '${WORKERS:-4}'}\n"
    config = load_text(text, {"SHARE": "100.00"}).config

    assert config.server.workers == 4
    assert config.routes["r"].split == {"m": 100}


def test_what_comes_from_the_environment_is_text_where_text_belongs() -> None:
    text = LEAST.replace("model: m", 'model: "${M}"')

    assert load_text(text, {"M": "0123"}).config.models["m"].model == "0123"


def test_a_number_from_the_environment_that_is_none_shows_as_its_reference() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"{LEAST}server: {{workers: '${{W}}'}}", {"W": "hidden"})

    assert str(caught.value) == "server.workers: '${W}' is not a whole number"


@pytest.mark.parametrize(
    ("where", "path"),
    [("coordination: {url: '${X}'}", "coordination.url"), ("server: {workers: '${X}'}", "server.workers")],
)
def test_a_missing_variable_is_told_once_with_its_key_path(where: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(LEAST + where, {})

    assert str(caught.value) == f"{path}: the environment variable X is not set"


def test_keys_are_not_expanded() -> None:
    with pytest.raises(ConfigError, match=r"routes\.\$\{NAME\}: '\$\{NAME\}' is not a name"):
        load_text(LEAST.replace("{r: ", '{"${NAME}": '), ENVIRON)


def test_an_optional_address_that_comes_out_empty_is_absent() -> None:
    assert load_text(f"{LEAST}coordination: {{url: '${{REDIS_URL:-}}'}}", {}).config.coordination.url is None
