"""Flakes as they come: twisted, folded, on bars, with residue and point defects; the same at every zoom."""

import math
import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.render import View, scattered_shares
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.specimen.defects import Imperfections
from eucentric.instruments.twin.specimen.flakes import Flake, Fold, blocks_of
from eucentric.instruments.twin.specimen.lattice import Look, columns_in
from eucentric.instruments.twin.specimen.material import make_material
from eucentric.instruments.twin.specimen.outline import Outline
from eucentric.instruments.twin.specimen_spec import (
    BarsSpec,
    ClusterSpec,
    ContaminationSpec,
    DefectSpec,
    HeightSpec,
    ResidueSpec,
)
from eucentric.knowledge.scattering import haadf_cross_section_a2

NEVER = threading.Event()
FLAT = {
    "height": HeightSpec(),
    "contamination": ContaminationSpec(share_of_monolayer=0.0),
    "residue": ResidueSpec(),
    "clusters": ClusterSpec(),
    "defects": (),
}
MXENE = load_world("mxene").model_copy(update=FLAT)
MOS2 = load_world("mos2")
MATERIALS = {"mxene": MXENE.material, "mos2": MOS2.material}
BOX = (-6e-5, 6e-5, -6e-5, 6e-5)
SQUARE = (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)


def flake(layers: int = 1, twist: float = 0.0, fold: Fold | None = None, half: float = 20e-9) -> Flake:
    return Flake(
        seed=5, x=0.0, y=0.0, width=4 * half, layers=layers, rotation=0.2, origin=(1e-10, 2e-10),
        normals=SQUARE, sides=(half,) * 4, twist=twist, fold=fold,
    )  # fmt: skip


def folded(layers: int = 1) -> Flake:
    """The right edge of a square folded over: from x = 20 nm to x = 12 nm."""
    whole = flake(layers)
    fold = Fold(0.0, 12e-9, whole.outline)
    return Flake(**{**whole.__dict__, "sides": (12e-9, 20e-9, 20e-9, 20e-9), "fold": fold})


def columns(one: Flake, box=(-5e-9, 5e-9, -5e-9, 5e-9), material="mxene", heights=False, **imperfections):
    look = Look(
        make_material(MATERIALS[material], haadf_cross_section_a2),
        Imperfections(**imperfections),
        box,
        None,
        heights,
    )
    return [(block, columns_in(block, look)) for block in blocks_of(one)]


def shares(world, spec: ScanSpec, x: float, y: float, **tilt: float) -> np.ndarray:
    place = np.repeat([[x, y, 0.0, tilt.get("alpha", 0.0), tilt.get("beta", 0.0)]], spec.rows, axis=0)
    return scattered_shares(Specimen(world, 7), spec, View(place, (0.0, 0.0), 0.0))


def scan(fov: float, n: int = 256) -> ScanSpec:
    return ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=2e-6)


# --- outlines -------------------------------------------------------------------------------------------------


def test_an_outline_is_mirrored_point_by_point():
    rng = np.random.default_rng(3)
    outline = Outline(1.0, -2.0, 9.0, (0.1, 1.9, 3.9), (2.0, 1.0, 1.5))
    angle, line = 0.7, 0.4
    x, y = rng.uniform(-4, 6, 400), rng.uniform(-7, 3, 400)
    off = 2 * ((x - 1.0) * math.cos(angle) + (y + 2.0) * math.sin(angle) - line)
    image = outline.mirrored(angle, line).depth(x - off * math.cos(angle), y - off * math.sin(angle))
    np.testing.assert_allclose(image, outline.depth(x, y), atol=1e-12)


def test_a_fold_doubles_the_layers_under_the_flap_and_empties_the_strip():
    one = folded(layers=2)
    assert one.layers_at(0.0, 0.0) == 2
    assert one.layers_at(8e-9, 0.0) == 4  # 12 - 8 nm from the line: the flap reaches to 4 nm
    assert one.layers_at(3e-9, 0.0) == 2
    assert one.layers_at(16e-9, 0.0) == 0


def test_atoms_of_the_flap_are_mirror_images_of_those_that_were_there():
    box = (-30e-9, 30e-9, -30e-9, 30e-9)
    whole = columns(flake(), box)[0][1]
    lower, upper = (c for _, c in columns(folded(), box))
    beyond = whole.x > 12e-9
    assert len(upper.x) == int(beyond.sum())
    assert len(lower.x) == len(whole.x) - len(upper.x)

    def ordered(x, y):
        places = np.stack([x, y], axis=1)
        return places[np.lexsort(np.round(places / 1e-13).T)]

    np.testing.assert_allclose(
        ordered(24e-9 - upper.x, upper.y), ordered(whole.x[beyond], whole.y[beyond]), atol=1e-15
    )


