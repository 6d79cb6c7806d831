"""Random plans that expose a specimen in every way a user can: what the dose ledger is held against."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

SHIFT_NM = 900.0


@dataclass(frozen=True)
class Act:
    """One thing to do: a tool call, a wait, a scan that the control software loses, a new run, or bad luck."""

    tool: str
    args: dict[str, Any] = field(default_factory=dict)


class Plans:
    """Draws plans; the same generator gives the same plans."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._at = np.zeros(2)
        self._visited: list[tuple[float, float]] = []

    def draw(self) -> list[Act]:
        """One plan of some 6 to 14 acts."""
        self._at, self._visited = np.zeros(2), []
        acts = [self._move()]
        for _ in range(int(self._rng.integers(5, 13))):
            acts += self._next()
        return acts

    def _next(self) -> list[Act]:
        kinds = {
            self._again: 5,
            self._neighbours: 2,
            self._overview: 2,
            self._survey: 1,
            self._found_again: 1,
            self._focus: 1,
            self._away_and_back: 3,
            self._aimed: 5,
            self._moved: 3,
            self._waited: 2,
            self._optics: 2,
            self._lost: 0.4,
            self._rerun: 0.4,
        }
        weights = np.array(list(kinds.values()))
        make = list(kinds)[int(self._rng.choice(len(kinds), p=weights / weights.sum()))]
        return make()

    # --- exposures ------------------------------------------------------------------------------------------

    def _image_args(self) -> dict[str, Any]:
        """Well sampled: 20 to 60 pm pixels; sometimes a low or a wide frame."""
        width, height = (int(self._rng.choice((64, 96, 128, 192))) for _ in range(2))
        pixel_nm = self._rng.uniform(0.02, 0.06)
        return {
            "width_px": width,
            "height_px": height if self._rng.random() < 0.5 else width,
            "fov_nm": round(width * pixel_nm, 3),
            "dwell_us": round(float(self._rng.uniform(0.5, 6.0)), 2),
        }

    def _again(self) -> list[Act]:
        """One frame, several, or a series at the same place."""
        args = self._image_args()
        if self._rng.random() < 0.3:
            return [Act("acquire_series", {**args, "frames": int(self._rng.integers(2, 6))})]
        return [Act("acquire_image", args)] * int(self._rng.integers(1, 4))

    def _neighbours(self) -> list[Act]:
        """Fields side by side by beam shift, overlapping by a little."""
        args = self._image_args()
        pitch = args["fov_nm"] * self._rng.uniform(0.4, 1.02)
        start = self._rng.uniform(-SHIFT_NM, SHIFT_NM, 2)
        acts = []
        for n in range(int(self._rng.integers(2, 4))):
            acts.append(self._shifted(start[0] + n * pitch, start[1]))
            acts.append(Act("acquire_image", args))
        return acts

    def _overview(self) -> list[Act]:
        """An undersampled frame of 0.3 to 20 µm."""
        width = int(self._rng.choice((64, 128, 256)))
        args = {
            "width_px": width,
            "height_px": int(self._rng.choice((64, width))),
            "fov_nm": round(float(np.exp(self._rng.uniform(np.log(300), np.log(20_000)))), 1),
            "dwell_us": round(float(self._rng.uniform(0.3, 3.0)), 2),
        }
        return [Act("acquire_image", args)]

    def _survey(self) -> list[Act]:
        args = {
            "tiles_x": int(self._rng.integers(1, 4)), "tiles_y": int(self._rng.integers(1, 3)), "width_px": 64,
            "fov_um": round(float(self._rng.uniform(0.5, 8.0)), 2), "dwell_us": 1.0,
            "overlap": round(float(self._rng.uniform(0.0, 0.4)), 2),
        }  # fmt: skip
        return [Act("survey", args)]

    def _found_again(self) -> list[Act]:
        """A survey in which images tell where the stage stood; then places in it, found again and imaged."""
        args = {
            "tiles_x": int(self._rng.integers(2, 4)), "tiles_y": int(self._rng.integers(1, 3)), "width_px": 256,
            "fov_um": round(float(self._rng.uniform(9.0, 12.0)), 2), "dwell_us": 6.0, "overlap": 0.2,
        }  # fmt: skip
        acts = [Act("survey", args)]
        for _ in range(int(self._rng.integers(1, 4))):
            acts += [Act("go to", {"share": self._rng.random(3).tolist()}), *self._again()]
        return acts

    def _focus(self) -> list[Act]:
        """A sweep of the defocus at the place, as autofocus makes one; 8 small frames."""
        acts: list[Act] = []
        for defocus in np.linspace(-20, 20, 8):
            acts.append(Act("set_optics", {"defocus_nm": round(float(defocus), 1)}))
            acts.append(
                Act("acquire_image", {"width_px": 64, "height_px": 64, "fov_nm": 3.25, "dwell_us": 0.2})
            )
        return [*acts, Act("set_optics", {"defocus_nm": 0.0})]

    # --- moves and settings ---------------------------------------------------------------------------------

    def _move(self) -> Act:
        """1 to 200 µm in any direction, or back to a place."""
        if self._visited and self._rng.random() < 0.4:
            self._at = np.array(self._visited[int(self._rng.integers(len(self._visited)))])
        else:
            length = np.exp(self._rng.uniform(0, np.log(200)))
            angle = self._rng.uniform(0, 2 * np.pi)
            self._at = np.clip(self._at + length * np.array([np.cos(angle), np.sin(angle)]), -240, 240)
        self._at = np.round(self._at, 3)
        self._visited.append((float(self._at[0]), float(self._at[1])))
        return Act("move_stage", {"x_um": float(self._at[0]), "y_um": float(self._at[1])})

    def _moved(self) -> list[Act]:
        acts = [self._move()]
        if self._rng.random() < 0.6:
            acts.append(Act("wait", {"seconds": float(self._rng.uniform(5, 90))}))
        return [*acts, *self._again()]

    def _away_and_back(self) -> list[Act]:
        """Expose, leave, come back by a second move, expose again: what a stage error makes of one place."""
        args = self._image_args()
        here = self._at.copy()
        acts = [Act("acquire_image", args), self._move(), Act("acquire_image", args)]
        self._at = here
        acts.append(Act("move_stage", {"x_um": float(here[0]), "y_um": float(here[1])}))
        return [*acts, Act("acquire_image", args)]

    def _aimed(self) -> list[Act]:
        """Bad luck: the next frame falls on an earlier one, wherever the readings say that this was."""
        acts = [Act("aim", {"share": float(self._rng.random())}), *self._again()]
        return [self._move(), *acts] if self._rng.random() < 0.5 else acts

    def _waited(self) -> list[Act]:
        return [Act("wait", {"seconds": float(self._rng.uniform(1, 900))}), *self._again()]

    def _optics(self) -> list[Act]:
        if self._rng.random() < 0.5:
            shift = self._rng.uniform(-SHIFT_NM, SHIFT_NM, 2)
            return [self._shifted(*shift), *self._again()]
        current = round(float(self._rng.uniform(5, 60)), 1)
        return [Act("set_optics", {"probe_current_pa": current}), *self._again()]

    def _shifted(self, x_nm: float, y_nm: float) -> Act:
        shift = {"beam_shift_x_nm": round(float(x_nm), 2), "beam_shift_y_nm": round(float(y_nm), 2)}
        return Act("set_optics", shift)

    # --- mishaps --------------------------------------------------------------------------------------------

    def _lost(self) -> list[Act]:
        """A scan that is exposed and whose answer is lost: the run ends in doubt, another one goes on."""
        return [Act("lose next"), *self._again(), Act("new run"), *self._again()]

    def _rerun(self) -> list[Act]:
        return [Act("new run"), *self._again()]
