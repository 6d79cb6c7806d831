"""A loaded network and what it draws of an image. Importing this imports torch.

Pure bfloat16 in channels-last order where the processor multiplies it (4 times as fast as float32, probabilities
0.01 apart at most), float32 otherwise, a GPU where there is one. Large images go through in tiles; a tile sees
32 px beyond what is kept of it, farther than the network looks, so the seams are not there.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.network.card import Card
from eucentric.tools.vision.network.grid import on_grid
from eucentric.tools.vision.network.targets import CHANNELS
from eucentric.tools.vision.network.unet import COUNTER, MULTIPLE, UNet, folded
from eucentric.tools.vision.network.weights import Arrays, read_weights

Image = NDArray[np.float32]

TILE_PX, OVERLAP_PX = 768, 32


@dataclass(frozen=True)
class Network:
    """Folded, on its device, in its number format."""

    card: Card
    net: UNet
    device: str
    dtype: torch.dtype


def load(path: Path, *, half: bool | None = None, device: str | None = None) -> Network:
    """A model file, ready for inference.

    Parameters
    ----------
    half
        bfloat16; None: where that is fast.
    device
        None: a GPU if there is one.

    Raises
    ------
    BadInput
        If the file is not one of ours, or has been altered.
    """
    arrays, card = read_weights(path)
    return ready(network_of(arrays, card, path), card, half=half, device=device)


def network_of(arrays: Arrays, card: Card, path: Path) -> UNet:
    """The arrays in the architecture; BadInput if they do not fit into it."""
    net = UNet(card.width)
    state = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    wanted = {name: value for name, value in net.state_dict().items() if not name.endswith(COUNTER)}
    wrong = sorted(set(state) ^ set(wanted)) or [n for n in wanted if state[n].shape != wanted[n].shape]
    if wrong or tuple(card.channels) != CHANNELS:
        raise BadInput(
            f"{visible(str(path), limit=200)} holds another architecture",
            f"weights that do not fit: {visible(', '.join(wrong[:4]), limit=160) or 'channels'}",
            "give a file written by `eucentric train` of this version",
        )
    net.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return net.eval()


def ready(net: UNet, card: Card, *, half: bool | None = None, device: str | None = None) -> Network:
    """Folded and moved to where it runs."""
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if (fast_half(where) if half is None else half) else torch.float32
    plain = folded(net).to(device=where, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(card, plain, where, dtype)


@lru_cache(maxsize=4)
def fast_half(device: str) -> bool:
    """Whether bfloat16 is multiplied in hardware."""
    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return "avx512_bf16" in flags or "amx_bf16" in flags


def maps_of(network: Network, image: Image, pixel_a: float) -> Image:
    """(3, H, W) float32 [0 to 1]: atom, vacancy and extra atom on the physical grid."""
    return tiled(network, on_grid(image, pixel_a))


def tiled(network: Network, grid: Image, tile: int = TILE_PX, overlap: int = OVERLAP_PX) -> Image:
    """The maps of an image that is on the grid already, tile by tile."""
    height, width = grid.shape
    padded = np.pad(grid, ((0, -height % MULTIPLE), (0, -width % MULTIPLE)), mode="edge")
    whole = np.empty((len(CHANNELS), *padded.shape), np.float32)
    for top, bottom in _spans(padded.shape[0], tile, overlap):
        for left, right in _spans(padded.shape[1], tile, overlap):
            y, x = max(0, top - overlap), max(0, left - overlap)
            part = padded[y : bottom + overlap, x : right + overlap]
            drawn = _forward(network, part)
            whole[:, top:bottom, left:right] = drawn[:, top - y : bottom - y, left - x : right - x]
    return whole[:, :height, :width]


def _spans(n: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """What is kept of each tile along one axis, in about equal parts."""
    step = tile - 2 * overlap
    if n <= tile:
        return [(0, n)]
    count = -(-n // step)
    edges = [MULTIPLE * round(i * n / count / MULTIPLE) for i in range(count)] + [n]
    return list(pairwise(edges))


def _forward(network: Network, part: Image) -> Image:
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(part))[None, None]
        given = given.to(network.device, network.dtype, memory_format=torch.channels_last)
        drawn: Tensor = torch.sigmoid(network.net(given)[0].float())
        return np.asarray(drawn.cpu().numpy(), np.float32)
