"""Tilting in steps while a feature stays in view: predicted, looked at after each step, brought back, learnt from.

A step is as large as the feature may be expected to stay within a share of the field, given what is known of its height
above the tilt axes, and never so large that the picture changes too much to be recognised. Where the stage's signs are
calibrated, x and y go along with the tilt to where the feature is expected; what is left is measured by registration to
the picture before and taken up by the beam shift, or by the stage where that is beyond its reach. A feature that is not
recognised ends the tilt there: nothing is sent after a guess.

Columns and rows of images run along x and y of stage and lab, as everywhere above a driver.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import MoveNotReached
from eucentric.core.instrument import Frame, MicroscopeState, OpticsChange, Scan, StageMove
from eucentric.instruments.capabilities import Capabilities
from eucentric.knowledge.crystal import Reading, Stage, rotation
from eucentric.knowledge.crystal.pivot import Pivot, centring, moves_by, place_of, seen_at, unknown_pivot
from eucentric.tools.base import Context
from eucentric.tools.tilting.way import move_to
from eucentric.tools.vision.registration import drift

MOST_STEP_DEG = 4.0
"""Pictures farther apart than this are not compared."""
PIXELS = 256
_LEAST_STEP_DEG = 0.25
_SHARE = 0.25
"""Of the field: the feature is expected to move less in one step."""
_REACH = 0.42
"""Of the field: as far as a feature is looked for."""
_SURE = 8.0
"""Height of the registration over noise that is asked for."""
_SHIFT_SHARE = 0.8
"""Of the beam shift's range that is used before the stage is moved instead."""
_CENTRED = 0.02
"""Of the field: nearer to the middle, nothing is corrected."""
_LEARNT = 2
"""Steps before the stage goes along with the tilt."""
DWELL_US, WAIT_S = 1.0, 2.0
_LEAST_FOV_NM = 3000.0

Pair = tuple[float, float]


class TiltStep(Model):
    """One step: where it was sent, where it said it was, how far the feature had gone."""

    alpha_deg: float
    """Commanded."""
    beta_deg: float
    reported_alpha_deg: float
    reported_beta_deg: float
    expected_um: Pair | None
    """Shift that was predicted, columns and rows; None without calibrated signs."""
    moved_um: Pair
    """Shift that the registration measured."""
    corrected: str
    """nothing, beam_shift or stage."""
    confidence: float
    """Of the registration, over its noise."""


def tracking(fov_nm: float) -> Scan:
    """The scan with which a feature is followed."""
    return Scan(width_px=PIXELS, height_px=PIXELS, fov_nm=fov_nm, dwell_us=DWELL_US, purpose="tracking")


def tracking_fov_nm(capabilities: Capabilities) -> float:
    """A field in which one badly made stage move does not lose the feature."""
    axis = capabilities.axis("x")
    return max(_LEAST_FOV_NM, 5e9 * capabilities.move_error(2e-6) if axis else 0.0)


