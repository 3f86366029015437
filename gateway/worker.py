"""A worker: one process of the data plane."""

import asyncio
import gc
import logging
import os
import socket
import time
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.background.bookkeeping import Bookkeeper, background_of
from gateway.data.app import build_app
from gateway.data.server import DataServer, build_server
from gateway.data.traffic import Traffic
from gateway.drift.handover import handing_over
from gateway.launch import WorkerPlan, configure_logging, follow_supervisor, metrics_dir, read_plan
from gateway.logs.requests import open_request_log
from gateway.metrics.families import DataPlaneMetrics
from gateway.metrics.lag import LoopLag
from gateway.metrics.publish import RegistryPublisher
from gateway.records.writer import RecordWriter
from gateway.snapshot.document import Snapshot
from gateway.snapshot.follow import Follower
from gateway.store.engine import open_store
from gateway.tracing.open import open_traces

PUBLISH_EVERY_S: Final = 1.0
FLUSH_S: Final = 2.0
_log = logging.getLogger("gateway.worker")


def main() -> None:
    """Entry point of `python -m gateway.worker`, started by the supervisor."""
    plan = read_plan(WorkerPlan)
    configure_logging(plan.log_level, plan.log_format)
    follow_supervisor()
    run(plan)


def run(plan: WorkerPlan) -> None:
    """Serve until told to end; then finish what is in flight and hand over what was recorded."""
    registry = CollectorRegistry()
    records = RecordWriter(plan.store_url, plan.writer_id)
    traces, request_log = open_traces(os.environ, plan.writer_id), open_request_log(plan.log_requests)
    traffic = Traffic(
        records, DataPlaneMetrics(registry), tracer=traces.tracer if traces else None, request_log=request_log
    )
    server = build_server(build_app(traffic), plan.drain_s, traffic.drain)
    follower = Follower(plan.store_url, Path(plan.state_dir), plan.writer_id, plan.coordination_url)
    drift = handing_over(plan.store_url, plan.writer_id, traffic.drift)
    metering = Metering(traffic, RegistryPublisher(registry, metrics_dir(plan.state_dir), plan.writer_id))
    lag = LoopLag(registry)
    metering.start()
    drift.start()
    try:
        server.config.load()
        _spare_the_collector()
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            lag.start(runner.get_loop())
            runner.run(_serve(server, follower, traffic, plan))
    finally:
        drift.end(FLUSH_S)  # meanwhile
        records.stop(FLUSH_S)
        drift.join()
        metering.stop()
        for last in (request_log, traces):
            if last is not None:
                last.stop(FLUSH_S)


def _spare_the_collector() -> None:
    """What is loaded now stays for good, and a request leaves hardly any cycles: collecting rarely is cheaper."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _serve(server: DataServer, follower: Follower, traffic: Traffic, plan: WorkerPlan) -> None:
    loop = asyncio.get_running_loop()
    store = open_store(plan.store_url)
    desks = traffic.auditor, traffic.shadower
    books = [desk.books for desk in desks]
    bookkeeper = Bookkeeper(store, plan.writer_id, books, traffic.share, traffic.clock)

    def apply(snapshot: Snapshot) -> None:
        traffic.apply(snapshot)
        follower.acknowledge(snapshot.revision)

    follower.start(lambda snapshot: loop.call_soon_threadsafe(partial(apply, snapshot)), traffic.notices)
    try:
        async with background_of(desks, bookkeeper):
            await server.serve([socket.socket(fileno=plan.data_fd)])
    finally:
        await asyncio.to_thread(follower.stop)  # it calls into this loop for as long as it runs
        store.close()


class Metering:
    """Publishes the metrics once a second, from a thread of its own."""

    def __init__(self, traffic: Traffic, publisher: RegistryPublisher) -> None:
        self._traffic = traffic
        self._publisher = publisher
        self._ended = Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Publish for the last time."""
        self._ended.set()
        self._thread.join()
        self._publish(final=True)

    def _run(self) -> None:
        while not self._ended.wait(PUBLISH_EVERY_S):
            self._publish(final=False)

    def _publish(self, *, final: bool) -> None:
        self._traffic.measure(time.monotonic())
        try:
            self._publisher.publish(final=final)
        except OSError as error:
            _log.warning("the metrics could not be written to the state directory: %s", error.strerror)


if __name__ == "__main__":
    main()
