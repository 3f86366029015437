"""Whether the environment asks for traces. Reads the standard variables of OpenTelemetry, and imports none of it."""

from collections.abc import Mapping
from typing import Final

PROTOCOL: Final = "http/protobuf"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class CannotTrace(Exception):
    """Traces are asked for in a way that cannot be done; the text says what to change."""


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether spans are to be made and sent: where there is an address to send them to, or an exporter is named.

        OTEL_SDK_DISABLED=true                                     no, whatever else is said
        OTEL_TRACES_EXPORTER=none                                  no
        OTEL_TRACES_EXPORTER=otlp                                  yes, to http://localhost:4318 unless told otherwise
        OTEL_EXPORTER_OTLP_ENDPOINT or …_TRACES_ENDPOINT is set    yes

    Raises:
        CannotTrace: another exporter or protocol is asked for than OTLP over HTTP.
    """
    if _said(environ, "OTEL_SDK_DISABLED") == "true":
        return False
    exporter = _said(environ, "OTEL_TRACES_EXPORTER")
    if exporter == "none" or not (exporter or any(_said(environ, name) for name in _ENDPOINTS)):
        return False
    if exporter not in ("", "otlp"):
        raise CannotTrace(f"OTEL_TRACES_EXPORTER={exporter}: only otlp is known; set otlp, or none")
    for name in _PROTOCOLS:
        protocol = _said(environ, name)
        if protocol:
            if protocol != PROTOCOL:
                raise CannotTrace(f"{name}={protocol}: only {PROTOCOL} is known; collectors take it on port 4318")
            break
    return True


def _said(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip().lower()
