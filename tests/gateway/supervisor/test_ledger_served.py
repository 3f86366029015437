"""The ledger through all processes: records, lines and counters of two workers are equal, to token and nano-dollar."""

from collections import Counter
from pathlib import Path

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from gateway.store.engine import Store, open_store
from gateway.store.ledger_tables import ledger_lines
from gateway.store.tables import attempts
from routing.words import Purpose
from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript
from tests.fakes.control import APP, SCRAPER, auth
from tests.fakes.served import KEYS, Served, serving, wait_for
from tests.fakes.simulated import simulated_in_thread

ROUND = 20
KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")
Sums = Counter[tuple[str, ...]]
SCRIPTS = [
    ModelScript(name="v1", prompt_tokens=1_037, completion_tokens=53, cached_tokens=512, reasoning_tokens=7),
    ModelScript(name="v2", prompt_tokens=1_031, completion_tokens=11, faults=(Fault.parse("empty_answer"),)),
    ModelScript(name="large", text="quite another answer", prompt_tokens=1_200, completion_tokens=97, cached_tokens=64),
]


def config(base_url: str) -> str:
    """One arm answers, the other never does, and the large model answers all of it again, twice."""
    price = {"input": 0.123456789, "cached_input": 0.05, "output": 0.987654321}
    model = {"provider": "vllm", "base_url": base_url, "price": price}
    side = {"share": 1, "spend_usd_per_day": 20}
    route = {
        "split": {"v1": 50, "v2": 50},
        "unit": ["header:x-user-id", "request"],
        "fallback": {"to": "large"},
        "audit": {**side, "compare": "exact"},
        "shadow": {**side, "to": "large"},
    }
    return yaml.safe_dump(
        {
            "server": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "workers": 2},
            "keys": KEYS,
            "models": {script.name: {**model, "model": script.name} for script in SCRIPTS},
            "routes": {"support": route},
        }
    )


PURPOSES = {Purpose.SERVE, Purpose.DRAFT, Purpose.FALLBACK, Purpose.AUDIT, Purpose.SHADOW}


def ask_all(address: str, store: Store) -> int:
    """Ask in rounds, until workers have been granted money for audits and shadows; how many requests there were."""
    body = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}], "max_tokens": 200}
    with httpx.Client(base_url=address, headers=auth(APP), trust_env=False, timeout=30) as asking:
        wait_for(lambda: asking.get("/readyz").status_code == 200, "the workers are ready")
        asked = 0

        def has_all() -> bool:
            nonlocal asked
            for number in range(ROUND):
                user = {"x-user-id": f"user-{number}"}
                answer = asking.post("/v1/chat/completions", json={**body, "stream": number % 2 == 1}, headers=user)
                assert answer.status_code == 200
            asked += ROUND
            with store.reading() as connection:
                return set(connection.execute(select(attempts.c.purpose).distinct()).scalars()) >= PURPOSES

        wait_for(has_all, "every purpose was paid for")
        return asked


def of_records(store: Store) -> Sums:
    found: Sums = Counter()
    with store.reading() as connection:
        for row in connection.execute(select(attempts)):
            key = (row.model, row.purpose)
            found[*key, "cost"] += row.cost_nanousd or 0
            cached, written, reasoned = (
                row.cached_input_tokens or 0,
                row.cache_write_tokens or 0,
                row.reasoning_tokens or 0,
            )
            found[*key, "input"] += (row.input_tokens or 0) - cached - written
            found[*key, "cached_input"] += cached
            found[*key, "cache_write"] += written
            found[*key, "output"] += (row.output_tokens or 0) - reasoned
            found[*key, "reasoning"] += reasoned
    return +found


def of_lines(store: Store) -> Sums:
    found: Sums = Counter()
    with store.reading() as connection:
        for row in connection.execute(select(ledger_lines)):
            found[row.model, row.purpose, "cost"] += row.cost_nanousd
            for kind in KINDS:
                found[row.model, row.purpose, kind] += getattr(row, f"{kind}_tokens")
    return +found


def of_counters(served: Served) -> Sums:
    found: Sums = Counter()
    for family in text_string_to_metric_families(served.get("/metrics", SCRAPER).text):
        for sample in family.samples:
            key = (sample.labels.get("model", ""), sample.labels.get("purpose", ""))
            if sample.name == "gateway_cost_usd_total":
                found[*key, "cost"] += round(sample.value * 1e9)
            elif sample.name == "gateway_tokens_total":
                found[*key, sample.labels["kind"]] += round(sample.value)
    return +found


def test_records_lines_and_counters_are_equal_to_the_token_and_the_nano_dollar(tmp_path: Path) -> None:
    with simulated_in_thread(SCRIPTS) as upstream, serving(tmp_path, config(upstream.base_url)) as served:
        served.wait_ready()
        store = open_store(f"sqlite:///{tmp_path}/fallgate.db")
        asked = ask_all(served.address("applications"), store)

        def is_settled() -> bool:
            return bool(of_lines(store)) and of_lines(store) == of_records(store) == of_counters(served)

        wait_for(is_settled, "records, lines and counters are equal")
        with store.reading() as connection:
            firsts = connection.execute(select(func.sum(ledger_lines.c.requests))).scalar()
        assert firsts == asked
        bill = served.get("/admin/v1/routes/support/cost").json()
        assert bill["requests"] == asked
        of_bill = sum(round(line["cost_usd"] * 1e9) for line in bill["lines"])
        assert of_bill == sum(count for key, count in of_records(store).items() if key[2] == "cost")
        assert served.end()[0] == 0
        store.close()
