"""deploy/compose.yaml: what it names is there, what it starts is confined, and what it mounts is accepted.

No container is started: there is no Docker where these tests run.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from serving.simulated.configuration import load_scripts
from tests.deploy.dashboards import DASHBOARDS, ROOT, RULES
from tests.deploy.prometheus import program
from tests.deploy.stack import DEPLOY, VARIABLE, example, files_mounted, mounts, services, stack

PARTS = {
    *("gateway", "postgres", "valkey", "prometheus", "alertmanager", "grafana"),
    *("simulated", "vllm"),
}
AMTOOL, SCHEMA = ROOT / ".prometheus" / "bin" / "amtool", ROOT / ".prometheus" / "compose_spec.json"
PLANTED = "a-secret-planted-0123456789"


def texts(value: Any) -> list[str]:
    """Every text within a value."""
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts(list(item))]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def variables() -> dict[str, tuple[str, str]]:
    """Those that the stack takes from its environment, with `?` or `-` and what follows."""
    return {match[1]: (match[2], match[3]) for text in texts(stack()) for match in VARIABLE.finditer(text)}


def gateway_environment() -> dict[str, str]:
    """The gateway's environment, with a secret of its own for everything that is required."""
    environ = {}
    for name, value in services()["gateway"]["environment"].items():
        environ[name] = VARIABLE.sub(
            lambda match: match[3] if match[2] == "-" else f"{PLANTED}-{match[1].lower().replace('_', '-')}", str(value)
        )
    return environ


def config(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "compose" / name).read_text())


def test_all_parts_are_there_and_models_only_by_profile() -> None:
    assert set(services()) == PARTS
    assert {name: service["profiles"] for name, service in services().items() if "profiles" in service} == {
        "simulated": ["demo"],
        "vllm": ["gpu"],
    }


def test_each_variable_is_in_the_example_and_each_of_the_example_is_used() -> None:
    assert set(example()) == set(variables()) | {"COMPOSE_PROFILES"}


def test_secrets_are_required_and_the_example_has_none() -> None:
    secrets = {name for name in example() if re.search("_KEY$|PASSWORD", name)} - {"LARGE_API_KEY"}
    assert {name for name, (mark, _) in variables().items() if mark == "?"} == secrets
    assert [example()[name] for name in secrets] == [""] * len(secrets)


def test_no_secret_is_on_a_command_line() -> None:
    for name, service in services().items():
        for text in texts(service.get("command", [])):
            assert not VARIABLE.search(text), name


@pytest.mark.parametrize(("name", "path"), files_mounted(), ids=lambda value: str(value).removeprefix(str(ROOT)))
def test_what_is_mounted_is_there_and_read_only(name: str, path: Path) -> None:
    assert path.exists() or path == DEPLOY / "compose/models"  # which is one's own
    assert all(mode == "ro" for source, _, mode in mounts(services()[name]) if source.startswith("."))


def test_volumes_and_secrets_that_are_used_are_declared() -> None:
    used = {source for service in services().values() for source, _, _ in mounts(service) if not source.startswith(".")}
    assert used == set(stack()["volumes"])
    assert {secret for service in services().values() for secret in service.get("secrets", ())} == set(
        stack()["secrets"]
    )


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_service_is_confined_checked_and_pinned(name: str) -> None:
    service = services()[name]
    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc"} & set(service)
    assert {"test", "interval", "timeout", "start_period"} <= set(service["healthcheck"])
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"])


def test_only_this_machine_reaches_what_is_published() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert sorted(port.split(":")[1] for port in ports) == ["3000", "8080", "8081", "9090", "9093"]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_waited_for_exists_and_belongs_to_no_profile() -> None:
    for service in services().values():
        for other in service.get("depends_on", ()):
            assert "profiles" not in services()[other]


