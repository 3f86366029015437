"""Sends what waits to its receivers, again and again over days, until it is taken.

    WAITING --2xx--> DELIVERED
            --410, or the last attempt fails--> FAILED
            --its cause is over, or nobody is to be told--> WITHDRAWN

An attempt is noted before it is made: of two replicas that both believe to hold the lease one makes it, and after a
crash in the middle of it the next one comes when it would have come anyway, with the same id.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway.clock import Clock, now_us
from gateway.settings.expand import ExpandError, expand
from gateway.snapshot.document import Snapshot
from gateway.snapshot.retrain_entry import WebhookEntry
from gateway.store import deliveries, retraining, snapshots
from gateway.store.deliveries import Delivery, DeliveryState
from gateway.store.engine import Store
from gateway.webhooks.signature import signed_headers
from routing.drift.retraining import RetrainingReason, Standing
from routing.words import RouteName
from serving.webhook_answer import Answer

SEND_EVERY_S: Final = 2.0
DELAYS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failed attempt but the last: three days in all, as Standard Webhooks advises."""
AT_A_TURN: Final = 4
_OVER: Final = "what it was about is over"
_NOBODY: Final = "the route has no webhook any more"

Post = Callable[[str, bytes, Mapping[str, str]], Answer]

log = logging.getLogger(__name__)


class Sender:
    """Sends messages. Slow receivers keep nobody waiting but other receivers, for some seconds each."""

    def __init__(
        self, store: Store, environ: Mapping[str, str], clock: Clock = now_us, post_message: Post | None = None
    ) -> None:
        """`environ` resolves the references to secrets; `post_message` is `serving.webhook.post` unless given."""
        self._store = store
        self._environ = environ
        self._clock = clock
        self._post = post_message or _post
        self._snapshot: Snapshot | None = None

    def run(self) -> bool:
        """Make the attempts that are due, a few of them; whether there may be more."""
        with self._store.reading() as connection:
            due = deliveries.waiting(connection, self._clock(), limit=AT_A_TURN)
            standings = retraining.standings(connection) if due else {}
        if due:
            self._snapshot = snapshots.latest(self._store, self._revision) or self._snapshot
        for delivery in due:
            self._attend(delivery, standings.get(RouteName(delivery.route), {}))
        return len(due) == AT_A_TURN

    @property
    def _revision(self) -> int:
        return 0 if self._snapshot is None else self._snapshot.revision

    def _attend(self, delivery: Delivery, standings: Mapping[RetrainingReason, Standing]) -> None:
        webhook = self._webhook(delivery.route)
        standing = standings.get(RetrainingReason(delivery.reason))
        if webhook is None or standing is None or standing.due_since_us != delivery.due_since_us:
            why = _NOBODY if webhook is None else _OVER
            self._settle(delivery, DeliveryState.WITHDRAWN, Answer(error=why))
            return
        if self._claim(delivery):
            self._settle_attempt(delivery, self._send(delivery, webhook))

    def _webhook(self, route: str) -> WebhookEntry | None:
        entry = None if self._snapshot is None else self._snapshot.document.routes.get(RouteName(route))
        return None if entry is None else entry.retrain.webhook

    def _claim(self, delivery: Delivery) -> bool:
        delay_s = DELAYS_S[min(delivery.attempts, len(DELAYS_S) - 1)]
        with self._store.writing() as connection:
            return deliveries.claim(connection, delivery, next_us=self._clock() + delay_s * 1_000_000)

    def _send(self, delivery: Delivery, webhook: WebhookEntry) -> Answer:
        try:
            secret = str(expand(webhook.secret, self._environ))
        except ExpandError as error:
            return Answer(error=f"routes.{delivery.route}.retrain.webhook.secret: {error}")
        body = delivery.body.encode()
        headers = signed_headers(secret, delivery.id, self._clock() // 1_000_000, body)
        return self._post(webhook.url, body, headers)

    def _settle_attempt(self, delivery: Delivery, answer: Answer) -> None:
        if answer.is_taken:
            log.info("route %s: the webhook was told that %s makes retraining due", delivery.route, delivery.reason)
            self._settle(delivery, DeliveryState.DELIVERED, answer)
        elif answer.is_unwanted or delivery.attempts >= len(DELAYS_S):
            log.error("route %s: the webhook was told in vain, for good: %s", delivery.route, answer.error)
            self._settle(delivery, DeliveryState.FAILED, answer)
        else:
            log.warning("route %s: the webhook will be told again: %s", delivery.route, answer.error)
            self._settle(delivery, DeliveryState.WAITING, answer)

    def _settle(self, delivery: Delivery, state: DeliveryState, answer: Answer) -> None:
        with self._store.writing() as connection:
            deliveries.settle(connection, delivery.id, state, self._clock(), status=answer.status, error=answer.error)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    from serving.webhook import post  # which takes httpx along

    return post(url, body, headers)
