"""How closely a route is watched for drift: what the file may say of it."""

import pytest

from gateway.settings.load import load_text
from gateway.settings.models import Drift
from gateway.settings.problems import ConfigError
from gateway.snapshot.change import route_etag
from gateway.snapshot.compile import compile_document, from_config
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.drift_entry import DriftEntry
from routing.words import RouteName

LEAST = """
models: {m: {provider: vllm, base_url: "http://127.0.0.1:8100/v1", model: m}}
routes:
  r:
    split: {m: 100}
"""


def with_drift(said: str) -> str:
    return f"{LEAST}    drift: {said}\n"


def drift_of(text: str, environ: dict[str, str] | None = None) -> Drift:
    return load_text(text, environ or {}).config.routes["r"].drift


def compiled(text: str) -> RouteEntry:
    file = from_config(load_text(text, {}).config)
    return compile_document(file, [], [], None, "00" * 32, revision=1).routes[RouteName("r")]


def test_a_route_without_a_word_is_watched_by_the_defaults() -> None:
    assert drift_of(LEAST) == Drift(
        enabled=True,
        window_requests=500,
        window_minutes=5,
        false_alarm_every_days=30,
        alpha=0.001,
        described_per_second=50,
    )
    assert compiled(LEAST).drift == DriftEntry()


def test_a_snapshot_has_what_the_file_says() -> None:
    said = "{window_requests: 60, window_minutes: 0.5, false_alarm_every_days: 7, alpha: 0.01, described_per_second: 9}"
    assert compiled(with_drift(said)).drift == DriftEntry(
        window_requests=60, window_minutes=0.5, false_alarm_every_days=7.0, alpha=0.01, described_per_second=9
    )


@pytest.mark.parametrize("said", ["{enabled: false}", '{enabled: "${WATCHED}"}'])
def test_it_is_off_for_a_route_that_says_so(said: str) -> None:
    assert not drift_of(with_drift(said), {"WATCHED": "false"}).enabled


def test_files_that_say_the_same_are_the_same() -> None:
    assert from_config(load_text(LEAST, {}).config) == from_config(
        load_text(with_drift("{window_minutes: 5.0}"), {}).config
    )


def test_watching_moves_no_traffic_and_leaves_the_etag_alone() -> None:
    assert route_etag(compiled(LEAST)) == route_etag(compiled(with_drift("{enabled: false}")))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{enabled: off}", "routes.r.drift.enabled: 'off' must be true or false"),
        ("{enabled: 1}", "routes.r.drift.enabled: 1 must be true or false"),
        ("off", "routes.r.drift: must be a mapping"),
        ("{window_requests: 49}", "routes.r.drift.window_requests: 49 is not allowed; must be 50 or more"),
        ("{window_minutes: -1}", "routes.r.drift.window_minutes: -1 is not allowed; must be 0 or more"),
        ("{alpha: 0}", "routes.r.drift.alpha: 0 is not allowed; must be more than 0"),
        ("{window: 500}", "routes.r.drift.window: unknown key; did you mean 'window_minutes'?"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(said: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_text(with_drift(said), {})
    assert sentence in str(refused.value)
