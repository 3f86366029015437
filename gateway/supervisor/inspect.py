"""A short-lived process that reads the configuration for the supervisor, which thus never loads what that takes.

Prints the facts as JSON on standard output; problems, one a line, on standard error, with exit code 1.
"""

import os
import sys
from pathlib import Path

import msgspec

from gateway.settings.load import load
from gateway.settings.problems import ConfigError
from gateway.supervisor.facts import Facts


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
        warnings=tuple(map(str, loaded.warnings)),
    )


def main() -> int:
    """The exit code."""
    path = Path(sys.argv[1])
    try:
        facts = facts_of(path)
    except ConfigError as error:
        sys.stderr.writelines(f"{path}: {problem}\n" for problem in error.problems)
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
