"""What can go wrong with a vLLM process, each with a sentence that says what to do.

VllmError
├── VllmMisconfigured   a folder, name or port that cannot be right; nothing was launched
├── VllmNotInstalled    the interpreter is missing or has no vLLM; nothing was launched
├── PortTaken           something else listens there; nothing was launched
├── VllmDied            the process ended before or after it was ready
└── VllmNotReady        the process runs but did not become healthy in time
"""

from collections.abc import Sequence


class VllmError(Exception):
    """A vLLM process could not be started or kept; the message is for the operator."""


class VllmMisconfigured(VllmError):
    """What was asked for cannot work."""


class VllmNotInstalled(VllmError):
    """The interpreter cannot run a vLLM server."""


class PortTaken(VllmError):
    """The address is in use before the launch."""


class VllmDied(VllmError):
    """The process ended by itself. `last_lines` are the end of its log."""

    def __init__(self, message: str, last_lines: Sequence[str] = ()) -> None:
        self.last_lines = tuple(last_lines)
        super().__init__("\n".join([message, *(f"  | {line}" for line in self.last_lines)]))


class VllmNotReady(VllmError):
    """The process runs but does not answer as it should."""
