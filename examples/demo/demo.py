"""`make demo`: the whole of Fallgate on one machine, with a real vLLM or with simulated models.

    python examples/demo/demo.py [--models vllm|simulated] [--drill] [--once]

Starts two LoRA versions of SmolLM2-135M on vLLM, a stand-in for a large hosted model, and the gateway; sends some
tickets of several users; prints who answered, why, how sure it was and what it cost; and stays until Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import traffic  # noqa: E402
from parts import APP_KEY, FOLDER, OPS_KEY, Parts, Plan, prepare_vllm  # noqa: E402
from rich.console import Console  # noqa: E402
from stack import ROOT, DemoError, Running, stack  # noqa: E402

REQUESTS, DRILL_REQUESTS = 24, 6


class Demo:
    """One run of the demo."""

    def __init__(self, console: Console, *, is_simulated: bool) -> None:
        self.console = console
        self.is_simulated = is_simulated
        plan = Plan(folder=FOLDER, config="examples/demo/fallgate.yaml", simulated=_VERSIONS if is_simulated else None)
        self.parts = Parts(console, plan)

    def run(self, *, has_drill: bool, stays: bool) -> None:
        """Everything, in order."""
        self.parts.start_afresh()
        traffic.answers_file(FOLDER / "answers.jsonl", traffic.test_tickets(1000))
        with stack(FOLDER, self.parts.environment) as processes:
            versions = self.parts.start_models(processes)
            self.parts.start_gateway(processes)
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

    def _send(self, title: str, count: int, skip: int) -> None:
        self.console.print(f"sending {count} tickets of {len(traffic.USERS)} users\n")
        asked = traffic.send(self.parts.url, APP_KEY, traffic.test_tickets(count, skip))
        traffic.show(self.console, title, asked, traffic.costs_usd(self.parts.database, asked))

    def _explain(self, versions: Running) -> None:
        kind = "simulated models" if self.is_simulated else "a real vLLM"
        ticket = traffic.test_tickets(1)[0]
        text = " ".join(ticket.text.split()).replace("'", "").replace('"', "")
        say = self.console.print
        say(
            f"\n[bold]It runs on {kind}[/]; the large model is a stand-in that knows the right answers to most tickets."
        )
        say("\nAsk it yourself:\n")
        _plain(
            say,
            f"  curl -i {self.parts.url}/v1/chat/completions -H 'authorization: Bearer {APP_KEY}' \\\n"
            "    -H 'content-type: application/json' -H 'x-user-id: ada' \\\n"
            f'    -d \'{{"model": "support", "max_tokens": 48, "messages": [\n'
            f'          {{"role": "system", "content": "{traffic.tickets.SYSTEM}"}},\n'
            f'          {{"role": "user", "content": "{text}"}}]}}\'',
        )
        say("\nor with the openai client:\n")
        _plain(say, f'  client = OpenAI(base_url="{self.parts.url}/v1", api_key="{APP_KEY}")')
        say("\nMove the traffic, look why, and take it back:\n")
        _plain(
            say,
            f"  export FALLGATE_ADMIN_URL={self.parts.admin_url} FALLGATE_ADMIN_KEY={OPS_KEY}\n"
            "  .venv/bin/fallgate split support support-v1=0 support-v2=100\n"
            "  .venv/bin/fallgate explain support --unit ada\n"
            "  .venv/bin/fallgate rollback support\n"
            f"  curl -s {self.parts.admin_url}/metrics -H 'authorization: Bearer {OPS_KEY}' | grep ^gateway_requests",
        )
        if not versions.has_ended:
            say("\nStop the versions' server and ask again: the large model answers.\n")
            _plain(say, f"  kill {versions.process.pid}")
        say(f"\nLogs are in {FOLDER.relative_to(ROOT)}/.")


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
        is_simulated = options.models == "simulated" or not prepare_vllm(console)
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
