import pytest

from gateway.store import calibrations
from gateway.store.calibrations import StoredCalibration
from gateway.store.engine import Store
from routing.confidence.evidence import Evidence, Graded
from routing.words import RouteName
from tests.fakes.calibrations import RANK, calibration, stored
from tests.fakes.documents import SUPPORT, V1, V2

OTHER = RouteName("other")


def add(store: Store, *added: StoredCalibration) -> None:
    with store.writing() as connection:
        for one in added:
            calibrations.add(connection, one)


def in_force(store: Store) -> list[StoredCalibration]:
    with store.reading() as connection:
        return calibrations.in_force(connection)


def test_a_calibration_is_read_back_to_the_last_digit(store: Store) -> None:
    evidence = Evidence(
        whole=Graded(confidences=(0.1 + 0.2, 1 / 3), wrong=(1, 0)),
        prefix=Graded(confidences=(1e-300,)),
        auroc_low=0.7123456789012345,
        mu_large=0.9,
        cost_large_usd=1.5e-05,
        alpha_shift=-0.01,
    )
    kept = stored(evidence=evidence)
    add(store, kept)

    assert in_force(store) == [kept]
    with store.reading() as connection:
        assert calibrations.one(connection, SUPPORT, "v1.1") == kept
        assert calibrations.one(connection, SUPPORT, "v1.2") is None
        assert calibrations.one(connection, OTHER, "v1.1") is None


def test_a_new_one_retires_the_one_of_its_route_and_model_alone(store: Store) -> None:
    others = [stored("v1.1", route=OTHER), stored("v2.1", model=V2)]
    add(store, stored("v1.1", created_us=5, evidence=Evidence(auroc_low=0.7)), *others)
    newer = stored("v1.2", created_us=9, whole=RANK, labels=0)
    add(store, newer)

    assert in_force(store) == [others[0], newer, others[1]]
    with store.reading() as connection:
        retired = calibrations.one(connection, SUPPORT, "v1.1")
    assert retired is not None
    assert (retired.retired_us, retired.evidence) == (9, Evidence())
    assert retired.calibration == calibration("v1.1", labels=200)


def test_the_history_is_told_from_the_newest_on(store: Store) -> None:
    add(store, *(stored(f"v1.{number}", created_us=number) for number in range(1, 12)))
    add(store, stored("v2.1", model=V2, created_us=50), stored("v1.1", route=OTHER, created_us=99))

    with store.reading() as connection:
        of_route = [one.version for one in calibrations.history(connection, SUPPORT, limit=3)]
        of_model = [one.version for one in calibrations.history(connection, SUPPORT, model=V1, limit=3)]
    assert of_route == ["v2.1", "v1.11", "v1.10"]
    assert of_model == ["v1.11", "v1.10", "v1.9"]


def test_versions_are_numbered_by_model_and_route(store: Store) -> None:
    with store.writing() as connection:
        assert calibrations.next_version(connection, SUPPORT, V1) == "v1.1"
        for _ in range(2):
            calibrations.add(connection, stored(calibrations.next_version(connection, SUPPORT, V1)))
        assert calibrations.next_version(connection, SUPPORT, V1) == "v1.3"
        assert calibrations.next_version(connection, SUPPORT, V2) == "v2.1"
        assert calibrations.next_version(connection, OTHER, V1) == "v1.1"


def test_what_they_are_worth_can_be_read_without_the_rest(store: Store) -> None:
    add(store, stored("v1.1", created_us=5), stored("v1.2", created_us=7))

    with store.reading() as connection:
        found = calibrations.qualities(connection)
    assert found == {(SUPPORT, V1): ("v1.2", 7, {"auroc": {"value": 0.84, "low": 0.8, "high": 0.88}})}


def test_a_calibration_is_kept_under_its_own_version() -> None:
    with pytest.raises(ValueError, match=r"calibration 'v1\.1' cannot be kept as 'v1\.2'"):
        StoredCalibration(
            version="v1.2",
            route=SUPPORT,
            model=V1,
            created_us=1,
            labels=0,
            calibration=calibration("v1.1"),
            evidence=Evidence(),
        )
