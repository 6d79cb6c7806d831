"""The network's parts: scenes, weights as plain arrays, folding, tiles, learning, points."""

import io
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from eucentric.core.errors import BadInput
from eucentric.knowledge.projection import projected
from eucentric.tools.vision.network import card_text, network_file, network_points, open_network, read_weights
from eucentric.tools.vision.network.card import LIMITS, Card
from eucentric.tools.vision.network.examples import drawn_example, piece_of
from eucentric.tools.vision.network.grid import on_grid
from eucentric.tools.vision.network.infer import load, ready, tiled
from eucentric.tools.vision.network.learning import learn
from eucentric.tools.vision.network.points import points_of
from eucentric.tools.vision.network.scene import GRID_A, Recipe, draw_scene
from eucentric.tools.vision.network.scores import agreement
from eucentric.tools.vision.network.targets import CHANNELS, from_grid, grid_shape, labels_of, to_grid
from eucentric.tools.vision.network.training import stored
from eucentric.tools.vision.network.unet import UNet, folded
from eucentric.tools.vision.network.weights import digest_of, write_weights

PLAIN = Recipe(
    pixel_a=(0.11, 0.13), counts=(8.0, 12.0), boundary=0, hole=0, amorphous=0, vacancies=(0.02, 0.03),
    sigma_a=(0.42, 0.46), tail_share=(0.0, 0.0), contamination=(0.0, 0.1), lattice=(1.0, 1.0), affine=0.0,
    displacement_a=(0.01, 0.02), substitutes=(0, 0), extras=(0.01, 0.01),
)  # fmt: skip


def card_for(net, **changed):
    fields = {
        "name": "t", "width": net.width, "parameters": net.parameter_count, "sha256": digest_of(stored(net)),
        "grid_a": GRID_A, "channels": CHANNELS, "materials": ("Ti3C2",), "seed": 1, "steps": 2, "batch": 2,
        "crop_px": 64, "threads": 1, "torch_version": "x", "cpu_s": 0.1, "loss": (1.0, 0.5),
        "figures": {"a": {"atom_f1": 0.5, "vacancy_recall": None}}, "recipe": {}, "limits": LIMITS,
    }  # fmt: skip
    return Card(**(fields | changed))


@pytest.fixture(scope="module")
def net():
    """Random weights, with normalisations that are not the identity."""
    torch.manual_seed(3)
    made = UNet(6)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return made.eval()


def test_scenes_are_functions_of_their_seed_and_labelled_where_columns_are():
    cell = projected("Ti3C2")
    one, again, other = (draw_scene(cell, np.random.default_rng(s), 30.0, PLAIN) for s in (5, 5, 6))
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)
    area = (len(one.image) * one.pixel_a) ** 2
    columns = len(one.atoms_xy) + len(one.vacancies_xy)
    assert columns == pytest.approx(area / 2.685, rel=0.08)  # √3a²/6 for each column
    bright = one.image[tuple(np.rint(one.atoms_xy[:, ::-1]).astype(int).clip(0, len(one.image) - 1).T)]
    assert bright.mean() > 1.5 * one.image.mean()
    empty = one.image[tuple(np.rint(one.vacancies_xy[:, ::-1]).astype(int).clip(0, len(one.image) - 1).T)]
    assert empty.mean() < 0.7 * bright.mean()


@pytest.mark.parametrize(
    ("name", "piles", "seen", "spacing"),
    [("Ti3C2", 3, 3, 1.761), ("MoS2", 2, 2, 1.824), ("graphene", 2, 2, 1.421), ("SrTiO3", 4, 2, 2.761)],
)
def test_crystals_seen_along_c(name, piles, seen, spacing):
    cell = projected(name)
    assert len(cell.piles) == piles
    assert sum(cell.seen) == seen
    assert cell.spacing_angstrom == pytest.approx(spacing, abs=0.002)


def test_an_unknown_crystal_is_refused():
    with pytest.raises(BadInput, match="not known"):
        projected("unobtainium")


@pytest.mark.parametrize("pixel_a", [0.05, 0.12, 0.17])
def test_places_go_to_the_grid_and_back(pixel_a):
    shape = (300, 211)
    grid = grid_shape(shape, pixel_a)
    xy = np.array([[0.0, 0.0], [100.25, 37.5]])
    assert from_grid(to_grid(xy, shape, grid), shape, grid) == pytest.approx(xy)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    spot = np.exp(-((cols - 100.25) ** 2 + (rows - 150.5) ** 2) / 2 / (0.5 / pixel_a) ** 2).astype(np.float32)
    high = np.argwhere(on_grid(spot, pixel_a) > 4)[:, ::-1]
    assert to_grid(np.array([[100.25, 150.5]]), shape, grid)[0] == pytest.approx(high.mean(0), abs=0.3)