def check_config(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `fallgate config check` says of the stack's file, with this environment and no other."""
    file = str(DEPLOY / "compose/gateway/fallgate.yaml")
    command = [sys.executable, "-m", "gateway.cli", "config", "check", "--config", file]
    return subprocess.run(command, cwd=ROOT, env={"PATH": "", **environ}, capture_output=True, text=True, check=False)


def test_the_gateway_accepts_its_configuration(tmp_path: Path) -> None:
    checked = check_config({"HOME": str(tmp_path), **gateway_environment()})
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr == ""
    assert PLANTED not in checked.stdout


def test_without_its_environment_the_gateway_says_what_is_missing() -> None:
    checked = check_config({})
    assert checked.returncode == 1
    assert "POSTGRES_PASSWORD" in checked.stderr + checked.stdout


def test_addresses_within_name_services_and_their_ports() -> None:
    gateway = config("gateway/fallgate.yaml")
    hosts = [*services(), "models"]
    urls = [gateway["store"]["url"], gateway["coordination"]["url"]]
    urls += [model["base_url"] for model in gateway["models"].values()] + [variables()["LARGE_BASE_URL"][1]]
    urls += [source["url"] for source in config("grafana/datasources/prometheus.yaml")["datasources"]]
    for url in urls:
        host = re.sub(r"^\w+://(?:[^@]*@)?", "", url).split(":")[0].split("/")[0]
        assert host in hosts or url.startswith("${"), url
    assert {
        alias for name in ("simulated", "vllm") for alias in services()[name]["networks"]["default"]["aliases"]
    } == {"models"}


def test_the_simulated_models_are_those_that_the_gateway_asks_for() -> None:
    asked = {model["model"] for model in config("gateway/fallgate.yaml")["models"].values()} - {"${LARGE_MODEL}"}
    assert {script.name for script in load_scripts(DEPLOY / "compose/simulated.yaml")} == asked | {
        variables()["LARGE_MODEL"][1]
    }


def test_prometheus_reads_the_rules_and_the_key_from_where_they_are_mounted() -> None:
    prometheus, service = config("prometheus.yaml"), services()["prometheus"]
    assert prometheus["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert ("./prometheus/rules", "/etc/prometheus/rules", "ro") in mounts(service)
    assert RULES == DEPLOY / "prometheus" / "rules"
    (fallgate,) = (job for job in prometheus["scrape_configs"] if job["job_name"] == "fallgate")
    assert fallgate["authorization"]["credentials_file"] == f"/run/secrets/{service['secrets'][0]}"
    assert stack()["secrets"]["fallgate_metrics_key"] == {"environment": "FALLGATE_METRICS_KEY"}


def test_every_severity_of_an_alert_has_somebody_to_tell() -> None:
    alertmanager = config("alertmanager.yaml")
    rules = [rule for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    severities = {rule["labels"]["severity"] for rule in rules if "alert" in rule}
    matchers = [matcher for route in alertmanager["route"]["routes"] for matcher in route["matchers"]]
    routed = {matcher.partition("=")[2].strip('"') for matcher in matchers}
    assert routed <= severities
    assert severities - routed == {"ticket"}  # the default
    receivers = {receiver["name"] for receiver in alertmanager["receivers"]}
    assert receivers == {
        alertmanager["route"]["receiver"],
        *(route["receiver"] for route in alertmanager["route"]["routes"]),
    }


def test_grafana_finds_its_sources_and_dashboards() -> None:
    sources = config("grafana/datasources/prometheus.yaml")
    providers = config("grafana/dashboards/fallgate.yaml")
    assert sources["apiVersion"] == providers["apiVersion"] == 1
    assert [source["name"] for source in sources["datasources"] if source.get("isDefault")] == ["Prometheus"]
    needed = {json.loads(path.read_text())["templating"]["list"][0]["query"] for path in DASHBOARDS}
    assert needed <= {source["type"] for source in sources["datasources"]}
    (provider,) = providers["providers"]
    folder = provider["options"]["path"]
    assert ("./grafana/dashboards", folder, "ro") in mounts(services()["grafana"])
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in [f"{folder}/{path.name}" for path in DASHBOARDS]


def fetched(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not here: scripts/setup_stack_checks.sh fetches it")
    return path


@pytest.mark.prometheus
def test_the_file_is_one_of_the_compose_specification() -> None:
    schema = json.loads(fetched(SCHEMA).read_text())
    # The schema is older than these two, which the specification has had since 2022.
    schema["properties"]["name"] = {"type": "string"}
    schema["definitions"]["secret"]["properties"]["environment"] = {"type": "string"}
    jsonschema.Draft7Validator(schema).validate(stack())


@pytest.mark.prometheus
def test_alertmanager_accepts_its_configuration() -> None:
    checking = [str(fetched(AMTOOL)), "check-config", str(DEPLOY / "compose/alertmanager.yaml")]
    assert subprocess.run(checking, capture_output=True, check=False).returncode == 0


@pytest.mark.prometheus
def test_prometheus_accepts_its_configuration() -> None:
    promtool = Path(program()).with_name("promtool")
    checking = [str(promtool), "check", "config", "--syntax-only", str(DEPLOY / "compose/prometheus.yaml")]
    assert subprocess.run(checking, capture_output=True, check=False).returncode == 0
