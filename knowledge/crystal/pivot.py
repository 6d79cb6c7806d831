"""Where a feature goes while the stage tilts, learnt from where it went: the point that stays is never quite known.

The feature is named by q = (x, y, h) [µm]: the stage readings that centre it at zero tilt, and its height above the
tilt axes at the present z. At stage (X, Y) and tilts R it stands in the column at R (q - (X, Y, 0)), so that h moves it
by (R2 - R1) (0, 0, h): (sin b, -sin a cos b) h in the image. Each image that shows it corrects q (a Kalman step).
"""

import math

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.knowledge.crystal.orientation import Matrix, Row, as_matrix
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import Reading, Stage, rotation

_CENTRED_UM = 0.05
"""How well a feature is said to be in the middle of the image at first [µm]."""


class Place(Model):
    """Where a feature stands in the column [µm]."""

    x_um: float
    y_um: float
    z_um: float
    sigma_um: float
    """Largest standard deviation of x, y."""


class Pivot(Model):
    """What is known of a feature's place on the stage."""

    q_um: Row
    covariance_um2: Matrix
    learnt: int = Field(0, ge=0)
    """Images that have corrected it."""

    @property
    def height_um(self) -> float:
        """Above the tilt axes."""
        return self.q_um[2]

    @property
    def height_sigma_um(self) -> float:
        """Standard deviation of it."""
        return math.sqrt(self.covariance_um2[2][2])


def unknown_pivot(stage: Stage, reading: Reading, x_um: float, y_um: float, height_um: float = 20.0) -> Pivot:
    """Of a feature in the middle of the image, its height anywhere within about ± `height_um`."""
    prior = Pivot(q_um=(x_um, y_um, 0.0), covariance_um2=as_matrix(np.diag([1e8, 1e8, height_um**2])))
    return seen_at(prior, stage, reading, x_um, y_um, (0.0, 0.0), _CENTRED_UM).model_copy(
        update={"learnt": 0}
    )


def place_of(pivot: Pivot, stage: Stage, reading: Reading, x_um: float, y_um: float) -> Place:
    """Where the feature will stand with the stage there, lab x, y from the optical axis and z."""
    turn = rotation(stage, reading)
    at = turn @ (np.array(pivot.q_um) - (x_um, y_um, 0.0))
    spread = turn[:2] @ np.array(pivot.covariance_um2) @ turn[:2].T
    return Place(
        x_um=float(at[0]),
        y_um=float(at[1]),
        z_um=float(at[2]),
        sigma_um=math.sqrt(max(0.0, float(np.linalg.eigvalsh(spread)[1]))),
    )


def moves_by(pivot: Pivot, stage: Stage, here: Reading, there: Reading, x_um: float, y_um: float) -> Place:
    """Shift of the feature in the column when only the tilt changes, with its uncertainty."""
    change = rotation(stage, there) - rotation(stage, here)
    at = change @ (np.array(pivot.q_um) - (x_um, y_um, 0.0))
    spread = change[:2] @ np.array(pivot.covariance_um2) @ change[:2].T
    return Place(
        x_um=float(at[0]),
        y_um=float(at[1]),
        z_um=float(at[2]),
        sigma_um=math.sqrt(max(0.0, float(np.linalg.eigvalsh(spread)[1]))),
    )


def centring(pivot: Pivot, stage: Stage, reading: Reading) -> tuple[float, float]:
    """Stage x, y [µm] that bring the feature onto the optical axis at a tilt."""
    turn = rotation(stage, reading)
    x, y, h = pivot.q_um
    dx, dy = np.linalg.solve(turn[:2, :2], turn[:2, 2] * h).tolist()
    return x + dx, y + dy


def seen_at(
    pivot: Pivot,
    stage: Stage,
    reading: Reading,
    x_um: float,
    y_um: float,
    lab_um: tuple[float, float],
    sigma_um: float,
) -> Pivot:
    """The pivot corrected by an image: the feature was seen at `lab_um` from the optical axis.

    Parameters
    ----------
    sigma_um
        Standard deviation of that, errors of the stage included.
    """
    turn: Array = rotation(stage, reading)[:2]
    q, p = np.array(pivot.q_um), np.array(pivot.covariance_um2)
    expected = turn @ (q - (x_um, y_um, 0.0))
    gain = p @ turn.T @ np.linalg.inv(turn @ p @ turn.T + sigma_um**2 * np.eye(2))
    q = q + gain @ (np.array(lab_um) - expected)
    keep = np.eye(3) - gain @ turn
    p = keep @ p @ keep.T + sigma_um**2 * gain @ gain.T
    a, b, c = q.tolist()
    return Pivot(q_um=(a, b, c), covariance_um2=as_matrix((p + p.T) / 2), learnt=pivot.learnt + 1)
