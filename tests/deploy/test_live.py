"""Everything that dashboards and rules ask, asked of a real Prometheus that scrapes a real gateway under load."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import func, select

from gateway.store.engine import open_store
from gateway.store.tables import attempts, requests
from serving.simulated.faults import Fault
from serving.simulated.script import DrawBy, LogprobMode, ModelScript
from tests.deploy.dashboards import DASHBOARDS, expressions, rules
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.vllm_page import vllm_page
from tests.fakes.control import APP, OPS, SCRAPER, auth
from tests.fakes.graded import Traffic
from tests.fakes.ledger import live_hours_ago
from tests.fakes.served import KEYS, Served, serving, wait_for
from tests.fakes.simulated import simulated_in_thread

pytestmark = pytest.mark.prometheus

ASKERS, PAUSE_S, LOAD_S = 4, 0.02, 180.0
MOVES_AFTER = 4000
"""Requests after which drift is planted: by then every arm knows what its requests were like."""
GRAFANAS = {"$__rate_interval": "20s", "$__range": "2m", "$route": ".+", "$model": ".+", "$served": ".+"}
"""What Grafana puts in place of its variables."""
ROUTES = ("support", "trial", "plain", "support", "trial", "plain", "late")
"""In turn, whole and streamed."""

MODELS: list[ModelScript | str] = [
    ModelScript(name="v1"),
    ModelScript(name="v2", faults=(Fault.parse("500@0.1"), Fault.parse("cut:4@0.1")), draw_by=DrawBy.REQUEST_ID),
    ModelScript(
        name="v3", logprobs=LogprobMode.MISSING, faults=(Fault.parse("empty_answer@0.3"),), draw_by=DrawBy.REQUEST_ID
    ),
    ModelScript(name="v4", right_logprob=-3.0),
    "large",
]


def config(base_url: str) -> str:
    """Routes: calibrated; with an experiment, audits and a shadow; whose model says too little; doubted too late.

    The last one's model has no price, and one that no route has is billed by its hardware.
    """
    contract = {
        "name": "e1", "baseline": "v1", "candidate": "v2", "mode": "observe",
        "primary": {"metric": "feedback_success"}, "guardrails": [{"metric": "fallback_share", "margin": 0.5}],
        "min_units": 100, "planned_units": 400, "steps": [50, 100], "soak": "1h", "horizon": "first_request",
        "stop": "2099-01-01",
    }  # fmt: skip
    fallback = {"to": "large", "confidence": {"mode": "budget", "share": 0.1}}
    doubt = {"mode": "threshold", "score": "mean_logprob", "min": 0.5}
    money = {"spend_usd_per_day": 100, "share": 0.5}
    model = {"provider": "vllm", "base_url": base_url, "price": {"input": 0.1, "output": 0.4}}
    unit = ["header:x-user-id", "request"]
    drift = {"window_requests": 120, "window_minutes": 0, "reference_requests": 500, "reference_hours": 0}
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2},
            "keys": KEYS,
            "models": {
                **{name: {**model, "model": name} for name in ("v1", "v2", "v3", "large")},
                "v4": {"provider": "vllm", "base_url": base_url, "model": "v4"},
                "idle": {**model, "model": "v1", "price": {"gpu_hour_usd": 1.2, "tokens_per_second": 900}},
            },
            "routes": {
                "support": {"split": {"v1": 100}, "unit": unit, "fallback": fallback, "drift": drift},
                "trial": {
                    "split": {"v1": 100, "v2": 0}, "unit": unit, "fallback": {"to": "large"}, "experiment": contract,
                    "audit": {**money, "compare": "exact"}, "shadow": {**money, "to": "v3"}, "drift": drift,
                },
                "plain": {"split": {"v3": 100}, "unit": unit, "fallback": {"to": "large"}},
                "late": {"split": {"v4": 100}, "fallback": {"to": "large", "hold": "none", "confidence": doubt}},
            },
        }
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is asked, by whom, and who watches."""

    served: Served
    watch: Prometheus
    told: list[str]
    """The route of every request that was sent to the end."""
    billed: list[tuple[int, int]]
    """What clients of the route `plain` were told of their tokens: input and output."""
    empty: list[str]
    """Queries of dashboards that gave nothing while there was traffic."""


