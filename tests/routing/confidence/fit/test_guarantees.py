"""Do the guarantees hold? Simulations with fixed seeds: how often, over 300 sets of labels, a threshold is wrong.

The truth is known here, so that the risk of a threshold is computed, not estimated. A guarantee with delta = 0.1 may
fail 10 % of the time, and 3 standard errors of 300 trials are allowed on top.
"""

from collections.abc import Callable
from functools import cache
from math import sqrt

import numpy as np
import pytest
from scipy.special import expit

from routing.confidence.fit.calibrate import Labels, cross_fit, halve
from routing.confidence.fit.logistic import Floats, LogisticFit, fit_logistic
from routing.confidence.fit.targets import Risk, SelectiveRisk, arm

SETS = 300
DELTA = 0.1
ALLOWED = DELTA + 3 * sqrt(DELTA * (1 - DELTA) / SETS)

World = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
Method = Callable[[Labels, int], tuple[LogisticFit, float | None]]


def smooth(chance: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Features and the probability to be right, which is not logistic in them."""
    x = chance.normal(size=(n, 3))
    return x, expit(1.3 * x[:, 0] + 0.6 * x[:, 1] - np.abs(x[:, 2]) + 1.4 + 0.3 * x[:, 0] * x[:, 1])


def coarse(chance: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """One feature with two values: half of the answers are right in 75 % of cases, half in 40 %."""
    x = (chance.random((n, 1)) < 0.5).astype(np.float64)
    return x, np.where(x[:, 0] == 1, 0.75, 0.4)


@cache
def population(world: World) -> tuple[Floats, Floats]:
    return world(np.random.default_rng(77), 20_000)


def split(target: Risk | SelectiveRisk) -> Method:
    def method(labels: Labels, seed: int) -> tuple[LogisticFit, float | None]:
        fitting, setting = halve(labels, seed=seed)
        fit = fit_logistic(fitting.x, fitting.correct)
        return fit, arm(target, fit.predict(setting.x), setting.correct).threshold

    return method


def out_of_fold(target: Risk | SelectiveRisk) -> Method:
    """What the package does not do: the threshold on out-of-fold scores, the fit on all labels."""

    def method(labels: Labels, seed: int) -> tuple[LogisticFit, float | None]:
        fit = fit_logistic(labels.x, labels.correct)
        return fit, arm(target, cross_fit(labels, seed=seed), labels.correct).threshold

    return method


def naive(target: Risk | SelectiveRisk) -> Method:
    """What the package does not do: the lowest threshold whose error on the labels is at most alpha."""

    def method(labels: Labels, seed: int) -> tuple[LogisticFit, float | None]:
        fitting, setting = halve(labels, seed=seed)
        fit = fit_logistic(fitting.x, fitting.correct)
        p = fit.predict(setting.x)
        order = np.argsort(-p)
        wrong = np.cumsum(1 - setting.correct[order])
        rate = wrong / (len(p) if isinstance(target, Risk) else np.arange(1, len(p) + 1))
        within = np.flatnonzero(rate <= target.alpha)
        return fit, float(p[order][within[-1]]) if len(within) else None

    return method


def missed(method: Method, target: Risk | SelectiveRisk, world: World, n: int) -> tuple[float, float]:
    """How often the true risk is above alpha, and the mean share that is served."""
    x, truth = population(world)
    chance = np.random.default_rng(5)
    misses, accepted = 0, 0.0
    for seed in range(SETS):
        features, p = world(chance, n)
        labels = Labels(x=features, correct=(chance.random(n) < p).astype(np.float64))
        fit, threshold = method(labels, seed)
        if threshold is None:
            continue
        served = fit.predict(x) >= threshold
        risk = float(np.mean(served * (1 - truth)))
        if isinstance(target, SelectiveRisk):
            risk /= max(float(served.mean()), 1e-9)
        misses += risk > target.alpha
        accepted += float(served.mean())
    return misses / SETS, accepted / SETS


@pytest.mark.parametrize("world", [smooth, coarse])
@pytest.mark.parametrize("n", [300, 1000])
def test_a_risk_is_missed_at_most_as_often_as_delta_allows(world: World, n: int) -> None:
    rate, accepted = missed(split(Risk(0.1, DELTA)), Risk(0.1, DELTA), world, n)
    assert rate <= ALLOWED
    if world is smooth:  # and it is not kept by serving nothing
        assert accepted > 0.35


@pytest.mark.parametrize(("world", "n"), [(smooth, 600), (smooth, 1500), (coarse, 1000)])
def test_a_risk_among_the_served_is_missed_at_most_as_often_as_delta_allows(world: World, n: int) -> None:
    target = SelectiveRisk(0.2, DELTA)
    rate, accepted = missed(split(target), target, world, n)
    assert rate <= ALLOWED
    if world is smooth and n == 1500:
        assert accepted > 0.3


@pytest.mark.parametrize("target", [Risk(0.1, DELTA), SelectiveRisk(0.2, DELTA)], ids=["risk", "selective risk"])
def test_taking_the_observed_error_at_its_word_misses_far_more_often(target: Risk | SelectiveRisk) -> None:
    assert missed(naive(target), target, smooth, 600)[0] > 0.35


def test_a_threshold_on_out_of_fold_scores_would_cut_through_equal_answers_and_miss() -> None:
    assert missed(out_of_fold(Risk(0.1, DELTA)), Risk(0.1, DELTA), coarse, 1000)[0] > 2 * ALLOWED
