from decimal import Decimal
from typing import Any

import pytest

from gateway.identity import digest_of
from gateway.settings.models import Config
from gateway.settings.secret import Secret
from gateway.snapshot.compile import from_config
from gateway.snapshot.document import AuditEntry, ComparerEntry, ConfidenceEntry, KeyEntry
from gateway.snapshot.file import decode_file, encode_file
from routing.answer.policy import HOLD_FULL, HOLD_NONE, HoldWindow
from routing.audit.compare import ComparerKind
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.cost.prices import Price
from routing.words import Reason, TokenKind
from tests.fakes.documents import LARGE, SUPPORT, V1, V2


def config(
    *,
    model: dict[str, Any] | None = None,
    fallback: dict[str, Any] | None = None,
    audit: dict[str, Any] | None = None,
) -> Config:
    """A file with one key, two versions and a fallback, parts of which a test replaces."""
    vllm = {"provider": "vllm", "base_url": "http://127.0.0.1:1/v1/", "model": "support"}
    return Config.model_validate(
        {
            "keys": [{"name": "app", "secret": "0123456789abcdef", "scopes": ["inference"]}],
            "models": {"v1": {**vllm, **(model or {})}, "v2": vllm, "large": {**vllm, "provider": "openai"}},
            "routes": {
                "support": {
                    "split": {"v1": Decimal("33.33"), "v2": Decimal("66.67")},
                    "fallback": {"to": "large", **(fallback or {})},
                    "timeouts": {"total_s": 30},
                    "audit": audit,
                }
            },
        }
    )


def test_percentages_are_hundredths_and_secrets_digests() -> None:
    file = from_config(config())

    assert file.routes[SUPPORT].split == {V1: 3333, V2: 6667}
    assert file.keys == (KeyEntry(name="app", digest=digest_of(b"0123456789abcdef"), scopes=frozenset({"inference"})),)
    assert "0123456789abcdef" not in encode_file(file)
    assert file.routes[SUPPORT].timeouts.total_s == 30
    assert file.routes[SUPPORT].timeouts.idle_s == 60
    assert file.models[V1].base_url == "http://127.0.0.1:1/v1"
    assert file.models[LARGE].provider == "openai"


