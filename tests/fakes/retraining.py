"""A route whose version may be due for training again, with a clock that is moved here."""

from dataclasses import dataclass

import msgspec

from gateway.control.loops.retraining import Retraining
from gateway.records.rows import LabelRow
from gateway.snapshot.document import AuditEntry
from gateway.snapshot.file import FileDocument
from gateway.snapshot.publish import Publisher
from gateway.snapshot.retrain_entry import RetrainEntry, WebhookEntry
from gateway.store import deliveries, labels, retraining, versions
from gateway.store.deliveries import Delivery
from gateway.store.engine import Store
from gateway.webhooks.sender import Sender
from routing.drift.retraining import DAY_US, RetrainingReason, Standing
from routing.words import ModelName
from serving.webhook_answer import Answer
from tests.fakes.documents import SUPPORT, V1, file_document
from tests.fakes.records import audit_label, request_id
from tests.fakes.webhooks import SECRET

TRAINED_US = 1_790_035_200_000_000
"""2026-09-22 00:00 UTC."""


def retrain_file(
    url: str | None = None, split: dict[ModelName, int] | None = None, audit: AuditEntry | None = None, **more: int
) -> FileDocument:
    """A file whose route tells `url`."""
    webhook = None if url is None else WebhookEntry(url=url, secret="${HOOK_SECRET}")
    file = file_document(split or {V1: 10_000}, audit=audit)
    route = msgspec.structs.replace(file.routes[SUPPORT], retrain=RetrainEntry(webhook=webhook, **more))
    return msgspec.structs.replace(file, routes={SUPPORT: route})


@dataclass
class Plant:
    """A store with a version, and the two loops over it, as one lease holder runs them."""

    store: Store
    url: str | None = None
    now_us: int = TRAINED_US

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.store, self.clock)
        self.publish()
        self.register(V1, "2026-09-22")
        self.restart()

    def clock(self) -> int:
        return self.now_us

    def publish(self, **more: object) -> None:
        file = retrain_file(**{"url": self.url, **more})  # type: ignore[arg-type]
        self.publisher.publish_file(file, "file")

    def register(self, model: ModelName, created: str) -> None:
        versions.record(self.store, model, {"created": created}, clock=self.clock)

    def restart(self) -> None:
        """Other loops, that know nothing but the store."""
        self.loop = Retraining(self.store, self.clock)
        self.sender = Sender(self.store, {"HOOK_SECRET": SECRET}, self.clock)

    def look(self, *, after_s: float = 0) -> None:
        """Both loops once, as when they are due."""
        self.now_us += round(after_s * 1_000_000)
        self.loop.run()
        self.sender.run()

    def label(self, count: int, *, first: int = 1, value: float = 1.0, model: ModelName = V1) -> None:
        """Audits of so many requests, all of this moment."""
        rows: list[LabelRow] = [
            audit_label(number, request_id=request_id(number), made_us=self.now_us + number, value=value, model=model)
            for number in range(first, first + count)
        ]
        with self.store.writing() as connection:
            labels.add_labels(connection, rows)

    def grow_old(self) -> None:
        """Let the version be due for its age."""
        self.now_us = TRAINED_US + DAY_US
        self.label(500)
        self.now_us = TRAINED_US + 90 * DAY_US

    @property
    def standings(self) -> dict[RetrainingReason, Standing]:
        with self.store.reading() as connection:
            return retraining.standings(connection).get(SUPPORT, {})

    @property
    def due(self) -> set[RetrainingReason]:
        return {reason for reason, standing in self.standings.items() if standing.due_since_us is not None}

    @property
    def deliveries(self) -> list[Delivery]:
        with self.store.reading() as connection:
            return list(deliveries.of_route(connection, SUPPORT, limit=100))


def refusing(url: str, body: bytes, headers: object) -> Answer:
    """A receiver that is not there."""
    return Answer(error="hooks.example.com did not answer in time")
