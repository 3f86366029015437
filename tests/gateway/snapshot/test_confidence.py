"""Operators change how answers are judged and how much is audited: mode by mode, field by field, until cleared."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from gateway.snapshot.change import ClearOverlay, PolicyChange, route_etag
from gateway.snapshot.compile import compile_document
from gateway.snapshot.document import AuditEntry, ComparerEntry, ConfidenceEntry, Snapshot
from gateway.snapshot.errors import InvalidAudit, InvalidConfidence, InvalidSplit, NoAudit, NoFallback, OverlayConflict
from gateway.snapshot.overlay import Overlay, OverlayField, OverlayScope
from gateway.snapshot.publish import Publisher
from gateway.store import overlays
from gateway.store.engine import Store
from routing.audit.compare import ComparerKind
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from tests.fakes.calibrations import stored
from tests.fakes.documents import LARGE, SUPPORT, V1, V2, V3, file_document
from tests.fakes.publishing import frozen_clock, in_force, split_to

AUDIT = AuditEntry(
    share=0.02, min_labels=300, spend_nanousd_per_day=10**9, compare=ComparerEntry(kind=ComparerKind.JUDGE, judge=V3)
)
MODES: list[tuple[PolicyChange, ConfidenceEntry]] = [
    (PolicyChange(mode=ConfidenceMode.NONE), ConfidenceEntry(mode=ConfidenceMode.NONE)),
    (
        PolicyChange(mode=ConfidenceMode.OBSERVE, score=ScoreName.FIRST_TOKEN),
        ConfidenceEntry(mode=ConfidenceMode.OBSERVE, score=ScoreName.FIRST_TOKEN),
    ),
    (
        PolicyChange(mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.7),
        ConfidenceEntry(mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.7),
    ),
    (
        PolicyChange(mode=ConfidenceMode.BUDGET, share=0.2),
        ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=0.2),
    ),
    (
        PolicyChange(mode=ConfidenceMode.RISK, alpha=0.05),
        ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.05, delta=0.1),
    ),
    (
        PolicyChange(mode=ConfidenceMode.SELECTIVE_RISK, alpha=0.05, delta=0.2, is_frozen=True),
        ConfidenceEntry(mode=ConfidenceMode.SELECTIVE_RISK, alpha=0.05, delta=0.2, is_frozen=True),
    ),
    (
        PolicyChange(mode=ConfidenceMode.UTILITY, value_usd=Decimal("0.350000001"), score=ScoreName.FIRST_TOKEN),
        ConfidenceEntry(mode=ConfidenceMode.UTILITY, value_nanousd=350_000_001, score=ScoreName.FIRST_TOKEN),
    ),
]
NUMBERS = {"minimum": "min", "share": "share", "alpha": "alpha", "delta": "delta", "value_usd": "value_usd"}
OWN: dict[ConfidenceMode, set[str]] = {
    ConfidenceMode.THRESHOLD: {"minimum"},
    ConfidenceMode.BUDGET: {"share"},
    ConfidenceMode.RISK: {"alpha", "delta"},
    ConfidenceMode.SELECTIVE_RISK: {"alpha", "delta"},
    ConfidenceMode.UTILITY: {"value_usd"},
}


def change(publisher: Publisher, policy: PolicyChange, expected_etag: str | None = None) -> None:
    publisher.change_route(SUPPORT, policy, who="ops", reason=None, expected_etag=expected_etag)


def confidence(store: Store) -> ConfidenceEntry:
    fallback = in_force(store).fallback
    assert fallback is not None
    return fallback.confidence


@pytest.mark.parametrize(("policy", "expected"), MODES, ids=[str(policy.mode) for policy, _ in MODES])
def test_a_mode_is_set_with_its_fields_and_cleared(
    store: Store, publisher: Publisher, policy: PolicyChange, expected: ConfidenceEntry
) -> None:
    etag = route_etag(in_force(store))
    change(publisher, policy, etag)
    assert confidence(store) == expected

    publisher.change_route(SUPPORT, ClearOverlay(), who="ops", reason=None, expected_etag=None)
    assert confidence(store) == ConfidenceEntry()
    assert route_etag(in_force(store)) == etag
    assert overlays.listing(store) == []


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("policy", [policy for policy, _ in MODES], ids=lambda policy: str(policy.mode))
def test_a_field_of_another_mode_is_refused_by_its_name(
    store: Store, publisher: Publisher, policy: PolicyChange, name: str
) -> None:
    assert policy.mode is not None
    given: dict[str, Any] = {field.name: getattr(policy, field.name) for field in fields(policy)}
    given[name] = Decimal("0.5") if name == "value_usd" else 0.5
    if name in OWN.get(policy.mode, set()):
        change(publisher, PolicyChange(**given))
        return

    with pytest.raises(
        InvalidConfidence, match=f"confidence.{NUMBERS[name]} does not belong to mode {policy.mode}"
    ) as e:
        change(publisher, PolicyChange(**given))
    assert e.value.field == f"confidence.{NUMBERS[name]}"
    assert overlays.listing(store) == []


def test_without_a_mode_the_one_in_force_decides_what_belongs(store: Store, publisher: Publisher) -> None:
    with pytest.raises(InvalidConfidence, match="does not belong to mode observe, which has score, frozen"):
        change(publisher, PolicyChange(alpha=0.1))

    change(publisher, PolicyChange(mode=ConfidenceMode.RISK, alpha=0.1))
    change(publisher, PolicyChange(alpha=0.2))
    assert confidence(store).alpha == 0.2


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (ConfidenceMode.THRESHOLD, r"mode threshold needs score \(.*\) and min \(between 0 and 1\)"),
        (ConfidenceMode.BUDGET, r"mode budget needs share \(above 0 and below 1\)"),
        (ConfidenceMode.RISK, r"mode risk needs alpha \(above 0 and below 1\)"),
        (ConfidenceMode.SELECTIVE_RISK, r"mode selective_risk needs alpha \(above 0 and below 1\)"),
        (ConfidenceMode.UTILITY, r"mode utility needs value_usd \(above 0\)"),
    ],
)
def test_a_mode_without_what_it_needs_is_refused_naming_it(
    publisher: Publisher, mode: ConfidenceMode, sentence: str
) -> None:
    with pytest.raises(InvalidConfidence, match=sentence):
        change(publisher, PolicyChange(mode=mode))


@pytest.mark.parametrize(
    "policy",
    [
        PolicyChange(mode=ConfidenceMode.BUDGET, share=0.0),
        PolicyChange(mode=ConfidenceMode.BUDGET, share=1.0),
        PolicyChange(mode=ConfidenceMode.RISK, alpha=1.0),
        PolicyChange(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.0),
        PolicyChange(mode=ConfidenceMode.UTILITY, value_usd=Decimal(0)),
    ],
)
def test_a_number_out_of_its_limits_is_refused(publisher: Publisher, policy: PolicyChange) -> None:
    with pytest.raises(InvalidConfidence, match="is not above 0"):
        change(publisher, policy)


def test_what_the_file_says_of_a_mode_is_there_when_the_mode_is(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    said = ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.07, delta=0.05)
    publisher.publish_file(file_document(confidence=said), "file")

    change(publisher, PolicyChange(mode=ConfidenceMode.BUDGET, share=0.3))
    assert confidence(store) == ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=0.3)
    change(publisher, PolicyChange(mode=ConfidenceMode.SELECTIVE_RISK))
    assert confidence(store) == ConfidenceEntry(mode=ConfidenceMode.SELECTIVE_RISK, alpha=0.07, delta=0.05)
    change(publisher, PolicyChange(mode=ConfidenceMode.BUDGET))
    assert confidence(store).share == 0.3


def test_audits_are_turned_down_off_and_on(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(audit=AUDIT), "file")
    tags = {route_etag(in_force(store))}
    assert in_force(store).audit == AUDIT

    change(publisher, PolicyChange(audit_share=0.5))
    assert in_force(store).audit == AuditEntry(
        share=0.5, min_labels=300, spend_nanousd_per_day=10**9, compare=AUDIT.compare
    )
    tags.add(route_etag(in_force(store)))
    change(publisher, PolicyChange(audit_share=0.0))
    assert in_force(store).audit is None
    assert in_force(store).overlay == ("audit.share",)
    tags.add(route_etag(in_force(store)))

    change(publisher, PolicyChange(audit_share=1.0))
    assert in_force(store).audit is not None
    assert len(tags) == 3
    publisher.change_route(SUPPORT, ClearOverlay(), who="ops", reason=None, expected_etag=None)
    assert in_force(store).audit == AUDIT


def test_a_share_of_audits_beyond_all_requests_is_refused(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(audit=AUDIT), "file")
    with pytest.raises(InvalidAudit, match=r"routes\.support\.audit\.share: 1.5 is not between 0 and 1"):
        change(publisher, PolicyChange(audit_share=1.5))


def test_a_route_without_audits_has_none_to_change(store: Store, publisher: Publisher) -> None:
    with pytest.raises(NoAudit, match="has no audit; give it one in the file first"):
        change(publisher, PolicyChange(audit_share=0.1))
    publisher.publish_file(file_document(has_fallback=False), "file")
    with pytest.raises(NoFallback):
        change(publisher, PolicyChange(is_frozen=True))


def test_a_share_that_an_operator_set_has_no_effect_while_the_file_has_no_audits(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(audit=AUDIT), "file")
    change(publisher, PolicyChange(audit_share=0.5))

    publisher.publish_file(file_document(), "file")
    assert (in_force(store).audit, in_force(store).overlay) == (None, ())


def test_a_judge_of_audits_may_not_become_an_arm(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(audit=AUDIT), "file")
    with pytest.raises(InvalidSplit, match="'v3' is the judge of this route's audits and would judge itself"):
        split_to(publisher, {V1: 9_000, V3: 1_000})


def test_nor_may_an_arm_become_the_judge(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V3: 1_000})
    with pytest.raises(OverlayConflict, match="would judge itself"):
        publisher.publish_file(file_document(audit=AUDIT), "file")


def overlay(field: OverlayField, value: object) -> Overlay:
    return Overlay(scope=OverlayScope.ROUTE, name=SUPPORT, field=field, value=value, who="o", reason=None, at_us=1)


def test_a_document_is_a_function_of_what_it_is_made_of() -> None:
    changed = [
        overlay(OverlayField.CONFIDENCE_MODE, "risk"),
        overlay(OverlayField.CONFIDENCE_ALPHA, 0.1),
        overlay(OverlayField.AUDIT_SHARE, 0.5),
    ]
    known = [stored(), stored("v2.1", model=V2), stored("large.1", model=LARGE)]

    def compiled(previous: Snapshot | None = None) -> Snapshot:
        document = compile_document(
            file_document(audit=AUDIT), changed, (), previous, "0" * 64, revision=1, calibrations=known
        )
        return Snapshot(revision=1, created_us=1, document=document)

    first = compiled()
    judges = first.document.routes[SUPPORT].judges
    assert compiled() == first
    assert compiled(first) == first
    assert judges.keys() == {V1, V2}
    assert [judge.is_armed for judge in judges.values()] == [True, True]
    known.reverse()
    changed.reverse()
    assert compiled() == first
