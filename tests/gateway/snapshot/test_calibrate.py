"""Calibrations come into force with a revision of their own, and change nothing that operators have set."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.snapshot.change import PolicyChange, route_etag
from gateway.snapshot.document import ConfidenceEntry
from gateway.snapshot.errors import CalibrationExists, UnknownRoute
from gateway.snapshot.publish import Publisher
from gateway.store import audit, calibrations, snapshots
from gateway.store.engine import Store, open_store
from routing.confidence.gate import ConfidenceMode
from routing.words import RouteName
from tests.fakes.calibrations import RANK, stored
from tests.fakes.documents import LARGE, SUPPORT, V1, V2, V3, file_document
from tests.fakes.publishing import frozen_clock, in_force, roll_back, split_to

RISK = ConfidenceEntry(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1)


def change(publisher: Publisher, policy: PolicyChange) -> None:
    publisher.change_route(SUPPORT, policy, who="ops", reason=None, expected_etag=None)


def revision(store: Store) -> int:
    newest = snapshots.latest(store)
    assert newest is not None
    return newest.revision


def test_a_calibration_is_in_force_with_the_next_revision(store: Store, publisher: Publisher) -> None:
    published = publisher.publish_calibration([stored()], "calibration")

    assert published is not None
    assert (published.revision, revision(store)) == (2, 2)
    judges = in_force(store).judges
    assert judges[V1].calibration == stored().calibration
    assert judges[V1].labels == 400
    assert (judges[V1].is_armed, judges[V1].reason) == (False, "mode observe compares nothing")
    assert judges[V2].calibration is None


def test_several_calibrations_make_one_revision_and_an_entry_each_in_the_audit(
    store: Store, publisher: Publisher
) -> None:
    publisher.publish_file(file_document(confidence=RISK), "file")
    publisher.publish_calibration([stored("v1.1")], "calibration")
    publisher.publish_calibration([stored("v1.2"), stored("v2.1", model=V2, labels=120)], "calibration")

    second, first, _ = audit.entries(store, route=SUPPORT)
    assert (first.action, first.who, first.route, first.revision) == ("calibrate", "calibration", "support", 4)
    assert first.reason is not None
    assert first.reason.startswith("at most 10 % of all answers served and wrong, with 90 % confidence: the bound is ")
    assert first.detail == {
        "model": "v1",
        "version": "v1.2",
        "replaces": "v1.1",
        "labels": 400,
        "armed": True,
        "thresholds": {"whole": pytest.approx(0.03), "prefix": 0.0},
    }
    assert (second.revision, second.reason) == (4, "mode risk needs 300 labels; there are 120")
    assert second.detail["replaces"] is None
    assert not second.detail["armed"]


def test_a_recalibration_changes_no_etag(store: Store, publisher: Publisher) -> None:
    publisher.publish_file(file_document(confidence=RISK), "file")
    etag = route_etag(in_force(store))

    publisher.publish_calibration([stored()], "calibration")

    assert in_force(store).judges[V1].is_armed
    assert route_etag(in_force(store)) == etag
    assert split_to(publisher, {V1: 10_000}, expected_etag=etag).snapshot.revision == 4


def test_a_frozen_route_keeps_its_calibration_and_others_do_not_wait_for_it(store: Store) -> None:
    publisher, other = Publisher(store, frozen_clock), RouteName("other")
    publisher.publish_file(file_document(routes=(SUPPORT, other)), "file")
    publisher.publish_calibration([stored("v1.1")], "calibration")
    change(publisher, PolicyChange(is_frozen=True))

    assert publisher.publish_calibration([stored("v1.2")], "calibration") is None
    assert revision(store) == 3
    publisher.publish_calibration([stored("v1.2"), stored("v1.1", route=other)], "calibration")

    assert in_force(store).judges[V1].calibration == stored("v1.1").calibration
    assert in_force(store, other).judges[V1].calibration == stored("v1.1").calibration
    with store.reading() as connection:
        assert calibrations.one(connection, SUPPORT, "v1.2") is None

    change(publisher, PolicyChange(is_frozen=False))
    publisher.publish_calibration([stored("v1.2")], "calibration")
    assert in_force(store).judges[V1].calibration == stored("v1.2").calibration


def test_a_frozen_route_still_follows_what_an_operator_wants(store: Store, publisher: Publisher) -> None:
    publisher.publish_file(file_document(confidence=RISK), "file")
    publisher.publish_calibration([stored()], "calibration")
    change(publisher, PolicyChange(is_frozen=True))
    before = in_force(store).judges[V1].whole_threshold

    change(publisher, PolicyChange(alpha=0.05))

    after = in_force(store).judges[V1].whole_threshold
    assert before is not None
    assert after is not None
    assert after > before


@pytest.mark.parametrize(
    "lost",
    [stored(route=RouteName("gone")), stored("v3.1", model=V3), stored("large.1", model=LARGE)],
    ids=["no such route", "no arm of it", "its fallback"],
)
def test_what_is_calibrated_for_nothing_is_left_out(
    store: Store, publisher: Publisher, lost: calibrations.StoredCalibration
) -> None:
    assert publisher.publish_calibration([lost], "calibration") is None
    assert publisher.publish_calibration([], "calibration") is None
    assert revision(store) == 1


def test_a_route_without_a_fallback_needs_no_calibration(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(has_fallback=False), "file")

    assert publisher.publish_calibration([stored()], "calibration") is None
    assert in_force(store).judges == {}


def test_a_version_is_given_once(store: Store, publisher: Publisher) -> None:
    publisher.publish_calibration([stored("v1.1")], "calibration")
    with pytest.raises(CalibrationExists, match=r"route 'support' has had a calibration 'v1\.1' already"):
        publisher.publish_calibration([stored("v2.1", model=V2), stored("v1.1", created_us=9)], "calibration")

    assert revision(store) == 2
    assert in_force(store).judges[V2].calibration is None
    with store.reading() as connection:
        assert [one.version for one in calibrations.in_force(connection)] == ["v1.1"]


def test_nothing_is_calibrated_before_the_first_file(store: Store) -> None:
    with pytest.raises(UnknownRoute, match="no configuration has been published yet"):
        Publisher(store, frozen_clock).publish_calibration([stored()], "calibration")


def test_a_changed_target_is_computed_at_once_from_what_was_kept(store: Store, publisher: Publisher) -> None:
    publisher.publish_calibration([stored()], "calibration")

    change(publisher, PolicyChange(mode=ConfidenceMode.RISK, alpha=0.1))
    strict = in_force(store).judges[V1]
    # 14 wrong answers of 200 are within 0.1 at delta 0.1; the first 14 of them stand at places 180 to 193.
    assert strict.is_armed
    assert strict.whole_threshold == pytest.approx(1 - 194 / 200)

    change(publisher, PolicyChange(mode=ConfidenceMode.BUDGET, share=0.25))
    assert in_force(store).judges[V1].whole_threshold == pytest.approx(0.2525)

    change(publisher, PolicyChange(mode=ConfidenceMode.OBSERVE))
    observing = in_force(store).judges[V1]
    assert (observing.is_armed, observing.whole_threshold) == (False, None)
    assert observing.calibration == stored().calibration


def test_a_target_that_cannot_be_met_is_not_armed_and_says_why(store: Store, publisher: Publisher) -> None:
    publisher.publish_calibration([stored()], "calibration")
    change(publisher, PolicyChange(mode=ConfidenceMode.RISK, alpha=0.001))

    judge = in_force(store).judges[V1]
    assert not judge.is_armed
    assert "needs 2302 labels for the threshold; there are 200" in judge.reason
    assert "at least 9.9 % would have to fall back" in judge.reason


def test_a_budget_acts_before_any_calibration(store: Store, publisher: Publisher) -> None:
    change(publisher, PolicyChange(mode=ConfidenceMode.BUDGET, share=0.2))

    assert [judge.is_armed for judge in in_force(store).judges.values()] == [True, True]


def test_a_roll_back_goes_back_to_a_split_and_not_to_a_calibration(store: Store, publisher: Publisher) -> None:
    publisher.publish_calibration([stored("v1.1")], "calibration")
    split_to(publisher, {V1: 10_000})
    publisher.publish_calibration([stored("v1.2", whole=RANK, labels=0)], "calibration")

    entry = roll_back(publisher)

    assert entry.split == {V1: 5_000, V2: 5_000}
    assert entry.judges[V1].calibration == stored("v1.2", whole=RANK, labels=0).calibration


def test_a_calibration_survives_a_file_that_has_its_arm_no_more_for_a_while(store: Store, publisher: Publisher) -> None:
    publisher.publish_calibration([stored()], "calibration")
    publisher.publish_file(file_document({V2: 10_000}), "file")
    assert V1 not in in_force(store).judges

    publisher.publish_file(file_document(), "file")
    assert in_force(store).judges[V1].calibration == stored().calibration


def test_calibrations_and_other_changes_are_serial(store: Store, store_url: str, publisher: Publisher) -> None:
    def calibrate() -> None:
        own = open_store(store_url)
        replica = Publisher(own, frozen_clock)
        for number in range(1, 6):
            replica.publish_calibration([stored(f"v1.{number}", created_us=number)], "calibration")
        own.close()

    def ramp() -> None:
        own = open_store(store_url)
        replica = Publisher(own, frozen_clock)
        for step in range(5):
            split_to(replica, {V1: 9_000 - step, V2: 1_000 + step})
        own.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(calibrate), pool.submit(ramp)]:
            future.result()

    assert revision(store) == 11
    assert in_force(store).judges[V1].calibration == stored("v1.5").calibration
    assert in_force(store).split == {V1: 8_996, V2: 1_004}


def test_evidence_that_shows_a_blind_score_disarms(store: Store, publisher: Publisher) -> None:
    change(publisher, PolicyChange(mode=ConfidenceMode.BUDGET, share=0.2))
    blind = replace(stored(), evidence=replace(stored().evidence, auroc_low=0.51))

    publisher.publish_calibration([blind], "calibration")

    judge = in_force(store).judges[V1]
    assert not judge.is_armed
    assert "0.510, under 0.55" in judge.reason
