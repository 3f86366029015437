"""How closely a route is watched for drift, as a snapshot has it."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.settings import models as settings


class DriftEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, and when it is told; see the configuration reference."""

    is_enabled: bool = True
    window_requests: int = 500
    window_minutes: float = 5.0
    false_alarm_every_days: float = 30.0
    alpha: float = 0.001
    described_per_second: int = 50
    reference_requests: int = 5000
    reference_hours: float = 24.0


def drift_of(drift: "settings.Drift") -> DriftEntry:
    """What a valid file says."""
    return DriftEntry(
        is_enabled=drift.enabled,
        window_requests=drift.window_requests,
        # A default may be an integer; equal files have to be equal texts too.
        window_minutes=float(drift.window_minutes),
        false_alarm_every_days=float(drift.false_alarm_every_days),
        alpha=drift.alpha,
        described_per_second=drift.described_per_second,
        reference_requests=drift.reference_requests,
        reference_hours=float(drift.reference_hours),
    )
