from datetime import date
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml

from gateway.settings.load import load, load_text
from gateway.settings.models import (
    BudgetConfidence,
    ByFields,
    ByJudge,
    ByNumber,
    Config,
    DatedTokenPrice,
    HoldPrefix,
    NoConfidence,
    ObserveConfidence,
    RateCard,
    RiskConfidence,
    SelectiveRiskConfidence,
    ThresholdConfidence,
    TokenPrice,
    UtilityConfidence,
)
from gateway.settings.schema import json_schema
from routing.words import Reason

SAMPLE = Path(__file__).parent / "sample.yaml"
ENVIRON = {
    "FALLGATE_APP_KEY": "app-key-0123456789",
    "FALLGATE_OPS_KEY": "ops-key-0123456789",
    "LARGE_API_KEY": "upstream-key",
}
LEAST = """
models:
  tuned: {provider: vllm, base_url: http://127.0.0.1:8100/v1, model: tuned}
  large: {provider: openai, base_url: https://llm.example.com/v1, model: gpt-4o}
routes:
  support:
    split: {tuned: 100}
    fallback: {to: large}
"""


@pytest.fixture(scope="module")
def sample() -> Config:
    return load(SAMPLE, ENVIRON).config


@pytest.fixture(scope="module")
def least() -> Config:
    return load_text(LEAST, {}).config


def test_the_sample_has_what_it_says(sample: Config) -> None:
    app, ops = sample.keys
    assert (app.name, app.secret.reveal(), app.scopes) == ("app", "app-key-0123456789", ("inference",))
    assert (ops.name, ops.secret.reveal(), ops.scopes) == ("ops", "ops-key-0123456789", ("admin", "metrics"))
    assert list(sample.models) == ["support-v1", "support-v2", "large"]
    assert list(sample.routes) == ["support"]
    assert sample.routes["support"].split == {"support-v1": Decimal(50), "support-v2": Decimal(50)}


def test_a_merge_key_carries_over_what_the_entry_does_not_say_itself(sample: Config) -> None:
    v1, v2 = sample.models["support-v1"], sample.models["support-v2"]

    assert v2.model == "support-v2"
    assert v2.lineage == "examples/support/v2.yaml"
    assert (v2.provider, v2.base_url, v2.price) == (v1.provider, v1.base_url, v1.price)


def test_prices_are_the_decimals_that_stand_in_the_file(sample: Config) -> None:
    assert sample.models["support-v1"].price == RateCard(gpu_hour_usd=Decimal("1.20"), tokens_per_second=Decimal(900))
    price = sample.models["large"].price
    assert isinstance(price, TokenPrice)
    assert str(price.input) == "2.50"
    assert (price.cached_input, price.output) == (Decimal("1.25"), Decimal(10))
    assert price.cache_write is None
    assert price.reasoning is None
    assert price.per_request == 0


def test_an_upstream_key_remembers_the_reference_that_it_came_from(sample: Config) -> None:
    key = sample.models["large"].api_key

    assert key is not None
    assert key.reveal() == "upstream-key"
    assert key.reference == "${LARGE_API_KEY}"


@pytest.mark.parametrize("name", ["sample", "least"])
def test_what_the_sample_shows_is_the_default(name: str, request: pytest.FixtureRequest) -> None:
    config: Config = request.getfixturevalue(name)

    assert config.version == 1
    assert config.server.listen == "127.0.0.1:8080"
    assert config.server.admin_listen == "127.0.0.1:8081"
    assert config.server.workers == 1
    assert config.state_dir == ".fallgate"
    assert config.store.url.reveal() == "sqlite:///fallgate.db"
    assert config.store.retention_days == 90
    assert config.coordination.url is None
    route = config.routes["support"]
    assert route.unit == ("header:x-user-id", "body:user", "body:safety_identifier", "request")
    assert route.fallback is not None
    assert route.fallback.to == "large"
    assert route.fallback.when == {Reason.ERROR, Reason.TIMEOUT, Reason.INVALID, Reason.LOW_CONFIDENCE}
    assert route.fallback.confidence == ObserveConfidence()
    assert route.fallback.hold == HoldPrefix(tokens=16, ms=300)
    limits = route.timeouts
    assert (limits.connect_s, limits.first_token_s, limits.idle_s) == (2, 10, 60)
    assert (limits.attempt_s, limits.total_s) == (120, 600)


