"""One command's work: from crystals, images and a seed to a model file. Importing this imports torch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from eucentric.knowledge.phases import Phase
from eucentric.knowledge.projection import ProjectedCell
from eucentric.tools.vision.network.calibrate import fit_fusions
from eucentric.tools.vision.network.card import LIMITS, Card
from eucentric.tools.vision.network.examples import Example, piece_of, pool_of
from eucentric.tools.vision.network.figures import drawn_figures, image_figures
from eucentric.tools.vision.network.infer import ready
from eucentric.tools.vision.network.learning import Draw, Learnt, learn
from eucentric.tools.vision.network.scene import GRID_A, Recipe, Scene
from eucentric.tools.vision.network.targets import CHANNELS
from eucentric.tools.vision.network.unet import COUNTER, UNet
from eucentric.tools.vision.network.weights import Arrays, digest_of, write_weights

STEPS, BATCH, CROP_PX, WIDTH = 600, 8, 128, 16
_POOL = 1600
"""Scenes drawn at most; each is used several times, turned and mirrored."""
_CHECKS = 48
"""Scenes that the figures are made of; fewer after a training of fewer than ten steps for each."""
_TIMED_STEPS = 5
_FUSED = 12
"""Scenes of each phase that the calibration of both stages is fitted on, at most."""


@dataclass(frozen=True)
class RealImage:
    """A real image that labels itself."""

    name: str
    sha256: str
    scene: Scene
    spacing_a: float


@dataclass(frozen=True)
class Plan:
    """What to learn from, and for how long."""

    cells: tuple[tuple[ProjectedCell, float], ...]
    """Crystals with their share of the scenes."""
    name: str
    seed: int = 7
    steps: int = STEPS
    minutes: float | None = None
    """Instead of `steps`: as many as fit, measured by the first few; the card says how many that were."""
    images: tuple[RealImage, ...] = ()
    """Of the first crystal; they give as many crops as scenes of it are drawn, half of all if it is the only one."""
    validation: tuple[RealImage, ...] = ()
    corrections: int = 0
    readable: tuple[tuple[ProjectedCell, Phase], ...] = ()
    """Crystals that the lattice stage reads too: on these the two are calibrated together."""
    width: int = WIDTH
    batch: int = BATCH
    crop_px: int = CROP_PX
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def unread(self) -> tuple[str, ...]:
        """What can't be done with crystals that the lattice stage does not read, one sentence each."""
        known = [cell for cell, _ in self.readable]
        return tuple(
            f"the lattice stage does not read {cell.name}: `eucentric detect` refuses it, with this network too"
            for cell, _ in self.cells
            if not any(cell is one for one in known)
        )


Tell = Callable[[str, int, int, float], None]
"""Called with what is being done, how far, of how much, and the loss (0 where there is none)."""


def train(plan: Plan, path: Path, tell: Tell) -> Card:
    """Learn, measure, write the file; the card is returned."""
    began, cpu = time.monotonic(), time.process_time()
    pool = pool_of(
        plan.cells, _pool_size(plan), plan.seed, plan.crop_px, plan.recipe,
        lambda done, of: tell("drawing scenes", done, of, 0.0),
    )  # fmt: skip
    sources = _sources(pool, plan)
    steps = (
        plan.steps
        if plan.minutes is None
        else _fitting(plan, sources, plan.minutes * 60 - (time.monotonic() - began))
    )
    learnt = learn(
        sources, seed=plan.seed, steps=steps, batch=plan.batch, width=plan.width,
        progress=lambda done, of, loss: tell("learning", done, of, loss),
    )  # fmt: skip
    tell("measuring", 0, 1, 0.0)
    card = _measured(plan, learnt, steps, time.process_time() - cpu)
    write_weights(path, stored(learnt.net), card)
    tell("measuring", 1, 1, 0.0)
    return card


def _pool_size(plan: Plan) -> int:
    wanted = plan.steps * plan.batch // 2 if plan.minutes is None else round(plan.minutes * 320)
    return max(2 * plan.batch, min(wanted, _POOL))


def _sources(pool: Sequence[Example], plan: Plan) -> list[tuple[Draw, float]]:
    """Drawn scenes, and pieces of real images if there are any."""
    images, shares = plan.images, [share for _, share in plan.cells]

    def drawn(rng: np.random.Generator) -> Example:
        return pool[int(rng.integers(len(pool)))]

    def real(rng: np.random.Generator) -> Example:
        return piece_of(images[int(rng.integers(len(images)))].scene, rng, len(pool[0].image))

    return [(drawn, 1.0), (real, shares[0] / sum(shares))] if images else [(drawn, 1.0)]


def _fitting(plan: Plan, sources: list[tuple[Draw, float]], seconds: float) -> int:
    """How many steps fit into the time that is left, a tenth kept for the figures."""
    start = time.monotonic()
    learn(sources, seed=plan.seed, steps=_TIMED_STEPS, batch=plan.batch, width=plan.width,
          progress=lambda done, of, loss: None)  # fmt: skip
    each = (time.monotonic() - start) / _TIMED_STEPS
    return max(_TIMED_STEPS, int(0.9 * seconds / each))


def stored(net: UNet) -> Arrays:
    """Weights as they are written: convolutions in float16, the few numbers of the normalisations in float32."""
    arrays: Arrays = {}
    for name, value in net.state_dict().items():
        if name.endswith(COUNTER):
            continue
        array = value.detach().cpu().numpy()
        arrays[name] = array.astype(np.float16 if array.ndim == 4 else np.float32)
    return arrays


def _measured(plan: Plan, learnt: Learnt, steps: int, cpu_s: float) -> Card:
    first, last = learnt.first_and_last
    card = Card(
        name=plan.name, width=plan.width, parameters=learnt.net.parameter_count, sha256=digest_of(stored(learnt.net)),
        grid_a=GRID_A, channels=CHANNELS, materials=tuple(cell.name for cell, _ in plan.cells),
        images=tuple(image.sha256 for image in plan.images),
        validation=tuple(image.sha256 for image in plan.validation), corrections=plan.corrections, seed=plan.seed,
        steps=steps, batch=plan.batch, crop_px=plan.crop_px, threads=torch.get_num_threads(),
        torch_version=torch.__version__, cpu_s=round(cpu_s, 1), loss=(round(first, 5), round(last, 5)), figures={},
        recipe=plan.recipe.model_dump(), limits=(*LIMITS, *plan.unread),
    )  # fmt: skip
    network = ready(learnt.net, card)
    cells = [cell for cell, _ in plan.cells]
    checks = max(3, min(_CHECKS, steps // 10)) // len(cells)
    figures = drawn_figures(network, cells, plan.seed, max(1, checks), plan.recipe)
    figures |= image_figures(network, [(one.name, one.scene, one.spacing_a) for one in plan.validation])
    each = max(2, min(_FUSED, steps // 10))
    fusion = fit_fusions(network, plan.readable, plan.seed, each, plan.recipe)
    return card.model_copy(update={"figures": figures, "fusion": fusion})
