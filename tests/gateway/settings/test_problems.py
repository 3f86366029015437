"""What is wrong with a configuration is told with its key path and one sentence, everything at once."""

import copy
from typing import Any

import pytest
import yaml

from gateway.settings.addresses import check_store_url
from gateway.settings.load import load_text
from gateway.settings.models import Config
from gateway.settings.problems import ConfigError
from gateway.settings.secret import SecretUrl

SOUND: dict[str, Any] = {
    "keys": [
        {"name": "app", "secret": "0123456789abcdef", "scopes": ["inference"]},
        {"name": "ops", "secret": "fedcba9876543210", "scopes": ["admin"]},
    ],
    "models": {
        "v1": {"provider": "vllm", "base_url": "http://127.0.0.1:8100/v1", "model": "v1"},
        "v2": {"provider": "vllm", "base_url": "http://127.0.0.1:8100/v1", "model": "v2"},
        "large": {"provider": "openai", "base_url": "https://llm.example.com/v1", "model": "gpt-4o"},
    },
    "routes": {"support": {"split": {"v1": 50, "v2": 50}, "fallback": {"to": "large"}}},
}


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()
"""Take the key away."""

NAME_RULE = (
    "is not a name; use letters, digits, '.', '_' and '-', beginning with a letter or digit, 64 characters at most"
)
NOT_YET = "not yet: this version cannot do it; leave it out"
AUDIT = {"share": 0.02, "spend_usd_per_day": 5}
SHADOW = {"to": "v2", "share": 0.02, "spend_usd_per_day": 5}
COMPARE_FORMS = (
    "must be exact, json, number, or a mapping: {fields: [order.id]} for JSON, {tolerance: 0.01} for numbers, or "
    "{judge: MODEL}"
)
NO_MAPPING = "must be a mapping, that is, lines of KEY: VALUE"
PRICE_FORMS = (
    "is no price; use {input: 2.50, output: 10.00} in dollars per million tokens, {gpu_hour_usd: 1.20, "
    "tokens_per_second: 900}, a list of these with `from`, or {source: genai-prices}"
)
NO_HOST = "has no valid host; in a user name or password write / as %2F, @ as %40, # as %23 and ? as %3F"

