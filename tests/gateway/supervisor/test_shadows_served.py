"""Shadows and targets through all processes: from the file over two workers to what operators see."""

from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.fakes.control import APP, auth
from tests.fakes.served import KEYS, serving, wait_for
from tests.fakes.simulated import simulated_in_thread

BODY = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}], "max_tokens": 50}


def config(base_url: str) -> str:
    """Every request to `v1` is shadowed to `v2`, which is the arm of one team."""
    model = {"provider": "vllm", "base_url": base_url, "price": {"input": 0.1, "output": 0.4}}
    route = {
        "split": {"v1": 100, "v2": 0},
        "targets": [{"when": {"metadata:team": ["b", "c"], "header:x-tier": "gold"}, "arm": "v2"}],
        "shadow": {"to": "v2", "share": 1, "spend_usd_per_day": 20},
    }
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2},
            "keys": KEYS,
            "models": {name: {**model, "model": name} for name in ("v1", "v2")},
            "routes": {"support": route},
        }
    )


def test_requests_are_shadowed_compared_and_counted_and_targets_are_followed(tmp_path: Path) -> None:
    with simulated_in_thread(["v1", "v2"]) as upstream, serving(tmp_path, config(upstream.base_url)) as served:
        served.wait_ready()
        with httpx.Client(base_url=served.address("applications"), headers=auth(APP), trust_env=False) as asking:
            wait_for(lambda: asking.get("/readyz").status_code == 200, "the workers are ready")

            def ask(team: str, tier: str) -> httpx.Headers:
                answer = asking.post(
                    "/v1/chat/completions", json={**BODY, "metadata": {"team": team}}, headers={"x-tier": tier}
                )
                assert answer.status_code == 200
                return answer.headers

            targeted = ask("b", "gold")
            assert (targeted["x-gateway-arm"], "x-gateway-bucket" in targeted) == ("v2", False)
            assert ask("b", "tin")["x-gateway-arm"] == "v1"

            def shown() -> dict[str, Any]:
                body: dict[str, Any] = served.get("/admin/v1/routes/support/shadow").json()
                return body

            def pairs() -> int:
                ask("a", "gold")
                return sum(pair["asked"] - pair["failed"] for pair in shown()["pairs"])

            wait_for(lambda: pairs() >= 10, "ten requests are shadowed")

            paired = 'gateway_shadows_total{model="v2",result="paired",route="support"}'
            wait_for(lambda: served.metric(paired) == shown()["pairs"][0]["asked"], "what is recorded is counted")
            (pair,) = shown()["pairs"]
            assert (pair["arm"], pair["model"], pair["failed"]) == ("v1", "v2", 0)
            assert pair["differences"]["cost_usd"]["n"] == pair["agreement"]["n"] == pair["asked"]
            assert pair["agreement"]["mean"] == 1.0
            assert 0 < shown()["spent_today_usd"] <= 20
            assert served.end()[0] == 0
