"""Images from files: one module a format, one door."""

from eucentric.tools.vision.files.reading import SUFFIXES, read_frames, read_image

__all__ = ["SUFFIXES", "read_frames", "read_image"]
