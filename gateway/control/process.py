"""The control plane's process: everything put together, started and ended."""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from gateway.clock import now_us
from gateway.control.app import build_app
from gateway.control.cost_figures import CostFigures
from gateway.control.drift_figures import DriftFigures
from gateway.control.experiment_figures import ExperimentFigures
from gateway.control.figures import Figures
from gateway.control.file import FollowedFile
from gateway.control.leader import Leader
from gateway.control.observer import Observer
from gateway.control.page import Page
from gateway.control.parts import Parts
from gateway.control.reliability_figures import ReliabilityFigures
from gateway.control.retraining_figures import RetrainingFigures
from gateway.data.protocol import WireProtocol
from gateway.launch import ControlPlan, configure_logging, follow_supervisor, metrics_dir, read_plan
from gateway.snapshot.kept import kept
from gateway.snapshot.publish import Publisher
from gateway.store.engine import open_store
from gateway.store.keys import NewKey

STOP_S = 1.5
"""For the threads to end; what waits for the store longer is left behind."""
REQUESTS_END_S = 1

log = logging.getLogger(__name__)


def main() -> int:
    """Run until told to end; the exit code."""
    told = _Told()
    plan = read_plan(ControlPlan)
    configure_logging(plan.log_level, plan.log_format)
    parts = build(plan)
    follow_supervisor(on_line=parts.observer.forget)
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(parts),
            http=WireProtocol,
            loop="asyncio",
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=REQUESTS_END_S,
        )
    )
    told.connect(server, parts.leader)
    parts.leader.start()
    try:
        asyncio.run(server.serve(sockets=[socket.socket(fileno=plan.admin_fd)]))
    finally:
        parts.leader.stop(STOP_S)
        parts.observer.stop(STOP_S)
        parts.page.close()
    return 0


class _Told:
    """SIGHUP reads the file again; SIGTERM ends, also when it comes before there is anything to end."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._leader: Leader | None = None
        self._is_over = False
        signal.signal(signal.SIGHUP, lambda number, frame: self._reload())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._end())

    def connect(self, server: uvicorn.Server, leader: Leader) -> None:
        self._server, self._leader = server, leader
        if self._is_over:
            server.should_exit = True

    def _reload(self) -> None:
        if self._leader is not None:
            self._leader.reload()

    def _end(self) -> None:
        self._is_over = True
        if self._server is not None:
            self._server.should_exit = True


def build(plan: ControlPlan) -> Parts:
    """Everything, not started yet."""
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    store = open_store(plan.store_url)
    publisher = Publisher(store, now_us, coordination_url=plan.coordination_url)
    file = FollowedFile(Path(plan.config), os.environ)
    page = Page(metrics_dir(plan.state_dir), lambda: observer.seen, lambda: file.is_good)
    figures = (
        Figures(store, lambda: observer.seen),
        ReliabilityFigures(store, lambda: observer.seen),
        ExperimentFigures(store, lambda: observer.seen),
        DriftFigures(store, lambda: observer.seen),
        RetrainingFigures(store, lambda: observer.seen),
        CostFigures(store, lambda: observer.seen),
    )
    for one in figures:
        page.show(one)

    def chores() -> None:
        page.tidy()
        for one in figures:
            one.look()

    observer = Observer(store, now_us, page.rolled_back, chores)
    last = kept(Path(plan.state_dir))
    if last is not None:
        observer.expect(last)
    leader = Leader(plan=plan, store=store, publisher=publisher, file=file, observer=observer, show_keys=show_keys)
    return Parts(store=store, publisher=publisher, observer=observer, leader=leader, page=page, clock=now_us)


def show_keys(made: list[NewKey]) -> None:
    """Print first keys, on standard output and nowhere else: a log would keep them."""
    lines = [f"  {key.name:<8}{key.secret}  ({', '.join(key.scopes)})\n" for key in made]
    sys.stdout.write("The first API keys, shown this once:\n" + "".join(lines))
    sys.stdout.flush()