def test_a_file_gives_back_the_same_weights_and_the_same_bytes(net, tmp_path):
    arrays, card = stored(net), card_for(net)
    write_weights(tmp_path / "a.npz", arrays, card)
    write_weights(tmp_path / "b.npz", arrays, card)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read, said = read_weights(tmp_path / "a.npz")
    assert said == card
    assert all(np.array_equal(read[name], arrays[name]) for name in arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:  # any npz reader will do
        assert "head.weight" in plain.files
    assert "Limit" in card_text(card)


def altered(path, out, change):
    """The same zip with some members changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out


def other_number(name, content):
    if name != "head.bias.npy":
        return content
    return content[:-4] + np.float32(0.5).tobytes()


def objects(name, content):
    if name != "head.bias.npy":
        return content
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([{"a": 1}], object), allow_pickle=True)
    return file.getvalue()


def newer(name, content):
    if name != "card.json":
        return content
    return json.dumps(json.loads(content) | {"format": 99}).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_number, "sha256"),
        (objects, "allow_pickle"),
        (newer, "format"),
        (lambda name, content: None if name == "card.json" else content, "card.json"),
        (lambda name, content: None if name == "head.bias.npy" else content, "sha256"),
        (lambda name, content: b"{}" if name == "card.json" else content, "validation errors"),
    ],
)  # fmt: skip
def test_altered_files_are_refused(net, tmp_path, change, why):
    write_weights(tmp_path / "a.npz", stored(net), card_for(net))
    bad = altered(tmp_path / "a.npz", tmp_path / "bad.npz", change)
    with pytest.raises(BadInput, match=why):
        load(bad)


def test_foreign_files_are_refused(net, tmp_path):
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"a": 1}))
    torch.save(net.state_dict(), tmp_path / "torch.npz")
    arrays = dict(stored(UNet(4)).items())
    write_weights(tmp_path / "other.npz", arrays, card_for(net, sha256=digest_of(arrays)))
    for name, why in (("pickle", "zip"), ("torch", "no model"), ("other", "another architecture")):
        with pytest.raises(BadInput, match=why):
            load(tmp_path / f"{name}.npz")
    with pytest.raises(BadInput, match="no network"):
        network_file("nowhere")


def test_a_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("card.json", b" " * 50_000_000)
    with pytest.raises(BadInput, match="larger"):
        read_weights(tmp_path / "bomb.npz")


def test_folding_changes_nothing(net):
    x = torch.randn(1, 1, 48, 64)
    with torch.inference_mode():
        assert float((net(x) - folded(net)(x)).abs().max()) < 1e-4


def test_tiles_leave_no_seams(net):
    network = ready(net, card_for(net), half=False, device="cpu")
    grid = np.random.default_rng(1).normal(0, 1, (203, 310)).astype(np.float32)
    whole, parts = tiled(network, grid, tile=1024), tiled(network, grid, tile=128)
    assert whole.shape == parts.shape == (3, 203, 310)
    assert np.abs(whole - parts).max() < 1e-4


def test_half_precision_is_close(net):
    grid = np.random.default_rng(1).normal(0, 1, (64, 64)).astype(np.float32)
    exact, half = (tiled(ready(net, card_for(net), half=h, device="cpu"), grid) for h in (False, True))
    assert np.abs(exact - half).max() < 0.05


def test_twenty_steps_lower_the_loss_and_can_be_done_again():
    cell = projected("MoS2")
    pool = [drawn_example(cell, np.random.default_rng(i), 48, PLAIN) for i in range(8)]
    draw = [(lambda rng: pool[int(rng.integers(len(pool)))], 1.0)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one, again = (
        learn(draw, seed=5, steps=20, batch=2, width=8, progress=lambda done, of, loss: None)
        for _ in range(2)
    )
    torch.set_num_threads(threads)
    first, last = one.first_and_last
    assert last < 0.8 * first
    assert one.losses == again.losses
    assert digest_of(stored(one.net)) == digest_of(stored(again.net))


def test_pieces_of_a_real_image_take_their_labels_along():
    scene = draw_scene(projected("Ti3C2"), np.random.default_rng(8), 60.0, PLAIN)
    flat = [piece_of(scene, np.random.default_rng(i), 96) for i in range(6)]
    for piece in flat:
        on, off = piece.maps[0] > 0.9, (piece.maps[0] < 0.02) & (piece.maps[1] < 0.02)
        assert piece.image[on & piece.trusted].mean() > piece.image[off & piece.trusted].mean() + 0.3


def test_labels_are_spots_where_things_are():
    scene = draw_scene(projected("MoS2"), np.random.default_rng(2), 20.0, PLAIN)
    image = on_grid(scene.image, scene.pixel_a)
    labels = labels_of(scene, image.shape)
    found = points_of(labels.maps, scene.image.shape, projected("MoS2").spacing_angstrom / GRID_A, "x")
    same = agreement(found.atoms_xy, scene.atoms_xy, 0.1 / scene.pixel_a, scene.image.shape, 6.0)
    assert same.true > 50
    assert same.f1 == 1.0


def test_the_shipped_network_alone_reads_drawn_scenes():
    network = open_network()
    assert network.card.parameters < 120_000
    assert network_file().stat().st_size < 300_000
    for name, seed in (("Ti3C2", 3), ("MoS2", 4)):
        cell = projected(name)
        scene = draw_scene(cell, np.random.default_rng(seed), 45.0, PLAIN)
        points = network_points(scene.image, cell.spacing_angstrom, 100 * scene.pixel_a, network)
        shape, margin = scene.image.shape, 2.7 / scene.pixel_a
        atoms = agreement(points.atoms_xy, scene.atoms_xy, 0.5 / scene.pixel_a, shape, margin)
        assert atoms.f1 > 0.97, name
        assert points.score_at(scene.vacancies_xy, 1).mean() > 0.4


def test_importing_the_room_leaves_torch_alone():
    code = "import sys, eucentric.tools.vision.network, eucentric.tools.vision.fusion; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
