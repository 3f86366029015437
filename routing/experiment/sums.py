"""What is kept of an arm: sums over its units, so that parts add up to the whole and no row is needed again."""

from dataclasses import astuple, dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSums:
    """Sums over units of the value y, the size d and the value before the experiment x, their squares and products.

    A metric is sum y / sum d. Where every unit has the size 1 that is the mean of a unit, otherwise a ratio, such as
    the cost of a request where a unit makes several. Without a value from before, x is 0 for all.

    >>> ArmSums.of([1, 0]) + ArmSums.of([1, 1]) == ArmSums.of([1, 0, 1, 1])
    True
    """

    n: int = 0
    y: float = 0.0
    d: float = 0.0
    x: float = 0.0
    yy: float = 0.0
    dd: float = 0.0
    xx: float = 0.0
    yd: float = 0.0
    yx: float = 0.0
    dx: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike, sizes: ArrayLike | None = None, before: ArrayLike | None = None) -> "ArmSums":
        """The sums of some units: `values`, `sizes` (all 1 if absent) and `before` (all 0 if absent), each (n,)."""
        y = np.asarray(values, dtype=np.float64)
        d = np.ones(len(y)) if sizes is None else np.asarray(sizes, dtype=np.float64)
        x = np.zeros(len(y)) if before is None else np.asarray(before, dtype=np.float64)
        return cls(
            n=len(y),
            y=float(y.sum()),
            d=float(d.sum()),
            x=float(x.sum()),
            yy=float(y @ y),
            dd=float(d @ d),
            xx=float(x @ x),
            yd=float(y @ d),
            yx=float(y @ x),
            dx=float(d @ x),
        )

    def __add__(self, other: "ArmSums") -> "ArmSums":
        return ArmSums(
            n=self.n + other.n,
            y=self.y + other.y,
            d=self.d + other.d,
            x=self.x + other.x,
            yy=self.yy + other.yy,
            dd=self.dd + other.dd,
            xx=self.xx + other.xx,
            yd=self.yd + other.yd,
            yx=self.yx + other.yx,
            dx=self.dx + other.dx,
        )

    def __post_init__(self) -> None:
        if self.n < 0 or not all(-inf < total < inf for total in astuple(self)):
            raise ValueError("the sums of an arm must be finite, and its units at least 0")

    @property
    def mean(self) -> float:
        """Sum y / sum d; 0 where nothing has a size yet."""
        return self.y / self.d if self.d else 0.0

    @property
    def mean_before(self) -> float:
        """The mean of x over units; 0 without units."""
        return self.x / self.n if self.n else 0.0

    def variance(self, theta: float = 0.0) -> float:
        """Of the metric, adjusted by theta times the mean of x; infinite with fewer than two units or without a size.

        By the delta method (Deng, Knoblich and Lu, KDD 2018): that of the mean over units of (y - mean d) / (sum d / n)
        - theta x. Never below 0.
        """
        if self.n < 2 or not self.d:
            return inf
        about_y = self._spread(self.yy, self.y, self.y)
        if self._is_mean:
            spread = about_y
        else:
            ratio = self.mean
            about_d = self._spread(self.dd, self.d, self.d)
            spread = about_y - 2 * ratio * self._spread(self.yd, self.y, self.d) + ratio**2 * about_d
        spread /= (self.d / self.n) ** 2
        if theta:
            spread += theta**2 * self.spread_before - 2 * theta * self.spread_with_before
        return max(0.0, spread) / (self.n - 1) / self.n

    @property
    def spread_before(self) -> float:
        """The sum of squares of x about its mean."""
        return max(0.0, self._spread(self.xx, self.x, self.x))

    @property
    def spread_with_before(self) -> float:
        """The sum of products of (y - mean d) / (sum d / n) and x about their means."""
        if not self.d:
            return 0.0
        products = self._spread(self.yx, self.y, self.x) - self.mean * self._spread(self.dx, self.d, self.x)
        return products / (self.d / self.n)

    @property
    def _is_mean(self) -> bool:
        return self.d == self.n == self.dd

    def _spread(self, product: float, one: float, other: float) -> float:
        return product - one * other / self.n if self.n else 0.0
