"""Keys through all processes: made and revoked by a command, in force on every worker."""

import time
from pathlib import Path

import httpx
import yaml

from tests.fakes.control import OPS, auth
from tests.fakes.served import serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

BODY = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}]}
WORKERS = 2
PATIENT_S = 3.0
"""A second on a machine of its own, which that of a test need not be."""


def test_a_key_is_taken_by_every_worker_once_it_is_made_and_by_none_once_it_is_revoked(tmp_path: Path) -> None:
    with simulated_in_thread(["v1"]) as upstream:
        config = yaml.safe_load(small_config({"v1": 100}, upstream.base_url))
        config["server"]["workers"] = WORKERS
        with serving(tmp_path, yaml.safe_dump(config)) as served:
            served.wait_ready()
            applications = served.address("applications")

            def statuses(secret: str) -> set[int]:
                """Of requests on connections of their own, which find their way to any worker."""
                found = set()
                for _ in range(8):
                    asked = httpx.post(
                        f"{applications}/v1/chat/completions", json=BODY, headers=auth(secret), trust_env=False
                    )
                    found.add(asked.status_code)
                return found

            def live() -> int:
                return len(served.get("/admin/v1/workers").json()["workers"])

            wait_for(lambda: live() == WORKERS, "all workers report")
            with httpx.Client(base_url=served.admin, headers=auth(OPS), trust_env=False) as operator:
                made = operator.post("/admin/v1/keys", json={"name": "batch", "scopes": ["inference:support"]})
                secret = made.json()["secret"]
                wait_for(lambda: statuses(secret) == {200}, "every worker takes it")
                begin_s = time.monotonic()
                revision = operator.delete("/admin/v1/keys/batch").json()["revision"]

                def behind() -> list[int]:
                    workers = served.get("/admin/v1/workers").json()["workers"]
                    return [worker["revision"] for worker in workers if worker["revision"] < revision]

                wait_for(lambda: not behind(), "every worker has the revision")
                took_s = time.monotonic() - begin_s
            assert statuses(secret) == {401}
    assert took_s < PATIENT_S
