import pytest

from gateway.snapshot.change import ClearOverlay, PolicyChange, RollBack
from gateway.snapshot.errors import (
    InvalidConfidence,
    InvalidSplit,
    NoFallback,
    OverlayConflict,
    PreconditionFailed,
    UnknownArm,
    UnknownModel,
    UnknownRoute,
)
from gateway.snapshot.publish import Publisher
from gateway.store import overlays, snapshots
from gateway.store.engine import Store
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.words import ModelName, RouteName
from tests.fakes.documents import LARGE, SUPPORT, V1, V2, V3, file_document
from tests.fakes.publishing import Split, frozen_clock, split_to


@pytest.mark.parametrize(
    ("split", "error", "sentence"),
    [
        ({V1: 9_500}, InvalidSplit, r"routes\.support\.split: percentages sum to 95, not 100"),
        ({V1: 10_100, V2: -100}, InvalidSplit, "v2 has -1 percent"),
        ({"v9": 10_000}, UnknownArm, "'v9' is no model; there are large, v1, v2, v3"),
        ({LARGE: 10_000}, InvalidSplit, "'large' is this route's fallback"),
        ({}, InvalidSplit, "sum to 0, not 100"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    store: Store, publisher: Publisher, split: Split, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        split_to(publisher, split)
    newest = snapshots.latest(store)
    assert newest is not None
    assert newest.revision == 1
    assert overlays.listing(store) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (PolicyChange(mode=ConfidenceMode.THRESHOLD), "mode threshold needs score"),
        (PolicyChange(mode=ConfidenceMode.THRESHOLD, score=ScoreName.FIRST_TOKEN, minimum=1.5), "1.5 is not between"),
    ],
)
def test_a_confidence_that_cannot_be_is_refused(
    store: Store, publisher: Publisher, change: PolicyChange, sentence: str
) -> None:
    with pytest.raises(InvalidConfidence, match=sentence):
        publisher.change_route(SUPPORT, change, who="ops", reason=None, expected_etag=None)
    assert overlays.listing(store) == []


def test_a_precondition_is_looked_at_before_the_split(store: Store, publisher: Publisher) -> None:
    with pytest.raises(PreconditionFailed):
        split_to(publisher, {V1: 1}, expected_etag='"stale"')


def test_what_is_unknown_is_named(store: Store, publisher: Publisher) -> None:
    nowhere = RouteName("nowhere")
    with pytest.raises(UnknownRoute, match="there is no route 'nowhere'; there are support"):
        publisher.change_route(nowhere, RollBack(), who="ops", reason=None, expected_etag=None)
    with pytest.raises(UnknownModel, match="there is no model 'v9'"):
        publisher.change_model(ModelName("v9"), False, "ops", None)


def test_nothing_can_be_changed_before_the_first_file(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    with pytest.raises(UnknownRoute, match="no configuration has been published yet"):
        split_to(publisher, {V1: 10_000})


def test_a_fallback_that_is_not_there_has_no_settings(store: Store) -> None:
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(has_fallback=False), "file")
    with pytest.raises(NoFallback, match="has no fallback"):
        publisher.change_route(
            SUPPORT, PolicyChange(fallback_enabled=False), who="ops", reason=None, expected_etag=None
        )


def test_a_file_without_the_arm_of_an_overlay_is_refused_whole(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V3: 1_000})

    with pytest.raises(OverlayConflict, match=r"'v3' is no model.*An operator set this"):
        publisher.publish_file(file_document(models=(V1, V2, LARGE)), "file")

    newest = snapshots.latest(store)
    assert newest is not None
    assert newest.revision == 2
    publisher.change_route(SUPPORT, ClearOverlay(), who="ops", reason=None, expected_etag=None)
    assert publisher.publish_file(file_document(models=(V1, V2, LARGE)), "file") is not None
