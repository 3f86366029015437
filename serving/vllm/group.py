"""Process groups: whether anything of one still runs, and how to end all of it."""

import asyncio
import os
import signal
import time
from pathlib import Path

POLL_S = 0.05


def group_is_alive(group_id: int) -> bool:
    """Whether the group has a member that still runs. A zombie does not count: it waits for whoever reaps it."""
    if not Path("/proc/self/stat").exists():
        return _answers(group_id)
    return any(_runs_in(entry, group_id) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _answers(group_id: int) -> bool:
    try:
        os.killpg(group_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _runs_in(entry: Path, group_id: int) -> bool:
    try:
        # pid (name) state ppid pgrp ...; the name may hold spaces and brackets, so read from its last bracket on.
        state, _parent, group = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False  # it ended while being looked at
    return int(group) == group_id and state not in "ZX"


async def end_group(group_id: int, *, grace_s: float, kill_wait_s: float = 5.0) -> bool:
    """Ask the whole group to end, then make it. Returns False where force was needed.

    SIGTERM first; after `grace_s` whatever is left gets SIGKILL and at most `kill_wait_s` to vanish.
    """
    _send(group_id, signal.SIGTERM)
    if await _gone_within(group_id, grace_s):
        return True
    _send(group_id, signal.SIGKILL)
    await _gone_within(group_id, kill_wait_s)
    return False


def _send(group_id: int, what: signal.Signals) -> None:
    try:
        os.killpg(group_id, what)
    except ProcessLookupError:
        return


async def _gone_within(group_id: int, limit_s: float) -> bool:
    deadline_s = time.monotonic() + limit_s
    while group_is_alive(group_id):
        if time.monotonic() >= deadline_s:
            return False
        await asyncio.sleep(POLL_S)
    return True