# --- layers ---------------------------------------------------------------------------------------------------


def test_every_layer_of_an_untwisted_stack_adds_to_the_same_columns():
    (block, stack), single = columns(flake(5))[0], columns(flake(1))[0][1]
    assert block.layers == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(stack.x, single.x)
    np.testing.assert_allclose(stack.weight, 5 * single.weight)


def test_a_twisted_stack_is_two_lattices():
    below, above = columns(flake(4, twist=0.3))
    assert (below[0].layers, above[0].layers) == ((0, 1), (2, 3))
    assert (below[0].lowest, above[0].lowest) == (0, 2)
    assert above[0].rotation - below[0].rotation == pytest.approx(0.3)
    assert below[0].origin != above[0].origin
    assert below[1].weight.sum() == pytest.approx(above[1].weight.sum(), rel=0.02)


def test_mos2_stacks_as_2h():
    """Mo of one layer stands over S2 of the next: two kinds of columns alone, two together."""
    single = columns(flake(1), material="mos2")[0][1]
    double = columns(flake(2), material="mos2")[0][1]
    mo, s = (haadf_cross_section_a2(element) * 1e-20 for element in ("Mo", "S"))
    assert sorted(set(np.round(single.weight / mo, 6))) == pytest.approx([2 * s / mo, 1.0], abs=1e-6)
    np.testing.assert_allclose(double.weight, mo + 2 * s)


def test_heights_sum_up_to_the_columns():
    _, found = columns(flake(3), heights=True)[0]
    summed = np.bincount(found.atoms.column, found.atoms.weight, minlength=len(found.x))
    np.testing.assert_allclose(summed, found.weight)
    assert np.ptp(found.atoms.z) == pytest.approx(2 * 0.99e-9 + 0.70e-9)


@pytest.mark.parametrize("tilt", [{"alpha": 0.05}, {"beta": -0.04}])
def test_a_tilted_stack_leans_as_the_rotation_says(tilt):
    """Every atom of a thick flake is seen where Rx(alpha)·Ry(beta) brings it."""
    from eucentric.instruments.twin.geometry import Tilt
    from eucentric.instruments.twin.raster import make_raster

    view = Tilt(tilt.get("alpha", 0.0), tilt.get("beta", 0.0))
    still = (np.zeros(64), np.zeros(64))
    raster = make_raster((64, 64), 1e-10, (0.0, 0.0), still, view, 0)
    point = np.array([0.7e-9, -0.4e-9, 2.3e-9])
    lab = np.array(view.rows) @ point
    row, column = raster.locate(
        np.array([point[0] + raster.lean[0] * point[2]]), np.array([point[1] + raster.lean[1] * point[2]])
    )
    assert (column[0] - 31.5) * 1e-10 == pytest.approx(lab[0], abs=1e-13)
    assert (row[0] - 31.5) * 1e-10 == pytest.approx(lab[1], abs=1e-13)


def test_tilting_a_thick_flake_blurs_its_lattice_and_keeps_its_mean():
    oracle = Oracle(TwinDriver(MXENE, 7))
    thick = next(p for p in oracle.suspended(BOX, layers=10) if not oracle.flakes[p.flake].twist)
    on, off = (shares(MXENE, scan(8e-9), thick.x, thick.y, alpha=a) for a in (0.0, 0.06))
    assert off.mean() == pytest.approx(on.mean() / math.cos(0.06), rel=0.01)
    assert off.std() / off.mean() < 0.7 * on.std() / on.mean()


# --- point defects --------------------------------------------------------------------------------------------

WIDE = (-18e-9, 18e-9, -18e-9, 18e-9)


