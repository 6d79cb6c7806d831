"""The arithmetic of the series, and its shortest run on the twin."""

import math

import numpy as np
import pytest

from eucentric.bench.images.known_vacancies import crossing, from_twin, pooled_recall
from eucentric.tools.vision import find_atoms


def test_recall_that_falls_with_the_dose_is_pooled():
    recall = pooled_recall(np.array([1, 6, 4, 10]), np.array([10, 10, 10, 10]))
    assert recall == pytest.approx([0.1, 0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("recall", "dose"),
    [([0.1, 0.9, 1.0], 10**2.5), ([0.96, 1.0, 1.0], 10.0), ([0.1, 0.2, 0.3], math.nan)],
)
def test_where_a_curve_crosses(recall, dose):
    found = crossing(np.array([10.0, 100.0, 1000.0]), np.array(recall), 0.95)
    assert found == pytest.approx(dose, nan_ok=True)


def test_the_twins_truth_lies_where_the_detector_sees_it():
    frame = next(from_twin(7, 1))
    seen = find_atoms(frame.image, frame.phase, pixel_pm=frame.pixel_pm, counts_per_electron=1.0)
    gaps = np.hypot(*(frame.vacancies_xy[:, None] - seen.vacancies_xy[None]).transpose(2, 0, 1)).min(1)
    assert len(frame.vacancies_xy) > 10
    assert np.mean(gaps * frame.pixel_pm < 70) > 0.95
