"""Programs that the supervisor's tests run: a child that behaves as told, and a supervisor over two of them.

    standin.py child BEHAVIOUR    reads its plan, appends what happens to the file that the plan names
    standin.py supervise LOG BEHAVIOUR DRAIN_S

Behaviours: `quick` ends at SIGTERM, `slow` takes 0.5 s, `stubborn` ignores it, `crash` dies at its first start.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import msgspec

from gateway.launch import configure_logging, follow_supervisor, read_plan
from gateway.supervisor.child import Child
from gateway.supervisor.signals import Signals
from gateway.supervisor.supervise import Supervisor


class StandinPlan(msgspec.Struct):
    name: str
    number: int
    log: str


def note(plan: StandinPlan, what: str) -> None:
    with Path(plan.log).open("a") as log:
        log.write(f"{plan.name} {plan.number} {os.getpid()} {what}\n")


def child(behaviour: str) -> None:
    plan = read_plan(StandinPlan)

    def told_to_end(number: int, frame: FrameType | None) -> None:
        note(plan, "term")
        if behaviour == "slow":
            time.sleep(0.5)
        if behaviour != "stubborn":
            note(plan, "end")
            os._exit(0)

    def orphaned() -> None:
        note(plan, "orphaned")
        os._exit(0)

    signal.signal(signal.SIGTERM, told_to_end)
    signal.signal(signal.SIGHUP, lambda number, frame: note(plan, "hup"))
    follow_supervisor(orphaned)
    note(plan, "start")
    if behaviour == "crash" and plan.number == 1:
        os._exit(3)
    while True:
        signal.pause()


def supervise(log: str, behaviour: str, drain_s: float) -> int:
    configure_logging("info")
    starts = {"worker": 0, "control": 0}

    def build(name: str, behaves: str) -> Child:
        def plan() -> StandinPlan:
            starts[name] += 1
            return StandinPlan(name, starts[name], log)

        return Child(name, [sys.executable, __file__, "child", behaves], plan)

    with Signals() as signals:
        supervisor = Supervisor(
            workers=[build("worker", behaviour)],
            control=build("control", "quick"),
            drain_s=drain_s,
            is_ready=lambda: True,
            on_ended=lambda worker: None,
        )
        return supervisor.run(signals)


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(sys.argv[2])
    sys.exit(supervise(sys.argv[2], sys.argv[3], float(sys.argv[4])))
