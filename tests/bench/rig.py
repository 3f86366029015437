"""Measures Fallgate beside other gateways in alternating rounds and says whether it meets its bar.

    python -m tests.bench.rig [--rounds N] [--seconds S] [--only nginx,smg,...] [--full] [--strict] [--profile]

Each gateway runs alone on one core; the upstream and the load run on another. What a machine does besides moves the
absolute figures, and moves them for neighbours in the same round alike: ratios are taken within rounds.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from tests.bench import contenders, report
from tests.bench.contenders import OURS, Contender
from tests.bench.measure import Kind, Result, Site, machine, measure, upstream
from tests.bench.million import growth_verdict, measure_growth
from tests.bench.processes import BenchError, ahead, choose_cores
from tests.bench.profiling import profile

ROOT = Path(__file__).parents[2]
DISTURBED_SHARE = 0.1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rig", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="how often each gateway is measured (default 3)")
    add("--seconds", type=float, default=2.5, help="of each measurement (default 2.5)")
    add("--only", default="", help="names of gateways, with commas between; default: nginx,smg,fallgate")
    is_full = os.environ.get("FULL") == "1"
    add("--full", action="store_true", default=is_full, help="LiteLLM too, and a million requests; also FULL=1")
    add("--strict", action="store_true", help="exit 1 when the bar is not met")
    add("--profile", action="store_true", help="sample our worker with py-spy instead of measuring")
    add("--exact-logprobs", action="store_true", help="the upstream's log-probabilities with bytes, as vLLM's")
    add(
        "--priority", type=int, default=0, help="run everything so many levels of niceness ahead of others (needs root)"
    )
    add("--bench-dir", type=Path, default=ROOT / ".bench", help="where scripts/setup_bench.sh put things")
    add("--ours", default="", help="command to measure in Fallgate's place, given BENCH_DIR in its environment")
    add("--ours-port", type=int, default=9106)
    add("--ours-key", default="bench-key-of-no-worth-1f4b9c")
    add("--ours-model", default="support")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, scratch: Path) -> list[Contender]:
    names = [name for name in options.only.split(",") if name] or ["nginx", "smg", OURS]
    if options.full and not options.only:
        names.append("litellm")
    ours = contenders.fallgate(Path(sys.executable), Path(__file__).with_name("fallgate.yaml"))
    if options.ours:
        ours = contenders.replaced(ours, options.ours, options.ours_port, options.ours_key, options.ours_model)
    makers = {
        "nginx": lambda: contenders.nginx(scratch),
        "smg": lambda: contenders.smg(options.bench_dir),
        "litellm": lambda: contenders.litellm(options.bench_dir, scratch),
        OURS: lambda: ours,
    }
    if unknown := [name for name in names if name not in makers]:
        raise BenchError(f"no gateway is called {unknown[0]}; there are {', '.join(makers)}.")
    return [makers[name]() for name in names]


def run_rounds(site: Site, field: list[Contender], count: int) -> list[report.Round]:
    """Every other round goes backwards, so that a machine that slows down does not favour whoever comes first."""
    rounds: list[report.Round] = []
    for number in range(count):
        one: report.Round = {}
        for contender in field if number % 2 == 0 else field[::-1]:
            one[contender.name] = measure(site, contender, list(Kind))
            print(f"round {number + 1} of {count}: {contender.name:9} {progress(one[contender.name])}", flush=True)
        rounds.append(one)
    return rounds


def progress(result: Result) -> str:
    parts = [f"{kind} {result.samples[kind].cpu_us:.0f}" for kind in report.COLUMNS]
    others = max(sample.others_share for kind, sample in result.samples.items() if not kind.is_low)
    disturbed = f"  (others used {others:.0%} of the core)" if others > DISTURBED_SHARE else ""
    return "CPU µs: " + ", ".join(parts) + f"; {result.tree_pss_mb:.0f} MB" + disturbed


def conclude(options: argparse.Namespace, rounds: list[report.Round], growth: dict[str, Any]) -> int:
    names = list(rounds[0])
    found = report.verdicts(rounds) + ([growth_verdict(growth)] if growth else [])
    print(f"\nMedians, rounds: {len(rounds)}\n\n{report.render(report.speed_table(rounds, names))}")
    print(f"\n{report.render(report.latency_table(rounds, names))}")
    if OURS in names:
        print(f"\n{report.render(report.verdict_table(found))}")
    result = {
        "machine": machine(),
        "rounds": [{name: dataclasses.asdict(one) for name, one in each.items()} for each in rounds],
        "verdicts": [dataclasses.asdict(verdict) for verdict in found],
        "million": growth,
    }
    path = options.bench_dir / "result.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    is_met = all(verdict.is_met for verdict in found)
    print(f"\nWritten to {path}." + ("" if is_met or OURS not in names else " The bar is not met."))
    return 0 if is_met or not options.strict else 1


def run(options: argparse.Namespace, scratch: Path) -> int:
    binary = options.bench_dir / "traffic"
    if not binary.exists():
        raise BenchError(f"{binary} is missing; run scripts/setup_bench.sh first.")
    site = Site(binary=binary.resolve(), scratch=scratch, cores=choose_cores(), seconds=options.seconds)
    if site.cores.is_shared:
        print("Only one core: gateway and load share it, so latencies and requests/s mean little.", file=sys.stderr)
    field = chosen(options, scratch)
    ours = [contender for contender in field if contender.name == OURS]
    with upstream(site, *(["-exact"] if options.exact_logprobs else [])):
        if options.profile:
            return profile(site, ours[0], options.bench_dir)
        rounds = run_rounds(site, field, options.rounds)
        growth = measure_growth(site, ours[0]) if options.full and ours else {}
    return conclude(options, rounds, growth)


def end(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, end)  # so that what was started is stopped
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="fallgate-bench-") as scratch:
        try:
            with ahead(options.priority):
                return run(options, Path(scratch))
        except BenchError as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("bench: interrupted; everything that was started has been stopped.", file=sys.stderr)
            return 130


if __name__ == "__main__":
    raise SystemExit(main())
