"""What the operator sees once everything is ready, and why it is not while it is not."""

import logging
import socket
import sys
import time

from gateway.supervisor import sockets
from gateway.supervisor.facts import Facts
from gateway.supervisor.readiness import Readiness, ask

PATIENCE_S = 5.0
"""Starting takes less; after that it is worth saying what is waited for."""

log = logging.getLogger(__name__)


class Banner:
    """Asks both planes whether they are ready, and says so once."""

    def __init__(self, *, facts: Facts, data: socket.socket | None, admin: socket.socket | None) -> None:
        self._facts = facts
        self._planes = {"data plane": data, "control plane": admin}
        self._since_s = time.monotonic()
        self._told: dict[str, str] = {}

    def shows_if_ready(self) -> bool:
        """Whether everything is ready; prints the banner then."""
        answers: dict[str, Readiness] = {}
        for name, listener in self._planes.items():
            if listener is not None:
                answers[name] = ask(listener.getsockname()[:2])
                if not answers[name].is_ready:
                    self._tell(name, answers[name])
                    return False
        revision = next((answer.revision for answer in answers.values() if answer.revision is not None), None)
        sys.stdout.write(self._text(revision))
        sys.stdout.flush()
        return True

    def _tell(self, name: str, answer: Readiness) -> None:
        reason = answer.reason or "it does not answer yet"
        if time.monotonic() - self._since_s > PATIENCE_S and self._told.get(name) != reason:
            self._told[name] = reason
            log.warning("still waiting for the %s: %s", name, reason)

    def _text(self, revision: int | None) -> str:
        rows: list[tuple[str, str]] = []
        data, admin = self._planes["data plane"], self._planes["control plane"]
        if data is not None:
            count = self._facts.workers
            workers = "1 worker" if count == 1 else f"{count} workers"
            rows.append(("applications", f"http://{sockets.shown(data)}/v1 ({workers})"))
        if admin is not None:
            rows.append(("operators", f"http://{sockets.shown(admin)}"))
        rows.append(("routes", ", ".join(self._facts.routes)))
        rows.append(("store", self._facts.store_shown + (f", revision {revision}" if revision is not None else "")))
        return "Fallgate is ready.\n" + "".join(f"  {name:<14}{value}\n" for name, value in rows)
