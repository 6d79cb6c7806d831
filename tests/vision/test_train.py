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


def test_an_image_without_a_lattice_labels_nothing(tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).poisson(5, (128, 128)).astype(np.float32))
    with pytest.raises(BadInput, match="cannot label itself"):
        plan_of(["Ti3C2"], images=[tmp_path / "noise.npy"], seed=1, steps=2, minutes=None, name="x")
