"""What dose each place has had: an upper bound, added up from the ledger's own rows.

Footprints are rectangles in the stage frame, named by the stage reading and beam shift that centred
them. Within one stay of the stage, fields lie exactly relative to each other but for drift and creep (the beam shift
has no backlash); between two stays they may be off by what the moves between them add (`stays`), so footprints are
widened by it. A field has had what the worst place in it has had: all footprints that can cover that place together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.agent.dose.deepest import Pile
from eucentric.agent.dose.stays import PROBE_REACH_UM, Errors, Seen, Stays
from eucentric.core.base import Model
from eucentric.core.event import Event
from eucentric.core.instrument import Located
from eucentric.instruments.capabilities import Capabilities

SAME_STAY_UM = 0.005
"""Readings closer than this are one place: the stage was not moved [µm]."""
_SETTLED_S = 1e6
_SURE = 4.0
"""The largest error of a registration, in its stated uncertainties."""
_CLOCK_S = 1e-6
_LONGEST_S = 86_400.0
"""Time between two charges if the instrument's clock was set back between them: nobody knows it [s]."""


class Charge(Model):
    """Dose given to one field."""

    x_um: float
    y_um: float
    width_um: float = Field(gt=0)
    height_um: float = Field(gt=0)
    dose_e_per_a2: float = Field(ge=0)
    """Upper bound at any atom inside."""
    stay: str
    """Which stay of the stage: the act that moved it there."""
    purpose: str = "image"
    estimate_e_per_a2: float | None = None
    """Best estimate of the mean dose, flyback included [e/Å²]."""
    electrons: float = Field(0.0, ge=0)
    """All that reached the specimen, at most."""
    time_s: float = 0.0
    """Instrument clock when it began [s]."""
    seconds: float = Field(0.0, ge=0)
    """How long it took [s]."""
    settled_s: float | None = None
    """How long the stage had stood when it began; unknown for a stage that nobody here has moved [s]."""


def stage_error_um(capabilities: Capabilities, moves: int = 9) -> float:
    """How far two stays at the same reading may be apart, with so many moves between them [µm]."""
    errors = Errors.declared(capabilities)
    grown = errors.move * np.sqrt(moves) + errors.one_way * np.sqrt(moves)
    return float(errors.fixed.max() + grown + 2 * errors.creep)


@dataclass(frozen=True)
class Boxes:
    """Rectangles that earlier charges can have covered, in the readings of a later field's stay.

    There is a set of them for each story of which moves were missed; the bound is that of the worst story.
    """

    key: NDArray[np.int64]
    """(n,) number of the charge, in the order of `DoseBook.keys`."""
    pile: Pile
    """Grouped by stay: fields of one stay lie rigidly beside each other, wherever the stay was."""
    story: NDArray[np.int64]
    """(n,)"""
    moved: NDArray[np.bool_]
    """(stories, n): of the boxes of story 0, those that a story puts elsewhere."""

    def stories(self) -> list[NDArray[np.int64]]:
        """Rows of each story, the one with the most dose in all first."""
        told = self.story == 0
        rows = [np.flatnonzero(told)]
        for story in np.unique(self.story[~told]):
            rows.append(np.flatnonzero((self.story == story) | (told & ~self.moved[story])))
        return sorted(rows, key=lambda one: -self.pile.most(one))


