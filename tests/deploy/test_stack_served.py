"""The stack's gateway at work: its own configuration, the simulated models of the demo, and a PostgreSQL."""

from pathlib import Path

import httpx
import pytest
import yaml

from serving.simulated.configuration import load_scripts
from tests.deploy.stack import DEPLOY
from tests.fakes.control import auth
from tests.fakes.databases import PostgresServer
from tests.fakes.served import serving, wait_for
from tests.fakes.simulated import simulated_in_thread

APP, OPS, METRICS = "app-key-of-the-stack-1", "ops-key-of-the-stack-2", "metrics-key-of-the-stack-3"
REQUESTS = 40


def test_the_demo_answers_falls_back_and_counts(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"FALLGATE_APP_KEY": APP, "FALLGATE_OPS_KEY": OPS, "FALLGATE_METRICS_KEY": METRICS}
    with simulated_in_thread(load_scripts(DEPLOY / "compose/simulated.yaml")) as models:
        for name, value in {
            **environ,
            "POSTGRES_PASSWORD": "unused",
            "VALKEY_PASSWORD": "unused",
            "LARGE_BASE_URL": models.base_url,
            "LARGE_API_KEY": "unused",
            "LARGE_MODEL": "large",
        }.items():
            monkeypatch.setenv(name, value)
        # What only the network of the containers has: addresses. All else is the stack's.
        config = yaml.safe_load((DEPLOY / "compose/gateway/fallgate.yaml").read_text())
        config["server"] |= {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
        config["state_dir"], config["coordination"] = str(tmp_path / "state"), {"url": None}
        config["store"]["url"] = postgres.new_database()
        for model in ("support-v1", "support-v2"):
            config["models"][model]["base_url"] = models.base_url
        with serving(tmp_path, yaml.safe_dump(config)) as served:
            served.wait_ready()
            with httpx.Client(base_url=served.address("applications"), headers=auth(APP), trust_env=False) as client:
                answers = [
                    client.post(
                        "/v1/chat/completions",
                        json={"model": "support", "messages": [{"role": "user", "content": f"question {number}"}]},
                    )
                    for number in range(REQUESTS)
                ]
            assert {answer.status_code for answer in answers} == {200}
            assert {answer.headers["x-gateway-arm"] for answer in answers} == {"support-v1", "support-v2"}
            fallen_back = sum("x-gateway-fallback" in answer.headers for answer in answers)
            assert 0 < fallen_back < REQUESTS / 2

            def counted() -> float:
                page = served.get("/metrics", METRICS).text.splitlines()
                lines = [line for line in page if line.startswith("gateway_requests_total{")]
                return sum(float(line.split()[-1]) for line in lines)

            wait_for(lambda: counted() == REQUESTS, "Prometheus would see all of them")