def test_what_is_absent_and_has_no_default_is_none(least: Config) -> None:
    tuned = least.models["tuned"]

    assert least.keys == ()
    assert (tuned.api_key, tuned.price, tuned.lineage) == (None, None, None)
    without = load_text(LEAST.replace("    fallback: {to: large}\n", ""), {}).config
    assert without.routes["support"].fallback is None
    assert least.routes["support"].audit is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{}", ObserveConfidence()),
        ("{mode: observe}", ObserveConfidence()),
        ("{mode: none}", NoConfidence.model_validate({"mode": "none"})),
        (
            "{mode: threshold, score: min_logprob, min: 0.5}",
            ThresholdConfidence.model_validate({"mode": "threshold", "score": "min_logprob", "min": 0.5}),
        ),
        (
            "{mode: observe, score: first_token}",
            ObserveConfidence.model_validate({"mode": "observe", "score": "first_token"}),
        ),
        ("{mode: budget, share: 0.2}", BudgetConfidence.model_validate({"mode": "budget", "share": 0.2})),
        ("{mode: risk, alpha: 0.1}", RiskConfidence.model_validate({"mode": "risk", "alpha": 0.1, "delta": 0.1})),
        (
            "{mode: selective_risk, alpha: 0.1, delta: 0.05}",
            SelectiveRiskConfidence.model_validate({"mode": "selective_risk", "alpha": 0.1, "delta": 0.05}),
        ),
        (
            "{mode: utility, value_usd: 0.35}",
            UtilityConfidence.model_validate({"mode": "utility", "value_usd": Decimal("0.35")}),
        ),
    ],
)
def test_each_confidence_mode_is_a_type_of_its_own(written: str, meant: object) -> None:
    fallback = (
        load_text(LEAST.replace("{to: large}", f"{{to: large, confidence: {written}}}"), {})
        .config.routes["support"]
        .fallback
    )

    assert fallback is not None
    assert fallback.confidence == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("none", "none"), ("full", "full"), ("{tokens: 8}", HoldPrefix(tokens=8)), ("{ms: 50}", HoldPrefix(ms=50))],
)
def test_a_hold_is_a_word_or_a_prefix_with_its_own_defaults(written: str, meant: object) -> None:
    text = LEAST.replace("{to: large}", f"{{to: large, hold: {written}}}")
    fallback = load_text(text, {}).config.routes["support"].fallback

    assert fallback is not None
    assert fallback.hold == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", "exact"),
        (", compare: json", "json"),
        (", compare: number", "number"),
        (", compare: {fields: [intent, order.items.0.id]}", ByFields(fields=("intent", "order.items.0.id"))),
        (", compare: {tolerance: 0.05}", ByNumber(tolerance=0.05)),
        (", compare: {judge: large}", ByJudge(judge="large")),
    ],
)
def test_a_comparer_is_a_word_or_a_mapping(written: str, meant: object) -> None:
    text = f"{LEAST}    audit: {{share: 0.02, spend_usd_per_day: 1.50{written}}}\n"
    audit = load_text(text, {}).config.routes["support"].audit

    assert audit is not None
    assert (audit.share, audit.spend_usd_per_day, audit.min_labels) == (0.02, Decimal("1.50"), 300)
    assert audit.compare == meant


def test_dated_prices_come_out_in_ascending_order() -> None:
    dated = "price: [{from: 2026-11-01, input: 2, output: 8}, {from: 2026-01-01, input: 3, output: 9}]"
    price = load_text(LEAST.replace("model: tuned}", f"model: tuned, {dated}}}"), {}).config.models["tuned"].price

    assert isinstance(price, tuple)
    assert all(isinstance(entry, DatedTokenPrice) for entry in price)
    assert [entry.since for entry in price] == [date(2026, 1, 1), date(2026, 11, 1)]


def test_a_configuration_does_not_change(least: Config) -> None:
    with pytest.raises(ValueError, match="frozen"):
        least.server.workers = 2


def test_the_sample_fits_the_schema_as_it_is_written() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.validate(yaml.safe_load(SAMPLE.read_text()), schema)


@pytest.mark.parametrize(
    "change",
    [
        {"server": {"workers": 0}},
        {"server": {"listn": "127.0.0.1:80"}},
        {"models": {"none": {"provider": "vllm", "base_url": "http://h", "model": "m"}}},
        {"models": {"m": {"provider": "vlm", "base_url": "http://h", "model": "m"}}},
        {"models": {"m": {"provider": "vllm", "base_url": "http://h", "model": "m", "price": {"output": 1}}}},
        {"routes": {"r": {"split": {"m": 101}}}},
        {"routes": {"r": {"split": {"m": 100}, "shadow": {}}}},
        {"routes": {"r": {"split": {"m": 100}, "fallback": {"to": "b", "confidence": {"mode": "observe", "min": 1}}}}},
        {"routes": {"r": {"split": {"m": 100}, "fallback": {"to": "b", "hold": "some"}}}},
        {"routes": {"r": {"split": {"m": 100}, "fallback": {"to": "b", "confidence": {"mode": "risk", "alpha": 1}}}}},
        {"routes": {"r": {"split": {"m": 100}, "fallback": {"to": "b", "confidence": {"mode": "budget"}}}}},
        {"routes": {"r": {"split": {"m": 100}, "audit": {"share": 0.1}}}},
        {"routes": {"r": {"split": {"m": 100}, "audit": {"share": 0.1, "spend_usd_per_day": 1, "compare": "same"}}}},
    ],
)
def test_the_schema_refuses_what_a_schema_can_see(change: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(LEAST) | change, json_schema())


def test_the_schema_lets_references_stand_for_numbers_and_words() -> None:
    tree = yaml.safe_load(LEAST) | {"server": {"workers": "${WORKERS:-2}"}}
    tree["models"]["tuned"] |= {"provider": "${PROVIDER}", "price": {"input": "${IN}", "output": 1}}

    jsonschema.validate(tree, json_schema())
