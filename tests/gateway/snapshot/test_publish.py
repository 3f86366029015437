from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from gateway.snapshot.change import ClearOverlay, PolicyChange
from gateway.snapshot.document import ConfidenceEntry, RouteEntry
from gateway.snapshot.errors import (
    PreconditionFailed,
)
from gateway.snapshot.publish import Publisher, route_etag
from gateway.store import audit, head, overlays, snapshots, workers
from gateway.store.engine import Store, open_store
from gateway.store.keys import make
from gateway.store.workers import WorkerReport
from routing.assignment.ranges import shares
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from tests.fakes.documents import SUPPORT, V1, V2, V3, file_document
from tests.fakes.publishing import frozen_clock, in_force, roll_back, split_to


def test_the_first_file_becomes_revision_1(store: Store, publisher: Publisher) -> None:
    newest = snapshots.latest(store)

    assert newest is not None
    assert newest.revision == 1
    assert newest.created_us == 1_000_000
    assert newest.document.routes[SUPPORT].salt == "support.1"
    assert newest.document.routes[SUPPORT].ranges_revision == 1
    assert snapshots.at(store, 1) == newest
    assert snapshots.at(store, 2) is None
    assert snapshots.latest(store, after_revision=1) is None


def test_a_file_counts_once(publisher: Publisher) -> None:
    assert publisher.publish_file(file_document(), "file") is None


def test_a_changed_file_counts(store: Store, publisher: Publisher) -> None:
    published = publisher.publish_file(file_document(total_s=30), "file")

    assert published is not None
    assert published.revision == 2
    assert in_force(store).timeouts.total_s == 30
    assert in_force(store).ranges_revision == 1


def test_an_overlay_survives_a_restart_with_the_same_file(store: Store, store_url: str, publisher: Publisher) -> None:
    split_to(publisher, {V1: 10_000, V2: 0})

    reopened = open_store(store_url)
    assert Publisher(reopened, frozen_clock).publish_file(file_document(), "file") is None
    reopened.close()
    assert in_force(store).split == {V1: 10_000, V2: 0}


def test_an_overlay_lies_over_a_changed_file_field_by_field(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})

    publisher.publish_file(file_document({V1: 2_000, V2: 8_000}, total_s=30), "file")

    assert in_force(store).split == {V1: 9_000, V2: 1_000}
    assert in_force(store).timeouts.total_s == 30
    assert in_force(store).overlay == ("split",)


def test_clearing_returns_to_the_split_of_the_file_and_moves_the_least(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})
    before = in_force(store)

    publisher.change_route(SUPPORT, ClearOverlay(), who="ops", reason=None, expected_etag=None)

    after = in_force(store)
    assert after.split == {V1: 5_000, V2: 5_000}
    assert after.overlay == ()
    kept = {number for held in before.ranges if held.arm == V2 for number in range(held.start, held.stop)}
    assert kept <= {number for held in after.ranges if held.arm == V2 for number in range(held.start, held.stop)}
    assert overlays.listing(store, route=SUPPORT) == []


def test_an_overlay_says_who_when_and_why(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})

    (overlay,) = overlays.listing(store, route=SUPPORT)
    assert (overlay.who, overlay.reason, overlay.at_us) == ("ops", "ramp", 1_000_000)


def test_ranges_keep_their_revision_while_they_stand(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})
    publisher.change_route(SUPPORT, PolicyChange(fallback_enabled=False), who="ops", reason=None, expected_etag=None)

    assert in_force(store).ranges_revision == 2
    assert snapshots.latest(store, 2) is not None


def test_arms_left_out_of_a_split_stay_visible_at_0(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V2: 10_000})

    assert in_force(store).split == {V1: 0, V2: 10_000}
    assert shares(in_force(store).ranges) == {V2: 10_000}


def test_a_model_that_is_no_arm_of_the_file_may_become_one(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_500, V3: 500})

    assert in_force(store).split == {V1: 9_500, V2: 0, V3: 500}


def test_of_two_changes_based_on_the_same_state_one_fails(store: Store, publisher: Publisher) -> None:
    etag = route_etag(in_force(store))

    def change(share: int) -> bool:
        try:
            split_to(publisher, {V1: 10_000 - share, V2: share}, expected_etag=etag)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = [future.result() for future in [pool.submit(change, share) for share in (100, 200, 300, 400)]]

    assert won.count(True) == 1
    newest = snapshots.latest(store)
    assert newest is not None
    assert newest.revision == 2


