"""Learning: from examples to weights. Importing this imports torch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from eucentric.tools.vision.network.examples import Example
from eucentric.tools.vision.network.infer import fast_half
from eucentric.tools.vision.network.unet import UNet

_RATE, _DECAY = 6e-3, 1e-4
_SPOT_WEIGHT = (2.0, 8.0, 8.0)
"""How much more a spot counts than what lies between, by channel: vacancies are rare."""

Draw = Callable[[np.random.Generator], Example]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Learnt:
    """What came out."""

    net: UNet
    losses: tuple[float, ...]
    cpu_s: float

    @property
    def first_and_last(self) -> tuple[float, float]:
        """Mean loss over the first and the last tenth."""
        tenth = max(1, len(self.losses) // 10)
        return float(np.mean(self.losses[:tenth])), float(np.mean(self.losses[-tenth:]))


def learn(
    draw: Sequence[tuple[Draw, float]], *, seed: int, steps: int, batch: int, width: int, progress: Progress,
    start: UNet | None = None,
) -> Learnt:  # fmt: skip
    """AdamW with one cycle of the rate; the same seed, steps and number of threads give the same weights.

    Parameters
    ----------
    draw
        Where examples come from, each with its share of every batch.
    """
    torch.manual_seed(seed)
    net = (start or UNet(width)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=max(steps, 2), pct_start=0.25
    )
    losses, began = [], time.process_time()
    for step in range(steps):
        examples = _batch(draw, np.random.default_rng([seed, 2, step]), batch)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_half("cpu")):
            logits = net(_images(examples))
        loss = _loss(logits.float(), examples)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        progress(step + 1, steps, losses[-1])
    return Learnt(net.eval(), tuple(losses), time.process_time() - began)


def _batch(draw: Sequence[tuple[Draw, float]], rng: np.random.Generator, batch: int) -> list[Example]:
    share = np.array([weight for _, weight in draw])
    wanted = np.rint(np.cumsum(share / share.sum()) * batch).astype(int)
    which = np.searchsorted(wanted, np.arange(batch), side="right")
    return [_turned(draw[int(k)][0](rng), rng) for k in which]


def _turned(example: Example, rng: np.random.Generator) -> Example:
    """One of the eight symmetries of the square, and another contrast."""
    turns, mirrored, gain = int(rng.integers(4)), bool(rng.integers(2)), np.float16(rng.uniform(0.7, 1.4))
    arrays = [
        np.rot90(part, turns, (-2, -1)) for part in (example.image * gain, example.maps, example.trusted)
    ]
    image, maps, trusted = (part[..., ::-1] if mirrored else part for part in arrays)
    return Example(image, maps, trusted)


def _images(examples: list[Example]) -> Tensor:
    stacked = torch.from_numpy(np.stack([example.image for example in examples]).astype(np.float32))[:, None]
    return stacked.contiguous(memory_format=torch.channels_last)


def _loss(logits: Tensor, examples: list[Example]) -> Tensor:
    """Cross-entropy of every pixel that somebody can label; spots count more."""
    wanted = torch.from_numpy(
        np.stack([example.maps for example in examples]).astype(np.float32) / np.float32(255)
    )
    trusted = torch.from_numpy(np.stack([example.trusted for example in examples]).astype(np.float32))[
        :, None
    ]
    weight = (1 + torch.tensor(_SPOT_WEIGHT)[None, :, None, None] * wanted) * trusted
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (each * weight).sum() / (3 * trusted.sum()).clamp(min=1.0)
