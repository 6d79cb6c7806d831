"""How fast a stage drifts, from velocities that were measured with noise while they wandered."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.float64]

WANDER = 0.1
"""By which part of itself the velocity wanders in a minute, as the stage does it (reference note, §3.1)."""


def thermal_speed(times_s: Floats, velocity: Floats, variance: Floats) -> float:
    """The speed at the beginning that makes what was measured most likely [m/s].

    A random walk seen through noise: its likelihood is that of a Kalman filter's surprises.

    Parameters
    ----------
    velocity
        (N, 2) [m/s], each with `variance` (N,).
    """
    size = math.sqrt(float(np.mean(velocity**2))) + 1e-30
    gaps = np.diff(times_s, prepend=times_s[0])

    def unlikely(log_speed: float) -> float:
        speed = math.exp(log_speed)
        return sum(_surprise(velocity[:, axis], variance, gaps, speed) for axis in range(2))

    found = optimize.minimize_scalar(
        unlikely, bounds=(math.log(size) - 7, math.log(size) + 1.5), method="bounded"
    )
    return math.exp(float(found.x))


def _surprise(seen: Floats, variance: Floats, gaps: Floats, speed: float) -> float:
    """-2 log likelihood of one axis, constants apart."""
    mean, spread, total = 0.0, speed**2 / 2, 0.0
    walk = (WANDER * speed) ** 2 / 60
    for value, noise, gap in zip(seen.tolist(), variance.tolist(), gaps.tolist(), strict=True):
        spread += walk * gap
        expected = spread + noise
        surprise = value - mean
        total += surprise**2 / expected + math.log(expected)
        mean += spread / expected * surprise
        spread *= noise / expected
    return total
