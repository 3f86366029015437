"""Calibration through all processes: labels in the store, a threshold in every worker."""

from pathlib import Path

import yaml

from gateway.store.engine import open_store
from tests.fakes.graded import Traffic
from tests.fakes.served import serving, small_config, wait_for


def test_labels_become_a_threshold_that_every_worker_has_without_a_change_of_the_routes_tag(tmp_path: Path) -> None:
    config = yaml.safe_load(small_config({"v1": 100}))
    config["models"]["large"] = {"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "large"}
    config["routes"]["support"]["fallback"] = {"to": "large", "confidence": {"mode": "risk", "alpha": 0.15}}
    with serving(tmp_path, yaml.safe_dump(config)) as served:
        served.wait_ready()
        before = served.route()
        store = open_store(f"sqlite:///{tmp_path}/fallgate.db")
        Traffic(store).answers(400)
        store.close()
        wait_for(lambda: served.route().json()["calibration"]["v1"]["armed"], "a risk is armed")

        after = served.route()
        assert after.headers["etag"] == before.headers["etag"]
        assert after.json()["calibration"]["v1"]["version"] == "v1.1"
        revision = after.json()["revision"]
        wait_for(
            lambda: [one["revision"] for one in served.get("/admin/v1/workers").json()["workers"]] == [revision],
            "the worker has it",
        )
        [entry] = [one for one in served.get("/admin/v1/audit").json()["entries"] if one["action"] == "calibrate"]
        assert (entry["who"], entry["route"], entry["detail"]["version"]) == ("calibration", "support", "v1.1")
