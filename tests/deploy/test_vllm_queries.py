"""What dashboards ask of vLLM's own metrics, asked of a real Prometheus that scrapes a real vLLM and its gateway."""

import asyncio
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import httpx
import pytest
import yaml

from serving.vllm.command import VllmSettings
from serving.vllm.process import VllmProcess
from tests.deploy import vllm_metrics
from tests.deploy.dashboards import DASHBOARDS, ROOT, expressions
from tests.deploy.prometheus import Prometheus, program, prometheus
from tests.deploy.test_live import filled
from tests.fakes.control import APP, SCRAPER, auth
from tests.fakes.served import Served, serving, small_config, wait_for

PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
BASE = ROOT / ".demo" / "smollm2"
SUPPORT = ROOT / "examples" / "support"
ADAPTER = "support-v2"
ASKERS, LOAD_S = 2, 240.0


def prometheus_is_here() -> bool:
    with suppress(AssertionError):
        return bool(program())
    return False


pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm here; run scripts/setup_vllm.sh"),
    pytest.mark.skipif(not prometheus_is_here(), reason="no Prometheus here; run scripts/setup_prometheus.sh"),
]

ASKED = sorted({filled(e) for path in DASHBOARDS for e in expressions(path) if "vllm:" in e})


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmSettings]:
    """A server with one adapter beside its base model."""
    subprocess.run([PYTHON, SUPPORT / "prepare_model.py", "--out", BASE], check=True, cwd=ROOT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = VllmSettings(python=PYTHON, model=BASE, adapters={ADAPTER: SUPPORT / "adapters" / "v2"}, port=port)
    with asyncio.Runner() as runner:
        process = VllmProcess(settings, log=tmp_path_factory.mktemp("vllm") / "vllm.log")
        runner.run(process.start())
        try:
            yield settings
        finally:
            runner.run(process.stop())


def config(settings: VllmSettings) -> str:
    """A route for each name of the server; the gateway's models are called as vLLM calls its own."""
    tree = yaml.safe_load(small_config(dict.fromkeys(settings.served_names, 50), f"{settings.base_url}/v1"))
    tree["routes"] = {f"to-{name}": {"split": {name: 100}} for name in settings.served_names}
    return yaml.safe_dump(tree)


@contextmanager
def asking(served: Served, routes: list[str]) -> Iterator[None]:
    """Keep asking for short streams until the end of the block."""
    ended, numbers = threading.Event(), count()

    def run() -> None:
        with httpx.Client(
            base_url=served.address("applications"), headers=auth(APP), trust_env=False, timeout=120
        ) as http:
            while not ended.is_set():
                number = next(numbers)
                http.post(
                    "/v1/chat/completions",
                    json={
                        "model": routes[number % len(routes)], "stream": True, "max_tokens": 6,
                        "messages": [{"role": "user", "content": f"Where is parcel {number}?"}],
                    },
                ).raise_for_status()  # fmt: skip

    threads = [threading.Thread(target=run, name=f"asker {number}") for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def empty(watch: Prometheus, queries: list[str]) -> list[str]:
    """Queries that give nothing, or no number."""
    return [query for query in queries if all(series["value"][1] == "NaN" for series in watch.query(query))]


def test_every_query_on_vllms_own_metrics_has_data(vllm: VllmSettings, tmp_path: Path) -> None:
    with serving(tmp_path, config(vllm)) as served:
        served.wait_ready()
        targets = {
            "fallgate": served.admin.removeprefix("http://"),
            "vllm": vllm.base_url.removeprefix("http://"),
        }
        with prometheus(tmp_path, targets, SCRAPER) as watch:
            wait_for(lambda: all(watch.is_up(job) for job in targets), "everything is scraped")
            waiting = list(ASKED)

            def all_had_data() -> bool:
                # An adapter is named only while a request to it is in the engine, so not all have data at once.
                waiting[:] = empty(watch, waiting)
                return not waiting

            with asking(served, [f"to-{name}" for name in vllm.served_names]), suppress(AssertionError):
                wait_for(all_had_data, "every query had data", LOAD_S)
            assert waiting == []


def test_the_page_that_stands_in_for_vllm_names_only_what_vllm_shows(vllm: VllmSettings) -> None:
    page = httpx.get(f"{vllm.base_url}/metrics", trust_env=False).text
    shown = {re.split(r"[{ ]", line)[0] for line in page.splitlines() if line.startswith("vllm:")}
    assert vllm_metrics.NAMES - shown == set()
