"""The metric files of one machine's processes, and how those of dead ones become one, so that they do not pile up.

A file is retired in two steps: its counts go into `retired.json`, which names it, then it is deleted. A crash between
the two counts nothing twice, since a file that is named there is not read any more.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import msgspec

from gateway.clock import Clock, now_us
from gateway.metrics.publish import FamilyEntry, WriterEntry
from gateway.metrics.totals import add_up

LIVE_S = 5.0
"""A process publishes once a second; one that was silent for so long shows no gauges any more."""
RETIRE_AFTER_S = 60.0

log = logging.getLogger(__name__)


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """What dead processes had counted."""

    included: tuple[str, ...] = ()
    """Writer ids whose files are in here but may still exist."""
    families: list[FamilyEntry] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """One process's file, as found."""

    path: Path
    entry: WriterEntry
    age_s: float

    @property
    def is_live(self) -> bool:
        """Whether its gauges say something about now."""
        return not self.entry.is_final and self.age_s <= LIVE_S

    @property
    def is_dead(self) -> bool:
        """Whether nothing will be added: it said so, or it was silent for long and does not exist any more."""
        return self.entry.is_final or (self.age_s > RETIRE_AFTER_S and not _exists(self.entry.pid))


class WriterFiles:
    """The runtime directory's metric files. One per control plane: reading and retiring exclude each other."""

    def __init__(self, directory: Path, clock: Clock = now_us) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = Lock()
        self._retired_path = directory / "retired.json"
        self._unreadable: set[str] = set()

    def sources(self) -> list[tuple[list[FamilyEntry], bool]]:
        """(families, whether their process is alive) of every process there ever was, the newest first."""
        with self._lock:
            retired = self._read_retired()
            writers = self._read_writers(retired)
        found = [(writer.entry.families, writer.is_live) for writer in writers]
        return [*found, (retired.families, False)]

    def retire(self) -> int:
        """Merge the files of dead processes into one; how many there were.

        Raises:
            OSError: the directory cannot be written; nothing is lost.
        """
        with self._lock:
            retired = self._read_retired()
            dead = [writer for writer in self._read_writers(retired) if writer.is_dead]
            left_over = [name for name in retired.included if self._path_of(name).exists()]
            if dead or left_over:
                sources = [*((writer.entry.families, False) for writer in dead), (retired.families, False)]
                included = (*left_over, *(writer.entry.writer_id for writer in dead))
                families = [total.to_family() for total in add_up(sources).values()]
                self._write_retired(Retired(included=included, families=families))
            for name in (*left_over, *(writer.entry.writer_id for writer in dead)):
                self._path_of(name).unlink(missing_ok=True)
            return len(dead)

    def _path_of(self, writer_id: str) -> Path:
        return self._directory / f"{writer_id}.json"

    def _read_writers(self, retired: Retired) -> list[Writer]:
        writers = [writer for path in self._paths() if (writer := self._read(path)) is not None]
        known = set(retired.included)
        return sorted((w for w in writers if w.entry.writer_id not in known), key=lambda writer: writer.age_s)

    def _paths(self) -> Iterator[Path]:
        return (path for path in self._directory.glob("*.json") if path != self._retired_path)

    def _read(self, path: Path) -> Writer | None:
        with suppress(FileNotFoundError):
            try:
                entry = msgspec.json.decode(path.read_bytes(), type=WriterEntry)
                return Writer(path=path, entry=entry, age_s=self._clock() / 1e6 - path.stat().st_mtime)
            except msgspec.DecodeError as error:
                self._report_once(path, error)
        return None

    def _read_retired(self) -> Retired:
        with suppress(FileNotFoundError):
            try:
                return msgspec.json.decode(self._retired_path.read_bytes(), type=Retired)
            except msgspec.DecodeError as error:
                self._report_once(self._retired_path, error)
        return Retired()

    def _write_retired(self, retired: Retired) -> None:
        draft = self._retired_path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(retired))
        draft.replace(self._retired_path)

    def _report_once(self, path: Path, error: msgspec.DecodeError) -> None:
        if path.name not in self._unreadable:
            self._unreadable.add(path.name)
            log.warning("metrics of %s cannot be read and are left out: %s", path.name, error)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
