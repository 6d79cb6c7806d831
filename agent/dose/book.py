"""What dose each place has had: an upper bound, added up from the ledger's own rows.

Footprints are rectangles in the stage frame, named by the stage reading and beam shift that centred
them. Within one stay of the stage, fields lie exactly relative to each other but for drift and creep (the beam shift
has no backlash); between two stays they may be off by what the moves between them add (`stays`), so footprints are
widened by it. A field has had what the worst place in it has had: all footprints that can cover that place together.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.boxes import Boxes
from eucentric.agent.dose.charge import Charge, Rows
from eucentric.agent.dose.deepest import Pile
from eucentric.agent.dose.depths import Depths
from eucentric.agent.dose.reach import LONGEST_S, from_field
from eucentric.agent.dose.stage_errors import Errors
from eucentric.agent.dose.stays import Seen, Stays
from eucentric.core.event import Event
from eucentric.core.instrument import Located

_SURE = 4.0
"""The largest error of a registration, in its stated uncertainties."""
_CLOCK_S = 1e-6


class DoseBook:
    """The charges to one specimen loading on one instrument."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.stays = Stays(errors)
        self.charges: dict[str, Charge] = {}
        self._row: dict[str, int] = {}
        self._rows = Rows.empty()
        """With room for more at the end."""
        self._era, self._newest_s = 0, 0.0
        """How often the instrument's clock was set back, and its last time."""
        self._depths = Depths(errors, self.stays, self._live)
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
            if len(self._row) > len(self._rows):
                self._rows = self._rows.longer(max(64, len(self._row)))
            self._era, self._newest_s = self._era_at(charge.time_s), charge.time_s
            self._rows.era[self._row[action_id]] = self._era
        self.charges[action_id] = charge
        stay = self.stays.names[charge.stay]
        self._depths.changed(stay)
        self._rows.write(self._row[action_id], charge, stay)
        centre, half = charge.centre_um, charge.half_um
        self.stays.cover(stay, centre - half, centre + half)

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
            self._rows.dose[self._row[action_id]] = 0.0
            self._depths.forget()

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
            self._depths.tied()

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
        rows = self._rows[: len(self._row)]
        live = np.flatnonzero(rows.dose > 0)
        era = self._era_of(field) if past else self._era_at(field.time_s)
        seen, here = self._seen(field, missed, era)
        keys, ways = _pairs(rows[live].stay, seen)
        keys = live[keys]
        given = rows[keys]
        centre = given.centre + seen.offset[ways]
        half = given.half + from_field(given, centre, field, era, self.errors, seen, ways, here)
        middle, own = field.centre_um, field.half_um
        low, high = np.maximum(centre - half, middle - own), np.minimum(centre + half, middle + own)
        touch = (low < high).all(axis=1)
        edges = np.column_stack([low[touch, 0], high[touch, 0], low[touch, 1], high[touch, 1]])
        stay, stays = seen.stay[ways[touch]], len(seen.apart)
        caps = self._depths.caps(stay, here, stays)
        pile = Pile(edges, given.dose[touch], stay, caps, *self._depths.body_caps(stay, here, stays))
        return Boxes(keys[touch], pile, seen.story[ways[touch]], seen.elsewhere[:, stay])

    def _live(self) -> Rows:
        rows = self._rows[: len(self._row)]
        return rows[rows.dose > 0]

    def _era_of(self, field: Charge) -> int:
        """When a field was exposed that is in the book."""
        rows = self._rows[: len(self._row)]
        own = rows[(rows.begin_s == field.time_s) & (rows.stay == self.stays.names.get(field.stay, -1))].era
        return int(own[-1]) if len(own) else self._era_at(field.time_s)

    def _seen(self, field: Charge, missed: bool, era: int) -> tuple[Seen, int]:
        """The stays as the field's own sees them; a stay that is not in the book yet is a move away."""
        stays = self.stays
        if field.stay not in stays.names and not missed:  # planned only
            stays = stays.copy()
            here = stays.arrive(field.stay, tuple(self._moves.values()))
        else:
            here = self._arrived(field.stay)
        rows = self._rows[: len(self._row)]
        away = (
            np.abs([rows.begin_s - field.time_s, rows.end_s - field.time_s]).max(initial=0.0) + field.seconds
        )
        age = LONGEST_S if (rows.era != era).any() else float(away)
        reach = float(field.half_um.max()) + self.errors.drift * age
        return stays.seen_from(here, field.centre_um, reach, self.errors.missed if missed else 0), here


def _pairs(stays: NDArray[np.int64], seen: Seen) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every charge with every way in which its stay may lie: rows of the charges, rows of `seen`."""
    order = np.argsort(seen.stay, kind="stable")
    begin, end = (np.searchsorted(seen.stay[order], stays, side) for side in ("left", "right"))
    count = end - begin
    charges = np.repeat(np.arange(len(stays)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return charges, order[np.repeat(begin, count) + within]
