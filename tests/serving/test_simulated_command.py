"""`fallgate simulate` comes up quickly, says what it is, and ends on a signal."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COMMAND = (
    "import typer; from gateway.cli.simulate import simulate;"
    "app = typer.Typer(); app.command()(simulate); app(prog_name='fallgate simulate')"
)


def arguments(*given: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", COMMAND, *given]


@contextmanager
def running(*given: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(arguments(*given), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(*given: str) -> tuple[int, str]:
    ended = subprocess.run(arguments(*given), capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


def fetch(url: str, body: object = None) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_it_is_and_where_and_ends_on_a_signal(number: signal.Signals) -> None:
    with running("--model", "v1:text=refund", "--model", "v2", "--port", "0") as process:
        assert process.stdout is not None
        said, where = process.stdout.readline(), process.stdout.readline()
        assert "not a real model" in said
        url, _, models = where.strip().partition("  ")
        assert models == "v1, v2"
        assert fetch(f"{url}/models")["data"][0]["owned_by"] == "fallgate-simulated"
        body = {"model": "v1", "messages": [{"role": "user", "content": "hello"}]}
        assert fetch(f"{url}/chat/completions", body)["choices"][0]["message"]["content"] == "refund"
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_json_is_one_object(tmp_path: Path) -> None:
    config = tmp_path / "simulated.yaml"
    config.write_text("models: {a: , b: {accuracy: 0.5}}", encoding="utf-8")
    with running("--config", str(config), "--port", "0", "--json") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["models"], said["simulated"]) == (["a", "b"], True)
        process.terminate()
        assert process.stdout.read() == ""


@pytest.mark.parametrize(
    ("given", "code", "sentence"),
    [
        ([], 2, "name a model with --model NAME"),
        (["--model", "a:x=1"], 1, "--model a:x=1: unknown: x"),
        (["--model", "a", "--model", "a"], 1, "named twice: a"),
        (["--config", "no-such.yaml"], 1, "cannot read no-such.yaml"),
    ],
)
def test_a_wrong_call_ends_with_a_sentence(given: list[str], code: int, sentence: str) -> None:
    ended, said = refused(*given)
    assert (ended, sentence in said, "Traceback" in said) == (code, True, False)


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refused("--model", "a", "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "choose another --port" in said
