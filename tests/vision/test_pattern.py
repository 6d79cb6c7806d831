"""Pictures of diffraction patterns with a known truth: spots found, bands followed, tilts measured, or refused."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df
from eucentric.tools.vision.pattern import read_pattern
from eucentric.tools.vision.pattern_bands import offset_by_bands
from eucentric.tools.vision.pattern_peaks import find_spots

LIGHT = df.Illumination(voltage_kv=200, convergence_mrad=0.5)
SCREEN = df.Screen(per_pixel=0.012, azimuth_deg=25.0)


def known(name):
    return df.reflections(df.structure_named(name), 2.3)


def toward_gun(crystal, uvw, tilt=(0.0, 0.0), turn_deg=31.0):
    up = crystal.direction(uvw)
    axis = np.cross(up, (0, 0, 1.0))
    size = float(np.linalg.norm(axis))
    to_lab = cr.axis_angle(axis, math.degrees(math.atan2(size, up[2]))) if size > 1e-9 else np.eye(3)
    to_lab = cr.axis_angle((0, 0, 1), turn_deg) @ to_lab
    length = math.hypot(*tilt)
    return to_lab if length == 0 else cr.axis_angle((*tilt, 0.0), length) @ to_lab


def picture(name, to_lab, electrons=5e6, thickness=60.0, seed=1, screen=SCREEN):
    expected = df.pattern(known(name), to_lab, LIGHT, thickness, screen)
    return df.counted(expected, electrons, np.random.default_rng(seed))


def off_deg(name, uvw, to_lab, offset):
    crystal = df.structure_named(name).crystal
    said = np.array(offset.to_lab) @ crystal.direction(offset.zone_axis)
    members = crystal.direction_family(uvw)
    return min(
        math.degrees(math.atan2(float(np.linalg.norm(np.cross(said, v))), float(said @ v)))
        for v in (to_lab @ crystal.direction(m) for m in members.tolist())
    )


@pytest.mark.parametrize("electrons", [1e5, 3e6])
@pytest.mark.parametrize("name", ["Si", "quartz"])
def test_spots_are_found_where_they_are_and_few_others(name, electrons):
    to_lab = toward_gun(df.structure_named(name).crystal, (1, 1, 1), (0.7, -0.4))
    found = find_spots(picture(name, to_lab, electrons))
    seen = df.spots(known(name), to_lab, LIGHT, 60)
    places = SCREEN.to_pixels(seen.at)
    apart = np.linalg.norm(found.at[:, None] - places[None], axis=2)
    assert (apart.min(axis=1) > 2).mean() <= 0.1
    strong = (seen.intensity > 3e-3) & ((places > 6) & (places < 249)).all(axis=1)
    strong &= np.hypot(*(places - 127.5).T) > 10
    assert (apart.min(axis=0)[strong] < 1.2).mean() > 0.9
    assert found.centre == pytest.approx((127.5, 127.5), abs=0.5)
    assert found.centre_seen
    assert (np.diff(found.counts) <= 0).all()


def test_the_direct_beam_is_told_behind_a_beam_stop():
    """From pairs of spots that lie evenly about it."""
    image = picture("Si", toward_gun(df.structure_named("Si").crystal, (0, 0, 1)))
    image[120:136, 120:136] = 0
    found = find_spots(image, centre=(125.0, 129.0))
    assert found.centre == pytest.approx((127.5, 127.5), abs=0.7)


def test_noise_alone_has_no_spots():
    rng = np.random.default_rng(5)
    for level in (0.3, 5.0, 400.0):
        assert len(find_spots(rng.poisson(level, (256, 256)).astype(np.float32))) <= 1


@pytest.mark.parametrize(
    "image",
    [np.zeros((256, 256)), np.full((256, 256), np.nan), np.ones((4, 4, 4)), np.ones((8, 300))],
)
def test_what_is_no_pattern(image):
    with pytest.raises(BadInput) as caught:
        find_spots(image.astype(np.float32))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "uvw"), [("Si", (0, 1, 1)), ("SrTiO3", (0, 0, 1)), ("quartz", (1, 0, 1)), ("ZrO2", (1, 1, 1))]
)
def test_a_pattern_tells_its_axis_and_how_far_it_is_off(name, uvw):
    to_lab = toward_gun(df.structure_named(name).crystal, uvw, (0.5, -0.9))
    assumed = SCREEN.model_copy(update={"centre": (129.0, 126.0), "per_pixel": 0.0122})
    found = read_pattern(picture(name, to_lab), [known(name)], LIGHT, assumed)
    assert found.indexing.verdict == "indexed"
    assert found.offset is not None, found.why
    assert off_deg(name, uvw, to_lab, found.offset) < 0.1
    assert found.offset.off_deg == pytest.approx(math.hypot(0.5, 0.9), abs=0.1)
    assert found.centre_px == pytest.approx((127.5, 127.5), abs=0.5)
    assert found.per_pixel == pytest.approx(0.012, rel=5e-3)


def test_bands_tell_a_hundredth_of_a_degree():
    crystal = df.structure_named("Si").crystal
    to_lab = toward_gun(crystal, (0, 1, 1), (0.8, 0.3))
    start = cr.axis_angle((1, -0.5, 0), 0.3) @ to_lab
    image = picture("Si", to_lab, 2e7, 90)
    found = offset_by_bands(image, known("Si"), start, LIGHT, SCREEN, find_spots(image).at)
    assert found is not None
    assert off_deg("Si", (0, 1, 1), to_lab, found) < 0.02
    assert found.sigma_deg < 0.02


def test_a_pattern_without_bands_claims_none():
    to_lab = toward_gun(df.structure_named("Si").crystal, (0, 1, 1), (0.8, 0.3))
    bare = df.pattern(known("Si"), to_lab, LIGHT, 60, SCREEN, df.Look(bands=0))
    image = df.counted(bare, 1e7, np.random.default_rng(2))
    assert offset_by_bands(image, known("Si"), to_lab, LIGHT, SCREEN, find_spots(image).at) is None


def test_a_single_layer_has_an_axis_and_no_tilt():
    layer = df.structure_named("MoS2")
    to_lab = cr.axis_angle((1, 0.4, 0), 4.0) @ cr.axis_angle((0, 0, 1), 12)
    expected = df.layer_pattern(df.layer_spots(layer, to_lab, LIGHT, SCREEN.reach), LIGHT, SCREEN)
    image = df.counted(expected, 1e7, np.random.default_rng(1))
    found = read_pattern(image, [known("MoS2")], LIGHT, SCREEN, layer=True)
    assert found.indexing.verdict in ("indexed", "ambiguous")
    assert found.indexing.best.zone_axis in ((0, 0, 1), (0, 0, -1))
    assert found.offset is None
    assert "layer" in found.why


def test_another_phase_is_not_read_into_a_pattern():
    to_lab = toward_gun(df.structure_named("ZrO2").crystal, (1, 0, 0))
    found = read_pattern(picture("ZrO2", to_lab), [known("Si")], LIGHT, SCREEN)
    assert found.indexing.verdict == "no_phase_fits"
    assert found.offset is None
    assert found.why


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(BadInput, match="calibrat"):
        read_pattern(np.ones((128, 128), np.float32), [known("Si")], LIGHT, SCREEN)
