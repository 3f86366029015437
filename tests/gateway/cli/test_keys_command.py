"""`fallgate keys`, against a real admin API."""

import json
from collections.abc import Callable

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build, client
from tests.fakes.control import OPS, Admin, StandinWorker, auth


def run(admin: Admin, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": admin.url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(["keys"]), ["keys", *arguments], env=environ)


def status(admin: Admin, secret: str) -> int:
    return httpx.get(f"{admin.url}/admin/v1/routes", headers=auth(secret), trust_env=False).status_code


def test_a_key_is_made_listed_and_revoked(admin: Admin) -> None:
    made = run(admin, "create", "second", "--scope", "admin", "--scope", "metrics", "--reason", "on call")
    assert made.exit_code == 0, made.output
    name, _, secret = made.stdout.splitlines()[0].partition(": ")
    assert (name, status(admin, secret)) == ("second", 200)
    assert "It may do admin, metrics. The secret is shown this once." in made.stdout
    listed = run(admin, "list").stdout
    assert ["second", "admin,", "metrics", "default", "store"] in [line.split() for line in listed.splitlines()]
    assert secret not in listed
    assert run(admin, "revoke", "second").stdout == "second is revoked.\n"
    assert status(admin, secret) == 401


def test_what_cannot_be_done_exits_1_with_a_sentence(untouched_admin: Admin) -> None:
    for arguments, said in (
        (("create", "app", "--scope", "inference"), "there is a key 'app' already"),
        (("create", "k", "--scope", "everything"), "'everything' is no scope"),
        (("revoke", "app"), "the key 'app' stands in the file; take it out there"),
        (("revoke", "nobody"), "there is no key 'nobody'"),
    ):
        result = run(untouched_admin, *arguments)
        assert result.exit_code == 1
        assert said in result.stderr


def test_a_key_without_a_scope_is_no_command() -> None:
    assert CliRunner().invoke(build(["keys"]), ["keys", "create", "k"]).exit_code == 2


def test_a_secret_is_printed_also_when_a_worker_is_late(
    admin: Admin, standin: Callable[[str], StandinWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    standin("w1").report()
    monkeypatch.setattr(client, "IN_FORCE_TIMEOUT_S", 0.1)
    late = run(admin, "create", "second", "--scope", "admin", "--json")
    body = json.loads(late.stdout)
    assert (late.exit_code, body["ok"], body["error"]["code"]) == (1, False, "not_in_force")
    assert status(admin, body["secret"]) == 200
    spoken = run(admin, "create", "third", "--scope", "admin")
    assert status(admin, spoken.stderr.rpartition("the secret is ")[2].strip()) == 200
