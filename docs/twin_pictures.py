"""Make the side-by-side of real and simulated images: `python docs/twin_pictures.py [DATA]` (`bench/twins/real.py`)."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from eucentric.bench.twin import shared_data
from eucentric.bench.twins.real import Pair, pairs

OUT = Path(__file__).parent / "images" / "twin-real.jpg"
_EDGE, _GAP, _SEED = 280, 6, 7
_ROWS = ("real", "twin, fitted to it", "twin, as it ships")


def _grey(image: NDArray[np.float32] | None) -> Image.Image:
    """The middle of an image, 280 px, from its 1st to its 99th percentile."""
    if image is None:
        return Image.new("L", (_EDGE, _EDGE), 255)
    top, left = (image.shape[0] - _EDGE) // 2, (image.shape[1] - _EDGE) // 2
    part = image[top : top + _EDGE, left : left + _EDGE]
    low, high = np.percentile(part, [1, 99])
    return Image.fromarray((255 * np.clip((part - low) / (high - low), 0, 1)).astype(np.uint8))


def _sheet(found: list[Pair]) -> Image.Image:
    width, height = len(found) * (_EDGE + _GAP), 3 * (_EDGE + _GAP + 14)
    sheet = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(sheet)
    for column, pair in enumerate(found):
        for row, image in enumerate((pair.real, pair.fitted, pair.shipped)):
            x, y = column * (_EDGE + _GAP), row * (_EDGE + _GAP + 14)
            draw.text((x + 2, y), f"{pair.name}: {_ROWS[row]}" + ("" if row == 0 else " (SIMULATED)"), fill=0)
            sheet.paste(_grey(image), (x, y + 14))
    return sheet


def main() -> None:
    """Five real images above ten of the twin."""
    found = list(pairs(shared_data(Path(sys.argv[1]) if len(sys.argv) > 1 else None), _SEED))
    if not found:
        sys.exit("no real images: give the folder of public test data")
    _sheet(found).save(OUT, quality=80, optimize=True)


if __name__ == "__main__":
    main()
