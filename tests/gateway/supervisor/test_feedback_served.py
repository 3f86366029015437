"""Feedback through all processes: taken by a worker, joined by the loops, shown by the control plane."""

from pathlib import Path

import httpx

from tests.fakes.control import APP, SCRAPER, auth
from tests.fakes.served import serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread


def test_what_an_application_says_is_shown_by_arm_and_counted(tmp_path: Path) -> None:
    with (
        simulated_in_thread(["v1"]) as upstream,
        serving(tmp_path, small_config({"v1": 100}, upstream.base_url)) as served,
    ):
        served.wait_ready()
        with httpx.Client(base_url=served.address("applications"), headers=auth(APP), trust_env=False) as asking:
            body = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}]}
            wait_for(lambda: asking.get("/readyz").status_code == 200, "the worker is ready")
            answer = asking.post("/v1/chat/completions", json=body)
            for said in ({"id": answer.json()["id"]}, {"request_id": answer.headers["x-request-id"]}):
                sent = {**said, "metric": "success", "value": True, "idempotency_key": "once"}
                assert asking.post("/v1/feedback", json=sent).status_code == 202

        def page() -> str:
            return served.get("/metrics", SCRAPER).text

        wait_for(lambda: 'gateway_feedback_total{state="refused"} 1.0' in page(), "the repetition is refused")
        labels = served.get("/admin/v1/routes/support/labels").json()
        assert [arm["feedback_success"] for arm in labels["arms"]] == [{"mean": 1.0, "n": 1, "coverage": 1.0}]
        assert [refusal["detail"].partition(":")[0] for refusal in labels["refused"]] == ["repeated"]
        wait_for(lambda: 'gateway_feedback_total{state="accepted"} 2.0' in page(), "both are counted")
        assert 'gateway_feedback_total{state="joined"} 1.0' in page()
