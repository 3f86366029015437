"""`fallgate config` as a user runs it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli.config import app

SAMPLE = Path(__file__).parent / "sample.yaml"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FALLGATE_APP_KEY", "FALLGATE_OPS_KEY", "LARGE_API_KEY"):
        monkeypatch.setenv(name, f"planted-{name.lower()}")


def run(*arguments: str | os.PathLike[str]) -> Result:
    return CliRunner().invoke(app, [os.fspath(argument) for argument in arguments])


def one_object(result: Result) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_a_sound_file_is_ok_and_counted() -> None:
    result = run("check", "--config", SAMPLE)

    assert result.exit_code == 0
    assert result.stdout == f"{SAMPLE}: ok, 1 route, 3 models\n"


def test_warnings_go_to_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "fallgate.yaml"
    file.write_text(SAMPLE.read_text().replace("examples/support/v1.yaml", "nowhere.yaml"))
    result = run("check", "--config", file)

    assert result.exit_code == 0
    assert f"{file}:21: warning: models.support-v1.lineage: there is no file 'nowhere.yaml'" in result.stderr


def test_a_wrong_file_is_told_on_standard_error_with_lines(tmp_path: Path) -> None:
    file = tmp_path / "fallgate.yaml"
    file.write_text(SAMPLE.read_text().replace("support-v2: 50}", "support-v2: 45}"))
    result = run("check", "--config", file)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"{file}:31: routes.support.split: percentages sum to 95, not 100\n"


def test_the_file_is_fallgate_yaml_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("check")

    assert result.exit_code == 1
    assert result.stderr == "fallgate.yaml: there is no such file\n"


def test_check_with_json_is_one_object_when_all_is_well() -> None:
    result = run("check", "--json", "--config", SAMPLE)
    told = one_object(result)

    assert result.exit_code == 0
    assert (told["ok"], told["routes"], told["models"], told["problems"]) == (True, 1, 3, [])
    assert len(told["digest"]) == 64


@pytest.mark.parametrize("command", ["check", "show"])
def test_json_is_one_object_with_exit_1_too(command: str, tmp_path: Path) -> None:
    file = tmp_path / "fallgate.yaml"
    file.write_text(SAMPLE.read_text().replace("workers: 1", "workers: 0"))
    result = run(command, "--json", "--config", file)
    told = one_object(result)

    assert result.exit_code == 1
    assert result.stderr == ""
    assert told["ok"] is False
    assert told["problems"] == [
        {
            "path": "server.workers",
            "sentence": "0 is not allowed; must be 1 or more",
            "value": "0",
            "line": 5,
        }
    ]


def test_show_prints_the_effective_configuration_without_secrets() -> None:
    result = run("show", "--config", SAMPLE)
    tree = yaml.safe_load(result.stdout)

    assert result.exit_code == 0
    assert "planted" not in result.output
    assert tree["keys"][0] == {"name": "app", "secret": "********", "scopes": ["inference"]}
    price = {"input": 2.5, "cached_input": 1.25, "output": 10, "per_request": 0, "currency": "USD"}
    assert tree["models"]["large"]["price"] == price
    assert tree["coordination"] == {"url": None}
    assert tree["routes"]["support"]["timeouts"]["total_s"] == 600


def test_show_says_the_same_in_json() -> None:
    assert one_object(run("show", "--json", "--config", SAMPLE)) == yaml.safe_load(
        run("show", "--config", SAMPLE).stdout
    )


def test_schema_prints_the_schema() -> None:
    schema = one_object(run("schema"))

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["models", "routes"]
    assert one_object(run("schema", "--json")) == schema


def test_an_unknown_option_is_a_usage_error() -> None:
    assert run("check", "--file", "x").exit_code == 2