@dataclass
class Journey:
    """One tilt in progress."""

    context: Context
    stage: Stage
    """Holder and signs; signs count only if `signed`."""
    signed: bool
    """Whether somebody watched which way the stage turns."""
    fov_nm: float
    height_um: float
    """How far from the tilt axes the feature may be, one standard deviation [µm]."""
    now: Reading
    steps: list[TiltStep] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    pivot: Pivot | None = None
    """What is known of the feature's place; None without signs."""
    seen_um: Pair = (0.0, 0.0)
    """Where the feature lies in the newest picture, columns and rows from its middle."""
    due_um: Pair = (0.0, 0.0)
    """Where it would lie in a picture taken now."""

    def begin(self) -> None:
        """The first picture: what is in its middle is the feature."""
        state = self.context.microscope.state()
        self.frames.append(self.context.microscope.acquire(tracking(self.fov_nm))[0])
        if self.signed:
            x, y = _sum(_xy(state), _beam(state))
            self.pivot = unknown_pivot(self.stage, self.now, x, y, self.height_um)

    def go(self, path: Sequence[Reading]) -> None:
        """Along a path of readings, each leg in as many steps as the feature needs.

        Raises
        ------
        MoveNotReached
            If the feature was lost; the error says where the stage stands.
        """
        if not self.frames:
            self.begin()
        for end in path:
            while _left(self.now, end) > 1e-6:
                self._step(self._toward(end))

    @property
    def field_um(self) -> float:
        """Width of the field [µm]."""
        return self.fov_nm * 1e-3

    # --- how far at once ------------------------------------------------------------------------------------

    def _toward(self, end: Reading) -> Reading:
        """As far toward a reading as the feature may be expected to stay in view."""
        left = _left(self.now, end)
        share = min(1.0, MOST_STEP_DEG / left)
        state = self.context.microscope.state()
        while share * left > _LEAST_STEP_DEG and self._may_move_um(_part(self.now, end, share), state) > (
            _SHARE * self.field_um
        ):
            share /= 2
        return _part(self.now, end, share)

    def _may_move_um(self, there: Reading, state: MicroscopeState) -> float:
        """How far the feature may go if only the tilt changes: the expected shift and two standard deviations."""
        if self.pivot is not None:
            shift = moves_by(self.pivot, self.stage, self.now, there, *_xy(state))
            return math.hypot(shift.x_um, shift.y_um) + 2 * shift.sigma_um
        turn = math.radians(math.hypot(*_between(self.now, there)))
        return turn * self._arm_um()

    def _arm_um(self) -> float:
        """Without signs: twice the lever that the last steps had, or that it may have at first."""
        if len(self.steps) < 3:
            return 2 * self.height_um
        levers = [
            math.hypot(*new.moved_um) / math.radians(max(math.hypot(*_between_steps(old, new)), 0.1))
            for old, new in zip(self.steps[-4:], self.steps[-3:], strict=False)
        ]
        return 2 * max(levers)

    # --- one step -------------------------------------------------------------------------------------------

    def _step(self, there: Reading) -> None:
        microscope = self.context.microscope
        before = microscope.state()
        target = self._along(there, before)
        place = self._expected_place(there, _xy(before) if target is None else target)
        beam = _beam(before) if target is None else (0.0, 0.0)
        if target is not None:
            microscope.set_optics(OpticsChange(beam_shift_x_nm=0.0, beam_shift_y_nm=0.0))
        due = self.due_um if place is None else _less(place, beam)
        expected = None if place is None else _less(due, self.seen_um)
        microscope.move_stage(move_to(self.context, there, *(target or (None, None))))
        state, moved, confidence = self._look(there, due)
        self._learn(there, state, moved_stage=target is not None)
        corrected = self._bring_back(there, state)
        self.now = there
        self.steps.append(
            TiltStep(
                alpha_deg=there.alpha_deg,
                beta_deg=there.beta_deg,
                reported_alpha_deg=state.stage["alpha_deg"].reported,
                reported_beta_deg=state.stage["beta_deg"].reported if "beta_deg" in state.stage else 0.0,
                expected_um=expected,
                moved_um=moved,
                corrected=corrected,
                confidence=round(confidence, 2),
            )
        )

    def _along(self, there: Reading, state: MicroscopeState) -> Pair | None:
        """Where x and y go together with the tilt; None if the feature stays near enough for the beam shift."""
        if self.pivot is None or self.pivot.learnt < _LEARNT:
            return None
        x, y = centring(self.pivot, self.stage, there)
        away = place_of(self.pivot, self.stage, there, *_xy(state))
        if max(abs(away.x_um), abs(away.y_um)) <= self._shift_um():
            return None
        return x, y

    def _expected_place(self, there: Reading, xy: Pair) -> Pair | None:
        if self.pivot is None:
            return None
        place = place_of(self.pivot, self.stage, there, *xy)
        return place.x_um, place.y_um

    def _look(self, there: Reading, due_um: Pair) -> tuple[MicroscopeState, Pair, float]:
        """Wait, take a picture, find the feature in it; the shift since the picture before [µm]."""
        microscope, pixel_um = self.context.microscope, self.field_um / PIXELS
        microscope.wait(WAIT_S)
        frame = microscope.acquire(tracking(self.fov_nm))[0]
        guess = _less(due_um, self.seen_um)
        match = drift(
            microscope.pixels(self.frames[-1]),
            microscope.pixels(frame),
            _REACH * PIXELS,
            1.5,
            (guess[1] / pixel_um, guess[0] / pixel_um),
        )
        if match.margin < _SURE:
            raise MoveNotReached(
                f"the feature was not recognised after the step to alpha {there.alpha_deg:+.2f}, beta "
                f"{there.beta_deg:+.2f} deg",
                f"registration {match.margin:.1f} times its noise, {_SURE:g} are asked for; the stage stands there and "
                "nothing was sent after it",
                "look with a wider field, or tilt back by the last steps",
            )
        moved = match.columns * pixel_um, match.rows * pixel_um
        self.frames.append(frame)
        self.seen_um = self.due_um = _sum(self.seen_um, moved)
        return microscope.state(), moved, match.margin

    def _learn(self, there: Reading, state: MicroscopeState, *, moved_stage: bool) -> None:
        if self.pivot is None:
            return
        error_um = 0.03 * self.field_um / 2
        if moved_stage:
            error_um = math.hypot(error_um, 1e6 * self.context.microscope.capabilities().move_error(1e-6))
        lab = _sum(self.seen_um, _beam(state))
        self.pivot = seen_at(self.pivot, self.stage, there, *_xy(state), lab, error_um)

    # --- bringing it back -----------------------------------------------------------------------------------

    def _bring_back(self, there: Reading, state: MicroscopeState) -> str:
        """The feature into the middle of the next picture, by beam shift if that reaches it."""
        if max(abs(x) for x in self.seen_um) < _CENTRED * self.field_um:
            return "nothing"
        wanted = _sum(self.seen_um, _beam(state))
        if max(abs(x) for x in wanted) <= self._shift_um():
            self._set_beam(wanted)
            return "beam_shift"
        self._move_by(there, state, wanted)
        return "stage"

    def _set_beam(self, to_um: Pair) -> None:
        x, y = (1e3 * value for value in to_um)
        self.context.microscope.set_optics(OpticsChange(beam_shift_x_nm=x, beam_shift_y_nm=y))
        self.due_um = (0.0, 0.0)

    def _move_by(self, there: Reading, state: MicroscopeState, off_um: Pair) -> None:
        """One stage move by what the beam shift can't take, then a look, and the rest by the beam shift."""
        microscope, (x, y) = self.context.microscope, _xy(state)
        turn = rotation(self.stage, there)[:2, :2] if self.signed else np.eye(2)
        dx, dy = np.linalg.solve(turn, np.array(off_um)).tolist()
        microscope.set_optics(OpticsChange(beam_shift_x_nm=0.0, beam_shift_y_nm=0.0))
        microscope.move_stage(StageMove(x_um=x + dx, y_um=y + dy))
        after, _, _ = self._look(there, (0.0, 0.0))
        self._learn(there, after, moved_stage=True)
        rest = self.seen_um
        if max(abs(value) for value in rest) <= self._shift_um():
            self._set_beam(rest)

    def _shift_um(self) -> float:
        """Reach of the beam shift that is used [µm]."""
        able = self.context.microscope.capabilities()
        specs = [able.optic(f"beam_shift_{axis}") for axis in ("x", "y")]
        reach = [min(spec.upper, -spec.lower) for spec in specs if spec is not None and spec.settable]
        return _SHIFT_SHARE * 1e6 * min(reach) if len(reach) == 2 else 0.0

    def confirm(self) -> Pair:
        """One more picture: where the feature lies now, columns and rows from the middle [µm]."""
        self._look(self.now, self.due_um)
        return self.seen_um


def _xy(state: MicroscopeState) -> Pair:
    return state.stage["x_um"].reported, state.stage["y_um"].reported


def _beam(state: MicroscopeState) -> Pair:
    return 1e-3 * state.optics.get("beam_shift_x_nm", 0.0), 1e-3 * state.optics.get("beam_shift_y_nm", 0.0)


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def _less(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], a[1] - b[1]


def _left(here: Reading, there: Reading) -> float:
    return max(abs(x) for x in _between(here, there))


def _between(here: Reading, there: Reading) -> Pair:
    return there.alpha_deg - here.alpha_deg, there.beta_deg - here.beta_deg


def _between_steps(old: TiltStep, new: TiltStep) -> Pair:
    return new.alpha_deg - old.alpha_deg, new.beta_deg - old.beta_deg


def _part(here: Reading, there: Reading, share: float) -> Reading:
    if share >= 1:
        return there
    da, db = _between(here, there)
    return Reading(alpha_deg=here.alpha_deg + share * da, beta_deg=here.beta_deg + share * db)
