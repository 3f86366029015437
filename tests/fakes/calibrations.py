"""Calibrations and what they rest on, in plain numbers, for tests of what is derived from them."""

from collections.abc import Collection

from gateway.store.calibrations import StoredCalibration
from routing.confidence.evidence import Evidence, Graded
from routing.confidence.features import FEATURE_NAMES
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.words import ModelName, RouteName
from tests.fakes.documents import SUPPORT, V1

LOGISTIC = Scorer(
    kind=ScorerKind.LOGISTIC,
    intercept=2.0,
    coefficients=(1.5, *(0.0 for _ in FEATURE_NAMES[1:])),
    means=tuple(0.0 for _ in FEATURE_NAMES),
)
RANK = Scorer(kind=ScorerKind.RANK, grid=(-30.0, -10.0, -1.0))


def graded(n: int, wrong: Collection[int] = ()) -> Graded:
    """Answers with the confidences 1 - 1/2n, 1 - 3/2n, ...; `wrong` are places of wrong ones, from the surest on."""
    return Graded(
        confidences=tuple(1 - (place + 0.5) / n for place in range(n)),
        wrong=tuple(int(place in wrong) for place in range(n)),
    )


def calibration(version: str = "v1.1", *, whole: Scorer = LOGISTIC, labels: int = 400) -> Calibration:
    """One for whole answers and for prefixes."""
    return Calibration(version=version, labels=labels, whole=whole, prefix=whole)


def stored(
    version: str = "v1.1",
    *,
    route: RouteName = SUPPORT,
    model: ModelName = V1,
    labels: int = 400,
    evidence: Evidence | None = None,
    whole: Scorer = LOGISTIC,
    created_us: int = 5,
) -> StoredCalibration:
    """One of `support` and `v1`, by default from 400 labels, half of which are evidence: 20 of 200 are wrong."""
    known = Evidence(
        whole=graded(200, range(180, 200)), prefix=graded(100, range(95, 100)), auroc_low=0.8, mu_large=0.95
    )
    return StoredCalibration(
        version=version,
        route=route,
        model=model,
        created_us=created_us,
        labels=labels,
        calibration=calibration(version, whole=whole, labels=labels // 2),
        evidence=evidence or known,
        quality={"auroc": {"value": 0.84, "low": 0.8, "high": 0.88}},
    )
