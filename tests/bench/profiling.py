"""Samples a gateway's worker with py-spy under load and lists where its time goes."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.bench.contenders import Contender
from tests.bench.measure import Kind, Site, load, started
from tests.bench.processes import BenchError, pinned, tree_memory

PROFILE_S = 10
SAMPLES_PER_SECOND = 400
PROFILED = (Kind.JSON, Kind.STREAM, Kind.STREAM_LOGPROBS)


def profile(site: Site, contender: Contender, into: Path) -> int:
    """Leave `profile-KIND.svg` (a flame graph) and `profile-KIND.txt` (stacks with counts) for each kind of load."""
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        raise BenchError(f"{spy} is missing; it is in the development requirements (`make setup`).")
    with started(site, contender) as pid:
        for kind in PROFILED:
            load(site, contender, *kind.flags, "-seconds", "4")  # until the worker has worked most
            worker = tree_memory(pid)[0].pid
            for shape, suffix in (("flamegraph", "svg"), ("raw", "txt")):
                record(site, contender, kind, [str(spy), str(worker), shape, str(into / f"profile-{kind}.{suffix}")])
            show(kind, into / f"profile-{kind}.txt")
    return 0


def record(site: Site, contender: Contender, kind: Kind, how: list[str]) -> None:
    spy, worker, shape, output = how
    command = [spy, "record", "-p", worker, "-d", str(PROFILE_S), "-r", str(SAMPLES_PER_SECOND)]
    command += ["-f", shape, "-o", output, "--nonblocking", "--function"]
    with subprocess.Popen(
        pinned(command, site.cores.rest), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as recording:
        load(site, contender, *kind.flags, "-seconds", str(PROFILE_S + 1))
        _, problem = recording.communicate(timeout=60)
    if recording.returncode:
        raise BenchError(
            f"py-spy could not sample process {worker} (it needs root, or ptrace allowed): {problem[-400:]}"
        )


def show(kind: Kind, stacks: Path) -> None:
    """The functions that most samples end in, and those that most samples pass through."""
    own: Counter[str] = Counter()
    passing: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, count = line.rsplit(" ", 1)
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            passing[frame] += int(count)
    total = max(1, own.total())
    print(f"\n{kind}: {total} samples; {stacks.with_suffix('.svg')}")
    for title, counts in (("own time", own), ("with what it calls", passing)):
        print(f"  {title}:")
        for frame, hits in counts.most_common(25):
            print(f"    {hits / total:6.1%}  {frame}")
