"""What dies is started again, what is told to end ends in order and in time, and nothing outlives the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

STANDIN = Path(__file__).parent / "standin.py"
PATIENCE_S = 15.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


class Run:
    """A running supervisor and the diary of its children."""

    def __init__(self, directory: Path, behaviour: str, drain_s: float) -> None:
        self._diary = directory / "diary"
        self._diary.touch()
        command = [sys.executable, str(STANDIN), "supervise", str(self._diary), behaviour, str(drain_s)]
        self.process = subprocess.Popen(command)

    def entries(self, name: str, what: str) -> list[tuple[int, int]]:
        """(number of the start, process id) of each time that `name` did `what`."""
        rows = [line.split() for line in self._diary.read_text().splitlines()]
        return [(int(number), int(pid)) for who, number, pid, did in rows if (who, did) == (name, what)]

    def wait_for(self, name: str, what: str, times: int = 1) -> list[tuple[int, int]]:
        wait_until(lambda: len(self.entries(name, what)) >= times, f"{name} did {what} {times} times")
        return self.entries(name, what)

    def order(self) -> list[str]:
        return [f"{who} {did}" for who, _, _, did in (line.split() for line in self._diary.read_text().splitlines())]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code and seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S), time.monotonic() - begin


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def begin(behaviour: str = "quick", drain_s: float = 5.0) -> Run:
        run = Run(tmp_path, behaviour, drain_s)
        runs.append(run)
        run.wait_for("worker", "start")
        run.wait_for("control", "start")
        return run

    yield begin
    for run in runs:
        run.process.kill()
        run.process.wait()
        for _, pid in run.entries("worker", "start") + run.entries("control", "start"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_within_two_seconds_and_cleanly(start: Start, number: int) -> None:
    code, took_s = start().end(number)
    assert code == 0
    assert took_s < 2


def test_the_control_plane_outlives_the_workers_drain(start: Start) -> None:
    run = start("slow")
    code, _ = run.end()
    assert code == 0
    assert run.order()[-4:] == ["worker term", "worker end", "control term", "control end"]


def test_a_worker_that_does_not_end_is_killed_within_five_seconds_of_the_drain(start: Start) -> None:
    run = start("stubborn", drain_s=0.5)
    code, took_s = run.end()
    assert code == 1
    assert 0.5 < took_s < 5.5


def test_a_second_signal_kills_at_once(start: Start) -> None:
    run = start("stubborn", drain_s=60)
    run.process.send_signal(signal.SIGTERM)
    run.wait_for("worker", "term")
    code, took_s = run.end()
    assert code == 1
    assert took_s < 3


def test_a_killed_worker_is_started_again_with_a_new_plan(start: Start) -> None:
    run = start()
    [(_, pid)] = run.entries("worker", "start")
    os.kill(pid, signal.SIGKILL)
    (first, _), (second, other_pid) = run.wait_for("worker", "start", times=2)
    assert (first, second) == (1, 2)
    assert other_pid != pid
    assert len(run.entries("control", "start")) == 1
    assert run.end()[0] == 0


def test_a_worker_that_dies_at_its_start_is_tried_again(start: Start) -> None:
    run = start("crash")
    run.wait_for("worker", "start", times=2)
    assert run.end()[0] == 0


def test_hangup_reaches_the_control_plane_alone(start: Start) -> None:
    run = start()
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("control", "hup")
    assert run.entries("worker", "hup") == []
    assert run.end()[0] == 0


def test_nothing_outlives_a_killed_supervisor(start: Start) -> None:
    run = start()
    run.process.kill()
    run.wait_for("worker", "orphaned")
    run.wait_for("control", "orphaned")
