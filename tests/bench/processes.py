"""Starts programs on a core of their own and reads from /proc what their whole process tree costs."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 15.0
GRACE_S = 1.0


class BenchError(Exception):
    """The measurement cannot be made, or what it measured is not what it should be; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where things run: the gateway alone on one core, the upstream and the load on another."""

    gateway: int
    rest: int

    @property
    def is_shared(self) -> bool:
        return self.gateway == self.rest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """One process of a tree. `pss` divides each shared page among those who map it, `rss` counts it whole."""

    pid: int
    command: str
    pss_mb: float
    rss_mb: float
    cpu_s: float


def choose_cores() -> Cores:
    if sys.platform != "linux":
        raise BenchError("processes are measured through /proc, so this needs Linux.")
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(gateway=allowed[0], rest=allowed[min(1, len(allowed) - 1)])


def pinned(command: Sequence[str], core: int) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else list(command)


@contextlib.contextmanager
def ahead(levels: int) -> Iterator[None]:
    """Let what is started go so many levels of niceness ahead of the machine's other work.

    A gateway that is interrupted often costs more, and one with several threads suffers more than one with one.
    """
    if not levels:
        yield
        return
    try:
        os.nice(-levels)
        set_session_nice(os.getpid(), -levels)
    except PermissionError:
        raise BenchError("--priority needs root (or CAP_SYS_NICE).") from None
    try:
        yield
    finally:
        set_session_nice(os.getpid(), 0)


def set_session_nice(pid: int, nice: int) -> None:
    """Linux weighs sessions against each other first (autogroups), so the niceness of a process alone does little."""
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def running(command: Sequence[str], core: int, log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own; at the end nothing of it is left."""
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                pinned(command, core),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
            )
        except FileNotFoundError as missing:
            raise BenchError(f"{missing.filename} is not there; run scripts/setup_bench.sh and `make setup`.") from None
    try:
        if nice := os.getpriority(os.PRIO_PROCESS, 0):
            set_session_nice(process.pid, nice)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the leader first, as an operator would; what is left of its session after that is killed."""
    members = tree(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    if survivors := remaining(members, GRACE_S):
        print(f"  (killed {len(survivors)} processes that were left of {process.args!r})", file=sys.stderr)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_TIMEOUT_S)
    remaining(members, GRACE_S)


def remaining(pids: Sequence[int], grace_s: float) -> list[int]:
    """Those of some processes that are still there after a while."""
    end = time.monotonic() + grace_s
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def is_alive(pid: int) -> bool:
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in ("Z", "X")


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state (field 3 of proc(5)) on; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := stat_fields(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of one process and of its children that have already ended and been waited for."""
    fields = stat_fields(pid)
    return sum(map(int, fields[11:15])) / TICKS_PER_SECOND if fields else 0.0


def tree_cpu_seconds(root: int) -> float:
    return sum(map(cpu_seconds, tree(root)))


def core_busy_seconds(core: int) -> float:
    """How long a core has worked since boot, for anybody."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq = map(int, line.split()[1:8])
            return (user + nice + system + irq + softirq) / TICKS_PER_SECOND
    return 0.0


def memory_of(pid: int) -> ProcessMemory | None:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    return ProcessMemory(
        pid=pid,
        command=command,
        pss_mb=kilobytes["Pss"] / 1024,
        rss_mb=kilobytes["Rss"] / 1024,
        cpu_s=cpu_seconds(pid),
    )


def tree_memory(root: int) -> list[ProcessMemory]:
    """The processes of a tree, the one that has worked most (the worker) first."""
    found = [memory for pid in tree(root) if (memory := memory_of(pid))]
    return sorted(found, key=lambda memory: memory.cpu_s, reverse=True)


def wait_until_ready(
    problem_of: Callable[[], str], deadline_s: float, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Poll until nothing is missing any more; else say what was, and what the program last wrote."""
    end = time.monotonic() + deadline_s
    while problem := problem_of():
        if (code := process.poll()) is not None or time.monotonic() > end:
            what = f"ended with {code}" if code is not None else f"was not ready after {deadline_s:.0f} s: {problem}"
            last = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
            raise BenchError(f"{log.stem} {what}\nIts last lines:\n{last}")
        time.sleep(0.05)
