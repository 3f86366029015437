"""The configuration file as the control plane follows it: read at the start, when it changes, and when told to."""

import logging
import os
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

from gateway.settings.load import Loaded, load
from gateway.settings.problems import ConfigError

log = logging.getLogger(__name__)

_FIXED = ("server", "state_dir", "store.url", "coordination")
"""What only counts at a start."""


class FollowedFile:
    """The last good state of the file."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.loaded: Loaded | None = None
        self.is_read = False
        """Whether the last reading was accepted."""
        self._conflict: str | None = None
        self._environ = environ
        self._mark: tuple[int, int, int] | None = None

    def has_changed(self) -> bool:
        """Whether it is another file than at the last reading, by time, size and inode."""
        return self._look() != self._mark

    def read(self) -> bool:
        """Read it again; whether it was accepted. A bad one changes nothing and is told, one line a problem."""
        self._mark = self._look()
        try:
            loaded = load(self.path, self._environ)
        except ConfigError as error:
            for problem in error.problems:
                log.error("%s", problem.told_of(self.path))
            log.error("%s is refused; what was in force stays in force", self.path)
            self.is_read = False
            return False
        if self.loaded is not None:
            self._tell(loaded, self.loaded)
        self.loaded = loaded
        self.is_read = True
        return True

    @property
    def is_good(self) -> bool:
        """Whether what it says now counts, or would if this replica had the lease."""
        return self.is_read and self._conflict is None

    def fits(self) -> None:
        """Note that it goes together with what operators changed."""
        self._conflict = None

    def conflicts(self, why: str) -> None:
        """Note that it does not, although it was read well; told once."""
        if self._conflict != why:
            log.error("%s is refused: %s", self.path, why)
        self._conflict = why

    def _tell(self, loaded: Loaded, before: Loaded) -> None:
        told = set(map(str, before.warnings))  # without their lines, which shift
        for warning in (warning for warning in loaded.warnings if str(warning) not in told):
            log.warning("%s", warning.told_of(self.path))
        for key in _FIXED:
            value_of = attrgetter(key)
            if value_of(loaded.config) != value_of(before.config):
                log.warning("%s: %s: what changed here counts from the next start on", self.path, key)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
