"""A route that is watched for drift: slices as workers hand them over, with a clock that is moved here."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.control.loops.drift import DriftWatch
from gateway.snapshot.drift_entry import DriftEntry
from gateway.snapshot.publish import Publisher
from gateway.store import drift, drift_alarms
from gateway.store.drift import ALL_ROUTES, Slice, StoredReference
from gateway.store.engine import Store
from routing.drift.features import Side
from routing.drift.summary import Summary
from tests.fakes.documents import SUPPORT, V1, V2, file_document
from tests.routing.drift.answers import answers
from tests.routing.drift.texts import GERMAN, summary_of, texts

MINUTE_US = 60_000_000
START_US = 1_790_035_200_000_000


def minute_of(seed: int, n: int = 120, *, german: bool = False, **moved: float) -> Summary:
    """What a minute of requests and answers comes to."""
    text = summary_of(texts(n, seed, asks=GERMAN) if german else texts(n, seed))
    return text + replace(answers(n, seed, **moved), seen=0)


@dataclass
class Watched:
    """A store with a route, and the loop over it."""

    store: Store
    now_us: int = START_US
    seq: int = 0

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.store, self.clock)
        self.publish()
        self.restart()

    def clock(self) -> int:
        return self.now_us

    def publish(self, **settings: Any) -> None:
        """A file whose route is watched so."""
        file = file_document({V1: 5_000, V2: 5_000})
        route = msgspec.structs.replace(file.routes[SUPPORT], drift=DriftEntry(**settings))
        self.publisher.publish_file(msgspec.structs.replace(file, routes={SUPPORT: route}), "file")

    def restart(self) -> None:
        """Another loop, that knows nothing but the store."""
        self.loop = DriftWatch(self.store, self.clock)

    def teach(self, model: str = V1) -> None:
        """Give a version references of both sides."""
        inputs = [summary_of(texts(100, 5_000 + at)) for at in range(25)]
        outputs = [answers(200, 6_000 + at) for at in range(25)]
        with self.store.writing() as connection:
            for side, route, chunks in ((Side.INPUT, ALL_ROUTES, inputs), (Side.OUTPUT, SUPPORT, outputs)):
                n = sum(chunk.n(side) for chunk in chunks)
                reference = StoredReference(
                    route=route, model=model, side=side, source="training" if route == ALL_ROUTES else "traffic",
                    made_us=self.now_us, n=n, chunks=chunks, about={},
                )  # fmt: skip
                drift.put_reference(connection, reference)

    def minutes(self, summaries: Iterable[Summary], model: str = V1, writer_id: str = "w1") -> None:
        """Let minutes go by, each of which a worker hands over and the loop looks at."""
        for summary in summaries:
            began_us, self.now_us, self.seq = self.now_us, self.now_us + MINUTE_US, self.seq + 1
            drift.hand_over(self.store, writer_id, self.seq, [Slice(SUPPORT, model, began_us, self.now_us, summary)])
            self.look()

    def look(self) -> None:
        """The loop, until there is nothing more to do soon."""
        while self.loop.run():
            pass

    def state(self, model: str = V1) -> dict[str, Any] | None:
        with self.store.reading() as connection:
            found: dict[str, Any] | None = drift.states(connection).get((SUPPORT, model))
            return found

    @property
    def alarms(self) -> set[tuple[str, str]]:
        """Model and feature of all that are on."""
        with self.store.reading() as connection:
            return {(one.model, one.feature) for one in drift_alarms.of_route(connection, SUPPORT).moved}

    def windows(self, model: str = V1) -> list[drift.Window]:
        with self.store.reading() as connection:
            return drift.last_windows(connection, SUPPORT, model, 100)

    def references(self, model: str = V1) -> dict[Side, StoredReference]:
        with self.store.reading() as connection:
            return drift.references_of(connection, SUPPORT, model)