@pytest.mark.parametrize("element", ["Mo", "S"])
def test_vacancies_are_drawn_atom_by_atom(element):
    spec = DefectSpec(kind="vacancy", element=element, fraction=0.1)
    found = columns(
        flake(), WIDE, "mos2", **Imperfections.of([spec], ClusterSpec(), "Mo", 0.0, 0.0).__dict__
    )[0][1]
    holds = found.sublattice == (0 if element == "Mo" else 1)
    atoms = 1 if element == "Mo" else 2
    assert not found.missing[0, ~holds].any()
    assert set(found.missing[0, holds]) == set(range(atoms + 1))
    share = found.missing[0, holds].sum() / (atoms * holds.sum())
    assert share == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / (atoms * holds.sum())))
    both = (found.missing[0, holds] == atoms).mean()
    assert both == pytest.approx(0.1**atoms, abs=5 * math.sqrt(0.1**atoms / holds.sum()))
    np.testing.assert_array_equal(found.present[0] + found.missing[0], np.where(found.sublattice == 0, 1, 2))


def test_a_substitute_has_its_own_brightness_and_an_adatom_adds_to_the_column():
    specs = [
        DefectSpec(kind="substitution", element="Mo", by="W", fraction=0.05),
        DefectSpec(kind="adatom", element="Mo", fraction=0.03),
    ]
    made = Imperfections.of(specs, ClusterSpec(), "Mo", 0.0, 0.0)
    found = columns(flake(), WIDE, "mos2", **made.__dict__)[0][1]
    mo, w = (haadf_cross_section_a2(element) * 1e-20 for element in ("Mo", "W"))
    on_mo = found.sublattice == 0
    swapped, added = found.swapped[0] > 0, found.added
    assert not (swapped | added)[~on_mo].any()
    np.testing.assert_allclose(found.weight[on_mo & ~swapped & ~added], mo)
    np.testing.assert_allclose(found.weight[on_mo & swapped & ~added], w)
    np.testing.assert_allclose(found.weight[on_mo & ~swapped & added], 2 * mo)
    for chosen, fraction in ((swapped, 0.05), (added, 0.03)):
        assert chosen[on_mo].mean() == pytest.approx(fraction, abs=5 * math.sqrt(fraction / on_mo.sum()))


def test_a_cluster_empties_a_small_circle_of_one_layer():
    made = Imperfections.of([], ClusterSpec(per_um2=4e3, radius_nm=0.6), "Ti", 0.0, 0.0)
    found = columns(flake(2), WIDE, **made.__dict__)[0][1]
    first, second = found.vacant
    assert first.any()
    assert second.any()
    assert not (first & second).any()  # clusters of the layers are independent, and few
    x, y = found.x[first], found.y[first]
    apart = np.hypot(x[:, None] - x, y[:, None] - y) + 1e9 * np.eye(len(x))
    assert np.median(apart.min(axis=1)) < 0.2e-9  # neighbours go together
    area = math.pi * (0.6e-9) ** 2
    assert first.mean() == pytest.approx(4e15 * area, rel=0.6)


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"kind": "substitution", "element": "Mo", "fraction": 0.1}, "needs 'by'"),
        ({"kind": "vacancy", "element": "Mo", "fraction": 0.1, "by": "W"}, "leave 'by' out"),
        ({"kind": "adatom", "element": "Mo", "fraction": 0.1, "pairing": 0.2}, "only vacancies"),
        ({"kind": "vacancy", "element": "Xx", "fraction": 0.1}, "no cross-section for element"),
        ({"kind": "vacancy", "element": "Mo", "fraction": 0.6}, "less than or equal to 0.5"),
    ],
)
def test_a_wrong_defect_is_refused_with_a_reason(update, words):
    with pytest.raises(ValueError, match=words):
        DefectSpec.model_validate(update)


# --- the whole ------------------------------------------------------------------------------------------------


def test_truth_and_image_agree_on_kinds_of_sites():
    """Columns that the oracle calls V_S, V_S2, substituted are as bright in the image as they must be."""
    oracle = Oracle(TwinDriver(MOS2, 7))
    world = MOS2.model_copy(update={k: FLAT[k] for k in ("height", "contamination")})
    place = oracle.suspended(BOX)[0]
    spec = scan(20e-9, 512)
    image = shares(world, spec, place.x, place.y)
    sites = oracle.sites((place.x - 9e-9, place.x + 9e-9, place.y - 9e-9, place.y + 9e-9))
    at = [
        np.rint((v - c) / spec.pixel_m + 255.5).astype(int)
        for v, c in ((sites.y, place.y), (sites.x, place.x))
    ]
    peak = image[at[0], at[1]]
    mo, s = sites.sublattice == 0, sites.sublattice == 1
    intact = (sites.missing == 0) & (sites.swapped == 0) & ~sites.added
    level = {
        "Mo": np.median(peak[mo & intact]),
        "S2": np.median(peak[s & intact]),
        "V_S": np.median(peak[s & (sites.missing == 1)]),
        "V_Mo": np.median(peak[mo & sites.vacant]),
    }
    assert level["V_S"] < 0.85 * level["S2"] < 0.85 * level["Mo"]
    assert level["V_Mo"] < 0.5 * level["Mo"]
    odd = peak[mo & (sites.swapped > 0)] / level["Mo"]
    assert np.median(np.abs(odd - 1)) > 0.3  # V and W, neither is Mo


