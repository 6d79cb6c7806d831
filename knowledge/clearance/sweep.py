"""How far a box reaches in a direction while it tilts, in closed form over whole ranges of both tilts.

A point of the body p = (x + vx, y + vy, vz) [µm] is brought by Rx(alpha) Ry(beta), and a lift z, to

    X = px cos b + pz sin b
    Y = py cos a - q sin a
    Z = py sin a + q cos a + z        with q = pz cos b - px sin b

(convention C1). Translations x and y are along the tilted body, z is vertical. For any fixed tilt a range of x, y
and z only makes the box longer, wider and taller, so a sweep of all five axes is a box of bodies times two
ranges of angle. Angles in radians, lengths in µm.
"""

import math
from dataclasses import dataclass, field, replace

Span = tuple[float, float]
Peak = tuple[float, float]
"""(largest value, angle where it is)."""


def peak(a: float, b: float, span: Span) -> Peak:
    """Largest a sin t + b cos t over a range of t no longer than a turn."""
    low, high = span
    first = a * math.sin(low) + b * math.cos(low)
    if low == high:
        return first, low
    top = math.atan2(a, b)
    top += math.tau * math.ceil((low - top) / math.tau)
    if top <= high:
        return math.hypot(a, b), top
    last = a * math.sin(high) + b * math.cos(high)
    return (first, low) if first >= last else (last, high)


@dataclass(frozen=True, slots=True)
class Reach:
    """Farthest extent of a sweep along a direction, and the point of the body and the setting that give it."""

    value: float
    """[µm]."""
    alpha: float
    beta: float
    px: float
    py: float
    pz: float
    z: float

    @property
    def point(self) -> tuple[float, float, float]:
        """(X, Y, Z) in the laboratory frame [µm]."""
        sin_a, cos_a, sin_b, cos_b = (f(t) for t in (self.alpha, self.beta) for f in (math.sin, math.cos))
        q = self.pz * cos_b - self.px * sin_b
        x, y = self.px * cos_b + self.pz * sin_b, self.py * cos_a - q * sin_a
        return x, y, self.py * sin_a + q * cos_a + self.z


@dataclass(frozen=True, slots=True)
class Sweep:
    """A body, lengthened by its travel, over two ranges of tilt."""

    alpha: Span
    beta: Span
    px: Span
    py: Span
    pz: Span
    z: Span
    q: tuple[tuple[float, float, float, float], ...] = field(init=False)
    """Smallest and largest q, each with the beta, px and pz that give it."""

    def __post_init__(self) -> None:
        high = max((*peak(-px, pz, self.beta), px, pz) for px in self.px for pz in self.pz)
        least, *at = max((*peak(px, -pz, self.beta), px, pz) for px in self.px for pz in self.pz)
        object.__setattr__(self, "q", ((-least, *at), high))

    def halves(self) -> tuple["Sweep", "Sweep"]:
        """Two sweeps over half the wider range of tilt each."""
        name = "alpha" if self.alpha[1] - self.alpha[0] >= self.beta[1] - self.beta[0] else "beta"
        low, high = getattr(self, name)
        middle = (low + high) / 2
        return replace(self, **{name: (low, middle)}), replace(self, **{name: (middle, high)})

    def centre(self) -> "Sweep":
        """The same body at the middle of both ranges of tilt."""
        alpha, beta = sum(self.alpha) / 2, sum(self.beta) / 2
        return replace(self, alpha=(alpha, alpha), beta=(beta, beta))

    def corners(self) -> list["Sweep"]:
        """The same body at the ends of both ranges of tilt."""
        return [replace(self, alpha=(a, a), beta=(b, b)) for a in set(self.alpha) for b in set(self.beta)]

    def reach_yz(self, phi: float) -> Reach:
        """Exact reach along (0, sin phi, cos phi).

        Along it a point lies at py sin(a + phi) + q cos(a + phi) + z cos phi. For every a the best q is at an end
        of its range, so the largest of four closed forms is the largest of all.
        """
        span = (self.alpha[0] + phi, self.alpha[1] + phi)
        (value, angle), py, at = max(
            ((peak(py, at[0], span), py, at) for at in self.q for py in self.py), key=lambda found: found[0]
        )
        upright = math.cos(phi)
        z = self.z[1] if upright > 0 else self.z[0]
        return Reach(value + upright * z, angle - phi, at[1], at[2], py, at[3], z)

    def reach_xz(self, phi: float) -> Reach:
        """Upper bound of the reach along (sin phi, 0, cos phi); exact where alpha does not vary.

        Where it does, sin a and cos a are taken at their own ends, which costs less the narrower the range.
        """
        sideways, upright = math.sin(phi), math.cos(phi)
        lift, alpha, py = max((*peak(upright * py, 0.0, self.alpha), py) for py in self.py)
        leans = {upright * -peak(0.0, -1.0, self.alpha)[0], upright * peak(0.0, 1.0, self.alpha)[0]}
        rest, beta, px, pz = max(
            (*peak(sideways * pz - lean * px, sideways * px + lean * pz, self.beta), px, pz)
            for lean in leans
            for px in self.px
            for pz in self.pz
        )
        z = self.z[1] if upright > 0 else self.z[0]
        return Reach(lift + rest + upright * z, alpha, beta, px, py, pz, z)
