"""Retraining through all processes: found due by the loops, told to a receiver, once over a restart."""

import time
from pathlib import Path

import pytest
import yaml

from tests.fakes.served import Served, serving, small_config, wait_for
from tests.fakes.webhooks import SECRET, Receiver, receiving

AGED = {"every_days": 1, "min_new_examples": 0}


def config(directory: Path, receiver: Receiver) -> str:
    (directory / "v1.yaml").write_text("version: v1\ncreated: 2026-01-01\n")
    tree = yaml.safe_load(small_config({"v1": 100}))
    tree["models"]["v1"]["lineage"] = "v1.yaml"
    tree["routes"]["support"]["retrain"] = {**AGED, "webhook": {"url": receiver.url, "secret": "${HOOK_SECRET}"}}
    return yaml.safe_dump(tree)


def begin_anew(directory: Path) -> None:
    """So that what the next processes say is not taken for what the last ones said."""
    for name in ("out", "err"):
        (directory / name).unlink()


def state(served: Served) -> str | None:
    deliveries = served.get("/admin/v1/routes/support/retraining").json()["deliveries"]
    return deliveries[0]["state"] if deliveries else None


def test_an_old_version_is_told_to_the_receiver_once_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with receiving(500) as receiver:
        text = config(tmp_path, receiver)
        with serving(tmp_path, text) as served:
            served.wait_ready()
            wait_for(lambda: len(receiver.told) == 1, "the receiver is asked, and fails")
            assert receiver.told[0].is_genuine(time.time_ns() / 1e9)
            line = 'gateway_retraining_due{reason="cadence",route="support"}'
            wait_for(lambda: served.metric(line) == 1.0, "the metric says it")
            assert receiver.url not in served.logged  # a path may be a secret
            served.end()
        begin_anew(tmp_path)
        with serving(tmp_path, text) as served:
            served.wait_ready()
            wait_for(lambda: state(served) == "delivered", "it is told after the restart")
            assert [told.id for told in receiver.told] == [receiver.told[0].id] * 2
            assert SECRET not in served.logged
            assert receiver.url not in served.logged
            served.end()
        begin_anew(tmp_path)
        with serving(tmp_path, text) as served:
            served.wait_ready()
            line = 'gateway_retraining_due{reason="cadence",route="support"}'
            wait_for(lambda: served.metric(line) == 1.0, "the loops have looked again")
            assert state(served) == "delivered"
        assert len(receiver.told) == 2
