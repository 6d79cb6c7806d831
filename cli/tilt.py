"""`eucentric tilt`: where to tilt a crystal, from a few readings or a notebook. No instrument and no agent."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.cli.holder import HOLDERS, holder_options, limits_named, phase_named, signs_of

if TYPE_CHECKING:
    from eucentric.knowledge.crystal import Reading, Stage
    from eucentric.knowledge.tilting import Along, Answer, Neighbour, Situation


_EPILOG = """\b
Examples
  eucentric tilt SrTiO3 --at '10.9,5=[112]' --at '-8.6,5.6=[111]' --to '<110>' --limits 35,30
  eucentric tilt mine.cif --at '0,0=[001]' --at '14,3=[102]' --to '(100)' --map map.svg
  eucentric tilt SrTiO3 --at '10.9,5=[112]' --at '-8.6,5.6=[111]' --along '(1-10)' --to '[110]'
  eucentric tilt --notebook wedge.notebook --grain A --to '[001]'

\b
Readings: ALPHA,BETA=[uvw], =<uvw> if any of the family may be meant, =(hkl)@AZIMUTH for a g seen on the
screen, =band(hkl)@AZIMUTH for a band. Targets: [uvw], <uvw>, (hkl) or {hkl} to be seen edge-on.
Exit code 4: several orientations fit and disagree; what to look at next is told."""


@dataclass(frozen=True)
class _Found:
    """What was found: a tilt, a way along a band, or else the nearest axes."""

    situation: "Situation"
    answer: "Answer | None" = None
    band: "Along | None" = None
    near: "tuple[Neighbour, ...]" = ()

    @property
    def unsure(self) -> bool:
        """Whether several orientations fit and disagree."""
        return any(one is not None and one.ambiguous for one in (self.answer, self.band))


@click.command(epilog=_EPILOG)
@click.argument("phase", required=False)
@click.option("--at", "readings", multiple=True, metavar="READING", help="ALPHA,BETA=INDEX; two or more.")
@click.option("--to", metavar="TARGET", help="[uvw], <uvw>, (hkl) or {hkl}; left out: the nearest axes.")
@click.option(
    "--along", metavar="(hkl)", help="Keep this plane edge-on, to the axis --to or as far as it goes."
)
@click.option("--now", metavar="ALPHA,BETA", help="Where the stage is [the last reading].")
@click.option(
    "--sigma", type=float, default=0.2, show_default=True, help="Error of a reading, each direction [deg]."
)
@click.option("--as-written", is_flag=True, help="The senses of the axes are known: none may be reversed.")
@holder_options
@click.option("--repeatability", type=float, default=0.0, help="Error of the goniometer on each axis [deg].")
@click.option(
    "--feature",
    metavar="X,Y,Z",
    help="A feature from the eucentric point, sample frame [µm]; its shift is told.",
)
@click.option(
    "--notebook", type=click.Path(path_type=Path), help="Take phase, readings and calibration from here."
)
@click.option("--grain", default="", help="Of the notebook.")
@click.option(
    "--max-index", type=click.IntRange(1, 12), default=3, show_default=True, help="Of axes listed and drawn."
)
@click.option("--step", type=float, default=2.0, show_default=True, help="Of a path along a band [deg].")
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it: FILE.png or FILE.svg.",
)
@click.option("--dark", is_flag=True, help="The map for a dark background.")
@options.json_option
def tilt(as_json: bool, **given: Any) -> None:
    """Where to tilt: PHASE is a CIF or a phase that ships, readings are what was seen at which tilts."""
    from eucentric.knowledge.tilting import along as along_band
    from eucentric.knowledge.tilting import answered, neighbours, target_of

    situation = _situation(given)
    if given["along"]:
        step = _positive(given["step"], "--step")
        band = along_band(situation, *_band(given), step_deg=step, max_index=given["max_index"])
        found = _Found(situation, band=band)
    elif given["to"]:
        feature, target = _feature(given["feature"] or "0,0,1"), target_of(given["to"])
        answer = answered(situation, target, feature_um=feature, max_index=given["max_index"])
        found = _Found(situation, answer=answer)
    else:
        found = _Found(situation, near=neighbours(situation, situation.now, given["max_index"], 10))
    if given["map_file"]:
        _draw(found, given)
    (_print_json if as_json else _print)(found, given["map_file"])
    if found.unsure:
        sys.exit(4)


def _situation(given: dict[str, Any]) -> "Situation":
    from eucentric.knowledge.tilting import from_readings
    from eucentric.knowledge.tilting.written import observation_of, reading_of, tilt_of

    now = tilt_of(given["now"]) if given["now"] else None
    if given["notebook"]:
        return _from_notebook(given, now)
    if not given["phase"]:
        raise click.UsageError("name a PHASE (a CIF or one that ships), or a --notebook")
    observations = [
        observation_of(reading_of(text), _positive(given["sigma"], "--sigma"), given["as_written"])
        for text in given["readings"]
    ]
    return from_readings(
        phase_named(given["phase"]), observations, _stage(given), now, given["repeatability"]
    )


def _from_notebook(given: dict[str, Any], now: "Reading | None") -> "Situation":
    from eucentric.cli.notebook.opening import found
    from eucentric.knowledge.notebook import NotebookFile
    from eucentric.knowledge.tilting.from_notebook import situation_in

    clash = [name for name in ("phase", "readings", "screen", "holder") if given[name]]
    if clash:
        raise click.UsageError(f"{clash[0]} comes from the notebook: leave it out, or leave out --notebook")
    with NotebookFile(found(given["notebook"])) as file:
        told = situation_in(file.read(), given["grain"], now=now)
    if not given["limits"]:
        return told.situation
    stage = told.situation.stage
    stage = stage.model_copy(update={"limits": limits_named(given["limits"], stage.holder)})
    return told.situation.model_copy(update={"stage": stage})


def _stage(given: dict[str, Any]) -> "Stage":
    from eucentric.knowledge.crystal import Stage

    alpha, beta = signs_of(given["signs"])
    holder = HOLDERS[given["holder"] or "double"]
    return Stage(
        holder=holder,
        alpha_sign=alpha,
        beta_sign=beta,
        limits=limits_named(given["limits"], holder) if given["limits"] else None,
        screen_azimuth_deg=given["screen"],
        screen_mirrored=given["mirrored"],
    )


def _band(given: dict[str, Any]) -> "tuple[Any, Any]":
    """Indices of the plane, and of the axis to go to (None: as far as it goes)."""
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.tilting import target_of

    plane = target_of(given["along"])
    to = target_of(given["to"]) if given["to"] else None
    if plane.kind != "plane" or (to is not None and to.kind != "axis"):
        raise BadInput(
            f"along {plane.label}{'' if to is None else ' to ' + to.label} is no path",
            "it runs along one plane to one axis",
            "write --along '(1-10)' --to '[110]'",
        )
    return plane.indices, None if to is None else to.indices


def _feature(text: str) -> tuple[float, ...]:
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.tilting.written import numbers_of

    numbers = numbers_of(text, "a feature is X,Y,Z in µm")
    if len(numbers) != 3:
        raise BadInput(
            f"{len(numbers)} numbers for --feature", "x, y and z in µm are needed", "write 1.2,0,0.5"
        )
    return numbers


def _positive(value: float, name: str) -> float:
    if not 0 < value <= 20:
        raise click.BadParameter("above 0 and at most 20 degrees", param_hint=name)
    return value


def _draw(found: _Found, given: dict[str, Any]) -> None:
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.tilting.chart import chart_of
    from eucentric.knowledge.tilting.picture import Kind, picture
    from eucentric.knowledge.tilting.telling import picture_lines

    path: Path = given["map_file"]
    if path.suffix.lower() not in (".png", ".svg"):
        raise BadInput(
            f"a map can't be written as {path.name}", "PNG and SVG are drawn", "name it FILE.png or FILE.svg"
        )
    chart = chart_of(found.situation, found.answer, found.band, given["max_index"])
    lines = picture_lines(found.situation, found.answer, found.band)
    kind: Kind = "png" if path.suffix.lower() == ".png" else "svg"
    drawn = picture(chart, found.situation.crystal, lines, kind, given["dark"])
    try:
        path.write_bytes(drawn)
    except OSError as error:
        raise BadInput(f"can't write {path}", str(error.strerror), "choose another file") from error


def _print(found: _Found, path: Path | None) -> None:
    from eucentric.knowledge.tilting import telling

    situation = found.situation
    lines = list(telling.situation_lines(situation))
    if found.band is not None:
        lines += telling.along_lines(situation, found.band)
    elif found.answer is not None:
        lines += telling.answer_lines(situation, found.answer)
    else:
        lines += telling.nearest_lines(situation, found.near)
    click.echo("\n".join(lines))
    if path is not None:
        click.echo(f"map       {path}")


def _print_json(found: _Found, path: Path | None) -> None:
    situation = found.situation
    body: dict[str, Any] = {
        "ok": not found.unsure,
        "convention": "C1",
        "calibration": situation.stage.calibration,
    }
    body |= {"candidates": len(situation.candidates), "situation": situation.model_dump(mode="json")}
    if found.answer is not None:
        body |= {"answer": found.answer.model_dump(mode="json")}
    if found.band is not None:
        body |= {"along": found.band.model_dump(mode="json")}
    if found.answer is None and found.band is None:
        body |= {"nearest": [one.model_dump(mode="json") for one in found.near]}
    if found.unsure:
        body |= {"error": _error(found), "exit_code": 4}
    if path is not None:
        body |= {"map": str(path)}
    click.echo(json.dumps(body, ensure_ascii=False))


def _error(found: _Found) -> dict[str, Any]:
    from eucentric.core.errors import NeedsClarification
    from eucentric.knowledge.tilting.situation import look_next

    situation, answer = found.situation, found.answer
    look = answer.next_axis if answer is not None else look_next(situation)
    where = (
        "" if look is None else f"look at {list(look.uvw)} at {look.alpha_deg:.2f}, {look.beta_deg:.2f} deg"
    )
    spread = max(one.spread_deg for one in (answer, found.band) if one is not None)
    error = NeedsClarification(
        f"{len(situation.candidates)} orientations fit, up to {spread:.1f} deg apart for what is asked",
        f"a tilt for one of them would be a guess; {'all are in answer.ways' if answer else 'along is by the first'}",
        where or "add the azimuth of a g, or a third axis",
    )
    return {**error.as_dict(), "exit_code": error.exit_code}
