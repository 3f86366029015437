"""A short-lived process that reads the configuration for the supervisor, which thus never loads what that takes.

Prints the facts as JSON on standard output; problems, one a line, on standard error, with exit code 1. Asked to, it
also makes the file of an SQLite store and its tables, so that no process that starts next finds it missing.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.settings.load import load
from gateway.settings.problems import ConfigError
from gateway.store.errors import StoreRefused
from gateway.supervisor.facts import PREPARE, Facts


def facts_of(path: Path) -> Facts:
    """The facts of one configuration file.

    Raises:
        ConfigError: it is refused.
    """
    loaded = load(path, os.environ)
    config = loaded.config
    return Facts(
        listen=config.server.listen,
        admin_listen=config.server.admin_listen,
        workers=config.server.workers,
        state_dir=config.state_dir,
        store_url=config.store.url.reveal(),
        store_shown=str(config.store.url),
        coordination_url=config.coordination.url.reveal() if config.coordination.url else None,
        routes=tuple(config.routes),
        warnings=tuple(warning.told_of(path) for warning in loaded.warnings),
    )


def prepare(facts: Facts) -> None:
    """Make an embedded store. One that is busy, and a server, are left to the control plane, which can wait.

    Raises:
        StoreRefused: the file cannot be made or used.
    """
    if not facts.store_url.startswith("sqlite:"):
        return
    from gateway.store.engine import open_store
    from gateway.store.errors import StoreUnavailable
    from gateway.store.migrate import migrate

    with suppress(StoreUnavailable):
        migrate(open_store(facts.store_url))


def main() -> int:
    """The exit code."""
    path = Path(sys.argv[1])
    try:
        facts = facts_of(path)
        if PREPARE in sys.argv[2:]:
            prepare(facts)
    except ConfigError as error:
        sys.stderr.writelines(f"{problem.told_of(path)}\n" for problem in error.problems)
        return 1
    except StoreRefused as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
