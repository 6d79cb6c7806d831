"""`eucentric detect`: atoms and vacancies in image files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.detect_words import clusters_line, density_line, say_image, shown
from eucentric.cli.options import FiniteRange, debug_option, json_option, writable

if TYPE_CHECKING:
    from eucentric.cli.detected import Seen, Shot, Task
    from eucentric.core.calls import Finding
    from eucentric.tools.vision.network.infer import Network


_STOPPED = 5
"""Exit code after Ctrl-C."""


class _Frames(click.ParamType[str]):
    """sum, each, or a number from 1."""

    name = "sum|each|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was typed."""
        if value in ("sum", "each") or (str(value).isdigit() and int(value) > 0):
            return str(value)
        self.fail(f"{value!r} is not sum, each or a number from 1", param, ctx)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option(
    "--material", required=True, help="Phase (Ti3C2, MoS2, aliases such as Ti3C2Tx) or the path of a CIF."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("detect-out"), show_default=True,
              help="Folder for page, pictures and tables.")  # fmt: skip
@click.option("--pixel-pm", type=FiniteRange(0.1, 1e4), help="Pixel size [pm], if the files lack it.")
@click.option(
    "--dataset", help="Which image of a file: a detector (Velox), a path (HDF5), a number (DM), a key (NPZ)."
)
@click.option("--frames", type=_Frames(), default="sum", show_default=True,
              help="Of a stack: its drift-corrected sum, each frame, or one.")  # fmt: skip
@click.option("--series", is_flag=True, help="All images show one place, in the order of their dose.")
@click.option("--network", default="general", show_default=True, metavar="NAME|FILE|none",
              help="Second reader: shipped, or by `eucentric train`; none: the lattice stage alone.")  # fmt: skip
@click.option("--accept-scale", is_flag=True,
              help="Count although pixel size and lattice disagree: the lattice's value is right.")  # fmt: skip
