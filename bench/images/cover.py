"""Do stated covariances cover? Share of true places within the 1- and 2-sigma ellipse of what was stated."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXPECTED = {1: 1 - math.exp(-0.5), 2: 1 - math.exp(-2.0)}
"""Of a normal distribution in two dimensions."""


def distance2(error_pm: Array, covariance_pm2: Array) -> Array:
    """(n,): squared Mahalanobis distance of errors (n, 2) for covariances (n, 3) as xx, yy, xy."""
    xx, yy, xy = covariance_pm2.T
    x, y = error_pm.T
    value: Array = (x**2 * yy - 2 * x * y * xy + y**2 * xx) / np.maximum(xx * yy - xy**2, 1e-300)
    return value


@dataclass
class Coverage:
    """Squared distances pooled over images, with the lattice as prior and without."""

    with_lattice: list[float] = field(default_factory=list)
    data_alone: list[float] = field(default_factory=list)

    def add(self, error_pm: Array, covariance: Array, free_error_pm: Array, free_covariance: Array) -> None:
        """Pool one image."""
        self.with_lattice.extend(distance2(error_pm, covariance).tolist())
        self.data_alone.extend(distance2(free_error_pm, free_covariance).tolist())

    def figures(self) -> dict[str, Any]:
        """Shares within 1 and 2 sigma beside the expected ones."""
        shares = {
            name: {str(k): round(float((np.array(values) < k**2).mean()), 4) if values else None for k in EXPECTED}
            for name, values in (("with_lattice", self.with_lattice), ("data_alone", self.data_alone))
        }  # fmt: skip
        return {
            "n": len(self.with_lattice),
            "expected": {str(k): round(v, 4) for k, v in EXPECTED.items()},
        } | shares
