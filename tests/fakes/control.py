"""An admin API over a real socket and a real store, without the processes around it."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from gateway.clock import now_us
from gateway.control.app import build_app
from gateway.control.parts import Parts
from gateway.control.process import build
from gateway.data.protocol import WireProtocol
from gateway.launch import ControlPlan
from gateway.snapshot.compile import from_config
from gateway.store import workers
from gateway.store.engine import Store
from gateway.store.workers import WorkerReport
from gateway.supervisor.sockets import listen_on
from tests.fakes.databases import sqlite_url

OPS = "ops-secret-0123456789"
APP = "app-secret-0123456789"
SCRAPER = "scraper-secret-0123456789"
PATIENCE_S = 15.0

CONFIG = f"""
keys:
  - {{name: app, secret: {APP}, scopes: [inference]}}
  - {{name: ops, secret: {OPS}, scopes: [admin]}}
  - {{name: scraper, secret: {SCRAPER}, scopes: [metrics]}}
models:
  support-v1: &vllm
    provider: vllm
    base_url: http://127.0.0.1:9/v1
    model: support-v1
    price: {{gpu_hour_usd: 1.20, tokens_per_second: 900}}
    lineage: v1.yaml
  support-v2: {{<<: *vllm, model: support-v2}}
  large:
    provider: openai
    base_url: http://127.0.0.1:9/v1
    api_key: ${{LARGE_API_KEY}}
    model: gpt-4o
    price: {{input: 2.50, cached_input: 1.25, output: 10.00}}
routes:
  support:
    split: {{support-v1: 50, support-v2: 50}}
    fallback:
      to: large
      confidence: {{mode: observe}}
  bare:
    split: {{support-v1: 100}}
"""
LINEAGE = "version: v1\nbase_model: smol\ndataset: {sha256: " + "ab" * 32 + "}\nevaluation: {accuracy: 0.91}\n"
PLANTED_SECRET = "planted-upstream-secret"


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def auth(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def write_config(directory: Path) -> Path:
    """The configuration file and its lineage file. `LARGE_API_KEY` has to be in the environment."""
    (directory / "v1.yaml").write_text(LINEAGE)
    path = directory / "fallgate.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with all tables, to be copied."""
    directory = tmp_path_factory.mktemp("template")
    sqlite_url(directory)
    return directory / "fallgate.db"


@contextmanager
def control_parts(directory: Path, template: Path) -> Iterator[Parts]:
    """The control plane, published and looking, but with neither lease nor loops."""
    shutil.copy(template, directory / "fallgate.db")
    plan = ControlPlan(
        holder="test",
        config=str(write_config(directory)),
        store_url=f"sqlite:///{directory}/fallgate.db",
        coordination_url=None,
        state_dir=str(directory / "state"),
        admin_fd=-1,
        log_level="info",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LARGE_API_KEY", PLANTED_SECRET)
        built = build(plan)
        assert built.leader.file.read()
    loaded = built.leader.file.loaded
    assert loaded is not None
    built.publisher.publish_file(from_config(loaded.config), "file")
    built.observer.look()
    built.observer.start()
    yield built
    built.observer.stop(5)
    built.store.close()


@dataclass(frozen=True, slots=True)
class Admin:
    """The API as an operator sees it."""

    url: str
    http: httpx.Client
    """Sends the operator's key."""

    def route(self, name: str = "support") -> httpx.Response:
        answer = self.http.get(f"/admin/v1/routes/{name}")
        assert answer.status_code == 200
        return answer

    def etag(self, name: str = "support") -> str:
        return self.route(name).headers["etag"]

    def split(self, shares: dict[str, float], etag: str | None = None, **more: object) -> httpx.Response:
        headers = {"if-match": etag or self.etag()}
        return self.http.put("/admin/v1/routes/support/split", headers=headers, json={"split": shares, **more})

    def act(self, method: str, path: str, json: object = None) -> httpx.Response:
        """Change the route `support`, based on what it is now."""
        return self.http.request(
            method, f"/admin/v1/routes/support{path}", headers={"if-match": self.etag()}, json=json
        )


@contextmanager
def serving_admin(parts: Parts) -> Iterator[Admin]:
    """The admin API on a free port."""
    listener = listen_on("server.admin_listen", "127.0.0.1:0")
    config = uvicorn.Config(build_app(parts), http=WireProtocol, loop="asyncio", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, headers=auth(OPS), trust_env=False, timeout=PATIENCE_S) as http:
        wait_until(lambda: server.started, "the admin API listens")
        yield Admin(url, http)
    server.should_exit = True
    thread.join()


@pytest.fixture
def parts(tmp_path: Path, sqlite_template: Path) -> Iterator[Parts]:
    """A control plane for one test."""
    with control_parts(tmp_path, sqlite_template) as built:
        yield built


@pytest.fixture
def admin(parts: Parts) -> Iterator[Admin]:
    """An admin API for one test."""
    with serving_admin(parts) as served:
        yield served


@pytest.fixture(scope="module")
def untouched_admin(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Admin]:
    """An admin API for the tests of a module that change nothing."""
    with control_parts(tmp_path_factory.mktemp("untouched"), sqlite_template) as built, serving_admin(built) as served:
        yield served
        assert served.route().json()["revision"] == 1


class StandinWorker:
    """Reports as a worker does."""

    def __init__(self, store: Store, writer_id: str) -> None:
        self._store = store
        self._report = WorkerReport(
            writer_id=writer_id,
            host="here",
            pid=os.getpid(),
            revision=1,
            loaded_us=now_us(),
            heartbeat_us=now_us(),
            started_us=now_us(),
            ready=True,
        )

    def report(self, **changed: object) -> None:
        fields: dict[str, object] = {"heartbeat_us": now_us(), **changed}
        self._report = replace(self._report, **fields)  # type: ignore[arg-type]
        workers.report(self._store, self._report)


@pytest.fixture
def standin(parts: Parts) -> Callable[[str], StandinWorker]:
    return lambda writer_id: StandinWorker(parts.store, writer_id)