def test_the_flakes_are_as_often_twisted_and_folded_as_the_world_says():
    oracle = Oracle(TwinDriver(MXENE, 7))
    stacks = [f for f in oracle.flakes if f.layers > 1]
    twisted = sum(f.twist != 0 for f in stacks) / len(stacks)
    assert twisted == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / len(stacks)))
    assert all(math.radians(1) <= abs(f.twist) <= math.radians(30) for f in stacks if f.twist)
    folds = sum(f.fold is not None for f in oracle.flakes) / len(oracle.flakes)
    assert folds == pytest.approx(0.08, abs=4 * math.sqrt(0.08 / len(oracle.flakes)))


def test_nothing_passes_a_bar_and_its_edge_is_bright():
    world = MXENE.model_copy(update={"bars": BarsSpec(pitch_um=100.0, width_um=20.0)})
    image = shares(world, scan(30e-6), 45e-6, 0.0)
    across = image.mean(axis=0)
    edge = int((40e-6 - 30e-6) / 30e-6 * 256)
    assert across[edge + 20 : edge + 160].max() < 1e-6
    assert across[edge - 2 : edge + 6].max() > 2 * across[: edge - 5].mean()
    specimen = Specimen(world, 7)
    assert specimen.opaque(50e-6, 0.0)
    assert not specimen.opaque(39e-6, 39e-6)
    bars = Oracle(TwinDriver(world, 7)).suspended((-60e-6, 60e-6, -60e-6, 60e-6))
    assert not any(specimen.opaque(place.x, place.y) for place in bars)


def test_residue_is_bright_small_and_only_on_what_is_solid():
    salty = MXENE.model_copy(update={"residue": ResidueSpec(per_um2=2.0, size_nm=80.0)})
    clean, dirty = (shares(world, scan(10e-6, 512), 0.0, 0.0) for world in (MXENE, salty))
    more = dirty - clean
    assert more.min() >= -1e-6
    lit = more > 0.5 * clean.mean()
    assert 0.002 < lit.mean() < 0.05
    assert not lit[clean < 0.01 * np.median(clean)].any()


def test_the_overview_keeps_its_brightness_whatever_is_folded_or_twisted():
    """A survey is as hard as it was: film brighter than a monolayer in a hole, at every magnification."""
    world = load_world("mxene")
    oracle = Oracle(TwinDriver(world, 7))
    place = oracle.suspended(BOX)[0]
    means = [shares(world, scan(fov), place.x, place.y).mean() for fov in (14e-9, 60e-9, 250e-9)]
    assert max(means) < 1.25 * min(means)
    film = Specimen(world, 7).film.fraction
    assert all(2 < film / mean < 3.2 for mean in means)


@pytest.mark.parametrize("missing", ["material", "flakes"])
def test_flakes_and_their_material_belong_together(tmp_path, missing):
    from importlib import resources

    text = (resources.files("eucentric.instruments.twin") / "worlds" / "mxene.toml").read_text("utf-8")
    start = text.index(f"[{missing}]")
    end = text.index("\n[", start + 1)
    path = tmp_path / "odd.toml"
    path.write_text(text[:start] + text[end:], "utf-8")
    with pytest.raises(BadInput, match="belong together"):
        load_world(str(path))


def test_bars_stop_the_bright_field_too():
    driver = TwinDriver(load_world("mxene"), 7, stage="ideal")
    driver.set_blank(True)
    driver.move({"x": 127e-6, "y": 0.0}, NEVER)  # half a pitch: the middle of a bar
    driver.set_blank(False)
    scan = ScanSpec(detectors=("bf", "haadf"), rows=32, columns=32, fov_m=5e-6, dwell_s=1e-5)
    _, (bright, dark) = driver.acquire(scan, NEVER)
    electrons = 30e-12 * 1e-5 / 1.602176634e-19
    assert bright.mean() < 0.01 * electrons * 0.25
    assert dark.mean() < 0.01 * electrons
