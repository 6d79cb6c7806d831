"""`eucentric train`: a network for a material, from drawn scenes and from images that label themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli.options import FiniteRange, debug_option, json_option, seed_type, writable_file

if TYPE_CHECKING:
    from eucentric.tools.vision.network import Card

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--cif", "cifs", multiple=True, metavar="FILE", help="A crystal; looked at along c. Several: a mixture."
)
@click.option(
    "--material", "materials", multiple=True, metavar="NAME", help="A known crystal (Ti3C2, MoS2, SrTiO3 …)."
)
@click.option(
    "--image", "images", multiple=True, type=_file, help="A real image that labels itself by its lattice."
)
@click.option(
    "--validate", "validation", multiple=True, type=_file, help="Another real image, for figures only."
)
@click.option("--corrections", multiple=True, type=_file, help="What a person said about sites of an image.")
@click.option(
    "--out", required=True, type=_file, help="Model file to write (.npz, plain arrays, card inside)."
)
@click.option("--seed", default=7, show_default=True, type=seed_type)
@click.option("--steps", type=click.IntRange(2, 100_000), help="Batches to learn from [600].")
@click.option("--minutes", type=FiniteRange(0.1, 600), help="As many batches as fit, instead of --steps.")
@click.option(
    "--threads", default=2, show_default=True, type=click.IntRange(1, 64), help="The same number: same file."
)
@json_option
@debug_option
def train(
    cifs: tuple[str, ...], materials: tuple[str, ...], images: tuple[Path, ...], validation: tuple[Path, ...],
    corrections: tuple[Path, ...], out: Path, seed: int, steps: int | None, minutes: float | None, threads: int,
    as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Train a network that finds atoms, vacancies and extra atoms of a material; a few minutes on two cores.

    Scenes are drawn by the linear image model from the crystal. With --image, half of every batch are pieces of real
    images, labelled by lattice and fit on the whole image. Figures on scenes of other random numbers, and on --validate
    images, which must be other files, end up in the model's card.

    `eucentric detect --network MODEL` uses it. Exit codes: 0 done, 2 a file cannot be used.
    """
    if steps is not None and minutes is not None:
        raise click.UsageError("give --steps or --minutes, not both")
    if out.suffix.lower() != ".npz":
        raise click.BadParameter(
            "a model is a .npz file; its card goes beside it as .json", param_hint="--out"
        )
    writable_file(out)
    import torch

    from eucentric.tools.vision.network import card_text
    from eucentric.tools.vision.network.prepare import plan_of
    from eucentric.tools.vision.network.training import STEPS
    from eucentric.tools.vision.network.training import train as learnt

    torch.set_num_threads(threads)
    plan = plan_of(
        [*cifs, *materials], images=images, validation=validation, corrections=corrections, seed=seed,
        steps=steps or STEPS, minutes=minutes, name=out.stem[:80] or "network",
    )  # fmt: skip
    for limit in plan.unread:
        click.echo(f"note: {limit}", err=True)
    card = learnt(plan, out, _teller())
    out.with_suffix(".json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    click.echo(
        json.dumps(_answer(card, out), ensure_ascii=False)
        if as_json
        else f"{card_text(card)}\nWritten   {out}"
    )


def _answer(card: "Card", out: Path) -> dict[str, object]:
    return {"ok": True, "exit_code": 0, "model": str(out), "card": card.model_dump(mode="json")}


def _teller() -> Callable[[str, int, int, float], None]:
    """One line for every tenth of the way, on stderr."""
    last = [("", -1)]

    def tell(what: str, done: int, of: int, loss: float) -> None:
        now = (what, 10 * done // max(of, 1))
        if now != last[0]:
            last[0] = now
            click.echo(f"{what}  {done}/{of}" + (f"  loss {loss:.4f}" if loss else ""), err=True)

    return tell