def test_a_file_is_read_back_as_it_was() -> None:
    price = {"input": Decimal("2.50"), "output": Decimal(10), "from": "2026-11-01"}
    audit = {"share": 0.02, "spend_usd_per_day": 5, "compare": {"fields": ["intent"]}}
    file = from_config(config(model={"price": [price]}, audit=audit))

    assert decode_file(encode_file(file)) == file
    assert encode_file(decode_file(encode_file(file))) == encode_file(file)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (None, ()),
        (
            {"gpu_hour_usd": Decimal("1.20"), "tokens_per_second": Decimal(900)},
            (
                Price(
                    version="file",
                    nanousd_per_mtok={TokenKind.OUTPUT: 370_370_370},
                    gpu_hour_nanousd=1_200_000_000,
                ),
            ),
        ),
        (
            {
                "input": Decimal("2.50"),
                "cached_input": Decimal("1.25"),
                "output": Decimal(10),
                "per_request": Decimal("0.001"),
            },
            (
                Price(
                    version="file",
                    nanousd_per_mtok={
                        TokenKind.INPUT: 2_500_000_000,
                        TokenKind.CACHED_INPUT: 1_250_000_000,
                        TokenKind.OUTPUT: 10_000_000_000,
                    },
                    per_request_nanousd=1_000_000,
                ),
            ),
        ),
        (
            [
                {"input": Decimal(2), "output": Decimal(4), "from": "2026-11-01"},
                {"gpu_hour_usd": Decimal("3.6"), "tokens_per_second": Decimal(1000), "from": "2026-11-02"},
                {"input": Decimal(1), "output": Decimal(2), "from": "1970-01-02"},
            ],
            (
                Price(
                    since_us=86_400_000_000,
                    version="1970-01-02",
                    nanousd_per_mtok={TokenKind.INPUT: 1_000_000_000, TokenKind.OUTPUT: 2_000_000_000},
                ),
                Price(
                    since_us=1_793_491_200_000_000,
                    version="2026-11-01",
                    nanousd_per_mtok={TokenKind.INPUT: 2_000_000_000, TokenKind.OUTPUT: 4_000_000_000},
                ),
                Price(
                    since_us=1_793_577_600_000_000,
                    version="2026-11-02",
                    nanousd_per_mtok={TokenKind.OUTPUT: 1_000_000_000},
                    gpu_hour_nanousd=3_600_000_000,
                ),
            ),
        ),
    ],
)
def test_every_form_of_price_is_nano_dollars(price: object, expected: tuple[Price, ...]) -> None:
    assert from_config(config(model={"price": price})).models[V1].prices == expected


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        ({}, ConfidenceEntry(mode=ConfidenceMode.OBSERVE)),
        ({"mode": "none"}, ConfidenceEntry(mode=ConfidenceMode.NONE)),
        (
            {"mode": "threshold", "score": "min_logprob", "min": 0.8},
            ConfidenceEntry(mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.8),
        ),
        (
            {"mode": "observe", "score": "first_token"},
            ConfidenceEntry(mode=ConfidenceMode.OBSERVE, score=ScoreName.FIRST_TOKEN),
        ),
        ({"mode": "budget", "share": 0.2}, ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=0.2)),
        ({"mode": "risk", "alpha": 0.05}, ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.05, delta=0.1)),
        (
            {"mode": "selective_risk", "alpha": 0.05, "delta": 0.2},
            ConfidenceEntry(mode=ConfidenceMode.SELECTIVE_RISK, alpha=0.05, delta=0.2),
        ),
        (
            {"mode": "utility", "value_usd": Decimal("0.000000001")},
            ConfidenceEntry(mode=ConfidenceMode.UTILITY, value_nanousd=1),
        ),
    ],
)
def test_confidence_is_taken_over(confidence: dict[str, object], expected: ConfidenceEntry) -> None:
    fallback = from_config(config(fallback={"confidence": confidence})).routes[SUPPORT].fallback

    assert fallback is not None
    assert fallback.confidence == expected


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        ({}, ComparerEntry(kind=ComparerKind.EXACT)),
        ({"compare": "json"}, ComparerEntry(kind=ComparerKind.JSON)),
        ({"compare": "number"}, ComparerEntry(kind=ComparerKind.NUMBER, tolerance=0.01)),
        ({"compare": {"tolerance": 0}}, ComparerEntry(kind=ComparerKind.NUMBER, tolerance=0.0)),
        ({"compare": {"fields": ["a.b"]}}, ComparerEntry(kind=ComparerKind.JSON, fields=("a.b",))),
        ({"compare": {"judge": "large"}}, ComparerEntry(kind=ComparerKind.JUDGE, judge=LARGE)),
    ],
)
def test_audits_are_taken_over(compare: dict[str, object], expected: ComparerEntry) -> None:
    audit = {"share": 0.02, "min_labels": 50, "spend_usd_per_day": Decimal("1.50"), **compare}

    assert from_config(config(audit=audit)).routes[SUPPORT].audit == AuditEntry(
        share=0.02, min_labels=50, spend_nanousd_per_day=1_500_000_000, compare=expected
    )


def test_a_file_of_before_there_were_audits_can_still_be_read() -> None:
    encoded = encode_file(from_config(config())).replace('"audit":null,', "")

    assert "audit" not in encoded
    assert decode_file(encoded) == from_config(config())


@pytest.mark.parametrize(
    ("hold", "expected"),
    [("none", HOLD_NONE), ("full", HOLD_FULL), ({"tokens": 8}, HoldWindow(tokens=8, ms=300))],
)
def test_a_hold_is_a_window(hold: object, expected: HoldWindow) -> None:
    fallback = from_config(config(fallback={"hold": hold, "when": ["error"]})).routes[SUPPORT].fallback

    assert fallback is not None
    assert fallback.hold == expected
    assert fallback.when == {Reason.ERROR}


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (Secret("s3cret", reference="${LARGE_API_KEY}"), "${LARGE_API_KEY}"),
        (Secret("literal-$-${X}"), "literal-$$-$${X}"),
        (None, None),
    ],
)
def test_an_upstream_key_is_in_the_syntax_of_the_file(secret: Secret | None, expected: str | None) -> None:
    """So that a worker which expands it gets what the file meant, from its own environment."""
    assert from_config(config(model={"api_key": secret})).models[V1].api_key == expected
