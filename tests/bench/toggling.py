"""Moves a split back and forth under load at a fixed rate, and looks whether a request was lost or misattributed.

    python -m tests.bench.toggling [--experiment] [--rate 500] [--seconds 10] [--priority N]

Every answer the load generator got must be a record, every record's arm the one that its bucket had in the revision it
names, and the models must have been asked as often as records say. With --experiment, it is one that takes steps by
itself while an operator pauses, resumes, splits by hand and, in the end, aborts it; then also every unit that entered
must have done so in the arm and at the step of its first record.
"""

import argparse
import functools
import itertools
import json
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.measure import Site, load, started, upstream, upstream_count
from tests.bench.processes import BenchError, ahead, choose_cores

ADMIN = "http://127.0.0.1:9107/admin/v1/routes/support"
SPLITS = ((50, 50), (0, 100), (30, 70), (100, 0), (10, 90))
PAUSE_S = 0.25
ALONE_S, FIRST_ALONE_S = 0.5, 6.0
"""How long an experiment is left alone between two interventions, and at first, to take steps."""
EXPERIMENT = {
    "name": "e1",
    "baseline": "support-v1",
    "candidate": "support-v2",
    "mode": "auto",
    "primary": {"metric": "fallback_share"},
    "min_units": 100,
    "planned_units": 1000,
    "steps": [20, 40, 60, 80, 100],
    "soak": "1s",
    "horizon": "first_request",
    "stop": "2099-01-01",
}


def admin(contender: Contender, method: str, path: str, body: Any = None, etag: str | None = None) -> tuple[Any, str]:
    headers = {"authorization": f"Bearer {contender.metrics_key}", "content-type": "application/json"}
    headers |= {"if-match": etag} if etag else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADMIN + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer), answer.headers["etag"]


def toggle(contender: Contender, ended: Event, moves: list[int]) -> None:
    """One split after the other, and now and then a roll-back, until the load is over."""
    for number, (one, other) in enumerate(itertools.cycle(SPLITS)):
        if ended.wait(PAUSE_S):
            return
        _, etag = admin(contender, "GET", "")
        if number % 4 == 3:
            body, _ = admin(contender, "POST", "/rollback", {}, etag)
        else:
            body, _ = admin(contender, "PUT", "/split", {"split": {"support-v1": one, "support-v2": other}}, etag)
        moves.append(body["revision"])


def operate(contender: Contender, ended: Event, moves: list[int], *, lasts_s: float) -> None:
    """An experiment that takes its steps, with an operator who cannot leave it alone and in the end aborts it."""

    def act(method: str, path: str, body: Any) -> None:
        # The experiment may move between the two: then one has to look again.
        while True:
            _, etag = admin(contender, "GET", "")
            try:
                moves.append(admin(contender, method, path, body, etag)[0]["revision"])
                return
            except urllib.error.HTTPError as refused:
                if refused.code != 412:
                    raise

    end_s = time.monotonic() + lasts_s - 1
    act("POST", "/experiment/start", {})
    ended.wait(FIRST_ALONE_S)
    while not ended.wait(ALONE_S) and time.monotonic() < end_s - ALONE_S:
        act("POST", "/experiment/pause", {})
        act("POST", "/experiment/resume", {})
        ended.wait(ALONE_S)
        act("PUT", "/split", {"split": {"support-v1": 70, "support-v2": 30}})
        ended.wait(PAUSE_S)
        act("POST", "/experiment/resume", {})
    ended.wait(max(0.0, end_s - time.monotonic()))
    act("POST", "/experiment/abort", {})


def steps_taken(database: Path) -> int:
    """How many steps the experiment took by itself."""
    with sqlite3.connect(database) as store:
        query = "SELECT count(*) FROM audit WHERE who = 'experiment' AND detail LIKE '%\"step\":{%'"
        return int(store.execute(query).fetchone()[0])


def misplaced(database: Path) -> tuple[int, int]:
    """Units that entered the experiment, and how many of them not in the arm and at the step of their first record."""
    query = (
        "SELECT count(*), count(*) FILTER (WHERE units.arm <> requests.arm OR units.step <> steps.step) "
        "FROM experiment_units AS units "
        "JOIN requests ON requests.unit_hash = units.unit_hash AND requests.started_us = units.entered_us "
        "LEFT JOIN experiment_steps AS steps ON steps.ranges_revision = requests.ranges_revision"
    )
    with sqlite3.connect(database) as store:
        entered = store.execute("SELECT count(*) FROM experiment_units").fetchone()[0]
        found, wrong = store.execute(query).fetchone()
    return entered, wrong + entered - found


