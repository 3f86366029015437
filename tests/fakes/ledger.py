"""Requests that were paid for, some of them also answered by the large model, in a store."""

import os
from pathlib import Path

from gateway.clock import now_us
from gateway.control.file import FollowedFile
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, ShadowOutcome, ShadowRow
from gateway.snapshot.file import from_config
from gateway.snapshot.publish import Publisher
from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from routing.cost.idle import HOUR_US
from routing.words import ModelName, Purpose, Result, RouteName
from tests.fakes.documents import LARGE, SUPPORT, V1
from tests.fakes.records import attempt_rows, request_id, served_row


class PairedTraffic:
    """Requests with a number each, of one arm."""

    def __init__(
        self, store: Store, *, route: RouteName = SUPPORT, arm: ModelName = V1, beside: ModelName = LARGE
    ) -> None:
        self.store = store
        self.seq = 0
        self._route = route
        self._arm = arm
        self._beside = beside

    def serve(self, how_many: int, at_us: int, *, arm: int, large: int | None = None) -> None:
        """Requests that the arm answered at a price (nano-dollars), and where `large` is given, the large model too."""
        entries: list[Entry] = []
        for _ in range(how_many):
            self.seq += 1
            rid = request_id(self.seq, at_us)
            row = served_row(self.seq, started_us=at_us)._replace(
                request_id=rid, route=self._route, arm=self._arm, model=self._arm
            )
            own = attempt_rows(self.seq, started_us=at_us)[0]._replace(
                model=self._arm, purpose=Purpose.SERVE, result=Result.COMPLETED, cost_nanousd=arm
            )
            entries.append((row, [own]))
            if large is not None:
                other = own._replace(number=2, model=self._beside, purpose=Purpose.SHADOW, cost_nanousd=large)
                shadow = ShadowRow(rid, self._route, self._arm, self._beside, 2, 1.0, True, at_us)
                entries.append(ShadowOutcome(request_id=rid, attempts=[other], row=shadow))
        BatchWriter(self.store, "w", lambda: at_us).write(Batch(seq=self.seq, entries=entries))


def live_hours_ago(directory: Path, config: str) -> None:
    """A store as if this configuration had been in force for hours, and its route `support` had paired traffic."""
    path = directory / "fallgate.yaml"
    path.write_text(config)
    hour_us = now_us() // HOUR_US * HOUR_US
    store = open_store(f"sqlite:///{directory}/fallgate.db")
    migrate(store)
    file = FollowedFile(path, os.environ)
    assert file.read()
    assert file.loaded is not None
    Publisher(store, lambda: hour_us - 5 * HOUR_US).publish_file(from_config(file.loaded.config), "file")
    PairedTraffic(store).serve(50, hour_us - 3 * HOUR_US, arm=4_000, large=35_000)
    store.close()
