"""The network itself: a U-Net of three levels on a physical grid. Importing this imports torch."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_RARE = -3.0
"""Most pixels show nothing: learning starts from there."""
COUNTER = "num_batches_tracked"
"""What torch keeps beside the weights and nothing reads."""
MULTIPLE = 4
"""Both edges of an input must be multiples of this."""


class _Block(nn.Module):
    """Twice: 3×3 convolution, normalisation, rectifier."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(made)

    def forward(self, x: Tensor) -> Tensor:
        """(N, given, H, W) to (N, made, H, W)."""
        x = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        return functional.relu(self.norm2(self.conv2(x)), inplace=True)


class UNet(nn.Module):
    """Image on the grid to logits of three maps: atom, vacancy, extra atom.

    Parameters
    ----------
    width
        Channels of the first level; twice and four times as many below (12: 66,723 parameters).
    """

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.width = width
        self.fine = _Block(1, width)
        self.middle = _Block(width, 2 * width)
        self.coarse = _Block(2 * width, 4 * width)
        self.up_middle = _Block(6 * width, 2 * width)
        self.up_fine = _Block(3 * width, width)
        self.head = nn.Conv2d(width, 3, 1)
        nn.init.constant_(self.head.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, 3, H, W); H and W multiples of 4."""
        fine = self.fine(x)
        middle = self.middle(functional.max_pool2d(fine, 2))
        coarse = self.coarse(functional.max_pool2d(middle, 2))
        middle = self.up_middle(torch.cat([_doubled(coarse), middle], 1))
        logits: Tensor = self.head(self.up_fine(torch.cat([_doubled(middle), fine], 1)))
        return logits

    @property
    def parameter_count(self) -> int:
        """Numbers that are learnt."""
        return sum(parameter.numel() for parameter in self.parameters())


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def folded(network: UNet) -> UNet:
    """The same function with every normalisation folded into the convolution before it; for inference only."""
    plain = UNet(network.width).eval()
    plain.load_state_dict(network.state_dict())
    for block in plain.modules():
        if isinstance(block, _Block):
            block.conv1 = _fused(block.conv1, block.norm1)
            block.conv2 = _fused(block.conv2, block.norm2)
            block.norm1 = block.norm2 = nn.Identity()  # type: ignore[assignment]
    return plain


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    fused: Any = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
    assert isinstance(fused, nn.Conv2d)
    return fused