# Where, what is put there, and what is said.
WRONG: list[tuple[str, object, str]] = [
    # The file as a whole
    ("version", 2, "version: 2 is not known; use 1"),
    ("models", ABSENT, "models: required"),
    ("routes", ABSENT, "routes: required"),
    ("routes", {}, "routes: is empty; declare at least one"),
    ("routes", ["support"], f"routes: {NO_MAPPING}"),
    ("keys", {"name": "app"}, "keys: must be a list, as in [A, B]"),
    ("keys", None, "keys: is empty; give it a value or leave it out"),
    ("server", None, "server: is empty; give it a value or leave it out"),
    ("state_dir", "", "state_dir: must not be empty"),
    ("state_dir", "a\nb", "state_dir: must not contain line breaks or control characters"),
    ("state_dir", 7, "state_dir: 7 is not text; put it in quotes"),
    ("model", {}, "model: unknown key; did you mean 'models'?"),
    ("telemetry", True, "telemetry: unknown key"),
    # Server
    ("server.workers", 0, "server.workers: 0 is not allowed; must be 1 or more"),
    ("server.workers", 1000, "server.workers: 1000 is not allowed; must be 256 or less"),
    ("server.workers", 1.5, "server.workers: 1.5 is not a whole number"),
    ("server.workers", "many", "server.workers: 'many' is not a whole number"),
    ("server.workers", True, "server.workers: true is not a number"),
    ("server.workers", [1], "server.workers: a list is not a whole number"),
    ("server.listn", "x", "server.listn: unknown key; did you mean 'listen'?"),
    ("server.retention_days", 3, "server.retention_days: unknown key"),
    ("server.listen", "8080", "server.listen: '8080' is not host:port, such as 127.0.0.1:8080 or [::1]:8080"),
    (
        "server.listen",
        ":8080",
        "server.listen: ':8080' has no host; write 0.0.0.0:PORT or [::]:PORT to listen on all addresses",
    ),
    (
        "server.listen",
        "::1:8080",
        "server.listen: '::1:8080' needs brackets around the IPv6 address, as in [::1]:8080",
    ),
    ("server.listen", "[x]:8080", "server.listen: '[x]:8080' has no IPv6 address in its brackets"),
    ("server.listen", "127.0.0.1:70000", "server.listen: '127.0.0.1:70000' has a port above 65535"),
    (
        "server.listen",
        "127.0.0.1.9:80",
        "server.listen: '127.0.0.1.9:80' has a host that is neither a name nor an address",
    ),
    (
        "server.listen",
        "127.0.0.1:8081",
        "server.admin_listen: is the same as server.listen; each plane needs an address of its own",
    ),
    # Store and coordination
    ("store.retention_days", 0, "store.retention_days: 0 is not allowed; must be 1 or more"),
    ("store.url", "postgres://h/n", "store.url: 'postgres://h/n' must begin with postgresql://"),
    (
        "store.url",
        "mysql://h/n",
        "store.url: 'mysql://h/n' is no store; use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
    ),
    (
        "store.url",
        "postgresql://h",
        "store.url: 'postgresql://h' names no database; use postgresql://USER:PASSWORD@HOST/NAME",
    ),
    ("store.url", "postgresql://u:p/q@h/n", f"store.url: 'postgresql://u:********@h/n' {NO_HOST}"),
    (
        "store.url",
        "sqlite://fallgate.db",
        "store.url: 'sqlite://fallgate.db' needs three slashes, or four before an absolute path: sqlite:///FILE",
    ),
    (
        "store.url",
        "sqlite://",
        "store.url: 'sqlite://' is in memory, which processes cannot share; name a file, as in sqlite:///fallgate.db",
    ),
    (
        "store.url",
        "sqlite:///a.db?timeout=5",
        "store.url: 'sqlite:///a.db?timeout=5' must end with the name of the file, without ? or #",
    ),
    (
        "coordination.url",
        "http://h:6379",
        "coordination.url: 'http://h:6379' must begin with redis://, rediss://, valkey:// or valkeys://",
    ),
    ("coordination.url", "redis://", f"coordination.url: 'redis://' {NO_HOST}"),
    (
        "coordination.url",
        "redis://h/main",
        "coordination.url: 'redis://h/main' must end with the number of a database, such as /0, or without one",
    ),
    # Keys
    ("keys.0.name", ABSENT, "keys.0.name: required"),
    ("keys.1.name", "app", "keys.1.name: is also the name of keys.0; each key needs its own"),
    ("keys.0.name", "my app", f"keys.0.name: 'my app' {NAME_RULE}"),
    ("keys.0.secret", ABSENT, "keys.0.secret: required"),
    ("keys.0.secret", "0123456789abcde", "keys.0.secret: is too short; 16 characters or more"),
    ("keys.1.secret", "0123456789abcdef", "keys.1.secret: is also the secret of keys.0; each key needs its own"),
    (
        "keys.0.secret",
        "0123456789 abcdef",
        "keys.0.secret: must be printable ASCII without spaces or line breaks, since it travels in a header",
    ),
    ("keys.0.secret", 12345678901234567890, "keys.0.secret: must be text; put it in quotes"),
    ("keys.0.scopes", [], "keys.0.scopes: is empty; a key without a scope may do nothing"),
    (
        "keys.0.scopes.0",
        "inferense",
        "keys.0.scopes.0: 'inferense' is no scope; use inference, inference:ROUTE, test, metrics or admin",
    ),
    (
        "keys.0.scopes.0",
        "admin:support",
        "keys.0.scopes.0: 'admin:support' is no scope; use inference, inference:ROUTE, test, metrics or admin",
    ),
    (
        "keys.0.scopes.0",
        "inference:suport",
        "keys.0.scopes.0: 'inference:suport' names a route that is not declared in routes; did you mean 'support'?",
    ),
    ("keys.0.tenant", "a", "keys.0.tenant: unknown key"),
    # Models
    (
        "models.none",
        {"provider": "vllm", "base_url": "http://h/v1", "model": "m"},
        "models.none: 'none' is taken: metrics use it where there is no name",
    ),
    ("models.a/b", {"provider": "vllm", "base_url": "http://h/v1", "model": "m"}, f"models.a/b: 'a/b' {NAME_RULE}"),
    ("models.v1.provider", ABSENT, "models.v1.provider: required"),
    ("models.v1.provider", "vlm", "models.v1.provider: 'vlm' is not known; use 'vllm' or 'openai'"),
    ("models.v1.base_url", ABSENT, "models.v1.base_url: required"),
    (
        "models.v1.base_url",
        "127.0.0.1:8100",
        "models.v1.base_url: '127.0.0.1:8100' must begin with http:// or https://",
    ),
    (
        "models.v1.base_url",
        "http://ana:pw@h/v1",
        "models.v1.base_url: 'http://ana:********@h/v1' has a user or password in it; use api_key",
    ),
    ("models.v1.base_url", "http:///v1", "models.v1.base_url: 'http:///v1' has no valid host"),
    ("models.v1.base_url", "http://h:0/v1", "models.v1.base_url: 'http://h:0/v1' has no valid host"),
    (
        "models.v1.base_url",
        "http://h/v1?x=1",
        "models.v1.base_url: 'http://h/v1?x=1' must end with its path, such as /v1, without ? or #",
    ),
    ("models.v1.base_url", "http://[::1/v1", "models.v1.base_url: 'http://[::1/v1' is not an address"),
    ("models.v1.model", ABSENT, "models.v1.model: required"),
    ("models.v1.model", "x" * 513, "models.v1.model: is too long; 512 characters at most"),
    ("models.v1.breaker", {"failures": 3}, f"models.v1.breaker: {NOT_YET}"),
    ("models.v1.api-key", "sk-123", "models.v1.api-key: unknown key; did you mean 'api_key'?"),
    ("models.v1.price", 3, f"models.v1.price: {PRICE_FORMS}"),
    ("models.v1.price", [], "models.v1.price: is an empty list; leave price out where none is known"),
    ("models.v1.price", {"input": 1}, "models.v1.price.output: required"),
    ("models.v1.price", {"input": -1, "output": 1}, "models.v1.price.input: -1 is not allowed; must be 0 or more"),
    ("models.v1.price", {"input": "free", "output": 1}, "models.v1.price.input: 'free' is not a number"),
    (
        "models.v1.price",
        {"input": "0.0000000001", "output": 1},
        "models.v1.price.input: '0.0000000001' has too many decimals; nine at most",
    ),
    ("models.v1.price", {"gpu_hour_usd": 1}, "models.v1.price.tokens_per_second: required"),
    (
        "models.v1.price",
        {"gpu_hour_usd": 1, "tokens_per_second": 0},
        "models.v1.price.tokens_per_second: 0 is not allowed; must be more than 0",
    ),
    (
        "models.v1.price",
        {"gpu_hour_usd": 1, "tokens_per_second": 9, "input": 1},
        "models.v1.price.input: does not belong beside gpu_hour_usd and tokens_per_second",
    ),
    (
        "models.v1.price",
        {"input": 1, "output": 1, "from": "2026-11-01"},
        "models.v1.price.from: belongs in a list of prices, as in [{from: 2026-11-01, input: 2.50, output: 10.00}]",
    ),
    ("models.v1.price", [{"input": 1, "output": 1}], "models.v1.price.0.from: required"),
    (
        "models.v1.price",
        [{"input": 1, "output": 1, "from": "1 November"}],
        "models.v1.price.0.from: '1 November' is not a date, such as 2026-11-01",
    ),
    (
        "models.v1.price",
        [{"input": 1, "output": 1, "from": "2026-11-31"}],
        "models.v1.price.0.from: '2026-11-31' is not a date, such as 2026-11-01",
    ),
    (
        "models.v1.price",
        [{"input": 1, "output": 1, "from": "2026-11-01"}] * 2,
        "models.v1.price: has two prices from 2026-11-01; keep one of them",
    ),
    # Routes
    ("routes.support.split", ABSENT, "routes.support.split: required"),
    ("routes.support.split", {}, "routes.support.split: is empty; name at least one model, as in {support-v1: 100}"),
    ("routes.support.split", {"v1": 50, "v2": 45}, "routes.support.split: percentages sum to 95, not 100"),
    ("routes.support.split", {"v1": 50.25, "v2": 50}, "routes.support.split: percentages sum to 100.25, not 100"),
    ("routes.support.split", {"v1": 0}, "routes.support.split: percentages sum to 0, not 100"),
    (
        "routes.support.split",
        {"v1": 33.333, "v2": 66.667},
        "routes.support.split.v1: 33.333 has too many decimals; two at most\n"
        "routes.support.split.v2: 66.667 has too many decimals; two at most",
    ),
    (
        "routes.support.split",
        {"v1": 101, "v2": -1},
        "routes.support.split.v1: 101 is not allowed; must be 100 or less\n"
        "routes.support.split.v2: -1 is not allowed; must be 0 or more",
    ),
    (
        "routes.support.split",
        {"v1": 50, "v3": 50},
        "routes.support.split.v3: 'v3' is not declared in models",
    ),
    ("routes.support.spilt", {"v1": 100}, "routes.support.spilt: unknown key; did you mean 'split'?"),
    ("routes.support.confidence", {"mode": "none"}, "routes.support.confidence: unknown key; it belongs in fallback"),
    *((f"routes.support.{key}", {}, f"routes.support.{key}: {NOT_YET}") for key in ("capture", "limits")),
    ("routes.support.unit", [], "routes.support.unit: must end with request or key, which every request has"),
    (
        "routes.support.unit",
        ["header:x-user-id"],
        "routes.support.unit: must end with request or key, which every request has",
    ),
    (
        "routes.support.unit",
        ["key", "body:user", "request"],
        "routes.support.unit: has key, which every request has, before its end; what follows would never count",
    ),
    (
        "routes.support.unit",
        ["header:X-User", "header:x-user", "key"],
        "routes.support.unit: names header:x-user twice",
    ),
    (
        "routes.support.unit",
        ["cookie:id", "key"],
        "routes.support.unit.0: 'cookie:id' is no unit; use header:NAME, body:FIELD, key or request",
    ),
    (
        "routes.support.unit",
        ["header:", "key"],
        "routes.support.unit.0: 'header:' is no unit; use header:NAME, body:FIELD, key or request",
    ),
    ("routes.support.fallback", "large", f"routes.support.fallback: {NO_MAPPING}"),
    ("routes.support.fallback.to", ABSENT, "routes.support.fallback.to: required"),
    (
        "routes.support.fallback.to",
        "larg",
        "routes.support.fallback.to: 'larg' is not declared in models; did you mean 'large'?",
    ),
    (
        "routes.support.fallback.to",
        "v2",
        "routes.support.fallback.to: 'v2' is an arm of this route's split, so it would fall back to itself; to have "
        "both, declare it in models a second time under another name",
    ),
    (
        "routes.support.fallback.when",
        ["error", "unavailable"],
        "routes.support.fallback.when.1: 'unavailable' always falls back; leave it out",
    ),
    ("routes.support.fallback.when", "error", "routes.support.fallback.when: must be a list, as in [A, B]"),
    (
        "routes.support.fallback.hold",
        "partial",
        "routes.support.fallback.hold: must be none, full, or a mapping such as {tokens: 16, ms: 300}",
    ),
    (
        "routes.support.fallback.hold",
        {"tokens": 0},
        "routes.support.fallback.hold.tokens: 0 is not allowed; must be 1 or more",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "observe", "min": 0.5},
        "routes.support.fallback.confidence.min: does not belong to mode observe",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "threshold"},
        "routes.support.fallback.confidence.score: required\nroutes.support.fallback.confidence.min: required",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "threshold", "score": "mean_logprob", "min": 1.5},
        "routes.support.fallback.confidence.min: 1.5 is not allowed; must be 1 or less",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "threshold", "score": "perplexity", "min": 0.5},
        "routes.support.fallback.confidence.score: 'perplexity' is not known; use 'first_token', 'mean_logprob' or "
        "'min_logprob'",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "threshold", "score": "mean_logprob", "min": 0.5, "alpha": 0.1},
        "routes.support.fallback.confidence.alpha: does not belong to mode threshold",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "sure"},
        "routes.support.fallback.confidence.mode: 'sure' is not known; "
        "use none, observe, threshold, budget, risk, selective_risk or utility",
    ),
    (
        "routes.support.fallback.confidence",
        "observe",
        "routes.support.fallback.confidence: must be a mapping, as in {mode: observe}",
    ),
    *(
        ("routes.support.fallback.confidence", {"mode": mode}, f"routes.support.fallback.confidence.{key}: required")
        for mode, key in (("budget", "share"), ("risk", "alpha"), ("selective_risk", "alpha"), ("utility", "value_usd"))
    ),
    *(
        (
            "routes.support.fallback.confidence",
            {"mode": mode, key: value},
            f"routes.support.fallback.confidence.{key}: {value} is not allowed; must be {limit}",
        )
        for mode, key, value, limit in (
            ("budget", "share", 0, "more than 0"),
            ("budget", "share", 1, "less than 1"),
            ("risk", "alpha", 0, "more than 0"),
            ("selective_risk", "alpha", 1.5, "less than 1"),
            ("utility", "value_usd", 0, "more than 0"),
            ("utility", "value_usd", 2000000, "1000000 or less"),
        )
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "risk", "alpha": 0.1, "delta": 0},
        "routes.support.fallback.confidence.delta: 0 is not allowed; must be more than 0",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "risk", "alpha": "low"},
        "routes.support.fallback.confidence.alpha: 'low' is not a number",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "utility", "value_usd": 1.234e-08},
        "routes.support.fallback.confidence.value_usd: 1.234E-8 has too many decimals; nine at most",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "budget", "share": 0.2, "alpha": 0.1},
        "routes.support.fallback.confidence.alpha: does not belong to mode budget",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "selective_risk", "alpha": 0.1, "share": 0.2},
        "routes.support.fallback.confidence.share: does not belong to mode selective_risk",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "none", "score": "min_logprob"},
        "routes.support.fallback.confidence.score: does not belong to mode none",
    ),
    (
        "routes.support.fallback.confidence",
        {"mode": "risk", "alpha": 0.1, "score": "perplexity"},
        "routes.support.fallback.confidence.score: 'perplexity' is not known; use 'first_token', 'mean_logprob' or "
        "'min_logprob'",
    ),
    # Audits
    ("routes.support.audit", [], f"routes.support.audit: {NO_MAPPING}"),
    (
        "routes.support.audit",
        {},
        "routes.support.audit.share: required\nroutes.support.audit.spend_usd_per_day: required",
    ),
    *(
        ("routes.support.audit", AUDIT | {key: value}, f"routes.support.audit.{said}")
        for key, value, said in (
            ("share", 0, "share: 0 is not allowed; must be more than 0"),
            ("share", 1.1, "share: 1.1 is not allowed; must be 1 or less"),
            ("spend_usd_per_day", 0, "spend_usd_per_day: 0 is not allowed; must be more than 0"),
            ("min_labels", -1, "min_labels: -1 is not allowed; must be 0 or more"),
            ("min_labels", 1.5, "min_labels: 1.5 is not a whole number"),
            ("shares", 0.1, "shares: unknown key; did you mean 'share'?"),
            ("compare", "same", f"compare: {COMPARE_FORMS}"),
            ("compare", {}, f"compare: {COMPARE_FORMS}"),
            ("compare", ["exact"], f"compare: {COMPARE_FORMS}"),
            (
                "compare",
                {"fields": []},
                "compare.fields: is empty; name the fields that count, or write compare: json for all",
            ),
            (
                "compare",
                {"fields": ["a..b"]},
                "compare.fields.0: 'a..b' is no path of a field, such as intent or order.items.0.id",
            ),
            ("compare", {"fields": "intent"}, "compare.fields: must be a list, as in [A, B]"),
            ("compare", {"fields": ["a"], "tolerance": 0.1}, "compare.tolerance: does not belong beside fields"),
            ("compare", {"tolerance": 1.5}, "compare.tolerance: 1.5 is not allowed; must be 1 or less"),
            ("compare", {"judge": "larg"}, "compare.judge: 'larg' is not declared in models; did you mean 'large'?"),
            (
                "compare",
                {"judge": "v1"},
                "compare.judge: 'v1' is an arm of this route's split, so it would judge itself; to have both, declare "
                "it in models a second time under another name",
            ),
        )
    ),
    (
        "routes.support",
        {"split": {"v1": 100}, "audit": AUDIT},
        "routes.support.audit: needs a fallback, since its answers are what the arms' are compared with",
    ),
    # Targets
    *(
        ("routes.support.targets", [{"when": when, "arm": arm}], f"routes.support.targets.0.{said}")
        for when, arm, said in (
            (
                {"key": "app"},
                "large",
                "arm: 'large' is no arm of this route's split; name it there, with 0 if it has no share",
            ),
            ({}, "v1", "when: is empty, so it would hold for every request; that is what the split is for"),
            ({"key": []}, "v1", "when.key: must be one value, or a list of 1 to 1000"),
            ({"key": None}, "v1", "when.key: null is neither text, nor a number, nor true or false"),
            ({"key": 7}, "v1", "when.key: 7 is not text; key values always are, so put it in quotes"),
            (
                {"header:x-level": ["a", 3]},
                "v1",
                "when.header:x-level: 3 is not text; header values always are, so put it in quotes",
            ),
            (
                {"metadata:beta": True},
                "v1",
                "when.metadata:beta: true is not text; metadata values always are, so put it in quotes",
            ),
            (
                {"body:tools": {"a": 1}},
                "v1",
                "when.body:tools: a mapping is neither text, nor a number, nor true or false",
            ),
            (
                {"cookie:a": "b"},
                "v1",
                "when.cookie:a: 'cookie:a' is no place in a request; use header:NAME, key, metadata:NAME or body:FIELD",
            ),
            ({"header:x tier": "b"}, "v1", "when.header:x tier: 'header:x tier' has no valid name behind the colon"),
            (
                {"header:X-Tier": "a", "header:x-tier": "b"},
                "v1",
                "when.header:x-tier: is the same as 'header:X-Tier'; keep one of them",
            ),
        )
    ),
    ("routes.support.targets", {"when": {}}, "routes.support.targets: must be a list, as in [A, B]"),
    (
        "routes.support.targets",
        [{}],
        "routes.support.targets.0.when: required\nroutes.support.targets.0.arm: required",
    ),
    # Shadows
    (
        "routes.support.shadow",
        {},
        "routes.support.shadow.to: required\nroutes.support.shadow.share: required\n"
        "routes.support.shadow.spend_usd_per_day: required",
    ),
    *(
        ("routes.support.shadow", SHADOW | {key: value}, f"routes.support.shadow.{said}")
        for key, value, said in (
            ("to", "larg", "to: 'larg' is not declared in models; did you mean 'large'?"),
            ("share", 0, "share: 0 is not allowed; must be more than 0"),
            ("share", 1.1, "share: 1.1 is not allowed; must be 1 or less"),
            ("max_in_flight", 0, "max_in_flight: 0 is not allowed; must be 1 or more"),
            ("spend_usd_per_day", 0, "spend_usd_per_day: 0 is not allowed; must be more than 0"),
            ("min_labels", 3, "min_labels: unknown key"),
        )
    ),
    (
        "routes.support",
        {
            "split": {"v1": 100},
            "fallback": {"to": "large"},
            "audit": AUDIT | {"compare": {"judge": "v2"}},
            "shadow": SHADOW,
        },
        "routes.support.shadow.to: 'v2' is the judge of this route's audits, who would compare its own answers; to "
        "have both, declare it in models a second time under another name",
    ),
    ("routes.support.timeouts", {"idle_s": 0}, "routes.support.timeouts.idle_s: 0 is not allowed; must be more than 0"),
    ("routes.support.timeouts", {"idle": 5}, "routes.support.timeouts.idle: unknown key; did you mean 'idle_s'?"),
    ("routes.support.timeouts", {"total_s": ".inf"}, "routes.support.timeouts.total_s: '.inf' is not a number"),
    ("routes.support.timeouts", {"total_s": "inf"}, "routes.support.timeouts.total_s: 'inf' is not a number"),
]