class DoseBook:
    """The charges to one specimen loading on one instrument."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.stays = Stays(errors)
        self.charges: dict[str, Charge] = {}
        self._row: dict[str, int] = {}
        self._numbers = np.zeros((0, 10))
        """Row by row: x, y, half width, half height, dose, begin, end, settled, stay, era."""
        self._era, self._newest_s = 0, 0.0
        """How often the instrument's clock was set back, and its last time."""
        self._depths: dict[int, float] = {}
        """By stay: the deepest place of what was exposed during it."""
        self._body_depths: dict[int, float] = {}
        """The same of stays that images have tied together."""
        self._moves: dict[str, tuple[float, float]] = {}
        """Since the last charge."""
        self._moved: set[str] = set()
        self._located: set[str] = set()
        self._frames: dict[str, str] = {}
        self._told: dict[str, tuple[int, str]] = {}

    # --- entering -------------------------------------------------------------------------------------------

    def moved(self, action_id: str, x_um: float, y_um: float) -> None:
        """The stage was sent that much further [µm]; whether it went is another matter."""
        if action_id not in self._moved:
            self._moved.add(action_id)
            self._moves[action_id] = (x_um, y_um)

    def charge(self, action_id: str, charge: Charge) -> None:
        """Enter a charge; a later entry of the same act replaces the predicted one."""
        if action_id not in self._row:
            self._row[action_id] = len(self._row)
            self._arrived(charge.stay)
            if len(self._row) > len(self._numbers):
                self._numbers = np.vstack([self._numbers, np.zeros((max(64, len(self._row)), 10))])
            self._era, self._newest_s = self._era_at(charge.time_s), charge.time_s
            self._numbers[self._row[action_id], 9] = self._era
        self.charges[action_id] = charge
        stay = self.stays.names[charge.stay]
        self._depths.pop(stay, None)
        self._body_depths.clear()
        numbers = np.array(_numbers(charge, stay))
        self._numbers[self._row[action_id], :9] = numbers
        self.stays.cover(stay, numbers[:2] - numbers[2:4], numbers[:2] + numbers[2:4])

    def _era_at(self, time_s: float) -> int:
        """A clock that shows less than before was set back."""
        return self._era + (time_s < self._newest_s - _CLOCK_S)

    def _arrived(self, stay: str) -> int:
        """The number of a stay, reached by the moves since the one before."""
        if stay not in self.stays.names:
            self.stays.arrive(stay, tuple(self._moves.values()))
            self._moves.clear()
        return self.stays.names[stay]

    def forget(self, action_id: str) -> None:
        """Take a charge back: the instrument proved that nothing was sent."""
        if self.charges.pop(action_id, None) is not None:
            self._numbers[self._row[action_id], 4] = 0.0
            self._depths.clear()
            self._body_depths.clear()

    def keep_frames(self, action_id: str, frames: Iterable[str]) -> None:
        """Which frames an act recorded: a later stay may be found again in one of them."""
        self._frames.update(dict.fromkeys(frames, action_id))

    def located(self, action_id: str, place: Located) -> None:
        """A frame was recognised in another one: how their stays lie to each other is known from now on."""
        try:
            here = self.charges[self._frames[place.frame]]
            there = self.charges[self._frames[place.in_frame]]
        except KeyError:
            return  # a frame of another loading or instrument
        if action_id not in self._located:
            self._located.add(action_id)
            off = place.x_um - here.x_um, place.y_um - here.y_um
            self.stays.found(here.stay, there.stay, off, _SURE * place.uncertainty_um)
            self._body_depths.clear()

    def stay_of(self, frame: str) -> str | None:
        """The stay of the stage in which a frame was taken; None if it is not in the book."""
        key = self._frames.get(frame)
        return self.charges[key].stay if key in self.charges else None

    def reading(self, frame: str, x_um: float, y_um: float) -> tuple[float, float]:
        """What the stage reads today at a place named by the readings of a frame, as far as images have told [µm]."""
        stays, then = self.stays, self.stay_of(frame)
        if then is None:
            return x_um, y_um
        there, here = stays.shift(stays.names[then]), stays.shift(stays.last)
        return x_um + there[0] - here[0], y_um + there[1] - here[1]

    def load(self, events: Iterable[Event], instrument: str, loading: str) -> None:
        """Enter moves and charges of that loading's rows: intended ones count until their result is known."""
        for event in events:
            body, key = event.body, f"{event.run_id}:{event.action_id}"
            if body.get("instrument") == instrument and body.get("loading") == loading and event.action_id:
                self._acted(event, key, body)

    def _acted(self, event: Event, key: str, body: dict[str, Any]) -> None:
        if "moved_um" in body:
            if event.kind == "intended":
                self.moved(key, *body["moved_um"])
            elif event.kind == "failed" and not body.get("sent"):
                self._moves.pop(key, None)
        if body.get("charge"):
            if event.kind == "intended":
                self._told[key] = (event.seq, event.ts)
            self.charge(key, Charge.model_validate(body["charge"]))
            self.keep_frames(key, (frame["id"] for frame in body.get("frames") or ()))
        if body.get("located"):
            self.located(key, Located.model_validate(body["located"]))

    # --- reading --------------------------------------------------------------------------------------------

    @property
    def keys(self) -> tuple[str, ...]:
        """Acts in the order in which they were charged."""
        return tuple(self._row)

    def told_by(self, key: str) -> tuple[int, str]:
        """Ledger row that announced an act, and its UTC time; (0, '') if it was never read from a ledger."""
        return self._told.get(key, (0, ""))

    def frames_of(self, key: str) -> tuple[str, ...]:
        """Frames that an act recorded."""
        return tuple(name for name, act in self._frames.items() if act == key)

    @property
    def latest(self) -> Charge | None:
        """The charge of the newest stay: from there the map is seen."""
        return next(reversed(self.charges.values()), None)

    def placed(self) -> Iterator[tuple[str, Charge, tuple[float, float]]]:
        """Every charge with its centre as it is best known: by the image where one was recognised [µm]."""
        for key, charge in self.charges.items():
            x, y = self.stays.shift(self.stays.names[charge.stay])
            if charge.dose_e_per_a2 > 0:
                yield key, charge, (charge.x_um + x, charge.y_um + y)

    def told(self, field: Charge) -> Iterator[tuple[Charge, tuple[float, float]]]:
        """Every charge with its centre in the readings of the field's stay, every move taken to have happened."""
        here = self.stays.names.get(field.stay, self.stays.last)
        dx, dy = self.stays.shift(here)
        for _, charge, (x, y) in self.placed():
            yield charge, (x - dx, y - dy)

    # --- asking ---------------------------------------------------------------------------------------------

    def before(self, field: Charge, *, missed: bool = True, past: bool = False) -> float:
        """Upper bound of the dose that any atom of `field` has had so far [e/Å²].

        Parameters
        ----------
        missed
            Whether moves may have been missed. For planning only they are taken to happen.
        past
            As for `boxes`.
        """
        boxes, worst = self.boxes(field, missed=missed, past=past), 0.0
        for rows in boxes.stories():
            if boxes.pile.most(rows) <= worst:
                break
            worst = max(worst, boxes.pile.deepest(rows))
        return worst

    def boxes(self, field: Charge, *, missed: bool = True, past: bool = False) -> Boxes:
        """The parts of `field` that charges can have covered.

        Parameters
        ----------
        past
            The field was exposed at its time and is looked at again: what came later counts, too.
        """
        count = len(self._row)
        numbers = self._numbers[:count]
        live = np.flatnonzero(numbers[:, 4] > 0)
        era = self._era_of(field) if past else self._era_at(field.time_s)
        seen, here = self._seen(field, missed, era)
        keys, ways = _pairs(numbers[live, 8].astype(np.int64), seen)
        keys = live[keys]
        centre = numbers[keys, :2] + seen.offset[ways]
        half = numbers[keys, 2:4] + self._slack(numbers[keys], field, era, seen, ways, here, centre)
        middle = np.array([field.x_um, field.y_um])
        own = np.array([field.width_um, field.height_um]) / 2
        low, high = np.maximum(centre - half, middle - own), np.minimum(centre + half, middle + own)
        touch = (low < high).all(axis=1)
        edges = np.column_stack([low[touch, 0], high[touch, 0], low[touch, 1], high[touch, 1]])
        keys, stay = keys[touch], seen.stay[ways[touch]]
        caps = self._caps(stay, here, len(seen.apart))
        pile = Pile(edges, numbers[keys, 4], stay, caps, *self._body_caps(stay, here, len(seen.apart)))
        return Boxes(keys, pile, seen.story[ways[touch]], seen.elsewhere[:, stay])

    def _era_of(self, field: Charge) -> int:
        """When a field was exposed that is in the book."""
        rows = self._numbers[: len(self._row)]
        own = rows[(rows[:, 5] == field.time_s) & (rows[:, 8] == self.stays.names.get(field.stay, -1)), 9]
        return int(own[-1]) if len(own) else self._era_at(field.time_s)

    def _caps(self, stays: NDArray[np.int64], here: int, count: int) -> NDArray[np.float64]:
        """(stays,) most dose that any place has had during each stay; the field's own stay lies fast to it."""
        caps = np.full(count, np.inf)
        for stay in np.unique(stays):
            if stay != here:
                caps[stay] = self._deepest_of(int(stay))
        return caps

    def _body_caps(
        self, stays: NDArray[np.int64], here: int, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Bodies of stays, and the most dose that any place of each has had; the field's own lies fast to it."""
        body = np.arange(count)
        body[: len(self.stays)] = self.stays.bodies[:count]
        caps = np.full(count, np.inf)
        present = np.unique(stays)
        for one in np.unique(body[present]):
            if one != body[here] and np.count_nonzero(body[present] == one) > 1:
                caps[one] = self._deepest_of_body(int(one))
        return body, caps

    def _deepest_of(self, stay: int) -> float:
        """Upper bound at the deepest place of what was exposed during one stay [e/Å²]."""
        if stay not in self._depths:
            rows = self._live()
            rows = rows[rows[:, 8] == stay]
            self._depths[stay] = self._deepest_among(rows, np.array([np.inf]))
        return self._depths[stay]

    def _deepest_of_body(self, body: int) -> float:
        """The same of stays that images have tied together."""
        if body not in self._body_depths:
            rows = self._live()
            rows = rows[np.isin(rows[:, 8], np.flatnonzero(self.stays.bodies == body))]
            caps = np.array([self._deepest_of(int(stay)) for stay in np.unique(rows[:, 8])])
            self._body_depths[body] = self._deepest_among(rows, caps)
        return self._body_depths[body]

    def _live(self) -> NDArray[np.float64]:
        rows = self._numbers[: len(self._row)]
        return rows[rows[:, 4] > 0]

    def _deepest_among(self, rows: NDArray[np.float64], caps: NDArray[np.float64]) -> float:
        """At the deepest place of charges whose stays lie as images have put them, seen from the newest one."""
        names, stay = np.unique(rows[:, 8].astype(np.int64), return_inverse=True)
        passed = rows[:, 6].max() - rows[:, 5]
        passed = np.where(rows[:, 9] != rows[-1, 9], _LONGEST_S, passed)
        creep = self.errors.left_to_creep(rows[:, 7])
        blur = np.array([self.stays.blur(int(name)) for name in names])[stay] if len(names) > 1 else 0.0
        slack = _rounded_up(self.errors.drift * passed + creep + blur) + PROBE_REACH_UM
        half = rows[:, 2:4] + slack[:, None]
        centre = rows[:, :2] + np.array([self.stays.shift(int(name)) for name in names])[stay]
        low, high = centre - half, centre + half
        edges = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
        pile = Pile(edges, rows[:, 4], stay, caps, np.zeros(len(caps), np.int64), np.array([np.inf]))
        return pile.deepest(np.arange(len(rows)))

    def _seen(self, field: Charge, missed: bool, era: int) -> tuple[Seen, int]:
        """The stays as the field's own sees them; a stay that is not in the book yet is a move away."""
        stays = self.stays
        if field.stay not in stays.names and not missed:  # planned only
            stays = stays.copy()
            here = stays.arrive(field.stay, tuple(self._moves.values()))
        else:
            here = self._arrived(field.stay)
        middle = np.array([field.x_um, field.y_um])
        rows = self._numbers[: len(self._row)]
        away = np.abs(rows[:, 5:7] - field.time_s).max(initial=0.0) + field.seconds
        age = _LONGEST_S if (rows[:, 9] != era).any() else float(away)
        reach = max(field.width_um, field.height_um) / 2 + self.errors.drift * age
        return stays.seen_from(here, middle, reach, self.errors.missed if missed else 0), here

    def _slack(
        self,
        charged: NDArray[np.float64],
        field: Charge,
        era: int,
        seen: Seen,
        ways: NDArray[np.int64],
        here: int,
        centre: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """(n, 2) how much farther than its reading a charge may reach, as seen from the field [µm]."""
        errors, stay = self.errors, seen.stay[ways]
        ends = np.array([field.time_s, field.time_s + field.seconds])
        passed = np.maximum(np.abs(ends[1] - charged[:, 5]), np.abs(charged[:, 6] - ends[0]))
        passed = np.where(charged[:, 9] != era, _LONGEST_S, passed)
        settled = _SETTLED_S if field.settled_s is None else field.settled_s
        mine, theirs = errors.left_to_creep(settled), errors.left_to_creep(charged[:, 7])
        creep = np.where(stay == here, np.maximum(mine, theirs), mine + theirs)
        away = np.abs(centre - np.array([field.x_um, field.y_um]))
        scaled = errors.scale * away + errors.cross * away[:, ::-1]
        slack = seen.slack[stay] + (errors.drift * passed + creep)[:, None]
        slack += np.where(seen.apart[stay][:, None], scaled, 0.0)
        return np.asarray(_rounded_up(slack) + PROBE_REACH_UM)


def _numbers(charge: Charge, stay: int) -> tuple[float, ...]:
    settled = _SETTLED_S if charge.settled_s is None else charge.settled_s
    half = charge.width_um / 2, charge.height_um / 2
    when = charge.time_s, charge.time_s + charge.seconds
    return (charge.x_um, charge.y_um, *half, charge.dose_e_per_a2, *when, settled, stay)


def _rounded_up(slack: NDArray[np.float64]) -> NDArray[np.float64]:
    """To a sixteenth of a power of two: frames of a series get the same box, and equal boxes are one."""
    step = np.exp2(np.floor(np.log2(np.maximum(slack, 1e-4)))) / 16
    return np.asarray(np.ceil(slack / step) * step)


def _pairs(stays: NDArray[np.int64], seen: Seen) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every charge with every way in which its stay may lie: rows of the charges, rows of `seen`."""
    order = np.argsort(seen.stay, kind="stable")
    begin, end = (np.searchsorted(seen.stay[order], stays, side) for side in ("left", "right"))
    count = end - begin
    charges = np.repeat(np.arange(len(stays)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return charges, order[np.repeat(begin, count) + within]
