"""TIFF and PNG."""

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.core.errors import UnreadableImage
from eucentric.tools.vision.files.content import (
    Content,
    ambiguous,
    checked_shape,
    missing,
    number,
    picometres,
)

_OME = re.compile(r'PhysicalSizeX="([^"]{1,40})"(?:[^>]{0,400}?PhysicalSizeXUnit="([^"]{1,20})")?')


def read_tiff(file: Path, name: str, dataset: str | None) -> Content:
    """The image series of a TIFF; its pages are frames."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it would print pieces of damaged files
    with tifffile.TiffFile(file) as tif:
        if len(tif.pages) == 0 or not tif.series:
            raise UnreadableImage(f"{name} holds no image", remedy="export it again")
        series = list(tif.series)
        if dataset is not None and dataset not in map(str, range(1, len(series) + 1)):
            raise missing(name, dataset, [str(k + 1) for k in range(len(series))])
        if dataset is None and len(series) > 1:
            raise ambiguous(
                name, "series of images", [f"{k + 1} ({one.shape})" for k, one in enumerate(series)]
            )
        one = series[int(dataset or 1) - 1]
        checked_shape(one.shape, name)
        return Content(one.asarray(), _scale(tif, name), chosen=dataset or "")


def _scale(tif: Any, name: str) -> float | None:
    """Pixel size [pm] of ImageJ or OME-TIFF; resolutions in dots per inch are those of a printer."""
    imagej = tif.imagej_metadata or {}
    tag = tif.pages[0].tags.get("XResolution")
    if imagej.get("unit") and tag is not None and tag.value[0] and tag.value[1]:
        return picometres(tag.value[1] / tag.value[0], imagej["unit"], name)
    found = _OME.search(tif.ome_metadata or "") if tif.is_ome else None
    return picometres(found[1], found[2] or "µm", name) if found else None


def read_png(file: Path, name: str, dataset: str | None) -> Content:
    """One picture."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sizes are checked here
        with Image.open(file, formats=["PNG"]) as picture:
            checked_shape((picture.height, picture.width), name)
            picture.load()
            pixel = picture.info.get("pixel_pm")
            return Content(np.asarray(picture), number(pixel))