def test_changes_from_several_replicas_are_serial(store: Store, store_url: str, publisher: Publisher) -> None:
    def ramp(base: int) -> None:
        own = open_store(store_url)
        replica = Publisher(own, frozen_clock)
        for step in range(5):
            split_to(replica, {V1: 10_000 - base - step, V2: base + step})
        own.close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(ramp, base) for base in (1_000, 2_000, 3_000, 4_000)]:
            future.result()

    published = [snapshots.at(store, revision) for revision in range(1, 22)]
    for before, after in pairwise(published):
        assert before is not None
        assert after is not None
        entry = after.document.routes[SUPPORT]
        was = shares(before.document.routes[SUPPORT].ranges)
        moved = sum(held.stop - held.start for held in _overlap(before.document.routes[SUPPORT], entry))
        assert moved == 10_000 - abs(was[V2] - shares(entry.ranges)[V2])
    assert [entry.revision for entry in audit.entries(store)] == list(range(21, 0, -1))


def _overlap(before: RouteEntry, after: RouteEntry) -> list[range]:
    return [
        range(max(a.start, b.start), min(a.stop, b.stop))
        for a in before.ranges
        for b in after.ranges
        if a.arm == b.arm and max(a.start, b.start) < min(a.stop, b.stop)
    ]


def test_an_etag_changes_with_traffic_settings_and_with_nothing_else(store: Store, publisher: Publisher) -> None:
    first = route_etag(in_force(store))
    publisher.publish_file(file_document(total_s=30), "file")
    assert route_etag(in_force(store)) == first
    assert first.startswith('"')
    assert first.endswith('"')

    published = publisher.change_route(
        SUPPORT, PolicyChange(fallback_enabled=False), who="ops", reason=None, expected_etag=first
    )
    assert published.etag != first
    assert published.etag == route_etag(in_force(store))


def test_confidence_can_be_switched_to_a_threshold_and_back(store: Store, publisher: Publisher) -> None:
    to_threshold = PolicyChange(mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.7)
    publisher.change_route(SUPPORT, to_threshold, who="ops", reason=None, expected_etag=None)
    fallback = in_force(store).fallback
    assert fallback is not None
    assert fallback.confidence == ConfidenceEntry(
        mode=ConfidenceMode.THRESHOLD, score=ScoreName.MIN_LOGPROB, minimum=0.7
    )

    observe = PolicyChange(mode=ConfidenceMode.OBSERVE)
    publisher.change_route(SUPPORT, observe, who="ops", reason=None, expected_etag=None)
    fallback = in_force(store).fallback
    assert fallback is not None
    assert fallback.confidence == ConfidenceEntry(mode=ConfidenceMode.OBSERVE, score=ScoreName.MIN_LOGPROB)

    threshold = PolicyChange(mode=ConfidenceMode.THRESHOLD)
    publisher.change_route(SUPPORT, threshold, who="ops", reason=None, expected_etag=None)
    fallback = in_force(store).fallback
    assert fallback is not None
    assert fallback.confidence.minimum == 0.7


def test_the_audit_tells_every_change(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})
    publisher.change_route(SUPPORT, PolicyChange(fallback_enabled=False), who="ana", reason="cost", expected_etag=None)
    publisher.change_model(V1, False, "ops", None)

    model, policy, split, first = audit.entries(store)
    assert (first.action, first.who, first.route) == ("file", "file", None)
    assert (split.action, split.who, split.reason, split.route) == ("split", "ops", "ramp", "support")
    assert split.detail == {"split": {"from": {"v1": 5_000, "v2": 5_000}, "to": {"v1": 9_000, "v2": 1_000}}}
    assert (policy.action, policy.reason, policy.detail) == ("policy", "cost", {"fallback.enabled": False})
    assert (model.action, model.detail, model.revision) == ("model", {"model": "v1", "enabled": False}, 4)
    assert audit.entries(store, route="support", limit=1, before_id=policy.id) == [split]


def test_a_model_can_be_switched_off_and_on(store: Store, publisher: Publisher) -> None:
    off = publisher.change_model(V1, False, "ops", "broken")
    assert not off.document.models[V1].is_enabled
    assert off.document.models[V2].is_enabled

    on = publisher.change_model(V1, True, "ops", None)
    assert on.document.models[V1].is_enabled
    assert overlays.listing(store) == []


def test_a_key_that_was_made_reaches_workers_with_the_next_publication(store: Store, publisher: Publisher) -> None:
    with store.writing() as connection:
        head.lock(connection)
        make(connection, "batch", ["inference"])

    published = publisher.publish_file(file_document(), "file")
    assert published is not None
    assert [key.name for key in published.document.keys] == ["app", "batch"]


def test_revisions_go_on_above_what_workers_have_seen(store: Store, publisher: Publisher) -> None:
    """As after a restore from a backup that is older than the workers' snapshot."""
    seen = WorkerReport(
        writer_id="w", host="h", pid=1, revision=57, loaded_us=1, heartbeat_us=1, started_us=1, ready=True
    )
    workers.report(store, seen)

    assert split_to(publisher, {V2: 10_000}).snapshot.revision == 58
    assert in_force(store).ranges_revision == 58
    assert roll_back(publisher).ranges_revision == 59
