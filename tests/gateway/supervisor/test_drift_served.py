"""Drift through all processes: the demo's tickets on simulated models, compared with the training set.

Four routes at once, so that it need not take four times as long: one goes on as before, three each have one shift.
"""

from collections.abc import Callable, Iterator, Mapping

import pytest
import yaml

from tests.fakes import tickets
from tests.fakes.control import SCRAPER
from tests.fakes.drift_desk import Desk
from tests.fakes.served import serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

WINDOW = 200
ROUTES = ("replay", "product", "language", "longer")
TEXTS = tickets.training_texts()
SHIFTED: Mapping[str, Callable[[int], str]] = {
    "replay": lambda at: TEXTS[(at * 13) % len(TEXTS)],
    "product": lambda at: tickets.about_a_new_product(TEXTS[(at * 13) % len(TEXTS)]),
    "language": tickets.in_german,
    "longer": lambda at: tickets.longer(TEXTS, at * 13),
}
FIRST = {"product": {"new_word"}, "language": {"language", "non_ascii"}, "longer": {"input_length", "input_words"}}
# What such a shift cannot but move: the form of a text depends on how long and about what it is, and every one of its
# templates is another one.
MOVES = {
    "product": {"vocabulary", "form", "template"},
    "language": {"language", "vocabulary", "form", "template", "length"},
    "longer": {"length", "form", "template"},
}


def config(base_url: str) -> str:
    tree = yaml.safe_load(small_config(dict.fromkeys(ROUTES, 100), base_url))
    tree["server"]["workers"] = 2
    drift = {"window_requests": WINDOW, "window_minutes": 0}
    tree["routes"] = {name: {"split": {name: 100}, "drift": drift} for name in ROUTES}
    return yaml.safe_dump(tree)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("drift")
    with simulated_in_thread(ROUTES) as upstream, serving(directory, config(upstream.base_url)) as served:
        served.wait_ready()
        found = Desk(served, directory, dict(zip(ROUTES, ROUTES, strict=True)), WINDOW)
        found.teach()
        for _ in range(2):
            found.send(lambda route, at: SHIFTED["replay"](at))
        yield found


def test_tickets_of_the_training_set_raise_no_alarm_and_shifts_come_first_within_two_windows(desk: Desk) -> None:
    assert {route: desk.drift(route)["alarms"] for route in ROUTES} == {route: [] for route in ROUTES}
    for _ in range(2):
        desk.send(lambda route, at: SHIFTED[route](at))
    assert desk.drift("replay")["alarms"] == []
    for route, expected in FIRST.items():
        alarms = desk.drift(route)["alarms"]
        assert alarms, f"{route} has no alarm"
        assert alarms[0]["feature"] in expected
        assert {alarm["family"] for alarm in alarms} <= MOVES[route]
    shows_metrics(desk)
    shows_people(desk)


def shows_metrics(desk: Desk) -> None:
    line = '{feature="new_word",model="product",route="product"}'
    wait_for(lambda: desk.served.metric(f"gateway_drift_alarm{line}") == 1.0, "the metric says it")
    score = desk.served.metric(f"gateway_drift_score{line}")
    assert score is not None
    assert score > 0.1
    assert desk.served.metric('gateway_drift_alarm{feature="new_word",model="replay",route="replay"}') == 0.0
    page = desk.served.get("/metrics", SCRAPER).text
    assert "NaN" not in page


def shows_people(desk: Desk) -> None:
    shown = desk.command("drifting", "product")
    assert "compared with its training set (2411)" in shown
    assert "new_word" in shown
    assert "nothing has moved" in desk.command("drifting", "replay")
