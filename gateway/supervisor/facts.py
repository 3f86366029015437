"""The little that the supervisor needs to know of a configuration."""

import msgspec

PREPARE = "--prepare-store"
"""The argument that has the process which finds these facts make an embedded store, too."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, how many workers to start, and what to tell them and the operator."""

    listen: str
    admin_listen: str
    workers: int
    state_dir: str
    store_url: str
    store_shown: str
    """The store's address without its password."""
    coordination_url: str | None
    routes: tuple[str, ...]
    warnings: tuple[str, ...]
    """Whole lines, each with its file and line."""