def misattributed(database: Path) -> list[tuple[Any, ...]]:
    """Records whose arm is not the one that their bucket had in the ranges that they name."""
    with sqlite3.connect(database) as store:
        ranges: dict[int, Any] = {}
        for revision, document in store.execute("SELECT revision, document FROM snapshots"):
            route = json.loads(document)["routes"]["support"]
            if route["ranges_revision"] == revision:
                ranges[revision] = route["ranges"]
        rows = store.execute("SELECT request_id, arm, bucket, ranges_revision FROM requests").fetchall()
    return [row for row in rows if _arm(ranges[row[3]], row[2]) != row[1]]


def _arm(ranges: Any, bucket: int) -> str:
    return next(str(held["arm"]) for held in ranges if held["start"] <= bucket < held["stop"])


def records(database: Path, wanted: int) -> tuple[Counter[str], Counter[str]]:
    """Records by arm and by who answered, as soon as there are as many as are wanted, or after five seconds."""
    end = time.monotonic() + 5
    while True:
        with sqlite3.connect(database) as store:
            by_arm, by_model = (
                Counter(dict(store.execute(f"SELECT {column}, count(*) FROM requests GROUP BY {column}")))
                for column in ("arm", "model")
            )
        if by_arm.total() >= wanted or time.monotonic() > end:
            return by_arm, by_model
        time.sleep(0.2)


def with_experiment(site: Site, config: Path) -> Path:
    """The configuration with an experiment, beside the run's other files."""
    document = yaml.safe_load(config.read_text())
    document["routes"]["support"] |= {"split": {"support-v1": 100, "support-v2": 0}, "experiment": EXPERIMENT}
    path = site.scratch / "experiment.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def run(site: Site, rate: int, seconds: float, *, is_experiment: bool) -> int:
    config = Path(__file__).with_name("fallgate.yaml")
    toggler: Callable[..., None] = functools.partial(operate, lasts_s=seconds) if is_experiment else toggle
    config = with_experiment(site, config) if is_experiment else config
    contender = contenders.fallgate(Path(sys.executable), config)
    before = upstream_count()["models"]
    with started(site, contender):
        database = next(site.scratch.glob("*/fallgate.db"))
        ended, moves = Event(), list[int]()
        toggling = Thread(target=toggler, args=(contender, ended, moves))
        toggling.start()
        seen = load(site, contender, "-rate", str(rate), "-connections", "32", "-seconds", str(seconds))
        ended.set()
        toggling.join()
        asked = {name: count - before.get(name, 0) for name, count in upstream_count()["models"].items()}
        wanted = sum(asked.values())
        by_arm, by_model = records(database, wanted)
        wrong = misattributed(database)
        entered, amiss, steps = (*misplaced(database), steps_taken(database)) if is_experiment else (0, 0, 0)
    print(f"{seen['answered']} answers at {seen['per_second']:.0f}/s, {len(moves)} moves by hand meanwhile")
    print(f"asked upstream {asked}; answered by {dict(by_model)}")
    print(f"records by arm {dict(by_arm)}; misattributed {len(wrong)}")
    if is_experiment:
        print(f"{steps} steps by itself; {entered} units entered, {amiss} of them misplaced")
    enough = steps > 0 and entered > 0 and not amiss if is_experiment else len(moves) > seconds
    holds = by_model == Counter(asked) and not wrong and enough
    print("nothing lost, nothing misattributed" if holds else "IT DOES NOT HOLD")
    return 0 if holds else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.toggling", description=__doc__)
    parser.add_argument("--experiment", action="store_true")
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--priority", type=int, default=0)
    parser.add_argument("--bench-dir", type=Path, default=Path(__file__).parents[2] / ".bench")
    options = parser.parse_args()
    with ahead(options.priority), tempfile.TemporaryDirectory(prefix="fallgate-bench-") as folder:
        site = Site(
            binary=options.bench_dir / "traffic",
            scratch=Path(folder),
            cores=choose_cores(),
            seconds=options.seconds,
        )
        try:
            with upstream(site):
                return run(site, options.rate, options.seconds, is_experiment=options.experiment)
        except BenchError as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
