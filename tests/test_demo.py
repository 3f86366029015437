"""`make demo` as a user runs it: the processes, the table, the real openai client against it, and Ctrl-C.

And `make demo-risk`: that the bound holds, and that its report is what was recorded.
"""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

ROOT = Path(__file__).parent.parent
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Label the support ticket. Answer with JSON only: intent, urgency, product."},
    {"role": "user", "content": "Hi, when will you ship the headphone set? It is not urgent."},
]


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is up, and what it printed until then."""

    printed: str
    process: subprocess.Popen[str]

    @property
    def base_url(self) -> str:
        found = re.search(r'base_url="([^"]+)", api_key="([^"]+)"', self.printed)
        assert found is not None
        return found[1]

    @property
    def api_key(self) -> str:
        found = re.search(r'api_key="([^"]+)"', self.printed)
        assert found is not None
        return found[1]


@pytest.fixture(scope="module", params=["simulated", pytest.param("vllm", marks=pytest.mark.vllm)])
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    command = [sys.executable, "examples/demo/demo.py", "--models", request.param]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    printed: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        printed.append(line)
        if "stays up until Ctrl-C" in line:
            break
    else:
        process.stdout.close()
        process.wait()
        pytest.fail("the demo ended by itself:\n" + "".join(printed))
    yield Demo("".join(printed), process)
    process.kill()
    process.stdout.close()
    process.wait()


def test_the_table_shows_both_arms_and_a_fallback_for_doubt(demo: Demo) -> None:
    assert "support-v1" in demo.printed
    assert "support-v2" in demo.printed
    assert re.search(r"large +low_confidence +0\.\d\d", demo.printed), demo.printed
    assert "$0.0" in demo.printed


def test_the_openai_client_works_unchanged(demo: Demo) -> None:
    with OpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0) as client:
        whole = client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
        )
        parts = list(
            client.chat.completions.create(
                model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben", stream=True
            )
        )
        models = [model.id for model in client.models.list()]

    assert whole.choices[0].message.content
    assert whole._request_id
    assert whole.usage is not None
    assert whole.choices[0].logprobs is None
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content
    assert parts[-1].choices[0].finish_reason == "stop"
    assert models == ["support"]


async def test_the_async_openai_client_works_unchanged(demo: Demo) -> None:
    async with AsyncOpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0) as client:
        whole = await client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
        )
        stream = await client.chat.completions.create(
            model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben", stream=True
        )
        text = "".join([part.choices[0].delta.content or "" async for part in stream])

    assert whole.choices[0].message.content == text


def test_requests_go_on_when_the_versions_are_stopped(demo: Demo) -> None:
    found = re.search(r"  kill (\d+)", demo.printed)
    assert found is not None
    os.kill(int(found[1]), signal.SIGTERM)
    with OpenAI(base_url=demo.base_url, api_key=demo.api_key, max_retries=0, timeout=60) as client:
        for _ in range(100):  # until it has ended, it may still answer itself
            raw = client.chat.completions.with_raw_response.create(
                model="support", messages=MESSAGES, max_tokens=48, temperature=0, user="ben"
            )
            if raw.headers["x-gateway-model"] == "large":
                break

    assert raw.headers["x-gateway-fallback"] in ("error", "unavailable")
    assert raw.parse().choices[0].message.content


def test_ctrl_c_ends_all_of_it(demo: Demo) -> None:
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", demo.printed)}
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(timeout=40) == 0
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on {port}"


@dataclass(frozen=True, slots=True)
class Proof:
    """A run of `make demo-risk` that has ended."""

    printed: str
    code: int
    report: dict[str, Any]
    database: Path


@pytest.fixture(scope="module", params=["simulated", pytest.param("vllm", marks=pytest.mark.vllm)])
def proof(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    folder = tmp_path_factory.mktemp("proof")
    report = folder / "report.json"
    ran = subprocess.run(
        [sys.executable, "examples/demo/guarantee.py", "--models", request.param]
        + ["--folder", str(folder), "--json", str(report)]
        + (["--at-once", "32"] if request.param == "simulated" else []),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert report.exists(), ran.stdout + ran.stderr
    return Proof(ran.stdout, ran.returncode, json.loads(report.read_text()), folder / "fallgate.db")


def _rows(proof: Proof, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{proof.database}?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()


def test_the_risk_of_held_out_tickets_is_within_its_bound(proof: Proof) -> None:
    risk = proof.report["held_out"]["all"]

    assert proof.code == 0, proof.printed
    assert "holds:" in proof.printed
    assert risk["n"] >= 300
    assert risk["risk_lower"] <= 0.1
    assert risk["risk"] == risk["served_and_wrong"] / risk["n"]
    assert risk["risk_lower"] <= risk["risk"] <= risk["risk_upper"]


def test_the_bound_is_armed_from_feedback_and_says_what_the_score_is_worth(proof: Proof) -> None:
    calibration = proof.report["calibration"]
    labels = _rows(proof, "SELECT count(*) FROM labels WHERE source = 'feedback' AND metric = 'success'")

    assert calibration["armed"]
    assert calibration["kind"] == "logistic"
    assert 300 <= calibration["labels"] <= labels[0][0] <= proof.report["labelled"]["n"]
    for quality in (calibration["quality"]["whole"], proof.report["held_out_quality"]):
        assert 0.55 < quality["auroc"]["low"] <= quality["auroc"]["value"] <= quality["auroc"]["high"]
        assert quality["ece"]["low"] <= quality["ece"]["value"] <= quality["ece"]["high"]
    assert "AUROC" in proof.printed
    assert "ECE" in proof.printed


def test_the_cascade_does_both_what_it_costs_and_what_it_is_for(proof: Proof) -> None:
    right, curve, money = (proof.report[name] for name in ("accuracy", "curve", "money"))

    assert right["small"] < right["cascade"]
    assert curve["weak"] == pytest.approx(right["small"])
    assert curve["strong"] == pytest.approx(right["large"])
    assert curve["apgr"] > 0.5
    assert money["small_nanousd"] < money["cascade_nanousd"] < money["large_nanousd"]
    assert "APGR" in proof.printed
    assert "saved" in proof.printed


def test_the_money_is_that_of_the_records(proof: Proof) -> None:
    paid = _rows(
        proof, "SELECT sum(cost_nanousd), count(*) FROM requests WHERE route = 'support' AND confidence_mode = 'risk'"
    )

    assert paid == [(proof.report["money"]["cascade_nanousd"], proof.report["held_out"]["all"]["n"])]


def test_what_the_version_served_is_counted_as_it_was_recorded(proof: Proof) -> None:
    served = _rows(
        proof,
        "SELECT is_stream, count(*) FROM requests "
        "WHERE route = 'support' AND confidence_mode = 'risk' AND model = arm GROUP BY is_stream ORDER BY is_stream",
    )

    assert served == [
        (0, proof.report["held_out"]["whole"]["served"]),
        (1, proof.report["held_out"]["streams"]["served"]),
    ]


def test_no_feedback_was_given_on_held_out_tickets(proof: Proof) -> None:
    of_held_out = _rows(
        proof,
        "SELECT count(*) FROM feedback JOIN requests ON requests.request_id = feedback.joined_request_id "
        "WHERE requests.confidence_mode <> 'observe'",
    )

    assert of_held_out == [(0,)]


def test_other_draws_of_the_labels_keep_the_promise_about_as_often_as_it_says(proof: Proof) -> None:
    divided = proof.report["divided"]

    assert divided["armed"] >= 90
    assert divided["risk_mean"] < 0.1
    # A tenth may miss it. The divisions share their answers, and what is left of them is a small sample: hence room.
    assert divided["above_alpha"] <= 30


def test_every_decision_can_be_made_again_from_its_record(proof: Proof) -> None:
    again = proof.report["replayed"]

    assert again["same"] == again["n"] == proof.report["held_out"]["all"]["n"]


def test_streams_are_judged_by_their_start_which_waits_and_mostly_agrees(proof: Proof) -> None:
    streams = proof.report["streams"]

    assert streams["judged_by_start"] > 0.9 * streams["n"]
    assert streams["added_ms"]["median"] > 0
    assert streams["agreement"] > 0.7
    assert 0 <= streams["late_low_confidence_share"] < 0.5


def test_the_tickets_of_the_proof_are_new_and_worded_as_those_held_out_from_training() -> None:
    code = "import asking, json; print(json.dumps([[(t.number, t.split, t.text.lower()) for t in some] for some in "
    code += "(asking.new_tickets(620), asking.tickets.tickets())]))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "examples" / "demo", capture_output=True, text=True, check=True
    )
    new, known = json.loads(ran.stdout)

    assert len({text for _, _, text in new}) == 620
    assert {split for _, split, _ in new} == {"test"}
    assert not {text for _, _, text in new} & {text for _, _, text in known}
