"""The gateway as a whole: two workers and a control plane, with traffic flowing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from gateway.control.observer import WORKER_AGE_S
from serving.simulated.script import ModelScript
from tests.fakes.control import APP, OPS, auth
from tests.fakes.load import Load, load
from tests.fakes.served import Served, children_of, serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

SERVER = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2}
IN_FORCE_S = 1.0


def config(base_url: str, split: Mapping[str, float]) -> str:
    return small_config(split, base_url=base_url, server=SERVER)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with simulated_in_thread(["v1", "v2"]) as upstream:
        directory = tmp_path_factory.mktemp("served")
        with serving(directory, config(upstream.base_url, {"v1": 50, "v2": 50})) as running:
            yield running.wait_ready()


def traffic(served: Served) -> str:
    return served.address("applications") + "/v1"


def put_split(served: Served, split: Mapping[str, float]) -> httpx.Response:
    headers = {**auth(OPS), "if-match": served.route().headers["etag"]}
    answer = httpx.put(f"{served.admin}/admin/v1/routes/support/split", headers=headers, json={"split": split})
    assert answer.status_code == 200
    return answer


def requests_counted(served: Served) -> float:
    page = served.get("/metrics", "scraper-secret-0123456789").text
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("gateway_requests_total{"))


def workers_of(served: Served) -> list[int]:
    return [pid for pid, command in served.children().items() if command.endswith("gateway.worker")]


def reporting(served: Served) -> set[int]:
    return {worker["pid"] for worker in served.get("/admin/v1/workers").json()["workers"]}


def fallgate(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "FALLGATE_ADMIN_URL": served.admin, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", "gateway.cli", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


def arms_after(flow: Load, moment_s: float, at_least: int = 50) -> set[str | None]:
    wait_for(lambda: len(flow.since(moment_s)) >= at_least, "enough requests were sent")
    return {one.arm for one in flow.since(moment_s)}


def test_a_new_split_is_in_force_everywhere_within_a_second_and_so_is_its_roll_back(served: Served) -> None:
    wait_for(lambda: len(served.get("/admin/v1/workers").json()["workers"]) == 2, "both workers report")
    with load(traffic(served), APP) as flow:
        assert arms_after(flow, 0.0) == {"v1", "v2"}
        for split, left in (({"v1": 100, "v2": 0}, "v1"), ({"v1": 0, "v2": 100}, "v2")):
            revision = put_split(served, split).json()["revision"]
            in_force_s = time.monotonic() + IN_FORCE_S
            assert arms_after(flow, in_force_s) == {left}
            assert {one.revision for one in flow.since(in_force_s)} == {revision}
        headers = {**auth(OPS), "if-match": served.route().headers["etag"]}
        httpx.post(f"{served.admin}/admin/v1/routes/support/rollback", headers=headers).raise_for_status()
        assert arms_after(flow, time.monotonic() + IN_FORCE_S) == {"v1"}
        put_split(served, {"v1": 50, "v2": 50})
    assert {one.status for one in flow.asked} == {200}
    wait_for(lambda: served.metric('gateway_rollback_duration_seconds_count{route="support"}') == 1, "it was timed")
    assert served.metric('gateway_rollback_duration_seconds_bucket{le="1.0",route="support"}') == 1


def test_a_killed_worker_is_started_again_and_no_counter_goes_down(served: Served) -> None:
    before = workers_of(served)
    seen = [requests_counted(served)]
    with load(traffic(served), APP) as flow:
        wait_for(lambda: len(flow.asked) > 50, "traffic flows")
        wait_for(lambda: requests_counted(served) > seen[0], "it is counted")
        os.kill(before[0], signal.SIGKILL)

        def has_recovered() -> bool:
            seen.append(requests_counted(served))
            return len(workers_of(served)) == 2 and set(workers_of(served)) != set(before)

        wait_for(has_recovered, "there are two workers again")
        restarted_s = time.monotonic()
        wait_for(lambda: reporting(served) == set(workers_of(served)), "both report, and the dead one is forgotten")
        assert time.monotonic() - restarted_s < WORKER_AGE_S
        arms_after(flow, restarted_s)
    assert {one.status for one in flow.since(restarted_s)} == {200}
    seen.append(requests_counted(served))
    assert seen == sorted(seen)


def test_split_says_what_moved_and_when_it_was_in_force(served: Served) -> None:
    put_split(served, {"v1": 50, "v2": 50})
    shown = fallgate(served, "split", "support", "v1=80", "v2=20", "--reason", "v2 stutters")
    assert shown.returncode == 0, shown.stderr
    assert "30 % of the units moved" in shown.stdout
    assert "workers" in shown.stdout
    found = json.loads(fallgate(served, "split", "support", "v1=12.5", "v2=87.5", "--json").stdout)
    assert found["ok"] is True
    assert found["moved_percent"] == 67.5
    assert found["split"] == {"v1": 12.5, "v2": 87.5}
    assert found["before"] == {"v1": 80, "v2": 20}
    assert found["workers"] == 2
    assert 0 < found["in_force_after_ms"] < 2000


def test_rollback_goes_back_by_a_command(served: Served) -> None:
    put_split(served, {"v1": 50, "v2": 50})
    put_split(served, {"v1": 10, "v2": 90})
    found = json.loads(fallgate(served, "rollback", "support", "--json").stdout)
    assert (found["ok"], found["split"]) == (True, {"v1": 50, "v2": 50})


@pytest.mark.parametrize("unit", ["user-1", "user-2", "Ünïcode user", "x" * 600])
def test_explain_names_the_arm_that_the_unit_really_gets(served: Served, unit: str) -> None:
    put_split(served, {"v1": 50, "v2": 50})
    found = json.loads(fallgate(served, "explain", "support", "--unit", unit, "--json").stdout)
    body = {"model": "support", "user": unit, "messages": [{"role": "user", "content": "hello"}]}

    def answer() -> httpx.Response:
        return httpx.post(f"{traffic(served)}/chat/completions", headers=auth(APP), json=body)

    wait_for(lambda: answer().headers["x-gateway-revision"] == str(found["revision"]), "the split is in force")
    headers = answer().headers
    assert (found["arm"], found["bucket"]) == (headers["x-gateway-arm"], int(headers["x-gateway-bucket"]))
    assert found["propensity"] == 0.5


def test_the_whole_tree_is_small(served: Served) -> None:
    def pss_mb(pid: int) -> float:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))

    sizes = {command: pss_mb(pid) for pid, command in served.children().items()}
    sizes["supervisor"] = pss_mb(served.process.pid)
    assert sizes["supervisor"] < 30, sizes
    one_worker = sum(sizes.values()) - min(mb for command, mb in sizes.items() if command.endswith("worker"))
    assert one_worker < 300, sizes


def test_idle_it_ends_within_two_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, small_config({"v1": 100})) as served:
        served.wait_ready()
        below = children_of(served.process.pid)
        code, took_s = served.end()
        assert code == 0
        assert took_s < 2
        assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_a_request_in_flight_is_answered_before_the_end(tmp_path: Path) -> None:
    slow = ModelScript(name="v1", latency_ms=1500)
    with simulated_in_thread([slow]) as upstream, serving(tmp_path, config(upstream.base_url, {"v1": 100})) as served:
        served.wait_ready()
        with load(traffic(served), APP, askers=1) as flow:
            upstream.until(lambda seen: len(seen.calls) == 1)
            code, took_s = served.end()
        assert code == 0
        assert 0.5 < took_s < 5
        assert [one.status for one in flow.asked if one.arm == "v1"] == [200]


def test_counts_survive_a_restart_of_everything(tmp_path: Path) -> None:
    with simulated_in_thread(["v1"]) as upstream:
        counted = 0.0
        for _ in range(2):
            with serving(tmp_path, config(upstream.base_url, {"v1": 100})) as served:
                (tmp_path / "out").write_text("")
                served.wait_ready()
                with load(traffic(served), APP) as flow:
                    wait_for(lambda flow=flow: len(flow.asked) >= 20, "traffic flows")  # type: ignore[misc]
                counted += len(flow.asked)
                wait_for(lambda: requests_counted(served) == counted, "all of it is counted")  # noqa: B023
                assert served.end()[0] == 0
