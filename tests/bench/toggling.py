"""Moves a split back and forth under load at a fixed rate, and looks whether a request was lost or misattributed.

    python -m tests.bench.toggling [--rate 500] [--seconds 10] [--priority N]

Every answer the load generator got must be a record, every record's arm the one that its bucket had in the revision it
names, and the versions must have been asked as often as records say.
"""

import argparse
import itertools
import json
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.measure import Site, load, started, upstream, upstream_count
from tests.bench.processes import BenchError, ahead, choose_cores

ADMIN = "http://127.0.0.1:9107/admin/v1/routes/support"
SPLITS = ((50, 50), (0, 100), (30, 70), (100, 0), (10, 90))
PAUSE_S = 0.25


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


def records(database: Path, wanted: int) -> Counter[str]:
    """Records by arm, as soon as there are as many as are wanted, or after five seconds."""
    end = time.monotonic() + 5
    while True:
        with sqlite3.connect(database) as store:
            found = Counter(dict(store.execute("SELECT arm, count(*) FROM requests GROUP BY arm")))
        if found.total() >= wanted or time.monotonic() > end:
            return found
        time.sleep(0.2)


def run(site: Site, rate: int, seconds: float) -> int:
    contender = contenders.fallgate(Path(sys.executable), Path(__file__).with_name("fallgate.yaml"))
    before = upstream_count()["models"]
    with started(site, contender):
        database = next(site.scratch.glob("*/fallgate.db"))
        ended, moves = Event(), list[int]()
        toggling = Thread(target=toggle, args=(contender, ended, moves))
        toggling.start()
        seen = load(site, contender, "-rate", str(rate), "-connections", "32", "-seconds", str(seconds))
        ended.set()
        toggling.join()
        asked = {name: count - before.get(name, 0) for name, count in upstream_count()["models"].items()}
        wanted = sum(asked.values())
        by_arm = records(database, wanted)
        wrong = misattributed(database)
    print(f"{seen['answered']} answers at {seen['per_second']:.0f}/s, {len(moves)} moves of the split meanwhile")
    print(f"asked upstream {asked}; records by arm {dict(by_arm)}; misattributed {len(wrong)}")
    holds = dict(by_arm) == asked and not wrong and len(moves) > seconds
    print("nothing lost, nothing misattributed" if holds else "IT DOES NOT HOLD")
    return 0 if holds else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.toggling", description=__doc__)
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
                return run(site, options.rate, options.seconds)
        except BenchError as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
