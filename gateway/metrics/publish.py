"""How one process hands over its metrics: its whole registry, once a second, as a file of the runtime directory."""

import os
from pathlib import Path
from threading import Lock

import msgspec
from prometheus_client import CollectorRegistry


class SampleEntry(msgspec.Struct, frozen=True, array_like=True):
    """One number: the sample's name (with `_bucket`, `_sum`, `_count` or `_total`), its labels, its value."""

    name: str
    labels: dict[str, str]
    value: float | None
    """`None` for what is no number."""


class FamilyEntry(msgspec.Struct, frozen=True, array_like=True):
    """One metric with all its samples."""

    name: str
    kind: str
    help: str
    samples: list[SampleEntry]


class WriterEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one process counted since it started."""

    writer_id: str
    pid: int
    is_final: bool
    """The process is ending: nothing will be added."""
    families: list[FamilyEntry]


class RegistryPublisher:
    """Writes a registry to `directory/<writer_id>.json`, whole or not at all, so that no reader sees half of it."""

    def __init__(self, registry: CollectorRegistry, directory: Path, writer_id: str) -> None:
        self._registry = registry
        self._path = directory / f"{writer_id}.json"
        self._draft = directory / f".{writer_id}.draft"
        self._writer_id = writer_id
        self._encoder = msgspec.json.Encoder()
        self._lock = Lock()
        self._is_final = False

    def publish(self, *, final: bool = False) -> None:
        """Write the samples as they are now. After a final one nothing is written any more.

        Raises:
            OSError: the directory cannot be written.
        """
        with self._lock:
            if self._is_final:
                return
            self._is_final = final
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._draft.write_bytes(self._encoder.encode(self._entry()))
            self._draft.replace(self._path)

    def _entry(self) -> WriterEntry:
        families = [
            FamilyEntry(
                family.name,
                family.type,
                family.documentation,
                [SampleEntry(s.name, s.labels, s.value) for s in family.samples if not s.name.endswith("_created")],
            )
            for family in self._registry.collect()
        ]
        return WriterEntry(writer_id=self._writer_id, pid=os.getpid(), is_final=self._is_final, families=families)
