"""When a version is due for training again, as a snapshot has it."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.settings import models as settings


class WebhookEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told."""

    url: str
    secret: str
    """The reference that stood in the file (`${HOOK_SECRET}`), which the loops resolve from their own environment, or
    the literal with its dollars doubled."""


class RetrainEntry(msgspec.Struct, frozen=True, kw_only=True):
    """By what a route's versions are found due."""

    every_days: int = 90
    min_new_examples: int = 500
    lasting_minutes: int = 60
    webhook: WebhookEntry | None = None


def retrain_of(retrain: "settings.Retrain") -> RetrainEntry:
    """What a valid file says."""
    webhook = retrain.webhook
    return RetrainEntry(
        every_days=retrain.every_days,
        min_new_examples=retrain.min_new_examples,
        lasting_minutes=retrain.lasting_minutes,
        webhook=None
        if webhook is None
        else WebhookEntry(
            url=webhook.url, secret=webhook.secret.reference or webhook.secret.reveal().replace("$", "$$")
        ),
    )
