"""`make demo`: the whole of Fallgate on one machine, with a real vLLM or with simulated models.

    python examples/demo/demo.py [--models vllm|simulated] [--drill] [--once]

Starts two LoRA versions of SmolLM2-135M on vLLM, a stand-in for a large hosted model, and the gateway; sends some
tickets of several users; prints who answered, why, how sure it was and what it cost; and stays until Ctrl-C.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import traffic  # noqa: E402
from rich.console import Console  # noqa: E402
from stack import ROOT, DemoError, Running, Stack, port_near, stack  # noqa: E402

FOLDER = ROOT / ".demo"
VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
APP_KEY, OPS_KEY = "demo-key-for-applications", "demo-key-for-operators"
NO_WHEEL = 3
REQUESTS, DRILL_REQUESTS = 24, 6


class Demo:
    """One run of the demo."""

    def __init__(self, console: Console, *, is_simulated: bool) -> None:
        taken: set[int] = set()
        self.console = console
        self.is_simulated = is_simulated
        self.ports = {name: port_near(port, taken) for name, port in _PORTS.items()}
        self.environment = {
            "FALLGATE_APP_KEY": APP_KEY,
            "FALLGATE_OPS_KEY": OPS_KEY,
            "DEMO_LARGE_API_KEY": "not-needed-by-a-stand-in",
            "DEMO_DIR": str(FOLDER.relative_to(ROOT)),
            **{f"DEMO_{name}": str(port) for name, port in self.ports.items()},
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['ADMIN_PORT']}"

    def run(self, *, has_drill: bool, stays: bool) -> None:
        """Everything, in order."""
        _start_afresh()
        traffic.answers_file(FOLDER / "answers.jsonl")
        with stack(FOLDER, self.environment) as processes:
            versions = self._start_models(processes)
            self._start_gateway(processes)
            self._send("What the gateway did with each ticket", REQUESTS, 0)
            if has_drill:
                self.console.print("\n[bold]The drill:[/] the versions' server is stopped while the gateway runs …")
                versions.end()
                self._send("The versions are gone, and every request is still answered", DRILL_REQUESTS, REQUESTS)
            self._explain(versions)
            if stays:
                _wait_for_ctrl_c()
                self.console.print("\nending …")
        self.console.print("All of the demo's processes have ended.")

    def _start_models(self, processes: Stack) -> Running:
        large = FOLDER / "large.yaml"
        large.write_text(_LARGE, encoding="utf-8")
        self.console.print("starting the stand-in for the large hosted model (simulated)")
        port = self.ports["LARGE_PORT"]
        stand_in = processes.start("large", ["simulate", "--config", str(large), "--port", str(port)])
        processes.wait_for(stand_in, f"http://127.0.0.1:{port}/health", 20)
        port = self.ports["VLLM_PORT"]
        if self.is_simulated:
            scripts = FOLDER / "versions.yaml"
            scripts.write_text(_VERSIONS, encoding="utf-8")
            self.console.print("starting two simulated versions; no model runs in them")
            versions = processes.start("versions", ["simulate", "--config", str(scripts), "--port", str(port)])
        else:
            self.console.print("starting vLLM with two LoRA versions (half a minute on a CPU)")
            adapters = [f"support-{v}={ROOT / 'examples/support/adapters' / v}" for v in ("v1", "v2")]
            versions = processes.start(
                "vllm",
                ["vllm", "--model", str(FOLDER / "smollm2"), "--python", str(VLLM_PYTHON), "--port", str(port)]
                + [part for adapter in adapters for part in ("--adapter", adapter)]
                + ["--log", str(FOLDER / "vllm-server.log")],
            )
        processes.wait_for(versions, f"http://127.0.0.1:{port}/health", 600)
        return versions

    def _start_gateway(self, processes: Stack) -> None:
        self.console.print("starting the gateway")
        gateway = processes.start("gateway", ["serve", "--config", "examples/demo/fallgate.yaml"])
        processes.wait_for(gateway, f"{self.url}/readyz", 30)
        processes.wait_for(gateway, f"{self.admin_url}/readyz", 30)

    def _send(self, title: str, count: int, skip: int) -> None:
        self.console.print(f"sending {count} tickets of {len(traffic.USERS)} users\n")
        asked = traffic.send(self.url, APP_KEY, traffic.test_tickets(count, skip))
        traffic.show(self.console, title, asked, traffic.costs_usd(FOLDER / "fallgate.db", asked))

    def _explain(self, versions: Running) -> None:
        kind = "simulated models" if self.is_simulated else "a real vLLM"
        ticket = traffic.test_tickets(1)[0]
        text = " ".join(ticket.text.split()).replace("'", "").replace('"', "")
        say = self.console.print
        say(f"\n[bold]It runs on {kind}[/]; the large model is a stand-in that knows the right answers to most tickets.")
        say("\nAsk it yourself:\n")
        _plain(
            say,
            f"  curl -i {self.url}/v1/chat/completions -H 'authorization: Bearer {APP_KEY}' \\\n"
            "    -H 'content-type: application/json' -H 'x-user-id: ada' \\\n"
            f"    -d '{{\"model\": \"support\", \"max_tokens\": 48, \"messages\": [\n"
            f'          {{"role": "system", "content": "{traffic.tickets.SYSTEM}"}},\n'
            f'          {{"role": "user", "content": "{text}"}}]}}\'',
        )
        say("\nor with the openai client:\n")
        _plain(say, f'  client = OpenAI(base_url="{self.url}/v1", api_key="{APP_KEY}")')
        say("\nMove the traffic, look why, and take it back:\n")
        _plain(
            say,
            f"  export FALLGATE_ADMIN_URL={self.admin_url} FALLGATE_ADMIN_KEY={OPS_KEY}\n"
            "  .venv/bin/fallgate split support support-v1=0 support-v2=100\n"
            "  .venv/bin/fallgate explain support --unit ada\n"
            "  .venv/bin/fallgate rollback support\n"
            f"  curl -s {self.admin_url}/metrics -H 'authorization: Bearer {OPS_KEY}' | grep ^gateway_requests",
        )
        if not versions.has_ended:
            say("\nStop the versions' server and ask again: the large model answers.\n")
            _plain(say, f"  kill {versions.process.pid}")
        say(f"\nLogs are in {FOLDER.relative_to(ROOT)}/.")


_PORTS = {"PORT": 8080, "ADMIN_PORT": 8081, "VLLM_PORT": 8100, "LARGE_PORT": 8200}

_LARGE = """# The stand-in for a large hosted model: right for 97 of 100 held-out tickets, slower and dearer.
models:
  large: {answers: answers.jsonl, accuracy: 0.97, latency_ms: 350, tokens_per_second: 90, jitter: 0.3}
