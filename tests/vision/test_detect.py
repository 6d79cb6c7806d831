"""The tool and the command: what they return, write and say."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from eucentric.cli.detect import detect
from eucentric.core.errors import BadInput
from eucentric.core.instrument import Frame
from eucentric.core.request import SpecimenCard
from eucentric.tools.detect_defects import TOOL, Args, Result
from eucentric.tools.vision.network import open_network


@dataclass(frozen=True)
class OneFrame:
    """Records with a single frame."""

    image: np.ndarray
    simulated: bool = True

    def frame(self, name):
        if name not in ("last", "f-1"):
            raise BadInput(f"no frame {name}")
        return Frame(
            id="f-1", sha256="0" * 64, detector="haadf", shape=self.image.shape, dtype="float32", pixel_pm=15.6,
            simulated=self.simulated, offset_counts=5.0,
        )  # fmt: skip

    def pixels(self, frame):
        return self.image + 5.0


@dataclass(frozen=True)
class Bench:
    """What the tool reads of a context; it has no microscope to touch."""

    records: OneFrame
    specimen: SpecimenCard
    folder: Path
    note: object = print


def run_tool(picture, folder, **args):
    card = SpecimenCard(name="flake", material="Ti3C2Tx MXene")
    notes = []
    return TOOL.run(Args(**args), Bench(OneFrame(picture.image), card, folder, notes.append)), notes


def test_tool(simulate, tmp_path):
    picture = simulate(size=320, counts=120, vacancies=0.04, seed=2)
    result, notes = run_tool(picture, tmp_path)
    assert TOOL.risk == "analyse"
    assert notes
    finding = result.findings[0]
    assert finding.evidence == ("f-1",)
    assert finding.interval.low < 4.5 < finding.interval.high + 1.5
    assert result.vacancies == sum(defect.examined for defect in result.defects)
    assert result.simulated
    assert Result.model_validate_json(result.model_dump_json()) == result
    assert "columns" in TOOL.summary(result)
    called = [
        getattr(result.topology, size).called for size in ("isolated", "divacancies", "trivacancies", "pores")
    ]
    assert sum((k + 1) * n for k, n in enumerate(called)) <= result.vacancies
    assert result.topology.clusters == ()  # a row stays small
    assert result.pair_correlation.vacancies == result.vacancies
    assert result.pair_correlation.shells == ()
    with Image.open(tmp_path / result.overlay) as overlay:
        assert min(overlay.size) > 400


def test_tool_any_kind_adds_bright_columns(simulate, tmp_path):
    picture = simulate(size=320, counts=120, vacancies=0.02, seed=2)
    x, y = picture.atoms_xy[np.argmin(np.abs(picture.atoms_xy - 160).sum(1))]
    rows, cols = np.mgrid[0:320, 0:320]
    extra = 120 * np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 2 / 3.08**2) / (2 * np.pi * 3.08**2)
    bright = type(picture)(picture.image + extra.astype(np.float32), picture.atoms_xy, picture.vacancies_xy)
    result, _ = run_tool(bright, tmp_path, kind="any")
    kinds = {defect.kind for defect in result.defects if np.hypot(defect.x_px - x, defect.y_px - y) < 4}
    assert kinds == {"extra Ti"}
    assert ", 1 extra Ti," in TOOL.summary(result)
    finding, digest = result.findings[0], open_network().card.sha256
    assert finding.details["network_sha256"] == digest
    assert finding.method == result.method
    assert finding.method.endswith(f"network {digest[:12]}")
    assert "network" not in run_tool(picture, tmp_path)[0].method


def test_tool_abstains_in_words(tmp_path):
    rng = np.random.default_rng(0)
    blank = type("P", (), {"image": rng.poisson(4, (200, 200)).astype(np.float32)})
    result, _ = run_tool(blank, tmp_path)
    assert result.cannot_tell
    assert result.findings[0].cannot_tell
    assert "cannot tell" in TOOL.summary(result)
    assert (tmp_path / result.overlay).exists()


@pytest.mark.parametrize("args", [{"material": "unobtainium"}, {"frame": "f-9"}])
def test_tool_refuses_what_it_does_not_know(simulate, tmp_path, args):
    with pytest.raises(BadInput):
        run_tool(simulate(size=128, seed=1), tmp_path, **args)


def command(*args):
    return CliRunner().invoke(detect, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def files(simulate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "one.npy", simulate(size=256, counts=120, vacancies=0.04, seed=1).image)
    (folder / "one.json").write_text(json.dumps({"simulated": True, "pixel_pm": 15.6}))
    (folder / "bad.tif").write_bytes(b"no image")
    return folder


def test_command_json(files, tmp_path):
    done = command(files / "one.npy", "--material", "Ti3C2", "--out", tmp_path, "--json")
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    body = answer["images"][0]
    assert answer["ok"]
    assert body["simulated"]
    assert body["pixel_pm"] == pytest.approx(15.6, rel=0.005)
    assert answer["density"]["of"] == body["sites_examined"]
    assert "1/1" in done.stderr
    with open(body["files"]["vacancies"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["examined"]) for row in rows) == body["vacancies"]
    with open(body["files"]["atoms"], newline="") as file:
        assert len(list(csv.DictReader(file))) == body["columns"]
    assert json.loads(Path(body["files"]["json"]).read_text())["sha256"] == body["sha256"]
    assert len(body["atoms"]) == body["columns"]
    assert all(atom["sigma_pm"] > 0 for atom in body["atoms"])
    likely = [site for site in body["vacancy_candidates"] if site["p"] > 0.5 and site["examined"]]
    assert len(likely) == body["vacancies"]
    assert body["counts_per_column"] is None  # a file's numbers are no electrons


def test_command_for_people(files, tmp_path):
    done = command(files / "one.npy", "--material", "Ti3C2Tx", "--out", tmp_path)
    assert done.exit_code == 0
    assert "±" in done.stdout
    assert "density" in done.stdout


def test_one_bad_file_does_not_stop_the_others(files, tmp_path):
    done = command(files / "bad.tif", files / "one.npy", "--material", "Ti3C2", "--out", tmp_path, "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == answer["exit_code"] == 1
    assert [body["ok"] for body in answer["images"]] == [True, False]
    assert answer["images"][1]["error"]["remedy"]


def test_only_bad_files_are_bad_input(files, tmp_path):
    done = command(files / "bad.tif", files / "nothing.npy", "--material", "Ti3C2", "--out", tmp_path)
    assert done.exit_code == 2
    assert "E-IMAGE-01" in done.stdout


def test_unknown_material_names_the_known(files, tmp_path):
    done = command(files / "one.npy", "--material", "kryptonite", "--out", tmp_path)
    assert isinstance(done.exception, BadInput)
    assert "Ti3C2" in str(done.exception)


def test_two_images_of_one_name_keep_their_own_results(files, tmp_path):
    done = command(files / "one.npy", files / "one.npy", "--material", "Ti3C2", "--out", tmp_path, "--json")
    names = [body["files"]["json"] for body in json.loads(done.stdout)["images"]]
    assert len(set(names)) == 2


def test_a_scale_that_disagrees_is_counted_only_if_it_is_accepted(files, tmp_path):
    args = (
        files / "one.npy",
        "--material",
        "Ti3C2",
        "--pixel-pm",
        "17",
        "--network",
        "none",
        "--out",
        tmp_path,
    )
    done = command(*args)
    assert "cannot tell: the lattice gives" in done.stdout
    assert "--accept-scale" in done.stdout
    assert not any(_counted(tmp_path / "one-vacancies.csv"))
    accepted = json.loads(command(*args, "--accept-scale", "--json").stdout)
    assert accepted["density"]["interval"]["value"] > 0
    assert [flag["code"] for flag in accepted["images"][0]["flags"]] == ["scale_disagrees"]
    assert sum(_counted(tmp_path / "one-vacancies.csv")) == accepted["images"][0]["vacancies"] > 0


def _counted(table):
    with open(table, newline="", encoding="utf-8") as file:
        return [row["counted"] == "1" for row in csv.DictReader(file)]
