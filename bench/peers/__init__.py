"""Ours beside other people's detectors, on one folder of images in one run."""

from eucentric.bench.peers.comparison import run

__all__ = ["run"]
