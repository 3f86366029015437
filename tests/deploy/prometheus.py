"""A real Prometheus in a process of its own, with the rules of this repository."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.deploy.dashboards import ROOT, RULES
from tests.fakes.served import PATIENCE_S, wait_for

EVERY = "1s"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where it listens."""

    url: str

    def ask(self, path: str, **params: str) -> Any:
        """The data of one answer of its API; raises what it says is wrong."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, trust_env=False, timeout=PATIENCE_S).json()
        if answer["status"] != "success":
            raise AssertionError(f"{params}: {answer['error']}")
        return answer["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an expression, now."""
        found: list[dict[str, Any]] = self.ask("query", query=expr)["result"]
        return found

    def value(self, expr: str) -> float | None:
        """The value of an expression that has one series."""
        found = self.query(expr)
        return float(found[0]["value"][1]) if found else None

    def is_up(self, job: str) -> bool:
        """Whether all targets of a job were scraped."""
        states = [one["health"] for one in self.ask("targets")["activeTargets"] if one["labels"]["job"] == job]
        return bool(states) and set(states) == {"up"}


def program() -> str:
    """Where Prometheus is."""
    fetched = ROOT / ".prometheus" / "bin" / "prometheus"
    found = str(fetched) if fetched.exists() else shutil.which("prometheus")
    assert found, "there is no Prometheus here: run scripts/setup_prometheus.sh"
    return found


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def prometheus(directory: Path, targets: Mapping[str, str], secret: str) -> Iterator[Prometheus]:
    """Scrape `targets` (addresses by job) every second; `secret` is the bearer token of the job `fallgate`."""
    key = directory / "fallgate.key"
    key.write_text(secret)
    jobs: Sequence[dict[str, Any]] = [
        {
            "job_name": job,
            "static_configs": [{"targets": [address]}],
            **({"authorization": {"type": "Bearer", "credentials_file": str(key)}} if job == "fallgate" else {}),
        }
        for job, address in targets.items()
    ]
    config = directory / "prometheus.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
                "rule_files": [f"{RULES}/*.yaml"],
                "scrape_configs": jobs,
            }
        )
    )
    address = f"127.0.0.1:{free_port()}"
    log = directory / "prometheus.log"
    command = [
        program(),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=directory)
    started = Prometheus(f"http://{address}")
    try:
        wait_for(lambda: process.poll() is not None or _is_ready(started), "Prometheus is ready")
        assert process.poll() is None, log.read_text()
        yield started
    except BaseException:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        process.terminate()
        process.wait()


def _is_ready(started: Prometheus) -> bool:
    try:
        return httpx.get(f"{started.url}/-/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
