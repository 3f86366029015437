"""Drift through real processes: what two workers count comes into the store, also when one of them is recycled."""

import json
import os
import signal
from pathlib import Path

import httpx
from sqlalchemy import func, select

from gateway.store import drift
from gateway.store.engine import open_store
from gateway.store.tables import requests
from routing.drift.summary import total_of
from tests.fakes.control import APP, auth
from tests.fakes.served import Served, serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

BODY = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}], "max_tokens": 5}
SECRET_TEXT = "Zanzibarquux"


def workers(served: Served) -> set[int]:
    return {pid for pid, command in served.children().items() if command.endswith("gateway.worker")}


def test_the_slices_of_two_workers_say_what_the_records_say_though_one_is_recycled(tmp_path: Path) -> None:
    with simulated_in_thread(["v1", "v2"]) as upstream:
        server = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2}
        config = small_config({"v1": 50, "v2": 50}, upstream.base_url, server=server)
        with serving(tmp_path, config, "--plane", "control") as served:  # so that there is something to serve
            wait_for(lambda: served.route().status_code == 200, "there is a revision")
            served.end()
        # Without the control plane nobody folds slices into windows.
        with serving(tmp_path, config, "--plane", "data") as served:
            url = served.address("applications")

            def ask(number: int, text: str = "where is my parcel?") -> None:
                body = {**BODY, "messages": [{"role": "user", "content": text}]}
                headers = auth(APP) | {"x-user-id": f"u{number}"}
                answer = httpx.post(
                    f"{url}/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=20
                )
                assert answer.status_code == 200

            wait_for(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200, "it is ready")
            wait_for(lambda: len(workers(served)) == 2, "both workers run")
            for number in range(60):
                ask(number)
            ask(60, f"please call {SECRET_TEXT}")
            one = min(workers(served))
            os.kill(one, signal.SIGTERM)
            for number in range(61, 100):
                ask(number)
            wait_for(lambda: len(workers(served) - {one}) == 2, "another one has taken its place")
            for number in range(100, 130):
                ask(number)
            assert served.end()[0] == 0
        assert_all_are_there(tmp_path / "fallgate.db")


def assert_all_are_there(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    with store.reading() as connection:
        by_arm = select(requests.c.arm, func.count()).group_by(requests.c.arm)
        recorded = {arm: many for arm, many in connection.execute(by_arm)}
        slices = drift.waiting(connection, 1000)
    store.close()
    assert sum(recorded.values()) == 130
    for arm, many in recorded.items():
        total = total_of(one.slice.summary for one in slices if one.slice.model == arm)
        assert (total.seen, total.inputs, total.outputs) == (many, many, many)
    assert len({one.writer_id for one in slices}) >= 2
    assert len({(one.writer_id, one.seq, one.slice.model) for one in slices}) == len(slices)
    kept = json.dumps([one.slice.summary.as_document() for one in slices])
    assert '"zan"' in kept  # three letters at a time, and never a word
    assert SECRET_TEXT.lower()[:5] not in kept.lower()
    assert SECRET_TEXT.encode() not in path.read_bytes()
