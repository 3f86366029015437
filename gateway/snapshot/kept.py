"""The last effective snapshot in the state directory, for a start while the store is down."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.snapshot.document import Snapshot, decode_snapshot, encode_snapshot

FILE_NAME = "snapshot.json"

log = logging.getLogger(__name__)


def keep(state_dir: Path, snapshot: Snapshot) -> None:
    """Replace what is kept, in one step, readable by its owner only.

    A worker that lags behind does not replace what a quicker one of the same store has kept.

    Raises:
        OSError: the directory cannot be written.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(state_dir):
        before = kept(state_dir)
        if before is not None and is_of_same_store(before, snapshot) and before.revision >= snapshot.revision:
            return
        unfinished = state_dir / f"{FILE_NAME}.new"
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(encode_snapshot(snapshot))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(state_dir / FILE_NAME)


def kept(state_dir: Path) -> Snapshot | None:
    """What was kept last; `None` where nothing was, or nothing that can be read."""
    path = state_dir / FILE_NAME
    try:
        return decode_snapshot(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s cannot be used and is left out: %s", path, error)
        return None


def is_of_same_store(one: Snapshot, other: Snapshot) -> bool:
    """Whether their revisions can be compared. Each store has a secret of its own."""
    return one.document.unit_secret == other.document.unit_secret


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Alone among the workers of this machine."""
    with (state_dir / f"{FILE_NAME}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
