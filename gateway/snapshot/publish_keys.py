"""Publish what becomes of clients' keys: one made, one revoked. A revision of its own carries it to every worker."""

from collections.abc import Collection, Sequence
from typing import Final

from gateway.snapshot.document import Snapshot
from gateway.snapshot.errors import InvalidKey, KeyExists, KeyInFile, LastAdminKey, UnknownKey, UnknownRoute
from gateway.snapshot.file import FileDocument
from gateway.snapshot.revisions import Act, Revisions, note
from gateway.store import keys
from gateway.store.keys import NewKey

ADMIN: Final = "admin"
_PLAIN_SCOPES: Final = frozenset({"inference", "test", "metrics", ADMIN})
_OF_ROUTE: Final = "inference:"


class KeyRevisions(Revisions):
    """Makes the revisions of keys that are not in the file."""

    def add_key(
        self, name: str, scopes: Sequence[str], *, tenant: str, who: str, reason: str | None
    ) -> tuple[NewKey, Snapshot]:
        """Make a key; its secret is in what is returned and nowhere else.

        Args:
            name: by which records and the audit name it.
            scopes: what it may do.
            tenant: whose units its requests are of.
            who: the name of the key that asked.
            reason: what they gave as the reason, if anything.

        Raises:
            KeyExists: another key has that name.
            InvalidKey: a scope is none, or of a route that there is not.
        """
        with self._store.writing() as connection:
            state = self._state(connection, "no key can be made", UnknownRoute)
            _check_scopes(scopes, state.file)
            known = {one.name for one in (*state.file.keys, *keys.read(connection))}
            if name in known:
                raise KeyExists(f"there is a key {name!r} already; revoke it first, or choose another name")
            made = keys.make(connection, name, sorted(set(scopes)), tenant)
            snapshot = self._publish(connection, state, "key")
            detail: dict[str, object] = {"key": name, "scopes": list(made.scopes), "tenant": tenant}
            note(connection, Act(who=who, action="key", reason=reason, detail=detail), state.previous, snapshot)
        self._announce(snapshot.revision)
        return made, snapshot

    def revoke_key(self, name: str, *, who: str, reason: str | None) -> Snapshot:
        """Let a key count no more.

        Raises:
            UnknownKey: there is none of this name.
            KeyInFile: it stands in the file, where it has to be taken out.
            LastAdminKey: without it nobody could operate the gateway any more.
        """
        with self._store.writing() as connection:
            state = self._state(connection, f"there is no key {name!r}", UnknownKey)
            stored = keys.read(connection)
            _check_revocable(name, state.file, {one.name: one.scopes for one in stored})
            keys.remove(connection, name)
            snapshot = self._publish(connection, state, "revoke")
            act = Act(who=who, action="revoke", reason=reason, detail={"key": name})
            note(connection, act, state.previous, snapshot)
        self._announce(snapshot.revision)
        return snapshot


def _check_scopes(scopes: Sequence[str], file: FileDocument) -> None:
    if not scopes:
        raise InvalidKey("scopes is empty; a key without a scope may do nothing")
    for scope in scopes:
        route = scope.removeprefix(_OF_ROUTE)
        if scope not in _PLAIN_SCOPES and route == scope:
            raise InvalidKey(f"{scope!r} is no scope; use inference, inference:ROUTE, test, metrics or admin")
        if route != scope and route not in file.routes:
            raise InvalidKey(f"{scope!r} names a route that there is not; there are {', '.join(sorted(file.routes))}")


def _check_revocable(name: str, file: FileDocument, stored: dict[str, frozenset[str]]) -> None:
    if name not in stored:
        if any(key.name == name for key in file.keys):
            raise KeyInFile(f"the key {name!r} stands in the file; take it out there")
        names: Collection[str] = sorted({*stored, *(key.name for key in file.keys)})
        raise UnknownKey(f"there is no key {name!r}; there are {', '.join(names)}")
    left = [*(key.scopes for key in file.keys), *(scopes for other, scopes in stored.items() if other != name)]
    if not any(ADMIN in scopes for scopes in left):
        raise LastAdminKey(f"{name!r} is the last key with the scope admin; make another one first")
