"""Where spots and bands are and how bright: against the Ewald construction done here, and against each other."""

import math

import numpy as np
import pytest

from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df
from eucentric.knowledge.diffraction.spots import shape_factor

SI = df.structure_named("Si")
KNOWN = df.reflections(SI, 1.7)


def test_the_excitation_error_is_the_distance_to_the_sphere(rng, light):
    """Found by walking along the beam until |k + g| = K; z points to the gun, k away from it."""
    g = rng.normal(size=(200, 3)) * (0.8, 0.8, 0.05)
    s = df.excitation_errors(g, light.k)
    k = np.array([0, 0, -light.k])
    tip = g + k
    tip[:, 2] -= s  # along the beam, -z
    assert np.linalg.norm(tip, axis=1) == pytest.approx(light.k, rel=1e-12)
    inside = np.linalg.norm(g + k, axis=1) < light.k
    assert ((s > 0) == inside).all()


def test_a_reflection_is_excited_where_two_beam_tilting_says(helpers, light, rng):
    """The tilt of `two_beam_tilt` (knowledge.crystal) puts its g on the sphere."""
    stage = cr.Stage()
    for hkl in ((2, 2, 0), (4, 0, 0), (-1, 1, 1)):
        orientation = cr.orientation_of(helpers["turn"](rng))
        now = cr.edge_on_tilt(stage, cr.plane_normal(SI.crystal, orientation, hkl), cr.Reading(alpha_deg=3))
        now = cr.Reading(alpha_deg=now.alpha_deg, beta_deg=now.beta_deg)
        tilt = cr.two_beam_tilt(SI.crystal, orientation, hkl, light.wavelength_a, stage, now)
        to_lab = (
            cr.rotation(stage, cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
            @ orientation.array
        )
        g = to_lab @ SI.crystal.cell.reciprocal @ np.array(hkl)
        assert df.excitation_errors(g, light.k) == pytest.approx(0, abs=1e-9)


def test_the_shape_function_is_the_integral_of_a_slab():
    """|integral of exp(2 pi i s z) over the thickness|², without and with convergence."""
    z = np.linspace(0, 400.0, 40001)
    for s in (0.0, 0.001, 0.0037):
        summed = abs(np.trapezoid(np.exp(2j * math.pi * s * z), z)) ** 2
        assert shape_factor(np.array([s]), np.array([0.0]), 400.0)[0] == pytest.approx(
            summed, rel=1e-6, abs=1e-3
        )
    offsets = 0.002 * np.cos(
        np.pi * (np.arange(2000) + 0.5) / 2000
    )  # across a disc: dense at its rim, weighted
    weight = np.sqrt(1 - (offsets / 0.002) ** 2) * np.sin(np.pi * (np.arange(2000) + 0.5) / 2000)
    mean = (weight * (400 * np.sinc(400 * (0.001 + offsets))) ** 2).sum() / weight.sum()
    assert shape_factor(np.array([0.001]), np.array([0.002]), 400.0)[0] == pytest.approx(mean, rel=2e-2)


def test_kinematic_intensity_grows_as_the_square_of_the_thickness(light):
    exact = df.Illumination(voltage_kv=200, convergence_mrad=0.0)
    turn = cr.axis_angle((1, 1, 0.3), 11.0)
    thin, twice = df.spots(KNOWN, turn, exact, 0.5, 0), df.spots(KNOWN, turn, exact, 1.0, 0)
    pick = {
        tuple(h): i
        for h, i, s in zip(twice.hkl.tolist(), twice.intensity, twice.excitation, strict=True)
        if abs(s) < 5e-3
    }
    pairs = [
        (i, pick[tuple(h)])
        for h, i in zip(thin.hkl.tolist(), thin.intensity, strict=True)
        if tuple(h) in pick
    ]
    assert len(pairs) >= 3
    assert all(b / a == pytest.approx(4, rel=0.01) for a, b in pairs)


@pytest.mark.parametrize(("uvw", "ring"), [((0, 0, 1), 4), ((1, 1, 1), 6), ((0, 1, 1), 4)])
def test_a_zone_axis_pattern_has_the_symmetry_and_spacing_of_its_zone(helpers, light, uvw, ring):
    to_lab = helpers["on_beam"](SI.crystal, uvw)
    seen = df.spots(KNOWN, to_lab, light, 30)
    zone = seen.hkl @ np.array(uvw) == 0
    assert zone.mean() > 0.9
    first = np.hypot(*seen.at[zone].T)
    shortest = min(1 / SI.crystal.spacing_angstrom(h) for h in seen.hkl[zone].tolist())
    assert first.min() == pytest.approx(shortest, rel=1e-3)
    assert int((first < first.min() * 1.01).sum()) == ring
    for hkl, intensity in zip(seen.hkl.tolist(), seen.intensity, strict=True):
        opposite = (seen.hkl == [-x for x in hkl]).all(axis=1)
        assert seen.intensity[opposite] == pytest.approx(intensity, rel=1e-6)


def test_tilting_moves_the_laue_circle_to_where_the_bands_cross(helpers, light):
    """|g - c|² = |c|² - 2 K s for the spots of the zone: s = 0 on the circle about the crossing of its bands."""
    for tilt in ((1.0, 0.4), (-0.3, 1.4), (0.0, -2.0)):
        to_lab = helpers["on_beam"](SI.crystal, (0, 1, 1), tilt, 17.0)
        centre = df.zone_axis_at(SI.crystal, to_lab, (0, 1, 1), light.k)
        seen = df.spots(KNOWN, to_lab, light, 10)
        zone = seen.part(seen.hkl @ np.array([0, 1, 1]) == 0)
        assert len(zone) > 8
        square = ((zone.at - centre) ** 2).sum(axis=1)
        assert square == pytest.approx(centre @ centre - 2 * light.k * zone.excitation, abs=0.01)
        x, y, z = to_lab @ SI.crystal.direction((0, 1, 1))
        assert math.degrees(math.hypot(*centre) / light.k) == pytest.approx(
            math.degrees(math.atan2(math.hypot(x, y), z)), rel=2e-3
        )


def test_the_lines_of_a_band_are_where_its_planes_reflect(helpers, light, rng):
    """On a line p g = ± g²/2: an electron that runs there is at the Bragg angle of the plane."""
    screen = df.Screen(per_pixel=0.012, rows=512, columns=512)
    drawn = df.bands(KNOWN, helpers["turn"](rng), light.k, 12)
    for n in range(len(drawn)):
        for side in (-1, 1):
            along = np.array([-drawn.across[n, 1], drawn.across[n, 0]])
            q = drawn.across[n] * (drawn.offset[n] + side * drawn.width[n] / 2) + 0.2 * along
            p = np.array([*q, -math.sqrt(light.k**2 - q @ q)])
            sine = abs(p @ drawn.g[n]) / (light.k * np.linalg.norm(drawn.g[n]))
            theta = light.wavelength_a * np.linalg.norm(drawn.g[n]) / 2
            assert sine == pytest.approx(theta, rel=0.05)
    assert screen.reach > 3


def test_bands_cross_in_zone_axes(helpers, light, rng):
    to_lab = helpers["on_beam"](SI.crystal, (1, 1, 2), (1.3, -0.8), 40)
    cross = df.zone_axis_at(SI.crystal, to_lab, (1, 1, 2), light.k)
    drawn = df.bands(KNOWN, to_lab, light.k, 60)
    through = drawn.hkl @ np.array([1, 1, 2]) == 0
    assert through.sum() >= 3
    assert drawn.across[through] @ cross - drawn.offset[through] == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("azimuth", [0.0, 37.0, -120.0])
def test_pixels_and_lab_are_inverse_and_as_the_stage_has_azimuths(rng, azimuth, mirrored):
    """lab = screen + azimuth, or azimuth - screen; columns are the screen's x, rows its y."""
    screen = df.Screen(per_pixel=0.01, azimuth_deg=azimuth, mirrored=mirrored, centre=(100.0, 140.0))
    stage = cr.Stage(screen_azimuth_deg=azimuth, screen_mirrored=mirrored)
    at = rng.uniform(0, 255, (20, 2))
    lab = screen.to_lab(at)
    assert np.allclose(screen.to_pixels(lab), at)
    for (row, column), (x, y) in zip(at, lab, strict=True):
        on_screen = math.degrees(math.atan2(row - 100.0, column - 140.0))
        wanted = cr.lab_azimuth_deg(stage, on_screen)
        assert math.cos(math.radians(wanted - math.degrees(math.atan2(y, x)))) == pytest.approx(1)


def test_a_picture_shows_the_spots_where_they_are_and_keeps_the_electrons(helpers, light):
    to_lab = helpers["on_beam"](SI.crystal, (0, 1, 1), (0.5, 0.2), 12)
    screen = df.Screen(per_pixel=0.012, azimuth_deg=25)
    image = df.pattern(KNOWN, to_lab, light, 40, screen)
    assert image.dtype == np.float32
    assert image.shape == (256, 256)
    assert 0.8 < float(image.sum()) < 1.1
    bare = df.spot_image(df.spots(KNOWN, to_lab, light, 40), light, screen, df.Look())
    for at in screen.to_pixels(df.spots(KNOWN, to_lab, light, 40).at[:6]):
        row, column = (round(x) for x in at)
        box = bare[row - 4 : row + 5, column - 4 : column + 5]
        steps = np.arange(-4, 5)
        found = row + (box.sum(1) @ steps) / box.sum(), column + (box.sum(0) @ steps) / box.sum()
        assert found == pytest.approx(tuple(at), abs=0.1)


def test_noise_is_that_of_counting_and_repeats_with_its_seed(helpers, light):
    image = df.pattern(
        KNOWN, helpers["on_beam"](SI.crystal, (0, 0, 1)), light, 40, df.Screen(per_pixel=0.012)
    )
    one, two = (df.counted(image, 1e6, np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all()
    assert float(one.sum()) == pytest.approx(1e6 * float(image.sum()), rel=0.01)
    assert (one == np.round(one)).all()


def test_a_thin_crystal_has_no_bands(helpers, light):
    to_lab, screen = helpers["on_beam"](SI.crystal, (0, 0, 1), (2, 1)), df.Screen(per_pixel=0.012)
    with_bands, without = (
        df.pattern(KNOWN, to_lab, light, t, screen)
        - df.pattern(KNOWN, to_lab, light, t, screen, df.Look(bands=0))
        for t in (100, 1)
    )
    assert float(np.abs(with_bands).sum()) > 20 * float(np.abs(without).sum())


def test_a_tilted_layer_has_all_its_spots_farther_apart_across_the_axis(light):
    """Rods: distances along the tilt axis stay, those across it grow by 1/cos."""
    layer = df.structure_named("MoS2")
    flat, tilted = (df.layer_spots(layer, cr.axis_angle((1, 0, 0), t), light, 1.4) for t in (0.0, 20.0))
    places = {tuple(h): at for h, at in zip(flat.hkl.tolist(), flat.at, strict=True)}
    assert len(tilted) > 20
    for hkl, at in zip(tilted.hkl.tolist(), tilted.at, strict=True):
        if tuple(hkl) in places and np.hypot(*places[tuple(hkl)]) < 0.9:
            x, y = places[tuple(hkl)]
            assert at[0] == pytest.approx(x, abs=5e-3)
            assert at[1] == pytest.approx(y / math.cos(math.radians(20)), abs=1.5e-2)
    lit = tilted.intensity[:6].sum() / flat.intensity[:6].sum()
    assert 0.5 < lit < 2
