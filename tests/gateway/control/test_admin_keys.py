"""Keys over the admin API: made, listed, revoked."""

import httpx
import pytest

from gateway.control.parts import Parts
from gateway.snapshot.errors import LastAdminKey
from gateway.store import audit
from gateway.store.keys import ensure_keys
from tests.fakes.control import Admin, auth
from tests.fakes.documents import file_document


def make(admin: Admin, name: str = "batch", *scopes: str, **more: object) -> httpx.Response:
    return admin.http.post("/admin/v1/keys", json={"name": name, "scopes": list(scopes or ("inference",)), **more})


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


def test_a_key_that_was_made_may_do_what_it_is_for_and_nothing_else(admin: Admin) -> None:
    operator = make(admin, "second", "admin").json()["secret"]
    reader = make(admin, "reader", "metrics").json()["secret"]
    assert httpx.get(f"{admin.url}/admin/v1/routes", headers=auth(operator), trust_env=False).status_code == 200
    assert httpx.get(f"{admin.url}/admin/v1/routes", headers=auth(reader), trust_env=False).status_code == 403
    assert httpx.get(f"{admin.url}/metrics", headers=auth(reader), trust_env=False).status_code == 200


def test_a_secret_is_shown_once(admin: Admin, parts: Parts) -> None:
    made = make(admin, reason="for the nightly batch")
    secret = made.json()["secret"]
    assert made.status_code == 201
    assert secret.startswith("fg_")
    listed = admin.http.get("/admin/v1/keys")
    assert secret not in listed.text
    [entry] = [one for one in audit.entries(parts.store) if one.action == "key"]
    assert (entry.who, entry.reason, entry.revision) == ("ops", "for the nightly batch", 2)
    assert entry.detail == {"key": "batch", "scopes": ["inference"], "tenant": "default"}
    assert secret not in str(entry)


def test_all_keys_are_listed_with_where_they_are_from(admin: Admin) -> None:
    make(admin, "batch", "test", "inference:support", "test", tenant="acme")
    listed = {key["name"]: key for key in admin.http.get("/admin/v1/keys").json()["keys"]}
    assert {name: key["source"] for name, key in listed.items()} == {
        "app": "file",
        "ops": "file",
        "scraper": "file",
        "batch": "store",
    }
    assert (listed["batch"]["scopes"], listed["batch"]["tenant"]) == (["inference:support", "test"], "acme")
    assert listed["batch"]["created_us"] > 0
    assert listed["app"]["created_us"] is None


def test_a_key_that_was_revoked_counts_no_more(admin: Admin, parts: Parts) -> None:
    operator = make(admin, "second", "admin").json()["secret"]
    gone = admin.http.request("DELETE", "/admin/v1/keys/second", json={"reason": "left"})
    assert (gone.status_code, gone.json()) == (200, {"revision": 3, "name": "second"})
    assert httpx.get(f"{admin.url}/admin/v1/routes", headers=auth(operator), trust_env=False).status_code == 401
    [entry] = [one for one in audit.entries(parts.store) if one.action == "revoke"]
    assert (entry.who, entry.reason, entry.detail) == ("ops", "left", {"key": "second"})
    assert make(admin, "second", "admin").status_code == 201


def test_keys_change_no_routes_tag_and_move_no_unit(admin: Admin) -> None:
    before = admin.route()
    make(admin)
    after = admin.route()
    assert after.headers["etag"] == before.headers["etag"]
    assert after.json()["ranges"] == before.json()["ranges"]


def test_a_name_is_given_once(admin: Admin) -> None:
    make(admin)
    for name in ("batch", "app"):
        answer = make(admin, name)
        assert (answer.status_code, code(answer)) == (409, "key_exists")


def test_a_key_of_the_file_is_revoked_there(admin: Admin) -> None:
    answer = admin.http.delete("/admin/v1/keys/app")
    assert (answer.status_code, code(answer)) == (409, "key_in_file")


def test_a_key_that_is_not_there_cannot_be_revoked(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.delete("/admin/v1/keys/nobody")
    assert (answer.status_code, code(answer)) == (404, "key_not_found")
    assert "there are app, ops, scraper" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"scopes": ["inference"]}, "name"),
        ({"name": "none", "scopes": ["inference"]}, "name"),
        ({"name": "a b", "scopes": ["inference"]}, "name"),
        ({"name": "k", "scopes": []}, "scopes"),
        ({"name": "k", "scopes": ["everything"]}, "scopes"),
        ({"name": "k", "scopes": ["inference:nowhere"]}, "scopes"),
        ({"name": "k", "scopes": ["admin:support"]}, "scopes"),
        ({"name": "k", "scopes": "admin"}, "scopes"),
        ({"name": "k", "scopes": ["admin"], "secret": "mine"}, "secret"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_field(
    untouched_admin: Admin, body: dict[str, object], param: str
) -> None:
    answer = untouched_admin.http.post("/admin/v1/keys", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_the_last_key_of_an_operator_cannot_be_revoked(parts: Parts) -> None:
    parts.publisher.publish_file(file_document(), "file")  # whose only key is an application's
    ensure_keys(parts.store)
    with pytest.raises(LastAdminKey, match="'ops' is the last key with the scope admin"):
        parts.publisher.revoke_key("ops", who="ops", reason=None)
    parts.publisher.add_key("second", ["admin"], tenant="default", who="ops", reason=None)
    parts.publisher.revoke_key("ops", who="second", reason=None)
