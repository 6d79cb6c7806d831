"""What a microscopist would write down about a crystal whose orientation is known: the mathematics backwards."""

import math

import numpy as np

from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb

AT = {"at": "2026-11-28T03:45:17.123Z", "by": "m.skłodowska", "orcid": "0000-0002-1825-0097"}
CELLS = {
    "SrTiO3": ([3.905] * 3 + [90] * 3, 221),
    "Ti3AlC2": ([3.0753, 3.0753, 18.578, 90, 90, 120], 194),
    "quartz": ([4.9134, 4.9134, 5.4052, 90, 90, 120], 152),
    "ZrO2": ([5.1505, 5.2116, 5.3173, 90, 99.23, 90], 14),
}


def turned(seed):
    """A random rotation."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def calibration(**words):
    """A microscope that was calibrated in two modes, with signs that are not the usual ones."""
    rows = [
        nb.ScreenRow(
            screen=nb.ScreenMode(camera_length_mm=length, high_tension_kv=200.0), azimuth_deg=azimuth, mirrored=m
        )
        for length, azimuth, m in ((100.0, -18.3, False), (245.0, 71.25, True))
    ]  # fmt: skip
    known = {"microscope": "Titan 3", "holder_name": "DT-7", "alpha_sign": 1, "beta_sign": -1, "screens": rows,
             "limits": cr.Box(alpha=(-35, 35), beta=(-30, 30)), "repeatability_deg": 0.05}  # fmt: skip
    return nb.CalibrationEntry(**AT, **{**known, **words})


def reading_of(crystal, orientation, stage, uvw, **words):
    """What a perfect microscopist writes down on a zone axis."""
    tilt = cr.tilt_to_axis(crystal, orientation, uvw, stage)
    written = words.pop("written", cr.shown(tilt.uvw))
    return nb.ReadingEntry(
        **AT, seen="axis", written=written, alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg, **words
    )


def g_reading_of(crystal, orientation, stage, hkl, at, row, **words):
    """The azimuth on the screen of a reflection at a reading, in the mode of a calibration's row."""
    x, y, _ = cr.rotation(stage, at) @ cr.plane_normal(crystal, orientation, hkl)
    turned = stage.model_copy(update={"screen_azimuth_deg": row.azimuth_deg, "screen_mirrored": row.mirrored})
    seen = cr.screen_azimuth_deg(turned, math.degrees(math.atan2(y, x)))
    return nb.ReadingEntry(
        **AT, seen="g", written=cr.shown(hkl, "plane"), alpha_deg=at.alpha_deg, beta_deg=at.beta_deg,
        azimuths=[nb.ScreenAzimuth(azimuth_deg=seen, screen=row.screen)], **words,
    )  # fmt: skip


def begun(path, crystal, **calibrated):
    """A file with specimen, calibration, loading, phase and a grain."""
    file = nb.NotebookFile.new(
        path, nb.SpecimenEntry(**AT, name="Würfel Nº 3", material=crystal.name, licence="CC-BY-4.0")
    )
    file.add(calibration(**calibrated))
    file.add(nb.LoadingEntry(**AT, calibration="cal1", name="2026-11-28-a"))
    file.add(nb.PhaseEntry(**AT, crystal=crystal, source="made", cif_sha256="ab" * 32))
    file.add(nb.GrainEntry(**AT, name="A", phase="phase1", loading="load1", x_um=31.2, y_um=-4.75, z_um=0.1))
    return file


def stage():
    return nb.stage_of(calibration(), "cal1")


def oriented_for(crystal, axis=(1, 1, 2), seed=5):
    """An orientation with some low-index axis about 9 degrees off the beam, so that others are in reach."""
    base = cr.rotation(cr.Stage(), cr.Reading(alpha_deg=6.4, beta_deg=-7.2)).T
    z = crystal.direction(axis)
    x = cr.unit(np.cross(z, turned(seed)[0]))
    return cr.orientation_of(base @ np.stack([x, np.cross(z, x), z]))


def at_of(tilt):
    return cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)


def fill(path, crystal):
    """(open file, true orientation): one of each kind of entry, two solutions, a correction."""
    true = oriented_for(crystal)
    file = begun(path, crystal)
    near = cr.reachable_axes(crystal, true, stage(), 3)
    first, second = max(
        ((a, b) for a in near[:12] for b in near[:12]),
        key=lambda pair: min(cr.angle_between_readings_deg(stage(), *map(at_of, pair)), 40.0),
    )
    words = {"grain": "grain1", "loading": "load1", "sigma_deg": 0.123456789012345}
    one = reading_of(
        crystal, true, stage(), first.uvw, **words, frame="f-00012", frame_sha256="cd" * 32, method="CBED"
    )
    file.add(
        one,
        reading_of(
            crystal, true, stage(), second.uvw, **words, note='½ hour later; "tired" ⟨112⟩?\nsecond line'
        ),
    )
    file.add(nb.solved(file.read(), "grain1", "load1", "eucentric"))
    row = calibration().screens[1]
    hkl = next(tuple(h) for h in cr.low_indices(3).tolist() if np.dot(h, first.uvw) == 0)
    file.add(g_reading_of(crystal, true, stage(), hkl, at_of(first), row, **words))
    file.add(nb.solved(file.read(), "grain1", "load1", "eucentric"))
    file.add(
        nb.PictureEntry(
            **AT,
            path="pics/map 1.tif",
            sha256="ef" * 32,
            size_bytes=123456,
            what="map",
            readings=["r1", "r3"],
        )
    )
    file.add(nb.ReadingEntry(**AT, seen="unindexed", alpha_deg=1 / 3, beta_deg=-math.pi,
                             spacings_angstrom=[2.2071, 1e-1],
                             azimuths=[nb.ScreenAzimuth(azimuth_deg=x) for x in (0.1, 60.3)]))  # fmt: skip
    file.add(
        nb.GrainEntry(
            **AT, name="A", phase="phase1", picture="pic1", row_px=12.5, column_px=99.0, replaces="grain1"
        )
    )
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load1", flip="about_beta", fiducials=[
        nb.Fiducial(name="crack", before=nb.ScreenAzimuth(azimuth_deg=12.0, screen=row.screen),
                    after=nb.ScreenAzimuth(azimuth_deg=-101.5, screen=row.screen))]))  # fmt: skip
    for limits in (
        cr.Superellipse(a=36, b=32, r=3.3),
        cr.Polygon(vertices=[(-30, -20), (30, -20), (0, 33.3)]),
    ):
        file.add(calibration(limits=limits, note="another holder", alpha_sign=None))
    return file, true
