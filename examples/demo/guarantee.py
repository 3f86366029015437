"""`make demo-risk`: does the bound on the risk hold? Shown on a real vLLM, or with simulated models.

    python examples/demo/guarantee.py [--models vllm|simulated] [--arm support-v2] [--alpha 0.1] [--json FILE]

1. Models and gateway are started. One version gets all traffic; its confidence is observed and nothing more.
2. An application asks for the labels of new tickets and tells the gateway, by feedback, which answers were right.
3. The gateway makes a calibration of that. The operator asks for `risk`: at most `alpha` of all answers may be served
   by the version and wrong.
4. The application asks for the labels of other new tickets, of which the gateway is told nothing. Whoever did not
   answer, the version or the large model, is asked for the same ticket by itself, through a route of its own.
5. What was served and wrong is counted, with exact bounds; so are accuracy, money, and what streams wait for.
"""

from __future__ import annotations

import argparse
import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report  # noqa: E402
import traffic  # noqa: E402
from asking import Answer, Application, new_tickets  # noqa: E402
from divided import Graded, divide, terms_of  # noqa: E402
from held_out import (  # noqa: E402
    Case,
    Judge,
    accuracy_of,
    case_of,
    money_of,
    quality_of,
    replayed,
    risk_of,
    streams_of,
    write_curve,
)
from parts import APP_KEY, FOLDER, OPS_KEY, Parts, Plan, prepare_vllm  # noqa: E402
from recorded import Record, calibration_of, read_records  # noqa: E402
from rich.console import Console  # noqa: E402
from stack import FALLGATE, ROOT, DemoError, stack  # noqa: E402

from gateway.cli.client import AdminClient, AdminFailure  # noqa: E402

Json = dict[str, Any]

ARMS = ("support-v1", "support-v2")
ROUTE, ALONE, LARGE = "support", "support-alone", "support-large"
LEAST_LABELS = 300
"""Fewer arm no risk."""
CALIBRATED_WITHIN_S = 180.0


