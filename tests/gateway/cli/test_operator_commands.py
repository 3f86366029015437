"""What the commands say and how they exit, against a real admin API."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.cli.explain import fallback_sentence
from gateway.cli.table import BUILT
from gateway.cli.traffic import moved
from gateway.control.parts import Parts
from gateway.snapshot.change import SplitChange
from routing.words import ModelName, RouteName
from tests.fakes.control import APP, OPS, Admin, StandinWorker, wait_until


def run(url: str, *arguments: str, key: str | None = OPS) -> Result:
    environ = {"FALLGATE_ADMIN_URL": url, "FALLGATE_ADMIN_KEY": key, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(arguments), list(arguments), env=environ)


@pytest.mark.parametrize("name", BUILT)
def test_every_command_has_help_of_its_own(name: str) -> None:
    result = run("", name, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    begin = time.monotonic()
    program = (
        "import sys; sys.argv[1:] = ['--help']\nfrom gateway.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    )
    program += "print([m for m in ('fastapi', 'sqlalchemy', 'pydantic', 'httpx', 'aiohttp') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("split", "support"),
        ("split", "support", "support-v1"),
        ("split", "support", "support-v1=half"),
        ("split", "support", "support-v1=-1"),
        ("split", "support", "support-v1=nan"),
        ("split", "support", "support-v1=50", "support-v1=50"),
        ("rollback",),
        ("explain", "support"),
        ("serve", "--plane", "none"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_exits_2(arguments: Sequence[str]) -> None:
    assert run("", *arguments).exit_code == 2


def test_a_split_is_shown_before_and_now(admin: Admin) -> None:
    result = run(admin.url, "split", "support", "support-v1=80%", "support-v2=20")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()[:3]] == [
        ["arm", "before", "now"],
        ["support-v1", "50", "%", "80", "%"],
        ["support-v2", "50", "%", "20", "%"],
    ]
    assert "30 % of the units moved; revision 2" in result.stdout
    assert "no worker is running; it counts from their start on" in result.stdout
    assert admin.http.get("/admin/v1/audit").json()["entries"][0]["who"] == "ops"


def test_a_split_that_is_refused_exits_1_with_the_sentence_of_the_gateway(admin: Admin) -> None:
    result = run(admin.url, "split", "support", "support-v1=80", "support-v2=15")
    assert result.exit_code == 1
    assert result.stderr == "fallgate split: split: percentages sum to 95, not 100\n"
    assert result.stdout == ""


def test_with_json_a_failure_is_one_object_too(admin: Admin) -> None:
    result = run(admin.url, "split", "support", "support-v9=100", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert found["error"]["code"] == "model_not_found"
    assert result.stderr == ""


def test_a_roll_back_with_nothing_behind_it_is_told(admin: Admin) -> None:
    result = run(admin.url, "rollback", "support")
    assert result.exit_code == 1
    assert "route 'support' has no earlier split to go back to" in result.stderr


def test_a_lost_race_is_told_with_what_to_do(admin: Admin, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.cli.client import AdminClient

    read = AdminClient.route

    def read_and_lose(client: AdminClient, name: str) -> dict[str, object]:
        seen = read(client, name)
        change = SplitChange(split={ModelName("support-v1"): 10_000})
        parts.publisher.change_route(RouteName(name), change, who="other", reason=None, expected_etag=None)
        return seen

    monkeypatch.setattr(AdminClient, "route", read_and_lose)
    result = run(admin.url, "split", "support", "support-v2=100")
    assert result.exit_code == 1
    assert "somebody else changed the route at the same moment" in result.stderr


def test_a_worker_that_does_not_follow_is_named(
    admin: Admin, standin: Callable[[str], StandinWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.client.IN_FORCE_TIMEOUT_S", 0.2)
    standin("w1-stuck").report(revision=1)
    result = run(admin.url, "split", "support", "support-v2=100")
    assert result.exit_code == 1
    assert "revision 2 is published, but 1 of 1 workers did not report it" in result.stderr
    assert "w1-stuck" in result.stderr


def test_explain_says_which_arm_and_why(untouched_admin: Admin) -> None:
    result = run(untouched_admin.url, "explain", "support", "--unit", "user-1")
    assert result.exit_code == 0
    assert "user-1 (tenant default)" in result.stdout
    assert "50 %" in result.stdout
    assert "large, on error, invalid, low_confidence, timeout or unavailable (confidence observe)" in result.stdout
    other = json.loads(
        run(untouched_admin.url, "explain", "support", "--unit", "user-1", "--tenant", "b", "--json").stdout
    )
    mine = json.loads(run(untouched_admin.url, "explain", "support", "--unit", "user-1", "--json").stdout)
    assert mine["bucket"] != other["bucket"]
    assert mine["arm"] == ("support-v1" if mine["bucket"] < 5000 else "support-v2")


@pytest.mark.parametrize(
    ("confidence", "said"),
    [
        ({"mode": "none"}, "confidence none"),
        (
            {"mode": "threshold", "score": "min_logprob", "min": 0.7},
            "confidence threshold, min_logprob of at least 0.7",
        ),
        ({"mode": "budget", "score": None, "share": 0.2}, "confidence budget, share 0.2"),
        ({"mode": "risk", "score": None, "alpha": 0.1, "delta": 0.05}, "confidence risk, alpha 0.1, delta 0.05"),
        ({"mode": "utility", "score": None, "value_usd": 0.35}, "confidence utility, value_usd 0.35"),
    ],
)
def test_a_fallback_is_told_with_the_fields_of_its_mode(confidence: dict[str, object], said: str) -> None:
    fallback = {"to": "large", "enabled": True, "when": ["error"], "confidence": confidence}
    assert fallback_sentence(fallback) == f"large, on error or unavailable ({said})"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, "FALLGATE_ADMIN_KEY is not set"),
        ("wrong-key-000000000", "does not know the key in FALLGATE_ADMIN_KEY"),
        (APP, "the key 'app' lacks the scope admin"),
        ("two words", "FALLGATE_ADMIN_KEY holds spaces"),
    ],
)
def test_a_key_that_will_not_do_is_told_and_never_shown(untouched_admin: Admin, key: str | None, sentence: str) -> None:
    result = run(untouched_admin.url, "explain", "support", "--unit", "u", key=key)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert not key or key not in result.output


@pytest.mark.parametrize(
    "url", ["not an address", "ftp://127.0.0.1", "http://", "127.0.0.1:8081", "http://127.0.0.1:x"]
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    result = run(url, "explain", "support", "--unit", "u")
    assert result.exit_code == 1
    assert "FALLGATE_ADMIN_URL" in result.stderr


def test_a_gateway_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    result = run(url, "rollback", "support", "--json")
    assert result.exit_code == 1
    assert f"the admin API at {url} cannot be reached" in json.loads(result.stdout)["error"]["message"]


def test_an_unknown_route_is_told_with_those_that_are(untouched_admin: Admin) -> None:
    result = run(untouched_admin.url, "explain", "../models", "--unit", "u")
    assert result.exit_code == 1
    assert "there are bare, support" in result.stderr or "there is nothing at" in result.stderr


def test_moved_units_are_counted_by_bucket() -> None:
    before = [{"arm": "a", "start": 0, "stop": 5000}, {"arm": "b", "start": 5000, "stop": 10000}]
    after = [{"arm": "a", "start": 0, "stop": 8000}, {"arm": "b", "start": 8000, "stop": 10000}]
    assert moved(before, after) == 3000


def test_it_waits_for_workers_that_come_a_little_later(
    admin: Admin, parts: Parts, standin: Callable[[str], StandinWorker]
) -> None:
    worker = standin("w1")
    worker.report(revision=1)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gateway.cli", "split", "support", "support-v2=100", "--json"],
        env={"FALLGATE_ADMIN_URL": admin.url, "FALLGATE_ADMIN_KEY": OPS},
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: parts.newest().revision == 2, "the split is published")
    worker.report(revision=2)
    found = json.loads(process.communicate(timeout=15)[0])
    assert (process.returncode, found["ok"]) == (0, True)
