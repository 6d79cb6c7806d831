"""`eucentric train`: from a name or a CIF to a model file that can be opened again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from eucentric.cli.train import train
from eucentric.core.errors import BadInput
from eucentric.knowledge import projection
from eucentric.tools.vision import read_image
from eucentric.tools.vision.corrections import Correction, Said, add_corrections
from eucentric.tools.vision.network import open_network
from eucentric.tools.vision.network.prepare import plan_of


@pytest.fixture(autouse=True)
def _threads():
    """The command sets the number of threads of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(*args):
    return CliRunner().invoke(train, [str(arg) for arg in args], catch_exceptions=False)


def test_a_cif_becomes_a_model_with_a_card(tmp_path):
    cif, out = projection.FOLDER / "MoO3.cif", tmp_path / "new.npz"
    done = run("--cif", cif, "--steps", 3, "--threads", 1, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout.splitlines()[-1])
    card = answer["card"]
    assert (card["steps"], card["seed"], card["threads"], card["name"]) == (3, 7, 1, "new")
    assert sum(row["atoms"] for row in card["figures"].values()) > 100
    assert card["fusion"] == {}  # the lattice stage does not read this one
    assert "does not read MoO3" in card["limits"][-1]
    assert "note: the lattice stage does not read MoO3" in done.stderr
    assert open_network(out).card.sha256 == card["sha256"]
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8")) == card


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "no crystal"),
        (("--material", "unobtainium"), "not known"),
        (("--material", "Ti3C2=-1"), "no positive number"),
        (("--material", "Ti3C2=many"), "no positive number"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, args, why):
    with pytest.raises(BadInput, match=why):
        run(*args, "--out", tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_steps_or_minutes(tmp_path):
    assert (
        run("--material", "Ti3C2", "--steps", 3, "--minutes", 1, "--out", tmp_path / "x.npz").exit_code == 2
    )


@pytest.fixture
def picture(tmp_path, simulate) -> Path:
    made = simulate(size=256, counts=300, vacancies=0.03, seed=5)
    np.save(tmp_path / "wide.npy", made.image)
    return tmp_path / "wide.npy"


def test_an_image_labels_itself(picture):
    plan = plan_of(["Ti3C2", "MoS2=0.5"], images=[picture], seed=1, steps=2, minutes=None, name="x")
    (image,) = plan.images
    assert len(image.scene.atoms_xy) > 300
    assert len(image.scene.vacancies_xy) > 3
    assert [share for _, share in plan.cells] == [1.0, 0.5]


def test_an_image_is_not_validated_on_itself(picture):
    with pytest.raises(BadInput, match="validated on"):
        plan_of(["Ti3C2"], images=[picture], validation=[picture], seed=1, steps=2, minutes=None, name="x")


def test_a_persons_word_goes_over_the_programs(picture, tmp_path):
    pixels, frame = read_image(picture)
    plan = plan_of(["Ti3C2"], images=[picture], seed=1, steps=2, minutes=None, name="x")
    before = plan.images[0].scene
    middle = np.array(pixels.shape[::-1]) / 2
    full = before.atoms_xy[np.argmin(np.hypot(*(before.atoms_xy - middle).T))]
    empty = before.vacancies_xy[0]
    add_corrections(tmp_path / "said.jsonl", [
        said(picture, frame, full, "vacancy"), said(picture, frame, empty, "unknown"),
    ])  # fmt: skip
    # The image is found by what the corrections are about.
    plan = plan_of(["Ti3C2"], corrections=[tmp_path / "said.jsonl"], seed=1, steps=2, minutes=None, name="x")
    after = plan.images[0].scene
    assert plan.corrections == 2
    assert np.hypot(*(after.vacancies_xy - full).T).min() < 2
    assert np.hypot(*(after.atoms_xy - full).T).min() > 5
    assert np.hypot(*(after.unsure_xy - empty).T).min() < 2
    assert np.hypot(*(after.vacancies_xy - empty).T).min() > 5


def said(path, frame, xy, label):
    return Correction(
        utc="2026-11-28T09:00:00Z", by="a", why="seen", image=str(path), image_sha256=frame.sha256, material="Ti3C2",
        method="m", site=0, x_px=float(xy[0]), y_px=float(xy[1]), label=label, was=Said(state="full", p_vacancy=0.0),
    )  # fmt: skip


def test_corrections_of_an_image_that_is_gone_are_refused(picture, tmp_path):
    _, frame = read_image(picture)
    add_corrections(tmp_path / "said.jsonl", [said(tmp_path / "gone.npy", frame, (50, 50), "full")])
    with pytest.raises(BadInput, match="not there"):
        plan_of(["Ti3C2"], corrections=[tmp_path / "said.jsonl"], seed=1, steps=2, minutes=None, name="x")


def test_an_image_without_a_lattice_labels_nothing(tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).poisson(5, (128, 128)).astype(np.float32))
    with pytest.raises(BadInput, match="cannot label itself"):
        plan_of(["Ti3C2"], images=[tmp_path / "noise.npy"], seed=1, steps=2, minutes=None, name="x")


@pytest.mark.parametrize("name", ["m.pkl", "m.json", "m"])
def test_a_model_is_an_npz_and_nothing_else(tmp_path, name):
    done = run("--material", "Ti3C2", "--steps", 2, "--out", tmp_path / name)
    assert done.exit_code == 2
    assert ".npz" in done.output


def test_nothing_is_learnt_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="nothing can be written"):
        run("--material", "Ti3C2", "--steps", 2, "--out", tmp_path / "file" / "m.npz")