def text_of(number: int) -> str:
    """What is asked, until everybody asks something else."""
    if number < MOVES_AFTER:
        return f"where is parcel {number}?"
    return f"Bitte sagen Sie mir, ob die Rechnung {number} für das neue Thermometer nicht schon bezahlt ist."


def usage_of(answer: httpx.Response) -> tuple[int, int]:
    """Input and output tokens as an answer says, whole or streamed."""
    assert answer.status_code == 200, answer.text
    events = answer.text.removesuffix("data: [DONE]\n\n").strip().split("\n\n")
    usage = json.loads(events[-1].removeprefix("data: "))["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


@contextmanager
def asking(served: Served, told: list[str], billed: list[tuple[int, int]]) -> Iterator[None]:
    """Keep asking all routes, whole and streamed, with feedback, until the end of the block."""
    ended, numbers = threading.Event(), count()

    def ask(http: httpx.Client, number: int) -> None:
        route = ROUTES[number % len(ROUTES)]
        body = {
            "model": route, "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": text_of(number)}],
            **({"stream_options": {"include_usage": True}} if number % 2 == 0 else {}),
        }  # fmt: skip
        answer = http.post("/v1/chat/completions", json=body, headers={"x-user-id": f"user-{number}"})
        told.append(route)
        if route == "plain":
            billed.append(usage_of(answer))
        said = {"request_id": answer.headers["x-request-id"], "metric": "success", "value": number % 5 != 0}
        http.post("/v1/feedback", json=said)

    def run() -> None:
        url = served.address("applications")
        with httpx.Client(base_url=url, headers=auth(APP), trust_env=False, timeout=30) as http:
            while not ended.wait(PAUSE_S):
                ask(http, next(numbers))

    threads = [threading.Thread(target=run, name=f"asker {number}") for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def start_experiment(served: Served) -> None:
    """On the route `trial`."""
    path = "/admin/v1/routes/trial"
    headers = {**auth(OPS), "if-match": served.get(path).headers["etag"]}
    answer = httpx.post(f"{served.admin}{path}/experiment/start", headers=headers, json={}, trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two workers that has been asked for a while, and is asked no more."""
    directory = tmp_path_factory.mktemp("live")
    told: list[str] = []
    billed: list[tuple[int, int]] = []
    with ExitStack() as stack:
        upstream = stack.enter_context(simulated_in_thread(MODELS))
        configured = config(upstream.base_url)
        live_hours_ago(directory, configured)
        served = stack.enter_context(serving(directory, configured)).wait_ready()
        store = open_store(f"sqlite:///{directory}/fallgate.db")
        Traffic(store).answers(400)
        store.close()
        engine = stack.enter_context(vllm_page("v1", "v2"))
        targets = {"fallgate": served.admin.removeprefix("http://"), "vllm": engine}
        watch = stack.enter_context(prometheus(directory, targets, SCRAPER))
        wait_for(lambda: all(watch.is_up(job) for job in targets), "everything is scraped")
        with asking(served, told, billed):
            start_experiment(served)
            roll_back(served)
            with suppress(AssertionError):  # what stays empty is told by its test
                wait_for(lambda: not empty(watch), "every query has data", LOAD_S)
            nothing = empty(watch)
        yield Gateway(served, watch, told, billed, nothing)


def roll_back(served: Served) -> None:
    """Move the split of `support` there and back, which leaves an overlay and a time."""
    answer = httpx.put(
        f"{served.admin}/admin/v1/routes/support/split", headers={**auth(OPS), "if-match": "*"},
        json={"split": {"v1": 90, "v2": 10}}, trust_env=False, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    answer = httpx.post(
        f"{served.admin}/admin/v1/routes/support/rollback", headers={**auth(OPS), "if-match": "*"},
        json={}, trust_env=False, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text


def asked_by(path: Path) -> list[str]:
    """The queries of a dashboard as Grafana sends them."""
    return [filled(expr) for expr in expressions(path)]


def filled(expr: str) -> str:
    """A query as Grafana sends it."""
    for variable, value in GRAFANAS.items():
        expr = expr.replace(variable, value)
    return expr


def empty(watch: Prometheus) -> list[str]:
    """Queries of dashboards that give nothing."""
    exprs = [expr for path in DASHBOARDS for expr in asked_by(path)]
    return [expr for expr in exprs if all(series["value"][1] == "NaN" for series in watch.query(expr))]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_is_answered(path: Path, gateway: Gateway) -> None:
    for expr in asked_by(path):
        assert "$" not in expr.replace('"$1"', "")
        gateway.watch.query(expr)


def test_every_query_has_data_where_there_is_traffic(gateway: Gateway) -> None:
    assert gateway.empty == []


def test_every_rule_is_evaluated_and_healthy(gateway: Gateway) -> None:
    found = [rule for group in gateway.watch.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in found} == {rule.get("record") or rule["alert"] for rule in rules()}
    assert {(rule["name"], rule["health"]) for rule in found if rule["health"] != "ok"} == set()


def test_every_recorded_series_has_data(gateway: Gateway) -> None:
    names = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for name in names if not gateway.watch.query(name)} == set()


def test_counters_equal_what_clients_were_told_and_what_was_recorded(gateway: Gateway) -> None:
    sent = gateway.told.count("trial")
    watch = gateway.watch
    wait_for(lambda: watch.value('sum(gateway_requests_total{route="trial"})') == sent, "all requests are counted")

    store = open_store(f"sqlite:///{gateway.served.directory}/fallgate.db")
    joined = attempts.join(requests, attempts.c.request_id == requests.c.request_id)
    of_trial = select(
        func.sum(attempts.c.cost_nanousd), func.sum(attempts.c.input_tokens), func.sum(attempts.c.output_tokens)
    ).select_from(joined).where(requests.c.route == "trial")  # fmt: skip

    def recorded(statement: Any) -> tuple[int, ...]:
        with store.reading() as connection:
            return tuple(connection.execute(statement).one())

    def counted() -> tuple[int, ...]:
        nanos = watch.value('sum(gateway_cost_usd_total{route="trial"})') or 0.0
        kinds = (f'sum(gateway_tokens_total{{route="trial", kind="{kind}"}})' for kind in ("input", "output"))
        return (round(nanos * 1e9), *(int(watch.value(kind) or 0) for kind in kinds))

    many = select(func.count()).select_from(requests).where(requests.c.route == "trial")
    wait_for(lambda: recorded(many) == (sent,), "all requests are recorded")
    wait_for(lambda: recorded(of_trial) == counted(), "counters and records are equal")
    store.close()


def test_clients_were_told_of_every_token_that_is_counted_and_of_its_price(gateway: Gateway) -> None:
    watch, answered = gateway.watch, 'route="plain", purpose=~"serve|fallback"'
    read, written = (sum(tokens) for tokens in zip(*gateway.billed, strict=True))

    def counted() -> tuple[int, ...]:
        kinds = (f'sum(gateway_tokens_total{{{answered}, kind="{kind}"}})' for kind in ("input", "output"))
        nanos = watch.value(f"sum(gateway_cost_usd_total{{{answered}}})") or 0.0
        return (*(int(watch.value(kind) or 0) for kind in kinds), round(nanos * 1e9))

    # 0.1 and 0.4 dollars a million.
    wait_for(lambda: counted() == (read, written, 100 * read + 400 * written), "clients and counters are equal")
