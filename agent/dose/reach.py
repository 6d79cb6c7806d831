"""How much farther than its reading a charge may reach: drift, creep, the moves between, and the probe's own size."""

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.charge import SETTLED_S, Charge, Rows
from eucentric.agent.dose.stage_errors import PROBE_REACH_UM, Errors
from eucentric.agent.dose.stays import Seen

LONGEST_S = 86_400.0
"""Time between two charges if the instrument's clock was set back between them: nobody knows it [s]."""


def among(rows: Rows, errors: Errors, blur: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """(n,) of charges whose stays lie as images have put them, seen from the newest one [µm].

    Parameters
    ----------
    blur
        (n,) how well the images have put them [µm].
    """
    passed = rows.end_s.max() - rows.begin_s
    passed = np.where(rows.era != rows.era[-1], LONGEST_S, passed)
    creep = errors.left_to_creep(rows.settled_s)
    return _rounded_up(errors.drift * passed + creep + blur) + PROBE_REACH_UM


def from_field(
    rows: Rows,
    centre: NDArray[np.float64],
    field: Charge,
    era: int,
    errors: Errors,
    seen: Seen,
    ways: NDArray[np.int64],
    here: int,
) -> NDArray[np.float64]:
    """(n, 2) of charges as seen from a field in the stay `here`, each in one way in which its stay may lie [µm].

    Parameters
    ----------
    centre
        (n, 2) of the charges, in the readings of the field's stay [µm].
    ways
        (n,) rows of `seen`.
    """
    stay = seen.stay[ways]
    ends = np.array([field.time_s, field.time_s + field.seconds])
    passed = np.maximum(np.abs(ends[1] - rows.begin_s), np.abs(rows.end_s - ends[0]))
    passed = np.where(rows.era != era, LONGEST_S, passed)
    settled = SETTLED_S if field.settled_s is None else field.settled_s
    mine, theirs = errors.left_to_creep(settled), errors.left_to_creep(rows.settled_s)
    creep = np.where(stay == here, np.maximum(mine, theirs), mine + theirs)
    away = np.abs(centre - np.array([field.x_um, field.y_um]))
    scaled = errors.scale * away + errors.cross * away[:, ::-1]
    slack = seen.slack[stay] + (errors.drift * passed + creep)[:, None]
    slack += np.where(seen.apart[stay][:, None], scaled, 0.0)
    return _rounded_up(slack) + PROBE_REACH_UM


def _rounded_up(slack: NDArray[np.float64]) -> NDArray[np.float64]:
    """To a sixteenth of a power of two: frames of a series get the same box, and equal boxes are one."""
    step = np.exp2(np.floor(np.log2(np.maximum(slack, 1e-4)))) / 16
    return np.asarray(np.ceil(slack / step) * step)
