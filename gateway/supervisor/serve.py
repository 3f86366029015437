"""`fallgate serve`: read the configuration, take the ports, start everything, say where it is."""

import logging
import os
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from gateway.launch import ControlPlan, WorkerPlan, configure_logging
from gateway.logs.formats import LogFormat
from gateway.supervisor import sockets
from gateway.supervisor.banner import Banner
from gateway.supervisor.child import Child, python_module
from gateway.supervisor.facts import PREPARE, Facts
from gateway.supervisor.signals import Signals
from gateway.supervisor.supervise import Supervisor

log = logging.getLogger(__name__)


class Plane(StrEnum):
    """Which part of the gateway runs here."""

    BOTH = "both"
    DATA = "data"
    CONTROL = "control"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the operator asked for."""

    config: Path
    plane: Plane = Plane.BOTH
    drain_s: float = 30.0
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    log_requests: float = 0.0
    """The share of requests that is logged, in [0, 1]."""


def serve(order: Order) -> int:
    """Run until told to end; the exit code, which is 1 at once where the configuration or an address cannot be used."""
    facts = _facts(order)
    if facts is None:
        return 1
    configure_logging(order.log_level, order.log_format)
    for warning in facts.warnings:
        log.warning("%s", warning)
    try:
        data, admin = _listen(facts, order.plane)
    except sockets.CannotListen as error:
        sys.stderr.write(f"{order.config}: {error}\n")
        return 1
    names: dict[str, str] = {}
    workers = [_worker(order, facts, number, data, names) for number in range(1, facts.workers + 1)] if data else []
    control = _control(order, facts, admin) if admin else None
    banner = Banner(facts=facts, data=data, admin=admin)

    def tell_of_end(worker: Child) -> None:
        if control is not None:
            control.tell(names[worker.name])

    with Signals() as signals:
        supervisor = Supervisor(
            workers=workers,
            control=control,
            drain_s=order.drain_s,
            is_ready=banner.shows_if_ready,
            on_ended=tell_of_end,
        )
        return supervisor.run(signals)


def _facts(order: Order) -> Facts | None:
    """Problems are printed by the process that reads the file."""
    prepare = [PREPARE] if order.plane is not Plane.DATA else []
    command = python_module("gateway.supervisor.inspect", str(order.config), *prepare)
    inspected = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    return msgspec.json.decode(inspected.stdout, type=Facts) if inspected.returncode == 0 else None


def _listen(facts: Facts, plane: Plane) -> tuple[socket.socket | None, socket.socket | None]:
    data = sockets.listen_on("server.listen", facts.listen) if plane is not Plane.CONTROL else None
    admin = sockets.listen_on("server.admin_listen", facts.admin_listen) if plane is not Plane.DATA else None
    for who, listener in (("applications", data), ("operators", admin)):
        if listener is not None:
            log.info("listening for %s on %s", who, sockets.shown(listener))
    return data, admin


def _worker(order: Order, facts: Facts, number: int, listener: socket.socket, names: dict[str, str]) -> Child:
    """One worker; `names` is kept to its present writer id."""
    name = f"worker {number}"

    def plan() -> WorkerPlan:
        names[name] = f"w{number}-{secrets.token_hex(8)}"
        return WorkerPlan(
            writer_id=names[name],
            store_url=facts.store_url,
            coordination_url=facts.coordination_url,
            state_dir=facts.state_dir,
            data_fd=listener.fileno(),
            drain_s=order.drain_s,
            log_level=order.log_level.value,
            log_format=order.log_format.value,
            log_requests=order.log_requests,
        )

    return Child(name, python_module("gateway.worker"), plan, [listener.fileno()])


def _control(order: Order, facts: Facts, listener: socket.socket) -> Child:
    plan = ControlPlan(
        holder=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        config=str(order.config),
        store_url=facts.store_url,
        coordination_url=facts.coordination_url,
        state_dir=facts.state_dir,
        admin_fd=listener.fileno(),
        log_level=order.log_level.value,
        log_format=order.log_format.value,
    )
    return Child("control plane", python_module("gateway.control"), lambda: plan, [listener.fileno()])
