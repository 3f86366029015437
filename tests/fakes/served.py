"""A real `fallgate serve` in a process of its own, for tests of the whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import yaml

from tests.fakes.control import OPS, SCRAPER, auth

PATIENCE_S = 30.0
KEYS = [
    {"name": "app", "secret": "app-secret-0123456789", "scopes": ["inference"]},
    {"name": "ops", "secret": OPS, "scopes": ["admin"]},
    {"name": "scraper", "secret": SCRAPER, "scopes": ["metrics"]},
]


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def small_config(split: Mapping[str, float], base_url: str = "http://127.0.0.1:9/v1", **sections: object) -> str:
    """One route `support` over the arms of `split`, on free ports, in YAML."""
    models = {name: {"provider": "vllm", "base_url": base_url, "model": name} for name in split}
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 1},
            "keys": KEYS,
            "models": models,
            "routes": {"support": {"split": dict(split)}},
            **sections,
        }
    )


class Served:
    """The processes, their directory and their addresses."""

    def __init__(self, directory: Path, *options: str, environ: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.config = directory / "fallgate.yaml"
        self._out, self._err = directory / "out", directory / "err"
        command = [sys.executable, "-P", "-m", "gateway.cli", "serve", "--config", "fallgate.yaml", *options]
        with self._out.open("a") as out, self._err.open("a") as err:
            self.process = subprocess.Popen(
                command, cwd=directory, stdout=out, stderr=err, env={**os.environ, **(environ or {})}
            )

    @property
    def printed(self) -> str:
        """Standard output."""
        return self._out.read_text()

    @property
    def logged(self) -> str:
        """Standard error."""
        return self._err.read_text()

    def wait_ready(self) -> "Served":
        """Wait for the banner."""
        wait_for(lambda: "Fallgate is ready." in self.printed or self.process.poll() is not None, "it is ready")
        assert self.process.poll() is None, self.logged
        return self

    def address(self, what: str) -> str:
        """Where it listens for `applications` or `operators`."""
        wait_for(lambda: f"listening for {what} on " in self.logged, f"it listens for {what}")
        return "http://" + self.logged.rpartition(f"listening for {what} on ")[2].split()[0]

    @property
    def admin(self) -> str:
        """The control plane's address."""
        return self.address("operators")

    def get(self, path: str, secret: str = OPS) -> httpx.Response:
        """Ask the control plane."""
        return httpx.get(self.admin + path, headers=auth(secret), trust_env=False, timeout=PATIENCE_S)

    def route(self) -> httpx.Response:
        """The route `support`."""
        return self.get("/admin/v1/routes/support")

    def metric(self, line: str) -> float | None:
        """The value of a metric, by its name and labels as the page has them."""
        lines = self.get("/metrics", SCRAPER).text.splitlines()
        return next((float(found.split()[-1]) for found in lines if found.startswith(f"{line} ")), None)

    def children(self) -> dict[int, str]:
        """All processes below it: what they run, by process id."""
        return children_of(self.process.pid)

    def child(self, module: str) -> int:
        """The process that runs a module. One that was just forked still looks like its parent, so this may wait."""

        def found() -> list[int]:
            return [pid for pid, command in self.children().items() if command.endswith(module)]

        wait_for(lambda: len(found()) == 1, f"one process runs {module}")
        return found()[0]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code and seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S), time.monotonic() - begin


def children_of(pid: int) -> dict[int, str]:
    """All living processes below one, with their commands."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found |= {int(entry.name): command, **children_of(int(entry.name))}
    return found


def exists(pid: int) -> bool:
    """Whether a process is still there, other than as what its parent has not noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def serving(directory: Path, config: str, *options: str) -> Iterator[Served]:
    """Serve a configuration until the end of the block; whatever is left is killed."""
    (directory / "fallgate.yaml").write_text(config)
    served = Served(directory, *options)
    below: dict[int, str] = {}
    try:
        yield served
        below = served.children()
    except BaseException:
        sys.stderr.write(served.printed + served.logged)
        raise
    finally:
        served.process.kill()
        served.process.wait()
        for pid in below:
            wait_for(lambda pid=pid: not exists(pid), f"process {pid} is gone")  # type: ignore[misc]
