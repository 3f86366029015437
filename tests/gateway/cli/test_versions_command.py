"""`fallgate versions`, against a real admin API."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.control.parts import Parts
from gateway.store import audit, drift, versions
from routing.drift.features import Side
from tests.fakes.control import OPS, Admin

FILE = """
version: v2
base_model: smol
dataset: {name: tickets, sha256: "CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD", train: 1588}
evaluation: {accuracy: 0.925}
created: 2026-11-25
created_by: train.py
"""


@pytest.fixture
def lineage(tmp_path: Path) -> Path:
    path = tmp_path / "v2.yaml"
    path.write_text(FILE)
    return path


def run(admin: Admin, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": admin.url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(["versions"]), ["versions", *arguments], env=environ)


def found(result: Result) -> dict[str, object]:
    body: dict[str, object] = json.loads(result.stdout)
    return body


def test_a_version_is_registered_shown_and_listed(admin: Admin, lineage: Path) -> None:
    assert run(admin, "list").stdout.startswith("no version is registered")
    registered = run(admin, "register", "support-v2", str(lineage), "--reason", "November")
    assert registered.exit_code == 0
    first, note = registered.stdout.splitlines()
    assert first == "support-v2 is registered"
    assert note.startswith("note: the configuration names 'v1.yaml' as its lineage")
    assert run(admin, "register", "support-v2", str(lineage)).stdout.startswith("support-v2 was registered so before\n")
    shown = run(admin, "show", "support-v2").stdout
    assert f"dataset     tickets {'cd' * 32}, 1588 rows for training" in shown
    assert "made        2026-11-25 by train.py" in shown
    assert "promoted    never" in shown
    listed = run(admin, "list").stdout.splitlines()
    assert listed[1].split() == ["support-v2", "smol", "cdcdcdcdcdcd", "0.925", "support", "none", "yet", "never"]


def test_a_version_is_promoted_as_by_hand(admin: Admin, parts: Parts, lineage: Path) -> None:
    run(admin, "register", "support-v2", str(lineage))
    promoted = run(admin, "promote", "support-v2", "--reason", "better by 3 points")
    assert promoted.exit_code == 0, promoted.output
    assert "50 % of the units moved; revision 2" in promoted.stdout
    assert admin.route().json()["split"] == {"support-v1": 0, "support-v2": 100}
    entry = audit.entries(parts.store, route="support")[0]
    assert (entry.who, entry.action, entry.reason) == ("ops", "split", "better by 3 points")
    assert "to support by ops in revision 2" in run(admin, "show", "support-v2").stdout


def test_a_promotion_without_a_reason_says_what_it_is(admin: Admin, parts: Parts) -> None:
    run(admin, "promote", "support-v2", "--json")
    assert audit.entries(parts.store, route="support")[0].reason == "promote support-v2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", "support-v1"), "support-v1 is an arm of bare, support; name the route with --route"),
        (("promote", "large"), "large is no arm of a route yet; name the route with --route"),
        (("promote", "nothing"), "there is no model 'nothing'; there are large, support-v1, support-v2"),
        (("promote", "large", "--route", "support"), "is this route's fallback"),
        (("show", "nothing"), "there is no version 'nothing'"),
        (("register", "support-v2", "nowhere.yaml"), "nowhere.yaml: "),
    ],
    ids=["of several", "of none", "no model", "the fallback", "not known", "no file"],
)
def test_what_cannot_be_done_exits_1_with_a_sentence(
    untouched_admin: Admin, arguments: tuple[str, ...], said: str
) -> None:
    result = run(untouched_admin, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fallgate versions {arguments[0]}: ")
    assert said in result.stderr
    assert found(run(untouched_admin, *arguments, "--json"))["ok"] is False


def test_a_file_that_says_nonsense_is_refused_with_its_place(untouched_admin: Admin, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("dataset: {sha256: short}\n")
    result = run(untouched_admin, "register", "support-v2", str(path))
    assert result.exit_code == 1
    assert "dataset.sha256: 'short' is not a SHA-256" in result.stderr


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    asked = {"role": "user", "content": "my parcel has not arrived, where is it?"}
    said = [asked, {"role": "assistant", "content": "{}"}]
    path.write_text("".join(json.dumps({"messages": said, "number": number}) + "\n" for number in range(250)))
    return path


def test_a_version_gets_its_training_set_as_its_reference(
    admin: Admin, parts: Parts, lineage: Path, training_set: Path
) -> None:
    alone = run(admin, "reference", "support-v2", "--from", str(training_set))
    assert alone.exit_code == 0, alone.output
    assert "support-v2 is compared with 250 of 250 rows, in 20 chunks" in alone.stdout
    assert "note: its lineage names no dataset" in alone.stdout
    run(admin, "register", "support-v2", str(lineage))
    other = run(admin, "reference", "support-v2", "--from", str(training_set), "--reason", "November").stdout
    assert f"and its lineage names {'cd' * 32}" in other
    versions.record(parts.store, "support-v2", {"dataset": {"sha256": sha256(training_set.read_bytes()).hexdigest()}})
    assert "note" not in run(admin, "reference", "support-v2", "--from", str(training_set)).stdout
    assert "reference   250 rows of training" in run(admin, "show", "support-v2").stdout
    with parts.store.reading() as connection:
        assert drift.references_of(connection, "support", "support-v2").keys() == {Side.INPUT}


def test_a_training_set_that_cannot_be_read_is_told_with_the_line(untouched_admin: Admin, training_set: Path) -> None:
    with training_set.open("a") as file:
        file.write("{}\n")
    result = run(untouched_admin, "reference", "support-v2", "--from", str(training_set))
    assert result.exit_code == 1
    assert f"{training_set}:251: there is none of messages" in result.stderr
