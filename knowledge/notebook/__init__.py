"""The digital notebook: raw readings, calibrations, loadings, grains, pictures, and what was derived of them."""

from eucentric.knowledge.notebook.book import Notebook, Row
from eucentric.knowledge.notebook.entries import (
    CalibrationEntry,
    Fiducial,
    GrainEntry,
    LoadingEntry,
    PhaseEntry,
    PictureEntry,
    ReadingEntry,
    ScreenRow,
    SolutionEntry,
    SpecimenEntry,
)
from eucentric.knowledge.notebook.fields import ScreenAzimuth, ScreenMode
from eucentric.knowledge.notebook.file import SUFFIX, NotebookFile
from eucentric.knowledge.notebook.frames import observation_of, pattern_of, stage_of
from eucentric.knowledge.notebook.loading import CARRIES_OVER, STAYS_BEHIND, Carried, carried, turn_of
from eucentric.knowledge.notebook.solving import Inputs, Remade, inputs_of, remade, solved

__all__ = [
    "CARRIES_OVER", "STAYS_BEHIND", "SUFFIX", "CalibrationEntry", "Carried", "Fiducial", "GrainEntry", "Inputs",
    "LoadingEntry", "Notebook", "NotebookFile", "PhaseEntry", "PictureEntry", "ReadingEntry", "Remade", "Row",
    "ScreenAzimuth", "ScreenMode", "ScreenRow", "SolutionEntry", "SpecimenEntry", "carried", "inputs_of",
    "observation_of", "pattern_of", "remade", "solved", "stage_of", "turn_of",
]  # fmt: skip
