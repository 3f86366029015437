"""Measures what the metrics of one request cost, kept in four ways.

    python -m tests.bench.metrics_cost [--requests N]

`shared files`: prometheus_client's multiprocess mode, every update written into a memory-mapped file.
`own registry`: a plain CollectorRegistry of the process, its text written to a file once a second.
`own registry, looked up`: the same, asking for the labelled child at every update instead of keeping it.
`bare numbers`: no library, lists of numbers and a bisection for histograms; the least that Python can do.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

WAYS = ("shared files", "own registry", "own registry, looked up", "bare numbers")
SERIES = 300
RATES = (100, 1_000, 3_000)
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ARMS = ("support-v1", "support-v2")
Update = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Four counters and two histograms, as a request of the gateway touches them."""

    requests: Counter
    attempts: Counter
    tokens: Counter
    cost: Counter
    duration: Histogram
    confidence: Histogram

    @classmethod
    def build(cls, registry: CollectorRegistry) -> "Families":
        return cls(
            requests=Counter("requests", "-", ["route", "arm", "model", "outcome"], registry=registry),
            attempts=Counter("attempts", "-", ["route", "model", "result"], registry=registry),
            tokens=Counter("tokens", "-", ["route", "model", "kind", "purpose"], registry=registry),
            cost=Counter("cost_usd", "-", ["route", "model", "purpose"], registry=registry),
            duration=Histogram("duration_seconds", "-", ["route", "arm"], buckets=BUCKETS, registry=registry),
            confidence=Histogram("confidence", "-", ["route", "model"], buckets=BUCKETS, registry=registry),
        )

    def kept(self) -> Update:
        """An update by children that were looked up once."""
        children = [
            (
                self.requests.labels("support", arm, arm, "served"),
                self.attempts.labels("support", arm, "completed"),
                self.tokens.labels("support", arm, "output", "serve"),
                self.cost.labels("support", arm, "serve"),
                self.duration.labels("support", arm),
                self.confidence.labels("support", arm),
            )
            for arm in ARMS
        ]

        def update(number: int) -> None:
            requests, attempts, tokens, cost, duration, confidence = children[number & 1]
            requests.inc()
            attempts.inc()
            tokens.inc(32)
            cost.inc(1.2e-5)
            duration.observe((number % 97) * 0.004)
            confidence.observe((number % 89) * 0.011)

        return update

    def looked_up(self) -> Update:
        def update(number: int) -> None:
            arm = ARMS[number & 1]
            self.requests.labels("support", arm, arm, "served").inc()
            self.attempts.labels("support", arm, "completed").inc()
            self.tokens.labels("support", arm, "output", "serve").inc(32)
            self.cost.labels("support", arm, "serve").inc(1.2e-5)
            self.duration.labels("support", arm).observe((number % 97) * 0.004)
            self.confidence.labels("support", arm).observe((number % 89) * 0.011)

        return update


def bare() -> tuple[Update, list[float]]:
    """Numbers in one list: for each arm four sums, then two histograms with their sums."""
    width = 4 + 2 * (len(BUCKETS) + 2)
    numbers = [0.0] * (width * len(ARMS))
    second = 4 + len(BUCKETS) + 2

    def update(number: int) -> None:
        at = (number & 1) * width
        numbers[at] += 1
        numbers[at + 1] += 1
        numbers[at + 2] += 32
        numbers[at + 3] += 1.2e-5
        for histogram, value in ((at + 4, (number % 97) * 0.004), (at + second, (number % 89) * 0.011)):
            numbers[histogram + bisect_left(BUCKETS, value)] += 1
            numbers[histogram + len(BUCKETS) + 1] += value

    return update, numbers


def time_of(action: Callable[[], object], times: int) -> float:
    """Seconds of processor time for one of several calls, the best of three rows of them."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            action()
        best = min(best, (time.process_time() - start) / times)
    return best


def fill(registry: CollectorRegistry) -> None:
    """Add series until there are as many as a gateway with a few routes and models has."""
    counter = Counter("filler", "-", ["name"], registry=registry)
    have = sum(len(family.samples) for family in registry.collect())
    for number in range((SERIES - have) // 2):  # each child is a sample and its creation time
        counter.labels(f"value-{number}").inc()


def publish(registry: CollectorRegistry, path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(generate_latest(registry))
    fresh.replace(path)


def publish_bare(numbers: list[float], path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(json.dumps((numbers * (SERIES // len(numbers) + 1))[:SERIES]).encode())
    fresh.replace(path)


def measure(way: str, requests: int, folder: Path) -> dict[str, float]:
    """Microseconds of an update, of a publication, and of reading what was published."""
    path, registry = folder / "worker.prom", CollectorRegistry()
    if way == "bare numbers":
        update, numbers = bare()
        publication = time_of(lambda: publish_bare(numbers, path), 200)
    else:
        families = Families.build(registry)
        update = families.looked_up() if way.endswith("looked up") else families.kept()
        fill(registry)
        publication = 0.0 if way == "shared files" else time_of(lambda: publish(registry, path), 50)
    ticket: Iterator[int] = iter(range(4 * requests))
    each = time_of(lambda: update(next(ticket)), requests)
    empty: Iterator[int] = iter(range(4 * requests))
    loop = time_of(lambda: next(empty), requests)
    figures = {"update_us": (each - loop) * 1e6, "publish_us": publication * 1e6}
    if way == "shared files":
        figures["scrape_us"] = 1e6 * time_of(lambda: scrape(folder), 20)
    return figures


def scrape(folder: Path) -> bytes:
    merged = CollectorRegistry()
    MultiProcessCollector(merged, path=str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(merged)


def in_fresh_process(way: str, requests: int) -> dict[str, float]:
    """The library chooses its kind of values when it is imported, hence a process for each way."""
    with tempfile.TemporaryDirectory(prefix="fallgate-metrics-") as folder:
        env = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        if way == "shared files":
            env["PROMETHEUS_MULTIPROC_DIR"] = folder
        command = [sys.executable, "-m", "tests.bench.metrics_cost", "--way", way, "--folder", folder]
        done = subprocess.run(
            [*command, "--requests", str(requests)], env=env, check=True, capture_output=True, text=True, timeout=120
        )
        return dict(json.loads(done.stdout))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.metrics_cost", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.requests, options.folder)))
        return 0
    at_rates = "".join(f"{f'at {rate}/s':>12}" for rate in RATES)
    print(f"CPU µs a request for 6 updates; publishing {SERIES} series once a second is shared out over the requests")
    print(f"{'':26}{'update':>10}{'publish':>10}{at_rates}")
    for way in WAYS:
        figures = in_fresh_process(way, options.requests)
        totals = "".join(f"{figures['update_us'] + figures['publish_us'] / rate:12.2f}" for rate in RATES)
        scraped = f"  (a scrape of one worker's files: {figures['scrape_us']:,.0f})" if "scrape_us" in figures else ""
        print(f"{way:26}{figures['update_us']:10.2f}{figures['publish_us']:10.0f}{totals}{scraped}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