"""

_VERSIONS = """# Two simulated versions: v2 is right more often than v1, and both sound less sure when they are wrong.
models:
  support-v1:
    {answers: answers.jsonl, accuracy: 0.65, latency_ms: 60, tokens_per_second: 150, jitter: 0.3, seed: 1,
     right_logprob: -0.04, wrong_logprob: -0.5, answer_spread: 0.5, token_spread: 0.8}
  support-v2:
    {answers: answers.jsonl, accuracy: 0.9, latency_ms: 60, tokens_per_second: 150, jitter: 0.3, seed: 2,
     right_logprob: -0.03, wrong_logprob: -0.5, answer_spread: 0.5, token_spread: 0.8}
"""


def _plain(say: object, text: str) -> None:
    """Print what is meant to be copied: no colours, no wrapping."""
    print(text, flush=True)


def _start_afresh() -> None:
    """The demo always begins the same: without what an earlier run recorded."""
    FOLDER.mkdir(exist_ok=True)
    shutil.rmtree(FOLDER / "state", ignore_errors=True)
    for old in FOLDER.glob("fallgate.db*"):
        old.unlink()


def _prepare_vllm(console: Console) -> bool:
    """Install vLLM and prepare the model; false where this platform has none."""
    console.print("setting up vLLM in an environment of its own (once)")
    code = subprocess.run([ROOT / "scripts" / "setup_vllm.sh"], cwd=ROOT, check=False).returncode
    if code == NO_WHEEL:
        return False
    if code:
        raise DemoError("vLLM could not be set up; what went wrong is above. MODELS=simulated works without it")
    prepare = ROOT / "examples" / "support" / "prepare_model.py"
    if subprocess.run([VLLM_PYTHON, prepare, "--out", FOLDER / "smollm2"], cwd=ROOT, check=False).returncode:
        raise DemoError("the model could not be prepared; what went wrong is above")
    return True


def _wait_for_ctrl_c() -> None:
    print("\nIt stays up until Ctrl-C.", flush=True)
    threading.Event().wait()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="The whole of Fallgate on one machine.")
    parser.add_argument("--models", choices=("vllm", "simulated"), default="vllm")
    parser.add_argument("--drill", action="store_true", help="stop the versions' server at the end, and ask again")
    parser.add_argument("--once", action="store_true", help="end after the traffic instead of waiting for Ctrl-C")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    FOLDER.mkdir(exist_ok=True)
    try:
        is_simulated = options.models == "simulated" or not _prepare_vllm(console)
        if is_simulated:
            console.print("[bold]Simulated models:[/] the versions are scripts, everything else is real.")
        Demo(console, is_simulated=is_simulated).run(has_drill=options.drill, stays=not options.once)
    except KeyboardInterrupt:
        console.print("\nThe demo has ended.")
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
