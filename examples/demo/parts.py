"""What a demo runs on: the models, real or simulated, a stand-in for a large hosted one, and the gateway."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from stack import ROOT, DemoError, Running, Stack, hold_port

FOLDER = ROOT / ".demo"
CHECKPOINT = FOLDER / "smollm2"
VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
APP_KEY, OPS_KEY = "demo-key-for-applications", "demo-key-for-operators"
VERSIONS = ("v1", "v2")

_NO_WHEEL = 3
_PORTS = {"PORT": 8080, "ADMIN_PORT": 8081, "VLLM_PORT": 8100, "LARGE_PORT": 8200}
_LARGE = """# The stand-in for a large hosted model: right for 97 of 100 held-out tickets, slower and dearer.
models:
  large: {answers: answers.jsonl, accuracy: 0.97, latency_ms: 350, tokens_per_second: 90, jitter: 0.3}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is started, and where it keeps its files."""

    folder: Path
    config: str
    """The gateway's, from the root of the checkout."""
    simulated: str | None
    """The scripts of the versions; None for a real vLLM."""


class Parts:
    """The models and the gateway of one run."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self.console = console
        self.plan = plan
        self._held = {name: hold_port(port, is_bound_early=name == "VLLM_PORT") for name, port in _PORTS.items()}
        self.ports = {name: int(held.getsockname()[1]) for name, held in self._held.items()}
        self.environment = {
            "FALLGATE_APP_KEY": APP_KEY,
            "FALLGATE_OPS_KEY": OPS_KEY,
            "DEMO_LARGE_API_KEY": "not-needed-by-a-stand-in",
            "DEMO_DIR": str(plan.folder.relative_to(ROOT) if plan.folder.is_relative_to(ROOT) else plan.folder),
            **{f"DEMO_{name}": str(port) for name, port in self.ports.items()},
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['ADMIN_PORT']}"

    @property
    def database(self) -> Path:
        return self.plan.folder / "fallgate.db"

    def start_afresh(self) -> None:
        """A run always begins the same: without what an earlier one recorded."""
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.plan.folder / "state", ignore_errors=True)
        for old in self.plan.folder.glob("fallgate.db*"):
            old.unlink()

    def start_models(self, processes: Stack) -> Running:
        """Start the stand-in and the versions; the process of the versions."""
        large = self.plan.folder / "large.yaml"
        large.write_text(_LARGE, encoding="utf-8")
        self.console.print("starting the stand-in for the large hosted model (simulated)")
        port = self._release("LARGE_PORT")
        stand_in = processes.start("large", ["simulate", "--config", str(large), "--port", str(port)])
        processes.wait_for(stand_in, f"http://127.0.0.1:{port}/health", 20)
        versions = self._start_versions(processes, self._release("VLLM_PORT"))
        processes.wait_for(versions, f"http://127.0.0.1:{self.ports['VLLM_PORT']}/health", 600)
        return versions

    def _start_versions(self, processes: Stack, port: int) -> Running:
        if self.plan.simulated is not None:
            scripts = self.plan.folder / "versions.yaml"
            scripts.write_text(self.plan.simulated, encoding="utf-8")
            self.console.print("starting two simulated versions; no model runs in them")
            return processes.start("versions", ["simulate", "--config", str(scripts), "--port", str(port)])
        self.console.print("starting vLLM with two LoRA versions (half a minute on a CPU)")
        adapters = [f"support-{version}={ROOT / 'examples/support/adapters' / version}" for version in VERSIONS]
        return processes.start(
            "vllm",
            ["vllm", "--model", str(CHECKPOINT), "--python", str(VLLM_PYTHON), "--port", str(port)]
            + [part for adapter in adapters for part in ("--adapter", adapter)]
            + ["--log", str(self.plan.folder / "vllm-server.log")],
        )

    def start_gateway(self, processes: Stack) -> None:
        """Start `fallgate serve` and wait until it is ready."""
        self.console.print("starting the gateway")
        self._release("PORT")
        self._release("ADMIN_PORT")
        gateway = processes.start("gateway", ["serve", "--config", self.plan.config])
        processes.wait_for(gateway, f"{self.url}/readyz", 30)
        processes.wait_for(gateway, f"{self.admin_url}/readyz", 30)

    def _release(self, name: str) -> int:
        """Let a port go, for the process that is started now."""
        self._held[name].close()
        return self.ports[name]


def prepare_vllm(console: Console) -> bool:
    """Install vLLM and prepare the model; false where this platform has none."""
    console.print("setting up vLLM in an environment of its own (once)")
    code = subprocess.run([ROOT / "scripts" / "setup_vllm.sh"], cwd=ROOT, check=False).returncode
    if code == _NO_WHEEL:
        return False
    if code:
        raise DemoError("vLLM could not be set up; what went wrong is above. MODELS=simulated works without it")
    prepare = ROOT / "examples" / "support" / "prepare_model.py"
    if subprocess.run([VLLM_PYTHON, prepare, "--out", CHECKPOINT], cwd=ROOT, check=False).returncode:
        raise DemoError("the model could not be prepared; what went wrong is above")
    return True
