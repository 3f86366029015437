"""Sends a million requests to one gateway and fits a line through the memory that its processes hold."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Any

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.measure import Site, load, started, upstream
from tests.bench.processes import BenchError, choose_cores, tree_memory
from tests.bench.report import Verdict

REQUESTS = 1_000_000
STEP = 50_000
# The first steps fill caches, pools and the allocator's arenas; a leak goes on after them.
WARM_UP_SHARE = 0.2
# What a process may drift by over a million requests and still be called flat.
FLAT_MB = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Memory (PSS, in megabytes) after so many requests."""

    requests: int
    worker_mb: float
    tree_mb: float


def slope_mb(points: Sequence[Point], figure: str) -> float:
    """Megabytes gained over a million requests, by least squares on what follows the warm-up."""
    steady = points[int(len(points) * WARM_UP_SHARE) :]
    xs = [point.requests / 1e6 for point in steady]
    return linear_regression(xs, [getattr(point, figure) for point in steady]).slope


def measure_growth(site: Site, contender: Contender, requests: int = REQUESTS, step: int = STEP) -> dict[str, Any]:
    print(f"\n{requests:,} requests to {contender.name}, memory every {step:,}:")
    points: list[Point] = []
    with started(site, contender) as pid:
        for done in range(step, requests + 1, step):
            seen = load(site, contender, "-requests", str(step), timeout_s=600)
            processes = tree_memory(pid)
            tree_mb = sum(process.pss_mb for process in processes)
            points.append(Point(requests=done, worker_mb=processes[0].pss_mb, tree_mb=tree_mb))
            memory = f"worker {processes[0].pss_mb:6.1f} MB  all {tree_mb:6.1f} MB"
            print(f"  {done:>9,}  {memory}  {seen['per_second']:,.0f}/s", flush=True)
    slopes = {figure: slope_mb(points, figure) for figure in ("worker_mb", "tree_mb")}
    return {"points": [asdict(point) for point in points], "slope_mb_per_million": slopes}


def growth_verdict(growth: dict[str, Any]) -> Verdict:
    slopes = growth["slope_mb_per_million"]
    return Verdict(
        what="memory gained over a million requests (PSS)",
        bar=f"flat: ≤ {FLAT_MB:.0f} MB",
        measured=f"worker {slopes['worker_mb']:+.1f} MB, all {slopes['tree_mb']:+.1f} MB",
        is_met=max(slopes.values()) <= FLAT_MB,
    )


def main() -> int:
    root = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.million", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--step", type=int, default=STEP)
    parser.add_argument("--bench-dir", type=Path, default=root / ".bench")
    parser.add_argument("--gateway", default=contenders.OURS, help="fallgate (default), smg or nginx")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fallgate-bench-") as folder:
        scratch = Path(folder)
        binary = (options.bench_dir / "traffic").resolve()
        site = Site(binary=binary, scratch=scratch, cores=choose_cores(), seconds=1)
        try:
            contender = {
                "nginx": lambda: contenders.nginx(scratch),
                "smg": lambda: contenders.smg(options.bench_dir),
            }.get(
                options.gateway,
                lambda: contenders.fallgate(Path(sys.executable), Path(__file__).with_name("fallgate.yaml")),
            )()
            with upstream(site):
                verdict = growth_verdict(measure_growth(site, contender, options.requests, options.step))
        except BenchError as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 1
    print(f"{verdict.what}: {verdict.measured}; {verdict.bar}: {'met' if verdict.is_met else 'NOT MET'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
