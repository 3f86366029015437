"""What came of an attempt to hand a message to a webhook's receiver."""

from dataclasses import dataclass
from typing import Final

GONE: Final = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt."""

    status: int | None = None
    """The receiver's; `None` where none came."""
    error: str | None = None
    """Why it came to nothing, in a sentence; `None` where it was taken."""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None

    @property
    def is_unwanted(self) -> bool:
        """Whether the receiver says that it never wants any again."""
        return self.status == GONE
