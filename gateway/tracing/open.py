"""Traces for a process, if its environment asks for them. Only then is anything of OpenTelemetry imported."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.tracing.switch import CannotTrace, is_wanted

if TYPE_CHECKING:
    from gateway.tracing.export import Export

_log = logging.getLogger(__name__)


def open_traces(environ: Mapping[str, str], instance: str) -> "Export | None":
    """The export of this process's spans; `None` where none are wanted, or they cannot be made, which is told."""
    try:
        if not is_wanted(environ):
            return None
        from gateway.tracing.export import Export

        return Export(instance)
    except ImportError:
        _log.warning("no traces: OpenTelemetry is not installed; pip install 'fallgate[otel]', or unset OTEL_*")
    except (CannotTrace, ValueError) as error:
        _log.warning("no traces: %s", error)
    return None
