"""The control plane as processes: its file, its lease, its loops, and how it begins and ends."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.fakes.control import OPS
from tests.fakes.databases import PostgresServer
from tests.fakes.served import Served, exists, serving, small_config, wait_for

GOOD = "gateway_config_last_reload_successful"
HALVES, FIRST = small_config({"v1": 50, "v2": 50}), small_config({"v1": 100, "v2": 0})


def split_of(served: Served) -> dict[str, float]:
    split: dict[str, float] = served.route().json()["split"]
    return split


def without_user(url: str) -> str:
    """An address of a server that is reached through a socket file, as a configuration may have it."""
    return url.replace("postgres:@/", "/") + "&user=postgres"


def test_the_first_start_without_keys_makes_some_and_shows_them_once(tmp_path: Path) -> None:
    config = small_config({"v1": 100}, keys=[])
    with serving(tmp_path, config, "--plane", "control") as served:
        served.wait_ready()
        [ops] = [line.split()[1] for line in served.printed.splitlines() if line.startswith("  ops")]
        assert served.get("/admin/v1/routes", ops).status_code == 200
        assert ops not in served.logged
        served.end()
    with serving(tmp_path, config, "--plane", "control") as again:
        (tmp_path / "out").write_text("")
        again.wait_ready()
        assert "shown this once" not in again.printed
        assert again.get("/admin/v1/routes", ops).status_code == 200


def test_a_changed_file_counts_by_itself_and_a_bad_one_leaves_the_last_good_one(tmp_path: Path) -> None:
    with serving(tmp_path, HALVES, "--plane", "control") as served:
        served.wait_ready()
        assert served.metric(GOOD) == 1
        served.config.write_text(FIRST)
        wait_for(lambda: split_of(served) == {"v1": 100, "v2": 0}, "the new file counts")

        served.config.write_text(FIRST.replace("v1: 100", "v1: 95"))
        wait_for(lambda: served.metric(GOOD) == 0, "the bad file is noticed")
        assert "routes.support.split: percentages sum to 95, not 100" in served.logged
        assert split_of(served) == {"v1": 100, "v2": 0}

        served.config.unlink()
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "there is no such file" in served.logged, "the missing file is noticed")
        served.config.write_text(HALVES)
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: split_of(served) == {"v1": 50, "v2": 50}, "the good file counts")
        wait_for(lambda: served.metric(GOOD) == 1, "the good file is noticed")


def test_a_file_that_takes_away_what_an_operator_needs_is_refused_until_the_overlay_is_cleared(tmp_path: Path) -> None:
    with serving(tmp_path, HALVES, "--plane", "control") as served:
        served.wait_ready()
        headers = {"authorization": f"Bearer {OPS}", "if-match": "*"}
        path = f"{served.admin}/admin/v1/routes/support"
        httpx.put(f"{path}/split", headers=headers, json={"split": {"v2": 100}}).raise_for_status()
        served.config.write_text(small_config({"v1": 100}))
        wait_for(lambda: served.metric(GOOD) == 0, "the conflict is noticed")
        assert split_of(served) == {"v1": 0, "v2": 100}
        httpx.delete(f"{path}/overlay", headers=headers).raise_for_status()
        wait_for(lambda: split_of(served) == {"v1": 100}, "the file counts")
        wait_for(lambda: served.metric(GOOD) == 1, "the file is noticed to count")


def test_a_bad_configuration_is_refused_at_the_start_with_all_that_is_wrong(tmp_path: Path) -> None:
    begin = time.monotonic()
    with serving(tmp_path, small_config({"v1": 95}, wrong=1)) as served:
        assert served.process.wait(10) == 1
        assert time.monotonic() - begin < 5
        assert re.search(r"fallgate\.yaml:\d+: routes\.support\.split: percentages sum to 95, not 100", served.logged)
        assert "wrong" in served.logged
        assert "Traceback" not in served.logged


def test_an_embedded_store_that_cannot_be_made_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with serving(tmp_path, small_config({"v1": 100}, store={"url": "sqlite:///fallgate.yaml/x.db"})) as served:
        assert served.process.wait(10) == 1
        assert "store.url: " in served.logged
        assert "choose another file" in served.logged
        assert "Traceback" not in served.logged


@pytest.mark.parametrize("key", ["listen", "admin_listen"])
def test_a_port_that_is_taken_ends_the_start_with_a_sentence(tmp_path: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", key: address}
        with serving(tmp_path, small_config({"v1": 100}, server=server)) as served:
            assert served.process.wait(5) == 1
            sentence = "is already in use; stop what listens there, or choose another address"
            assert f"server.{key}: {address} {sentence}\n" in served.logged


def test_it_ends_within_two_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with serving(tmp_path, HALVES, "--plane", "control") as served:
        served.wait_ready()
        wait_for(lambda: len(served.children()) == 2, "the loops run")
        below = served.children()
        code, took_s = served.end()
        assert code == 0
        assert took_s < 2
        assert not [pid for pid in below if exists(pid)]


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with serving(tmp_path, HALVES, "--plane", "control") as served:
        served.wait_ready()
        wait_for(lambda: len(served.children()) == 2, "the loops run")
        below = served.children()
        served.process.kill()
        wait_for(lambda: not [pid for pid in below if exists(pid)], "all are gone", timeout_s=5)


def test_killed_loops_and_a_killed_control_plane_are_started_again(tmp_path: Path) -> None:
    with serving(tmp_path, HALVES, "--plane", "control") as served:
        served.wait_ready()
        wait_for(lambda: len(served.children()) == 2, "the loops run")
        loops = served.child("gateway.control.loops")
        os.kill(loops, signal.SIGKILL)
        wait_for(lambda: len(served.children()) == 2 and loops not in served.children(), "the loops run again")
        control = served.child("gateway.control")
        os.kill(control, signal.SIGKILL)
        wait_for(lambda: len(served.children()) == 2 and control not in served.children(), "all run again")
        wait_for(lambda: served.route().is_success, "the control plane has looked at the store")
        assert split_of(served) == {"v1": 50, "v2": 50}


def test_the_file_of_whoever_holds_the_lease_counts(tmp_path: Path, postgres: PostgresServer) -> None:
    store = {"url": without_user(postgres.new_database())}
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with serving(one, small_config({"v1": 50, "v2": 50}, store=store), "--plane", "control") as first:
        first.wait_ready()
        with serving(two, small_config({"v1": 100, "v2": 0}, store=store), "--plane", "control") as second:
            second.wait_ready()
            assert split_of(second) == {"v1": 50, "v2": 50}
            assert len(second.children()) == 1
            headers = {"authorization": f"Bearer {OPS}", "if-match": second.route().headers["etag"]}
            path = f"{second.admin}/admin/v1/routes/support/split"
            httpx.put(path, headers=headers, json={"split": {"v1": 20, "v2": 80}}).raise_for_status()
            assert split_of(first) == {"v1": 20, "v2": 80}
            assert (
                httpx.put(
                    f"{first.admin}/admin/v1/routes/support/split", headers=headers, json={"split": {"v1": 100}}
                ).status_code
                == 412
            )
            first.end()
            wait_for(lambda: len(second.children()) == 2, "the second runs the loops", timeout_s=5)
            wait_for(lambda: second.route().json()["file_split"] == {"v1": 100, "v2": 0}, "the second's file counts")
            assert split_of(second) == {"v1": 20, "v2": 80}


def test_a_store_that_is_down_at_the_start_is_waited_for(tmp_path: Path, stoppable_postgres: PostgresServer) -> None:
    url = without_user(stoppable_postgres.new_database())
    stoppable_postgres.stop()
    with serving(tmp_path, small_config({"v1": 100}, store={"url": url}), "--plane", "control") as served:

        def readyz() -> httpx.Response | None:
            try:
                return httpx.get(f"{served.admin}/readyz", timeout=1)
            except httpx.TransportError:
                return None

        wait_for(lambda: readyz() is not None, "it answers")
        answer = readyz()
        assert answer is not None
        assert (answer.status_code, answer.json()["reason"]) == (503, "the store does not answer")
        assert httpx.get(f"{served.admin}/livez").status_code == 200
        refused = httpx.get(f"{served.admin}/admin/v1/routes", headers={"authorization": f"Bearer {OPS}"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
        wait_for(
            lambda: "still waiting for the control plane: the store does not answer" in served.logged, "it says so"
        )
        stoppable_postgres.start()
        served.wait_ready()
        assert split_of(served) == {"v1": 100}
