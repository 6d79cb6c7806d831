"""From what a person names to a plan of training: crystals, images that label themselves, a person's corrections."""

from collections.abc import Sequence
from pathlib import Path

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.phases import Phase, phase
from eucentric.knowledge.projection import ProjectedCell, projected
from eucentric.tools.vision import find_atoms, read_image
from eucentric.tools.vision.corrections import Corrections, of_image, read_corrections
from eucentric.tools.vision.network.self_labels import labelled
from eucentric.tools.vision.network.training import Plan, RealImage


def plan_of(
    crystals: Sequence[str], *, images: Sequence[Path] = (), validation: Sequence[Path] = (),
    corrections: Sequence[Path] = (), seed: int, steps: int, minutes: float | None, name: str,
) -> Plan:  # fmt: skip
    """Everything read and labelled, nothing learnt yet.

    Raises
    ------
    BadInput
        If a crystal is not known, an image cannot label itself, or is both learnt from and validated on.
    """
    if not crystals:
        raise BadInput("no crystal is named", remedy="give --cif FILE or --material NAME")
    shares = [_share(crystal) for crystal in crystals]
    cells = tuple((_cell(crystal), share) for crystal, share in shares)
    said = [read_corrections(path) for path in corrections]
    paths = _with_corrected(images, said)
    known = phase(shares[0][0]) if paths or validation else None
    learnt = tuple(_read(path, known, said) for path in paths) if known else ()
    kept = tuple(_read(path, known, ()) for path in validation) if known else ()
    _apart(learnt, kept)
    return Plan(
        cells, name, seed=seed, steps=steps, minutes=minutes, images=learnt, validation=kept,
        corrections=sum(len(one.entries) for one in said), readable=_readable([name for name, _ in shares], cells),
    )  # fmt: skip


def _readable(
    crystals: Sequence[str], cells: Sequence[tuple[ProjectedCell, float]]
) -> tuple[tuple[ProjectedCell, Phase], ...]:
    """Those that the lattice stage knows how to read."""
    pairs = []
    for crystal, (cell, _) in zip(crystals, cells, strict=True):
        try:
            pairs.append((cell, phase(crystal)))
        except BadInput:
            continue
    return tuple(pairs)


def _share(crystal: str) -> tuple[str, float]:
    """'MoS2=2' is MoS2 with two shares; without a number, one."""
    name, _, number = crystal.rpartition("=")
    try:
        share = float(number) if name else 1.0
    except ValueError:
        share = 0.0
    if not 0 < share < 1e6:
        raise BadInput(
            f"the share in {visible(crystal, limit=80)} is no positive number", remedy="write NAME=2"
        )
    return name or crystal, share


def _cell(crystal: str) -> ProjectedCell:
    """By the names that a phase goes by, or any crystal or CIF that can be projected."""
    if crystal.lower().endswith(".cif"):
        return projected(crystal)
    try:
        return projected(crystal)
    except BadInput:
        return projected(phase(crystal).name)


def _with_corrected(images: Sequence[Path], said: Sequence[Corrections]) -> list[Path]:
    """The images named, and those that a person's corrections are about."""
    paths = list(images)
    known = {read_image(path)[1].sha256 for path in paths} if said else set()
    for one in said:
        if one.image_sha256 in known:
            continue
        path = Path(one.image)
        if not path.is_file() or read_image(path)[1].sha256 != one.image_sha256:
            raise BadInput(
                f"corrections are about {visible(one.image, limit=200)}", "that file is not there, or has changed",
                "name the image with --image",
            )  # fmt: skip
        known.add(one.image_sha256)
        paths.append(path)
    return paths


def _read(path: Path, known: Phase, said: Sequence[Corrections]) -> RealImage:
    pixels, frame = read_image(path)
    atoms = find_atoms(pixels, known, pixel_pm=frame.pixel_pm)
    words = of_image(said, frame.sha256) if said else None
    return RealImage(
        path.stem, frame.sha256, labelled(pixels, atoms, path.name, words), known.spacing_angstrom
    )


def _apart(learnt: Sequence[RealImage], kept: Sequence[RealImage]) -> None:
    both = {one.sha256 for one in learnt} & {one.sha256 for one in kept}
    if both:
        name = next(one.name for one in learnt if one.sha256 in both)
        raise BadInput(
            f"{visible(name, limit=160)} is to be learnt from and validated on", "such a figure would say nothing",
            "keep whole images apart",
        )  # fmt: skip
