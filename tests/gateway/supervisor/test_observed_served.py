"""Traces and logs through all processes: asked for on the command line and by the environment, and free of secrets."""

import json
from pathlib import Path

import httpx
import pytest
import yaml

from tests.fakes.collector import collector
from tests.fakes.control import APP, OPS, SCRAPER, auth
from tests.fakes.served import serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

BODY = {"model": "support", "messages": [{"role": "user", "content": "planted-prompt"}], "user": "planted-user"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(logged: str) -> list[dict[str, str]]:
    """All that are whole: every one of them must be JSON."""
    return [json.loads(line) for line in logged.splitlines(keepends=True) if line.endswith("\n")]


def events(logged: str) -> list[dict[str, str]]:
    return [line for line in lines(logged) if line["logger"] == "gateway.requests"]


def said(logged: str, beginning: str) -> str:
    """The rest of a message."""
    (message,) = (line["message"] for line in lines(logged) if line["message"].startswith(beginning))
    return message.removeprefix(beginning)


def test_a_request_is_a_trace_at_the_collector_and_a_line_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated_in_thread(["v1"]) as upstream, collector() as collected:
        config = yaml.safe_load(small_config({"v1": 100}, upstream.base_url))
        config["models"]["v1"]["api_key"] = "planted-upstream-key"
        environ = {
            "FALLGATE_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.address,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        options = ("--log-requests", "1")
        with serving(tmp_path, yaml.safe_dump(config), *options) as served:
            wait_for(lambda: "Fallgate is ready." in served.printed, "it is ready")
            where = f"http://{said(served.logged, 'listening for applications on ')}"
            answer = httpx.post(
                f"{where}/v1/chat/completions",
                json=BODY,
                headers={**auth(APP), "traceparent": PARENT, "x-user-id": "planted-unit"},
                trust_env=False,
            )
            assert answer.status_code == 200
            wait_for(lambda: len(collected.spans) == 2, "both spans are there")
            wait_for(lambda: bool(events(served.logged)), "the request is logged")
            (event,) = events(served.logged)
    assert event["request_id"] == answer.headers["x-request-id"]
    assert (event["route"], event["model"], event["trace_id"]) == ("support", "v1", PARENT[3:35])
    assert {span.trace_id.hex() for span in collected.spans} == {PARENT[3:35]}
    told = upstream.server.seen.requests[0].headers["traceparent"]
    assert told[36:52] in {span.span_id.hex() for span in collected.spans}
    everything = served.logged + "".join(str(export) for export in collected.exports)
    for secret in ("planted", APP, OPS, SCRAPER):
        assert secret not in everything


def test_nothing_of_requests_is_logged_unless_asked_for(tmp_path: Path) -> None:
    with (
        simulated_in_thread(["v1"]) as upstream,
        serving(tmp_path, small_config({"v1": 100}, upstream.base_url)) as served,
    ):
        served.wait_ready()
        where = served.address("applications")
        sent = httpx.post(f"{where}/v1/chat/completions", json=BODY, headers=auth(APP), trust_env=False)
        assert sent.status_code == 200
        wait_for(lambda: "revision 1 is in force" in served.logged, "a worker says something")
    assert "gateway.requests" not in served.logged
    assert sent.headers["x-request-id"] not in served.logged
