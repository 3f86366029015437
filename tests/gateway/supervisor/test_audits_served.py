"""Audits through all processes: drawn and made by two workers, within one cap, labelled and counted."""

from pathlib import Path

import httpx
import yaml
from sqlalchemy import func, select

from gateway.clock import now_us
from gateway.store.engine import open_store
from gateway.store.spend import spent
from gateway.store.tables import attempts, requests
from routing.audit.sample import day_of
from routing.words import Purpose
from tests.fakes.control import APP, auth
from tests.fakes.served import KEYS, serving, wait_for
from tests.fakes.simulated import simulated_in_thread

BODY = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}], "max_tokens": 50}


def config(base_url: str) -> str:
    """Every request is audited until the arm has ten labels, and none after that to speak of."""
    model = {"provider": "vllm", "base_url": base_url, "price": {"input": 0.1, "output": 0.4}}
    audit = {"share": 1e-9, "min_labels": 10, "spend_usd_per_day": 20, "compare": "exact"}
    route = {"split": {"v1": 100}, "fallback": {"to": "large"}, "audit": audit}
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2},
            "keys": KEYS,
            "models": {name: {**model, "model": name} for name in ("v1", "large")},
            "routes": {"support": route},
        }
    )


def test_requests_are_audited_until_there_are_labels_enough(tmp_path: Path) -> None:
    with simulated_in_thread(["v1", "large"]) as upstream, serving(tmp_path, config(upstream.base_url)) as served:
        served.wait_ready()
        with httpx.Client(base_url=served.address("applications"), headers=auth(APP), trust_env=False) as asking:

            def ask() -> None:
                assert asking.post("/v1/chat/completions", json=BODY).status_code == 200

            def labels() -> int:
                arms = served.get("/admin/v1/routes/support/labels").json()["arms"]
                return sum(arm["audit_agreement"]["n"] for arm in arms)

            def has_enough() -> bool:
                ask()
                return labels() >= 10

            wait_for(lambda: asking.get("/readyz").status_code == 200, "the workers are ready")
            wait_for(has_enough, "ten answers are labelled")
            audited = 'gateway_audits_total{model="v1",result="agreed",route="support"}'
            wait_for(lambda: served.metric(audited) == labels(), "what is labelled is counted")

            def draws_no_more() -> bool:
                before = upstream.server.seen.models["large"]
                for _ in range(5):
                    ask()
                return upstream.server.seen.models["large"] == before

            wait_for(draws_no_more, "the workers know that it is enough")
            assert served.end()[0] == 0
        store = open_store(f"sqlite:///{tmp_path}/fallgate.db")
        with store.reading() as connection:
            of_audits = select(func.sum(attempts.c.cost_nanousd)).where(attempts.c.purpose == "audit")
            cost = connection.execute(of_audits).scalar()
            drawn = select(func.count()).where(requests.c.audit_propensity == 1.0)
            assert (connection.execute(drawn).scalar() or 0) >= 10
        days = [day_of(now_us()) - ago for ago in (0, 1)]  # midnight may have passed
        assert sum(spent(store, "support", Purpose.AUDIT, day) for day in days) == cost
        store.close()