@click.option("--corrections", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="A person's words about sites (`defects correct`); repeat it.")  # fmt: skip
@json_option
@debug_option
def detect(
    images: tuple[Path, ...], material: str, out: Path, pixel_pm: float | None, dataset: str | None, frames: str,
    series: bool, network: str, accept_scale: bool, corrections: tuple[Path, ...], as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Find atom columns and vacancies in HAADF images.

    Reads TIFF, NPY, NPZ, PNG, HDF5 (NeXus, EMD, HyperSpy), Velox EMD, DM3 and DM4.

    For each image: pixel size from the lattice, columns, a vacancy probability for every site, flags, an overlay and a
    gallery of the least certain sites (PNG), tables (CSV) and a JSON file. Over all images of different places: one
    density with a 95 % interval, clusters, distances, and a page with all of it (index.html). Says "cannot tell" rather
    than guess.

    Exit codes: 0 all done, 1 some files failed, 2 none could be read, 5 stopped (Ctrl-C): the page is of what was done.
    """
    from eucentric.cli.detected import Task
    from eucentric.core.canonical import digest
    from eucentric.knowledge.phases import phase
    from eucentric.tools.vision.corrections import read_corrections

    known, words = phase(material), [read_corrections(path) for path in corrections]
    asked = digest([*map(str, images), frames, dataset, series, known.name, pixel_pm])[:16]
    task = Task(known, writable(out), pixel_pm, words, _second(network), accept_scale, asked)
    run = _Run(task, len(images))
    try:
        for shot in run.shots(images, frames, dataset, series):
            run.look(shot)
    except KeyboardInterrupt:  # what is done is worth a page; a series that is cut is none
        if not run.seen or series:
            raise
        run.stopped = True
    code = _STOPPED if run.stopped else _exit_code(run.seen, run.failed)
    density, extra = _pooled(run.seen)
    answer = _answer(known.name, run, density, extra, code)
    if run.seen:
        _write_page(known.name, run, density, extra)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    else:
        _table(run, answer, out)
    sys.exit(code)


def _second(network: str) -> "Network | None":
    """The network that reads along, if one is wanted."""
    if network == "none":
        return None
    from eucentric.tools.vision.network import open_network

    return open_network(network)


class _Run:
    """The files one after another: what was seen, what failed."""

    def __init__(self, task: "Task", files: int) -> None:
        self.task, self.files = task, files
        self.seen: list[Seen] = []
        self.failed: list[dict[str, Any]] = []
        self.stopped = False
        """By Ctrl-C: what comes is about the images before it."""
        self._file = 0

    def shots(
        self, images: tuple[Path, ...], frames: str, dataset: str | None, series: bool
    ) -> "Iterator[Shot]":
        """Images in order; of one place, all are read before the first is looked at."""
        from eucentric.cli.detected import in_series, shots_of
        from eucentric.core.errors import EucentricError

        held: list[Shot] = []
        for self._file, (path, stem) in enumerate(zip(images, _stems(images), strict=True), 1):
            self._say(path, "reading")
            try:
                read = shots_of(path, stem, "each" if series and frames == "sum" else frames, dataset)
            except (EucentricError, OSError) as error:
                self._failed(path, error)
                continue
            if series:
                held += read
            else:
                yield from read
        if held:
            yield from in_series(held)

    def look(self, shot: "Shot") -> None:
        """One image, or why not."""
        from eucentric.cli.detected import look
        from eucentric.core.errors import EucentricError

        try:
            done = look(shot, self.task, lambda stage: self._say(shot.path, stage, shot))
        except (EucentricError, OSError) as error:
            self._failed(shot.path, error)
        else:
            self.seen.append(done)

    @property
    def at(self) -> int:
        """Number of the file that is being looked at."""
        return self._file

    def unused(self) -> list[str]:
        """Files of images that were corrected, but not looked at."""
        used = {one.body["sha256"] for one in self.seen}
        return [words.image for words in self.task.words if words.image_sha256 not in used]

    def _say(self, path: Path, stage: str, shot: "Shot | None" = None) -> None:
        series = f", frame {shot.series['number']} of {shot.series['of']}" if shot and shot.series else ""
        click.echo(f"[{self._file}/{self.files}] {shown(path)}{series}  {stage}", err=True)

    def _failed(self, path: Path, error: Exception) -> None:
        from eucentric.core.errors import EucentricError

        if isinstance(error, EucentricError):
            body, code = error.as_dict(), error.exit_code
        else:
            body = {
                "code": "E-FILE-01",
                "what": str(error),
                "why": "",
                "remedy": "check the folder's permissions",
            }
            code = 1
        self.failed.append({"image": str(path), "ok": False, "error": body, "exit_code": code})


def _again(seen: "list[Seen]") -> list[tuple[str, str]]:
    """(image, the image before it that has the same pixels)."""
    first: dict[str, str] = {}
    pairs = []
    for one in seen:
        if not one.body["series"] and first.setdefault(one.pixels, one.body["image"]) != one.body["image"]:
            pairs.append((one.body["image"], first[one.pixels]))
    return pairs


def _once(seen: "list[Seen]") -> "list[Seen]":
    """The first image of each place that can be read, or its first."""
    best: dict[str, Seen] = {}
    for one in seen:
        known = best.setdefault(one.place, one)
        if known.atoms.cannot_tell and not one.atoms.cannot_tell:
            best[one.place] = one
    return list(best.values())


def _pooled(seen: "list[Seen]") -> "tuple[Finding | None, dict[str, Any]]":
    """Density and statistics over all places."""
    from eucentric.tools.vision import arrangement_of, pair_correlation, topology, vacancy_density

    counted = _once(seen)
    if not counted:
        return None, {}
    density = vacancy_density([one.atoms for one in counted], evidence=[one.body["frame"] for one in counted])
    again = [f"{shown(image)}: the same image as {shown(other)}" for image, other in _again(seen)]
    if left := len(seen) - len(counted) - len(again):
        again.append(f"{left} further frames of places that count once")
    density = density.model_copy(update={"excluded": (*density.excluded, *again)})
    sites = [arrangement_of(one.atoms) for one in counted if not one.atoms.cannot_tell]
    if density.cannot_tell or not any(one.vacant.any() for one in sites):
        return density, {}
    found = {"topology": topology(sites), "pair_correlation": pair_correlation(sites)}
    return density, {key: value.model_dump(mode="json") for key, value in found.items()}


def _answer(
    material: str, run: _Run, density: "Finding | None", extra: dict[str, Any], code: int
) -> dict[str, Any]:
    bodies = [one.body for one in run.seen]
    answer: dict[str, Any] = {"ok": code == 0, "material": material, "images": [*bodies, *run.failed]}
    answer["density"] = density.model_dump(mode="json") if density else None
    answer["statistics"] = extra
    answer["stopped"] = run.stopped
    answer["corrections_unused"] = run.unused()
    answer["page"] = str(run.task.out / "index.html") if bodies else None
    answer["exit_code"] = code
    return answer


def _write_page(material: str, run: _Run, density: "Finding | None", extra: dict[str, Any]) -> None:
    from eucentric.agent.reporting.defects import Look, defects_page

    looks = [Look(one.body, Path(one.body["files"]["overlay"]), one.crops) for one in run.seen]
    page = defects_page(material, looks, run.failed, density, extra)
    (run.task.out / "index.html").write_text(page, encoding="utf-8")


def _exit_code(done: "list[Seen]", failed: list[dict[str, Any]]) -> int:
    if not failed:
        return 0
    return 2 if not done and all(one["exit_code"] == 2 for one in failed) else 1


def _stems(images: tuple[Path, ...]) -> list[str]:
    """File stems for the results, plain letters only; two images of one name do not overwrite each other."""
    from eucentric.core.redaction import redact

    seen: dict[str, int] = {}
    out = []
    for path in images:
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in redact(path.stem))[:120] or "image"
        seen[stem] = seen.get(stem, 0) + 1
        out.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return out


def _table(run: _Run, answer: dict[str, Any], out: Path) -> None:
    """For people: one block an image, then the density."""
    from eucentric.core.text import quoted, visible

    for one in run.seen:
        say_image(one.body)
    for body in run.failed:
        error = body["error"]
        click.echo(
            f"image {shown(body['image'])}\n  not done   {error['code']}  {visible(error['what'], limit=300)}"
        )
        for key in ("why", "remedy"):
            if error.get(key):
                click.echo(f"             {visible(error[key], limit=300)}")
    pooled = answer["density"]
    if pooled and len(run.seen) > 1:
        click.echo(f"All images   {density_line(pooled)}")
    for image, other in _again(run.seen):
        click.echo(f"Left out     {shown(image)}: the same image as {shown(other)}")
    if answer["statistics"]:
        click.echo(f"Clusters     {clusters_line(answer['statistics'])}")
    for name in answer["corrections_unused"]:
        click.echo(f"Unused       corrections of {quoted(name, limit=200)}: it is none of these images")
    if run.stopped:
        click.echo(
            f"Stopped      at file {run.at} of {run.files}: all of this is about the images above only"
        )
    if run.seen:
        click.echo(f"Results in   {visible(str(out), limit=300)}   page {visible(answer['page'], limit=300)}")