class Guarantee:
    """One run."""

    def __init__(self, console: Console, options: argparse.Namespace, *, is_simulated: bool) -> None:
        self.console = console
        self.options = options
        self.is_simulated = is_simulated
        folder = options.folder.resolve()
        script = _VERSIONS if is_simulated else None
        self.parts = Parts(console, Plan(folder=folder, config="examples/demo/guarantee.yaml", simulated=script))

    def run(self) -> bool:
        """Everything, in order; whether the bound holds."""
        began_s = time.monotonic()
        drawn = new_tickets(self.options.labels + self.options.held_out)
        labelled, held_out = drawn[: self.options.labels], drawn[self.options.labels :]
        self.parts.start_afresh()
        traffic.answers_file(self.parts.plan.folder / "answers.jsonl", drawn)
        with stack(self.parts.plan.folder, self.parts.environment) as processes:
            self.parts.start_models(processes)
            self.parts.start_gateway(processes)
            with AdminClient(self.parts.admin_url, OPS_KEY) as operator:
                found = self._prove(operator, labelled, held_out)
        found["seconds"] = round(time.monotonic() - began_s)
        if self.options.json is not None:
            self.options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if found["held_out"] is None:
            self.console.print(f"[bold red]not armed:[/] {found['calibration']['reason']}", soft_wrap=True)
            return False
        report.show(self.console, found)
        report.show_verdict(self.console, found)
        return bool(found["held_out"]["all"]["holds"])

    def _prove(self, operator: AdminClient, labelled: Sequence[Any], held_out: Sequence[Any]) -> Json:
        options = self.options
        with Application(self.parts.url, APP_KEY, options.at_once) as application:
            for route in (ROUTE, ALONE):
                self._change(operator, "PUT", route, "/split", {"split": {a: 100 * (a == options.arm) for a in ARMS}})
            first = self._label(application, labelled)
            self._wait_for_calibration(operator)
            mode = {"mode": "risk", "alpha": options.alpha, "delta": options.delta}
            armed = self._change(operator, "PATCH", ROUTE, "", {"confidence": mode})["calibration"][options.arm]
            self.console.print(f"mode risk: {armed['reason']}", soft_wrap=True)
            found: Json = {
                "arm": options.arm,
                "models": "simulated models" if self.is_simulated else "a real vLLM",
                "alpha": options.alpha,
                "delta": options.delta,
                "labelled": {"n": len(first), "right": sum(one.is_right for one in first)},
                "calibration": armed,
                "held_out": None,
            }
            if armed["armed"]:
                pairs = self._hold_out(application, held_out)
                found |= self._figures(operator, armed, first, pairs)
        return found

    def _change(self, operator: AdminClient, method: str, route: str, path: str, body: Json) -> Json:
        """Change a route as an operator would, and wait until every worker knows."""
        since_s = time.monotonic()
        after = operator.change(method, route, path, operator.route(route)["etag"], body)
        in_force = operator.wait_in_force(after["revision"], since_s)
        if in_force.behind:
            raise DemoError(f"revision {after['revision']} did not come into force")
        return after

    def _label(self, application: Application, some: Sequence[Any]) -> list[Answer]:
        """Ask, and say at once which answers were right."""
        self.console.print(f"sending {len(some)} tickets, and feedback on each answer")

        def one(item: tuple[int, Any]) -> Answer:
            # One in eight is whole: of a stream the start is learnt from as well.
            answer = application.ask(ROUTE, item[1], is_stream=item[0] % 8 != 0)
            application.say(answer)
            return answer

        return application.each("labelled", list(enumerate(some)), one)

    def _wait_for_calibration(self, operator: AdminClient) -> None:
        self.console.print("waiting for the gateway to make a calibration of the feedback")
        until_s = time.monotonic() + CALIBRATED_WITHIN_S
        labels = 0
        while labels < LEAST_LABELS:
            if time.monotonic() > until_s:
                raise DemoError(f"no calibration from {LEAST_LABELS} labels, but from {labels}")
            time.sleep(0.2)
            labels = operator.route(ROUTE)["calibration"][self.options.arm]["labels"]

    def _hold_out(self, application: Application, some: Sequence[Any]) -> list[tuple[Answer, Answer]]:
        """Ask, and ask the model that did not answer as well. The gateway is not told what was right."""
        self.console.print(f"sending {len(some)} other tickets, without feedback")

        def one(item: tuple[int, Any]) -> tuple[Answer, Answer]:
            got = application.ask(ROUTE, item[1], is_stream=item[0] % 2 == 0)
            is_served = got.model == self.options.arm
            return got, application.ask(LARGE if is_served else ALONE, item[1], is_stream=not is_served)

        return application.each("held out", list(enumerate(some)), one)

    def _figures(
        self, operator: AdminClient, armed: Json, first: Sequence[Answer], pairs: Sequence[tuple[Answer, Answer]]
    ) -> Json:
        self.console.print("reading what was recorded of all of them")
        options = self.options
        answers = [*first, *(one for pair in pairs for one in pair)]
        records = read_records(operator, [(one.route, one.request_id) for one in answers])
        judge = Judge(
            arm=options.arm,
            calibration=calibration_of(records[got.request_id] for got, _ in pairs),
            whole_threshold=armed["thresholds"]["whole"],
        )
        cases = [case_of(got, other, records, judge) for got, other in pairs]
        risk = functools.partial(risk_of, alpha=options.alpha, delta=options.delta)
        own = [one for one in first if one.model == options.arm] + [case.alone for case in cases]
        by_kind = {kind: [c for c in cases if c.got.is_stream is is_s] for kind, is_s in _KINDS}
        return {
            "held_out": {"all": risk(cases)} | {kind: risk(own) if own else None for kind, own in by_kind.items()},
            "accuracy": accuracy_of(cases),
            "held_out_quality": quality_of(cases),
            "curve": self._curve(cases),
            "money": money_of(cases),
            "streams": streams_of(cases, judge),
            "replayed": replayed([case.record for case in cases]),
            "divided": self._divided(own, records),
        }

    def _divided(self, own: Sequence[Answer], records: Mapping[str, Record]) -> Json:
        """The same on other divisions of the version's own answers, whole answers all."""
        whole = [(one, records[one.request_id].whole) for one in own]
        graded = [Graded(value=float(one.is_right), whole=features) for one, features in whole if features is not None]
        return divide(graded, terms_of(self.options.alpha, self.options.delta), LEAST_LABELS)

    def _curve(self, cases: Sequence[Case]) -> Json:
        """What `fallgate curve` says of the held-out tickets."""
        rows = write_curve(self.parts.plan.folder / "held-out.csv", cases)
        ran = subprocess.run(
            [*FALLGATE, "curve", str(rows), "--json"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise DemoError(f"fallgate curve {rows} failed: {ran.stderr or ran.stdout}")
        curve: Json = json.loads(ran.stdout)
        return {name: value for name, value in curve.items() if name != "points"}


_KINDS = (("whole", False), ("streams", True))

_VERSIONS = """# Two simulated versions, wrong as often as the trained ones, and then less sure, if not always.
models:
  support-v1:
    {answers: answers.jsonl, accuracy: 0.55, latency_ms: 30, tokens_per_second: 300, jitter: 0.3, seed: 1,
     right_logprob: -0.03, wrong_logprob: -0.12, answer_spread: 0.8, token_spread: 0.8}
  support-v2:
    {answers: answers.jsonl, accuracy: 0.85, latency_ms: 30, tokens_per_second: 300, jitter: 0.3, seed: 2,
     right_logprob: -0.03, wrong_logprob: -0.12, answer_spread: 0.8, token_spread: 0.8}
"""


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Does the bound on the risk hold?")
    parser.add_argument("--models", choices=("vllm", "simulated"), default="vllm")
    parser.add_argument("--arm", choices=ARMS, default="support-v2", help="the version that is put to the proof")
    parser.add_argument("--labels", type=int, default=320, help=f"tickets with feedback; {LEAST_LABELS} arm a risk")
    parser.add_argument("--held-out", type=int, default=300, help="tickets without")
    parser.add_argument("--alpha", type=float, default=0.1, help="the bound")
    parser.add_argument("--delta", type=float, default=0.1, help="the chance that it may fail")
    parser.add_argument("--at-once", type=int, default=8, help="requests at once")
    parser.add_argument("--folder", type=Path, default=FOLDER / "guarantee", help="where everything is kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    options = parser.parse_args()
    if options.labels < LEAST_LABELS:
        parser.error(f"--labels: a risk is armed from {LEAST_LABELS} labels on")
    return options


def main() -> int:
    """Entry point. 0: the bound holds; 1: it does not, or something went wrong."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    try:
        is_simulated = options.models == "simulated" or not prepare_vllm(console)
        if is_simulated:
            console.print("[bold]Simulated models:[/] the versions are scripts, everything else is real.")
        return 0 if Guarantee(console, options, is_simulated=is_simulated).run() else 1
    except KeyboardInterrupt:
        console.print("\nThe demo has ended.")
        return 1
    except (DemoError, AdminFailure) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
