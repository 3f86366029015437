"""Measures one gateway: what a request costs, how long it takes, how much memory the processes hold."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench.contenders import UPSTREAM_PORT, UPSTREAM_URL, Contender
from tests.bench.processes import (
    BenchError,
    Cores,
    ProcessMemory,
    core_busy_seconds,
    pinned,
    running,
    tree_cpu_seconds,
    tree_memory,
    wait_until_ready,
)

READY_TIMEOUT_S = 90.0
COUNTER = re.compile(
    r"(?P<name>gateway_(requests|fallbacks|records_dropped)_total)\b({.*?outcome=\"(?P<outcome>\w+)\".*})?"
)
SERVED = "gateway_requests_total served"
LOW_RATE = 40


class Kind(StrEnum):
    """What is asked of a gateway: whole answers or streams, with log-probabilities for the client or without."""

    JSON = "json"
    JSON_LOGPROBS = "json_lp"
    STREAM = "sse"
    STREAM_LOGPROBS = "sse_lp"
    LOW_JSON = "low_json"  # at a fixed low rate
    LOW_STREAM = "low_sse"

    @property
    def is_low(self) -> bool:
        return self in (Kind.LOW_JSON, Kind.LOW_STREAM)

    @property
    def words(self) -> str:
        what = "streams" if "sse" in self else "JSON"
        return f"{what} at {LOW_RATE}/s" if self.is_low else what + (" with lp" if self.endswith("_lp") else "")

    @property
    def flags(self) -> list[str]:
        flags = ["-rate", str(LOW_RATE), "-connections", "8"] if self.is_low else ["-connections", "32"]
        if self in (Kind.STREAM, Kind.STREAM_LOGPROBS, Kind.LOW_STREAM):
            flags.append("-stream")
        if self in (Kind.JSON_LOGPROBS, Kind.STREAM_LOGPROBS):
            flags.append("-logprobs")
        return flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every measurement of one run shares."""

    binary: Path  # the load generator
    scratch: Path  # configurations, stores and logs; gone afterwards
    cores: Cores
    seconds: float  # of one measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One kind of load on one gateway."""

    answered: int
    cpu_us: float  # a request, over the whole process tree
    per_second: float
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float
    busy_share: float  # of the core, by the gateway
    others_share: float  # of the core, by anybody else: well above 0, the figures are disturbed
    logprobs_asked: int  # how many requests reached the upstream with `logprobs`
    models_asked: dict[str, int]

    @property
    def core_share(self) -> float:
        """How busy the gateway's core was: well below 1, the load was the limit."""
        return self.busy_share + self.others_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All of one gateway in one round."""

    samples: dict[Kind, Sample]
    processes: list[ProcessMemory]  # the worker first
    counters: dict[str, float]  # what the gateway itself counted, where it can be asked

    @property
    def tree_pss_mb(self) -> float:
        return sum(process.pss_mb for process in self.processes)

    @property
    def worker_pss_mb(self) -> float:
        return self.processes[0].pss_mb


def upstream_count() -> dict[str, Any]:
    with urllib.request.urlopen(f"{UPSTREAM_URL}/count", timeout=5) as answer:
        return dict(json.load(answer))


def load(site: Site, contender: Contender, *flags: str, timeout_s: float = 120) -> dict[str, Any]:
    """Run the load; a single bad answer ends the measurement, since a wrong answer can be as cheap as you like."""
    command = [str(site.binary), "load", "-port", str(contender.port), "-key", contender.key]
    command += ["-model", contender.model, *flags, *(["-loose"] if contender.is_rewriting else [])]
    done = subprocess.run(
        pinned(command, site.cores.rest), check=False, capture_output=True, text=True, timeout=timeout_s
    )
    try:
        seen = dict(json.loads(done.stdout))
    except ValueError:
        raise BenchError(f"the load generator failed: {done.stderr.strip() or done.stdout.strip()}") from None
    if seen["bad"]:
        raise BenchError(
            f"{contender.name}: {seen['bad']} of {seen['bad'] + seen['answered']} answers to "
            f"`load {' '.join(flags)}` were bad; the first: {seen['problem']}"
        )
    if not seen["answered"]:
        raise BenchError(f"{contender.name} answered nothing to `load {' '.join(flags)}`.")
    return seen


def sample(site: Site, contender: Contender, pid: int, kind: Kind) -> Sample:
    before, cpu, busy = upstream_count(), tree_cpu_seconds(pid), core_busy_seconds(site.cores.gateway)
    seen = load(site, contender, *kind.flags, "-seconds", str(site.seconds))
    cpu_s = tree_cpu_seconds(pid) - cpu
    busy_s = core_busy_seconds(site.cores.gateway) - busy
    after = upstream_count()
    return Sample(
        answered=seen["answered"],
        cpu_us=cpu_s * 1e6 / seen["answered"],
        per_second=seen["per_second"],
        p50_ms=seen["latency_ms"]["p50"],
        p99_ms=seen["latency_ms"]["p99"],
        first_byte_p50_ms=seen["first_byte_ms"]["p50"],
        busy_share=cpu_s / seen["seconds"],
        others_share=max(0.0, busy_s - cpu_s) / seen["seconds"],
        logprobs_asked=after["logprobs"] - before["logprobs"],
        models_asked={name: count - before["models"].get(name, 0) for name, count in after["models"].items()},
    )


@contextmanager
def upstream(site: Site, *flags: str) -> Iterator[None]:
    """The model server that all gateways stand before."""
    refuse_taken([UPSTREAM_PORT])
    command = [str(site.binary), "upstream", "-listen", f"127.0.0.1:{UPSTREAM_PORT}", *flags]
    log = site.scratch / "upstream.log"
    with running(command, site.cores.rest, log, {"GOMAXPROCS": "1"}) as process:
        wait_until_ready(lambda: "" if is_listening(UPSTREAM_PORT) else "it does not listen", 10, process, log)
        yield


@contextmanager
def started(site: Site, contender: Contender) -> Iterator[int]:
    """Start a gateway with a fresh store, wait until it answers like a model, and give its process id."""
    refuse_taken([contender.port, *contender.more_ports])
    log = site.scratch / f"{contender.name}.log"
    folder = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=site.scratch))
    try:
        with running(
            contender.command, site.cores.gateway, log, {**contender.env, "BENCH_DIR": str(folder)}
        ) as process:
            wait_until_ready(lambda: missing(site, contender), READY_TIMEOUT_S, process, log)
            yield process.pid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def missing(site: Site, contender: Contender) -> str:
    """Why a gateway is not ready; nothing when it is."""
    if not is_listening(contender.port):
        return f"nothing listens on port {contender.port}"
    try:
        load(site, contender, "-requests", "1", "-connections", "1")
    except BenchError as problem:
        return str(problem)
    return ""


def refuse_taken(ports: list[int]) -> None:
    for port in ports:
        if is_listening(port):
            raise BenchError(f"port {port} on 127.0.0.1 is taken; end what listens there (ss -ltnp) and try again.")


def counters(contender: Contender) -> dict[str, float]:
    request = urllib.request.Request(
        contender.metrics_url, headers={"Authorization": f"Bearer {contender.metrics_key}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return sum_counters(answer.read().decode())


def sum_counters(exposition: str) -> dict[str, float]:
    """The gateway's own counters, summed over their labels; requests by outcome."""
    sums: dict[str, float] = {}
    for line in exposition.splitlines():
        if found := COUNTER.match(line):
            name = found["name"] + (f" {found['outcome']}" if found["outcome"] else "")
            sums[name] = sums.get(name, 0.0) + float(line.rsplit(" ", 1)[1])
    return sums


def settled_counters(contender: Contender, served: int) -> dict[str, float]:
    """The counters once they have caught up with what the upstream served, or as they are after three seconds."""
    if not contender.metrics_url:
        return {}
    end = time.monotonic() + 3
    while True:
        found = counters(contender)
        if found.get(SERVED, 0.0) >= served or time.monotonic() > end:
            return found | {"upstream answers": served}
        time.sleep(0.2)


def measure(site: Site, contender: Contender, kinds: list[Kind]) -> Result:
    """Start one gateway alone, warm it up, measure it, stop it."""
    before = upstream_count()["chat"]
    with started(site, contender) as pid:
        for kind in kinds:
            load(site, contender, *kind.flags, "-seconds", "0.6")
        samples = {kind: sample(site, contender, pid, kind) for kind in kinds}
        processes = tree_memory(pid)
        counted = settled_counters(contender, upstream_count()["chat"] - before)
        return Result(samples=samples, processes=processes, counters=counted)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else "unknown",
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "load_average": os.getloadavg()[0],
        "has_taskset": shutil.which("taskset") is not None,
    }