def with_change(path: str, value: object) -> dict[str, Any]:
    tree = copy.deepcopy(SOUND)
    *parents, last = path.split(".")
    inner: Any = tree
    for part in parents:
        inner = inner[int(part)] if isinstance(inner, list) else inner.setdefault(part, {})
    if value is ABSENT:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return tree


def refusal(tree: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_text(yaml.safe_dump(tree, sort_keys=False), {})
    return caught.value


def test_the_tree_that_the_table_changes_is_sound() -> None:
    assert load_text(yaml.safe_dump(SOUND), {}).warnings == ()


@pytest.mark.parametrize(("path", "value", "said"), WRONG, ids=[f"{path}={value!r:.40}" for path, value, _ in WRONG])
def test_each_wrong_value_is_told_in_one_sentence(path: str, value: object, said: str) -> None:
    assert str(refusal(with_change(path, value))) == said


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
server: {workers: "${WORKERS}"}
keys:
  - {name: app, secret: short, scopes: [inference:nowhere]}
models:
  v1: {provider: vllm, base_url: http://127.0.0.1:8100/v1, model: v1}
  v1: {provider: vllm, base_url: http://127.0.0.1:8100/v1, model: v1}
  v2: {provider: vllm, base_url: http://127.0.0.1:8100/v1}
routes:
  support:
    split: {v1: 50, v3: 45}
    fallback: {to: larg}
"""
    with pytest.raises(ConfigError) as caught:
        load_text(text, {})

    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (1, "server.workers"),
        (3, "keys.0.secret"),
        (3, "keys.0.scopes.0"),
        (6, "models.v1"),
        (7, "models.v2.model"),
        (10, "routes.support.split"),
        (10, "routes.support.split.v3"),
        (11, "routes.support.fallback.to"),
    ]


def test_a_problem_has_the_value_apart_from_its_sentence() -> None:
    (problem,) = refusal(with_change("server.workers", 0)).problems

    assert (problem.path, problem.value) == ("server.workers", "0")
    assert problem.sentence == "0 is not allowed; must be 1 or more"


def test_long_values_are_shortened() -> None:
    (problem,) = refusal(with_change("models.v1.provider", "v" * 500)).problems

    assert len(str(problem)) < 200


def test_a_configuration_that_is_built_in_code_is_checked_as_a_whole_too() -> None:
    with pytest.raises(ValueError, match="'v3' is not declared in models"):
        Config.model_validate(with_change("routes.support.split", {"v3": 100}))


@pytest.mark.parametrize("user", ["", "ana@", "ana:pw@"])
def test_a_store_on_a_socket_of_this_machine_needs_no_host(user: str) -> None:
    url = f"postgresql://{user}/fallgate?host=/run/postgresql"
    assert check_store_url(SecretUrl(url)).reveal() == url
