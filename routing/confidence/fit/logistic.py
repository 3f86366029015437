"""A score from features: L2 logistic regression, whose result is a handful of plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

P_DECIMALS = 12
"""Probabilities are rounded to this, so that equal answers stay equal in whatever order they are summed."""

_MAX_STEPS = 100
_TOLERANCE = 1e-10
# A column whose values differ by no more than rounding does to them carries nothing.
_LEAST_RELATIVE_SD = 1e-13


class OneClassOnly(ValueError):
    """All answers are right, or all are wrong: nothing tells one from the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticFit:
    """P(correct | features) = expit(intercept + sum of weight * (feature - mean) / sd), one entry a feature."""

    means: tuple[float, ...]
    """Of the rows where the feature was present; it also stands in for a missing value."""
    sds: tuple[float, ...]
    """Standard deviations, above 0; 1 where the feature is constant."""
    weights: tuple[float, ...]
    """In log-odds per standard deviation; 0 where the feature is constant."""
    intercept: float
    dropped: tuple[int, ...]
    """The columns that are constant or empty."""

    @property
    def coefficients(self) -> tuple[float, ...]:
        """In log-odds per unit of each feature, for features as they are."""
        return tuple(weight / sd for weight, sd in zip(self.weights, self.sds, strict=True))

    @property
    def raw_intercept(self) -> float:
        """The intercept that goes with `coefficients`."""
        return self.intercept - fsum(a * mean for a, mean in zip(self.coefficients, self.means, strict=True))

    def predict(self, x: ArrayLike) -> Floats:
        """The probabilities for rows of features, shape (n, k) to (n,); NaN is a missing value."""
        return np.asarray(np.round(expit(self.log_odds(x)), P_DECIMALS))

    def log_odds(self, x: ArrayLike) -> Floats:
        """The same before the logistic function, shape (n,)."""
        rows = np.asarray(x, dtype=np.float64)
        return np.asarray(self.intercept + _standardise(rows, self.means, self.sds) @ np.asarray(self.weights))


def fit_logistic(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None, l2: float = 1.0) -> LogisticFit:
    """Fit P(y = 1 | x) by penalised maximum likelihood.

    Least of `sum w_i loss_i + l2 / 2 * sum weight_j^2` over standardised features, the intercept not penalised, by
    Newton's method with step halving; with `l2` above 0 there is one optimum, also for separable rows.

    Args:
        x: (n, k) features; NaN is a missing value and is replaced by the column's mean.
        y: (n,) of 0 and 1.
        weights: (n,) above 0, scaled to mean 1 here; `None`: all alike.
        l2: the penalty, above 0; 1 is the inverse of scikit-learn's `C = 1`.

    Raises:
        OneClassOnly: y holds one value only.
        ValueError: shapes do not fit together, or a value is infinite.

    >>> fit = fit_logistic([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> [round(float(p), 3) for p in fit.predict([[0.0], [1.5], [3.0]])]
    [0.22, 0.5, 0.78]
    """
    rows, outcome = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if rows.ndim != 2 or outcome.shape != (len(rows),):
        raise ValueError(f"features of shape {rows.shape} and outcomes of shape {outcome.shape} do not fit together")
    if np.isinf(rows).any():
        raise ValueError("a feature is infinite")
    require_both_classes(outcome)
    means, sds, dropped = _moments(rows)
    design = np.column_stack([_standardise(rows, means, sds), np.ones(len(rows))])
    design[:, list(dropped)] = 0.0
    row_weights = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    penalty = np.append(np.full(rows.shape[1], l2), 0.0)
    found = _newton(design, outcome, row_weights / row_weights.mean(), penalty)
    return LogisticFit(
        means=tuple(means.tolist()),
        sds=tuple(sds.tolist()),
        weights=tuple(found[:-1].tolist()),
        intercept=float(found[-1]),
        dropped=dropped,
    )


def require_both_classes(y: Floats) -> None:
    """Raise `OneClassOnly` unless y, shape (n,), holds both 0 and 1."""
    if not len(y):
        raise OneClassOnly("there are no labels")
    if (y == y[0]).all():
        kind = "right" if y[0] else "wrong"
        raise OneClassOnly(f"all {len(y)} labelled answers are {kind}: both right and wrong ones are needed")


def _moments(rows: Floats) -> tuple[Floats, Floats, tuple[int, ...]]:
    """Mean and standard deviation of each column, and which columns carry nothing."""
    present = ~np.isnan(rows)
    counts = np.maximum(present.sum(axis=0), 1)
    # Scaled to [-1, 1] first: the squares of what is measured in 1e200 are infinite.
    scale = np.max(np.abs(rows), axis=0, where=present, initial=0.0)
    scale[scale == 0] = 1.0
    scaled = np.where(present, rows / scale, 0.0)
    centres = scaled.sum(axis=0) / counts
    spread = np.sqrt((np.where(present, scaled - centres, 0.0) ** 2).sum(axis=0) / counts)
    sds = spread * scale
    constant = (spread <= _LEAST_RELATIVE_SD) | (sds == 0)
    sds[constant] = 1.0
    return centres * scale, sds, tuple(np.flatnonzero(constant).tolist())


def _standardise(rows: Floats, means: Floats | Sequence[float], sds: Floats | Sequence[float]) -> Floats:
    shifted = (rows - np.asarray(means)) / np.asarray(sds)
    return np.where(np.isnan(shifted), 0.0, shifted)


def _newton(design: Floats, y: Floats, weights: Floats, penalty: Floats) -> Floats:
    """The coefficients of the least penalised loss; the last column of the design is that of the intercept."""
    share = float(np.average(y, weights=weights))
    at = np.zeros(design.shape[1])
    at[-1] = np.log(share / (1 - share))
    loss = _loss(design, y, weights, penalty, at)
    for _ in range(_MAX_STEPS):
        p = expit(design @ at)
        gradient = design.T @ (weights * (p - y)) + penalty * at
        if np.abs(gradient).max() <= _TOLERANCE * len(y):
            break
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (tried := _loss(design, y, weights, penalty, at - size * step)) > loss and size > 1e-10:
            size /= 2
        if tried >= loss:  # nothing better within rounding
            break
        at, loss = at - size * step, tried
    return at


def _loss(design: Floats, y: Floats, weights: Floats, penalty: Floats, at: Floats) -> float:
    log_odds = design @ at
    return float(weights @ (np.logaddexp(0.0, log_odds) - y * log_odds) + penalty @ at**2 / 2)
