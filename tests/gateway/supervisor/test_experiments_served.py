"""Experiments through all processes: simulated models, real traffic, and nobody who does anything but start them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import select

from gateway.clock import now_us
from gateway.store import experiment_data as data
from gateway.store import experiments, history
from gateway.store.engine import Store, open_store
from gateway.store.experiments import StoredExperiment
from gateway.store.tables import batches, requests
from routing.experiment.accumulate import Unit, join
from routing.experiment.measures import watch
from routing.experiment.tally import Tally
from routing.words import RouteName
from serving.simulated.faults import Fault
from serving.simulated.script import DrawBy, ModelScript
from tests.fakes.control import APP, OPS, auth
from tests.fakes.load import Load, load
from tests.fakes.served import KEYS, PATIENCE_S, Served, serving, wait_for
from tests.fakes.simulated import Threaded, simulated_in_thread

SECOND_US = 1_000_000
EQUAL_LASTS_S = 25
WORSE = (Fault.parse("500@0.5"),)
"""Half of the requests, each by its own draw."""

MODELS: list[ModelScript | str] = [
    ModelScript(name="good-v1", faults=WORSE, draw_by=DrawBy.REQUEST_ID),
    *("good-v2", "bad-v1", "bad-v2", "equal-v1", "equal-v2", "toggled-v1", "toggled-v2", "large"),
]


def config(base_url: str, stop_us: int) -> str:
    """Four routes with an experiment each, and one large model behind them."""

    def contract(route: str, **changed: Any) -> dict[str, Any]:
        return {
            "name": "e1",
            "baseline": f"{route}-v1",
            "candidate": f"{route}-v2",
            "mode": "auto",
            "primary": {"metric": "fallback_share"},
            "min_units": 100,
            "planned_units": 400,
            "steps": [50, 100],
            "soak": "1s",
            "horizon": "first_request",
            "stop": "2099-01-01",
            **changed,
        }

    stop = datetime.fromtimestamp(stop_us // SECOND_US, UTC).isoformat()
    guarded = {"primary": {"metric": "cost_usd"}, "guardrails": [{"metric": "fallback_share", "margin": 0.02}]}
    contracts = {
        "good": contract("good"),
        "bad": contract("bad", **guarded),
        "equal": contract("equal", stop=stop),
        "toggled": contract("toggled", mode="observe"),
    }
    model = {"provider": "vllm", "base_url": base_url, "price": {"input": 0.1, "output": 0.4}}
    names = [one if isinstance(one, str) else one.name for one in MODELS]
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2},
            "keys": KEYS,
            "models": {name: {**model, "model": name} for name in names},
            "routes": {
                route: {
                    "split": {f"{route}-v1": 100, f"{route}-v2": 0},
                    "unit": ["header:x-user-id", "request"],
                    "fallback": {"to": "large"},
                    "experiment": found,
                }
                for route, found in contracts.items()
            },
        }
    )


@dataclass
class World:
    """A gateway with four experiments, all started, and traffic on those that have to end by themselves."""

    served: Served
    upstream: Threaded
    store: Store
    loads: dict[str, Load]
    data_url: str

    def act(self, route: str, path: str, method: str = "POST", **json: Any) -> httpx.Response:
        """Change a route, based on what it is now."""
        etag = self.served.get(f"/admin/v1/routes/{route}").headers["etag"]
        answer = httpx.request(
            method,
            f"{self.served.admin}/admin/v1/routes/{route}{path}",
            headers={**auth(OPS), "if-match": etag},
            json=json,
            trust_env=False,
            timeout=PATIENCE_S,
        )
        assert answer.status_code == 200, answer.text
        return answer

    def experiment(self, route: str) -> dict[str, Any]:
        """As the admin API has it."""
        found: dict[str, Any] = self.served.get(f"/admin/v1/routes/{route}/experiment").json()
        return found

    def split(self, route: str) -> dict[str, float]:
        """That is in force."""
        found: dict[str, float] = self.served.get(f"/admin/v1/routes/{route}").json()["split"]
        return found

    def moves(self, route: str) -> list[dict[str, Any]]:
        """What was done by itself, the first first."""
        entries = self.served.get(f"/admin/v1/audit?route={route}").json()["entries"]
        return [one for one in reversed(entries) if one["who"] == "experiment"]

    def until_over(self, route: str, state: str) -> dict[str, Any]:
        """Wait for the end of an experiment."""
        wait_for(lambda: self.experiment(route)["state"] == state, f"{route} is {state}", timeout_s=60)
        wait_for(lambda: (self.experiment(route)["move"] or {}).get("is_acted_on", False), "its last look is kept")
        return self.experiment(route)

    def stored(self, route: str) -> StoredExperiment:
        """As the store has it."""
        with self.store.reading() as connection:
            found = experiments.one(connection, route, "e1")
        assert found is not None
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: Path = tmp_path_factory.mktemp("experiments")
    stop_us = now_us() + (EQUAL_LASTS_S + 5) * SECOND_US
    with ExitStack() as stack:
        upstream = stack.enter_context(simulated_in_thread(MODELS))
        served = stack.enter_context(serving(directory, config(upstream.base_url, stop_us))).wait_ready()
        data_url = served.address("applications")
        wait_for(lambda: httpx.get(data_url + "/readyz", trust_env=False).status_code == 200, "the workers are ready")
        store = open_store(f"sqlite:///{directory}/fallgate.db")
        stack.callback(store.close)
        made = World(served, upstream, store, {}, data_url)
        for route in ("good", "bad", "equal"):
            made.act(route, "/experiment/start")
            made.loads[route] = stack.enter_context(load(f"{data_url}/v1", APP, model=route, askers=1))
        made.act("toggled", "/experiment/start")
        yield made


def test_a_version_that_does_harm_is_rolled_back_within_5_s_of_the_records_that_show_it(world: World) -> None:
    wait_for(lambda: len(world.loads["bad"].asked) > 50, "there was traffic without trouble")
    assert world.experiment("bad")["state"] == "running"
    broken = (Fault.parse("500"),)
    world.upstream.loop.call_soon_threadsafe(lambda: world.upstream.server.rescript("bad-v2", faults=broken))

    found = world.until_over("bad", "rolled_back")
    assert "fallback_share is worse by at least" in found["reason"]
    assert world.split("bad") == {"bad-v1": 100, "bad-v2": 0}
    [move] = world.moves("bad")
    assert move["detail"]["numbers"]["guardrail.fallback_share.least_harm"] > 0.02
    assert found["move"]["kind"] == "roll_back"
    shown_us = written_when_it_shows(world.store, world.stored("bad"))
    assert 0 <= move["at_us"] - shown_us < 5 * SECOND_US
    counted = 'gateway_rollback_duration_seconds_count{route="bad"}'
    wait_for(lambda: world.served.metric(counted) == 1, "it was timed until every worker had it")
    assert world.served.metric('gateway_rollback_duration_seconds_bucket{le="5.0",route="bad"}') == 1


def written_when_it_shows(store: Store, experiment: StoredExperiment) -> int:
    """When the first batch was written with which the guardrail is breached."""
    contract, tally, units = experiment.contract, Tally(), dict[str, Unit]()
    with store.reading() as connection:
        steps = {one.ranges_revision: one.step for one in experiments.steps(connection, experiment.id)}
        order = select(batches.c.writer_id, batches.c.seq, batches.c.written_us).order_by(batches.c.written_us)
        for writer_id, seq, written_us in connection.execute(order).all():
            piece = data.read_piece(connection, experiment, steps, (writer_id, seq - 1), 1)
            for request in piece.requests if piece is not None else ():
                if request.unit not in units and (unit := join(None, request, 0)) is not None:
                    units[request.unit] = unit
                    tally.enter(unit)
            entered = tally.entered(contract.baseline, contract.candidate)
            if watch(contract, contract.guardrails[0], entered).guardrail.is_breached:
                return int(written_us)
    raise AssertionError("nothing in the store shows it")


def test_a_version_that_is_better_gets_everybody_and_is_promoted(world: World) -> None:
    found = world.until_over("good", "promoted")
    assert world.split("good") == {"good-v1": 0, "good-v2": 100}
    assert [one["detail"]["state"]["to"] for one in world.moves("good")] == ["running", "promoted"]
    assert "fallback_share is better" in found["reason"]
    assert found["result"]["effects"]["fallback_share"]["upper"] < 0
    assert not found["result"]["sample_ratio"]["is_off"]


def test_a_version_that_is_no_different_ends_inconclusive_at_the_stop_date(world: World) -> None:
    found = world.until_over("equal", "inconclusive")
    assert "the stop date" in found["reason"]
    [move] = world.moves("equal")
    late_us = move["at_us"] - found["contract"]["stop_us"]
    assert 0 <= late_us < 5 * SECOND_US
    assert world.split("equal") == {"equal-v1": 100, "equal-v2": 0}


def test_toggling_under_load_loses_no_request_and_counts_none_where_it_was_not(world: World) -> None:
    with load(f"{world.data_url}/v1", APP, model="toggled", askers=6) as asking:
        for number in range(3):
            begun = len(asking.asked)
            wait_for(lambda begun=begun: len(asking.asked) > begun + 150, "there is traffic")  # type: ignore[misc]
            world.act("toggled", "/split", "PUT", split={"toggled-v1": 20 + number, "toggled-v2": 80 - number})
            assert world.experiment("toggled")["state"] == "paused"
            begun = len(asking.asked)
            wait_for(lambda begun=begun: len(asking.asked) > begun + 150, "there is traffic")  # type: ignore[misc]
            world.act("toggled", "/experiment/resume")
    answered = {one.unit: one for one in asking.asked}
    assert len(answered) == len(asking.asked)
    assert {one.status for one in asking.asked} == {200}
    wait_for(lambda: len(recorded(world.store, "toggled")) >= len(answered), "every request is recorded")
    rows = recorded(world.store, "toggled")
    assert len(rows) == len(answered)
    assert sorted(arm for arm, _, _ in rows) == sorted(str(one.arm) for one in asking.asked)
    check_arms(world.store, rows)
    check_units(world, rows)


def recorded(store: Store, route: str) -> list[Any]:
    """Arm, bucket and revision of the ranges of every request."""
    columns = requests.c.arm, requests.c.bucket, requests.c.ranges_revision
    with store.reading() as connection:
        return list(connection.execute(select(*columns).where(requests.c.route == route)).all())


def check_arms(store: Store, rows: list[Any]) -> None:
    """Every request had the arm that the ranges it was answered under give its bucket."""
    with store.reading() as connection:
        in_force = {
            revision: history.at(connection, RouteName("toggled"), revision)
            for revision in {revision for _, _, revision in rows}
        }
    for arm, bucket, revision in rows:
        split = in_force[revision]
        assert split is not None
        assert arm == next(one.arm for one in split.ranges if one.start <= bucket < one.stop)


def check_units(world: World, rows: list[Any]) -> None:
    """Each unit made one request, so there are as many units as requests under the experiment's own ranges."""
    with world.store.reading() as connection:
        own = {one.ranges_revision for one in experiments.steps(connection, world.stored("toggled").id)}
    expected = {
        arm: sum(1 for found, _, revision in rows if found == arm and revision in own)
        for arm in ("toggled-v1", "toggled-v2")
    }

    def entered() -> dict[str, int] | None:
        result = world.experiment("toggled")["result"]
        return None if result is None else result["units"]["steps"][0]["entered"]

    assert 0 < sum(expected.values()) < len(rows)
    wait_for(lambda: entered() == expected, f"{expected} have entered")
