"""Drift of the demo's tickets on a real vLLM: small windows, two versions, one asked in another language."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from serving.vllm.command import VllmSettings
from serving.vllm.process import VllmProcess
from tests.fakes import tickets
from tests.fakes.drift_desk import Desk
from tests.fakes.served import serving, small_config

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
BASE = ROOT / ".demo" / "smollm2"
SUPPORT = ROOT / "examples" / "support"
ROUTES = {"replay": "support-v1", "moved": "support-v2"}
WINDOW = 100
TEXTS = tickets.training_texts()

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm here; run scripts/setup_vllm.sh"),
]


@pytest.fixture
def vllm(tmp_path: Path) -> Iterator[str]:
    """The base URL of a server with both versions."""
    subprocess.run([PYTHON, SUPPORT / "prepare_model.py", "--out", BASE], check=True, cwd=ROOT)
    adapters = {version: SUPPORT / "adapters" / version.removeprefix("support-") for version in ROUTES.values()}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = VllmSettings(python=PYTHON, model=BASE, adapters=adapters, port=port, dtype="float32")
    with asyncio.Runner() as runner:
        process = VllmProcess(settings, log=tmp_path / "vllm.log")
        runner.run(process.start())
        try:
            yield f"{settings.base_url}/v1"
        finally:
            runner.run(process.stop())


def config(base_url: str) -> str:
    tree = yaml.safe_load(small_config(dict.fromkeys(ROUTES.values(), 50), base_url))
    drift = {"window_requests": WINDOW, "window_minutes": 0}
    tree["routes"] = {name: {"split": {version: 100}, "drift": drift} for name, version in ROUTES.items()}
    return yaml.safe_dump(tree)


def training_ticket(at: int) -> str:
    return TEXTS[(at * 13) % len(TEXTS)]


def test_another_language_alarms_within_two_windows_and_training_tickets_do_not(vllm: str, tmp_path: Path) -> None:
    with serving(tmp_path, config(vllm)) as served:
        served.wait_ready()
        desk = Desk(served, tmp_path, ROUTES, WINDOW, max_tokens=1)  # a processor makes few tokens a second
        desk.teach()
        for _ in range(2):
            desk.send(lambda route, at: tickets.in_german(at) if route == "moved" else training_ticket(at))
            if desk.drift("moved")["alarms"]:
                break
        assert desk.drift("replay")["alarms"] == []
        assert desk.drift("moved")["alarms"][0]["feature"] in {"language", "non_ascii"}
