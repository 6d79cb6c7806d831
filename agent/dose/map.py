"""Dose by place as tiles: the upper bound and the best estimate, from the exact rectangles of the charges.

The map is sparse: places that were exposed, each with a grid of tiles of its own. A tile's bound holds for any atom
in it: it counts every charge that can have touched it, wherever stage errors, drift and missed moves may have put it.
The estimate takes readings and images as they are, and the mean dose of each frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.core.errors import BadInput
from eucentric.knowledge.dose import PlaceDose, PlaceExposure

Grid = NDArray[np.float64]
MOST_TILES = 1_000_000
"""In a row."""
_ALIKE = 5.0
"""Fields of one place differ in size by less than this factor."""
_POINT_UM = 1e-3
"""A spot is a tile of 1 nm [µm]."""


@dataclass(frozen=True)
class Tiles:
    """A grid of tiles in the readings of one stay of the stage."""

    x_um: Grid
    """(nx + 1,) edges."""
    y_um: Grid
    """(ny + 1,) edges."""
    bound: Grid
    """(ny, nx) upper bound at any atom of a tile [e/Å²]."""
    estimate: Grid
    """(ny, nx) best estimate of the mean dose of a tile [e/Å²]."""


@dataclass(frozen=True)
class Place:
    """Fields that touch each other by their readings."""

    keys: tuple[str, ...]
    """Acts that exposed it, in order."""
    x_um: tuple[float, float]
    y_um: tuple[float, float]
    bound_e_per_a2: float
    """Upper bound at the deepest place that any of its fields has had."""
    estimate_e_per_a2: float
    """Best estimate at the deepest place."""

    @property
    def centre_um(self) -> tuple[float, float]:
        """Middle of the rectangle around it."""
        return sum(self.x_um) / 2, sum(self.y_um) / 2


def tiles(book: DoseBook, view: Charge, x_um: Grid, y_um: Grid) -> Tiles:
    """Dose of tiles as they are seen from one stay of the stage.

    Parameters
    ----------
    view
        Whose stay, and until when: its field is not used.
    x_um, y_um
        Edges of the tiles in the readings of that stay, rising [µm].
    """
    field = view.model_copy(
        update={
            "x_um": float(x_um[0] + x_um[-1]) / 2,
            "y_um": float(y_um[0] + y_um[-1]) / 2,
            "width_um": float(x_um[-1] - x_um[0]),
            "height_um": float(y_um[-1] - y_um[0]),
        }
    )
    return Tiles(x_um, y_um, _bound(book, field, x_um, y_um), _estimate(book, field, x_um, y_um))


def _bound(book: DoseBook, field: Charge, x_um: Grid, y_um: Grid) -> Grid:
    """Of the worst story at each tile."""
    boxes = book.boxes(field, past=True)
    edges, shape = boxes.pile.edges, (len(y_um) - 1, len(x_um) - 1)
    begin = [np.searchsorted(at, edges[:, n], "right").clip(1) - 1 for at, n in ((x_um, 0), (y_um, 2))]
    end = [np.searchsorted(at, edges[:, n], "left").clip(1, len(at) - 1) for at, n in ((x_um, 1), (y_um, 3))]
    worst = np.zeros(shape)
    for rows in boxes.stories():
        spans = (begin[0][rows], end[0][rows], begin[1][rows], end[1][rows])
        worst = np.maximum(worst, boxes.pile.on(rows, spans, shape))
    return worst


def _estimate(book: DoseBook, field: Charge, x_um: Grid, y_um: Grid) -> Grid:
    total = np.zeros((len(y_um) - 1, len(x_um) - 1))
    for charge, (x, y) in book.told(field):
        dose = charge.dose_e_per_a2 if charge.estimate_e_per_a2 is None else charge.estimate_e_per_a2
        across = _covered(x_um, x, charge.width_um)
        down = _covered(y_um, y, charge.height_um)
        if across.any() and down.any():
            total += dose * np.outer(down, across)
    return total


def _covered(edges: Grid, middle: float, width: float) -> Grid:
    """Share of each tile that lies in an interval."""
    inside = np.clip(edges, middle - width / 2, middle + width / 2)
    return np.asarray(np.diff(inside) / np.diff(edges))


def places(book: DoseBook) -> tuple[Place, ...]:
    """Every exposed place of the loading, the most exposed first; overviews apart from what was imaged in them."""
    found: list[tuple[list[str], list[float]]] = []
    fields = [(key, _box(charge, at)) for key, charge, at in book.placed()]
    for key, box in sorted(fields, key=lambda one: one[1][1] - one[1][0]):
        keys = [key]
        for other in [one for one in found if _touch(one[1], box) and _alike(one[1], box)]:
            found.remove(other)
            keys = other[0] + keys
            box = [*_joined(box[:2], other[1][:2]), *_joined(box[2:], other[1][2:])]
        found.append((keys, box))
    made = [_place(book, keys, box) for keys, box in found]
    return tuple(sorted(made, key=lambda place: -place.bound_e_per_a2))


def _box(charge: Charge, at: tuple[float, float]) -> list[float]:
    half = charge.width_um / 2, charge.height_um / 2
    return [at[0] - half[0], at[0] + half[0], at[1] - half[1], at[1] + half[1]]


def _alike(a: list[float], b: list[float]) -> bool:
    """An overview is not one place with what was imaged inside it."""
    return max(b[1] - b[0], b[3] - b[2]) <= _ALIKE * max(a[1] - a[0], a[3] - a[2])


def _joined(a: list[float], b: list[float]) -> tuple[float, float]:
    return min(a[0], b[0]), max(a[1], b[1])


def _touch(a: list[float], b: list[float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _place(book: DoseBook, keys: list[str], box: list[float]) -> Place:
    charges = [book.charges[key] for key in keys]
    newest = {charge.stay: charge for charge in charges}.values()
    bound = max(book.before(charge, past=True) for charge in newest)
    estimate = max(
        _estimate_inside(book, charge) for charge in {_field(one): one for one in charges}.values()
    )
    return Place(tuple(keys), (box[0], box[1]), (box[2], box[3]), bound, estimate)


def _field(charge: Charge) -> tuple[object, ...]:
    return charge.stay, charge.x_um, charge.y_um, charge.width_um


def _estimate_inside(book: DoseBook, charge: Charge) -> float:
    """Of the middle of a field."""
    point = charge.model_copy(update={"width_um": _POINT_UM, "height_um": _POINT_UM})
    return float(_estimate(book, point, *_around(charge.x_um, charge.y_um))[0, 0])


def _around(x_um: float, y_um: float) -> tuple[Grid, Grid]:
    half = np.array([-0.5, 0.5]) * _POINT_UM
    return x_um + half, y_um + half


def place_dose(book: DoseBook, view: Charge, budget_e_per_a2: float | None) -> PlaceDose:
    """What dose the spot in the middle of `view` has had, in the readings of its stay."""
    point = view.model_copy(update={"width_um": _POINT_UM, "height_um": _POINT_UM})
    boxes, keys = book.boxes(point, past=True), book.keys
    told = {keys[row] for row in boxes.key[boxes.story == 0] if _covers(book, keys[row], point)}
    exposures = [
        _exposure(book, key, key in told) for key in dict.fromkeys(keys[row] for row in np.sort(boxes.key))
    ]
    return PlaceDose(
        x_um=point.x_um,
        y_um=point.y_um,
        bound_e_per_a2=book.before(point, past=True),
        estimate_e_per_a2=float(_estimate(book, point, *_around(point.x_um, point.y_um))[0, 0]),
        budget_e_per_a2=budget_e_per_a2,
        exposures=tuple(exposures),
    )


def _covers(book: DoseBook, key: str, point: Charge) -> bool:
    for charge, (x, y) in book.told(point):
        if charge is book.charges[key]:
            off = abs(x - point.x_um) / charge.width_um, abs(y - point.y_um) / charge.height_um
            return max(off) <= 0.5
    return False


def _exposure(book: DoseBook, key: str, by_readings: bool) -> PlaceExposure:
    charge, (event, utc) = book.charges[key], book.told_by(key)
    estimate = charge.dose_e_per_a2 if charge.estimate_e_per_a2 is None else charge.estimate_e_per_a2
    return PlaceExposure(
        run=key.partition(":")[0],
        event=event,
        utc=utc,
        frames=book.frames_of(key),
        purpose=charge.purpose,
        bound_e_per_a2=charge.dose_e_per_a2,
        estimate_e_per_a2=estimate,
        by_readings=by_readings,
    )


def grid(low: float, high: float, edge: float) -> Grid:
    """Edges of tiles that cover an interval, at multiples of `edge`.

    Raises
    ------
    BadInput
        That would be too many.
    """
    first, last = np.floor(low / edge), np.ceil(high / edge)
    if last - first > MOST_TILES:
        raise BadInput(
            f"{last - first:.3g} tiles of {edge:g} µm in a row", "that is too many", "choose larger ones"
        )
    return np.asarray(np.arange(first, max(last, first + 1) + 1) * edge)
