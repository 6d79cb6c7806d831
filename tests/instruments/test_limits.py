"""Limits as data: what a file may say, where it is found, and what it leaves of a driver's declaration."""

import importlib
import math
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.allowance import UNMEASURED, allowances, declared, effective, source_of
from eucentric.instruments.hostfiles import code_fingerprint
from eucentric.instruments.limits import Limits
from eucentric.instruments.limits_draft import draft_text
from eucentric.instruments.limits_file import limits_of, limits_path, load_limits
from eucentric.instruments.twin.world import shipped_worlds
from eucentric.instruments.uri import load_driver, open_instrument

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
rig = importlib.import_module("rig")

MEASURED = 'measured_by = "staff"\nmeasured_on = 2026-10-02\n'
FILE = f"""
version = 3
instrument = "* R1 7"
author = "j.doe"
booking_end = 2030-01-01T18:00:00Z
[axes.x_um]
lower = -800
upper = 900
max_step = 100
{MEASURED}
[axes.alpha_deg]
lower = -20
upper = 20
{MEASURED}
[optics.defocus_nm]
lower = -500
upper = 500
max_per_minute = 2000
[detectors.haadf]
max_probe_current_pa = 200
max_charge_pc = 1000
[[exclusions]]
detectors = ["bf"]
with_inserted = ["camera"]
when = {{ camera_length_mm = [0, 80] }}
reason = "direct beam"
[[maintenance]]
what = "cold trap"
begins = 2026-12-01T08:00:00Z
ends = 2026-12-01T10:00:00Z
[[suspenders]]
signal = "vacuum_mbar"
high = 1e-6
[clearance]
holders = []
[clearance.pole_piece]
gap_um = 5400
"""


@pytest.fixture(autouse=True)
def _settings(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.syspath_prepend(str(HERE))


def written(folder, text, name="limits.toml"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def changed(old, new):
    assert old in FILE
    return FILE.replace(old, new, 1)


def test_a_good_file_is_read(tmp_path):
    limits = load_limits(written(tmp_path, FILE))
    assert (limits.version, limits.axes["x_um"].upper, limits.axes["x_um"].measured) == (3, 900.0, True)
    assert limits.label.startswith("v3 (sha256 ")
    assert limits.measured_by == "staff 2026-10-02"
    assert limits.suspenders[0].then == "ask"


BAD = [
    ("version = 3", "version = 0", "version"),
    ("version = 3", "version = true", "version"),
    ("version = 3", 'version = "3"', "version"),
    ("version = 3", "version = 3.5", "version"),
    ("version = 3\n", "", "version"),
    ("upper = 900", "upper = -800", "axes.x_um"),
    ("upper = 900", "upper = -900", "axes.x_um"),
    ("upper = 900", "upper = nan", "axes.x_um.upper"),
    ("upper = 900", "upper = inf", "axes.x_um.upper"),
    ("upper = 900", 'upper = "900"', "axes.x_um.upper"),
    ("upper = 900", "upper = true", "axes.x_um.upper"),
    ("upper = 900\n", "", "axes.x_um.upper"),
    ("max_step = 100", "max_step = 0", "axes.x_um.max_step"),
    ("max_step = 100", "max_step = -1", "axes.x_um.max_step"),
    ("max_step = 100", "max_stepp = 1", "axes.x_um.max_stepp"),
    ("axes.x_um", "axes.x_nm", "axes has no x_nm"),
    ("axes.x_um", "axes.x", "axes has no x"),
    ("optics.defocus_nm", "optics.defocus_um", "optics has no defocus_um"),
    ("max_per_minute = 2000", "max_per_minute = inf", "optics.defocus_nm.max_per_minute"),
    ("max_probe_current_pa = 200\n", "", "detectors.haadf needs max_probe_current_pa"),
    ("max_charge_pc = 1000", "max_charge_pc = -1", "detectors.haadf.max_charge_pc"),
    ('detectors = ["bf"]', "detectors = []", "exclusions.0.detectors"),
    ("[0, 80]", "[80, 0]", "exclusions.0.when.camera_length_mm"),
    ("[0, 80]", "[80]", "exclusions.0.when.camera_length_mm"),
    ('reason = "direct beam"', "", "exclusions.0.reason"),
    ("2026-12-01T10:00:00Z", "2026-12-01T08:00:00Z", "maintenance.0"),
    ("ends = 2026-12-01T10:00:00Z", "ends = 2026-12-01T10:00:00", "maintenance.0.ends"),  # no zone
    ("2030-01-01T18:00:00Z", "2030-01-01", "booking_end"),
    ("high = 1e-6", "", "suspenders.0"),
    ("high = 1e-6", "low = 1\nhigh = 1", "suspenders.0"),
    ("high = 1e-6", "drop_fraction = 1.5", "suspenders.0.drop_fraction"),
    ("high = 1e-6", 'high = 1e-6\nthen = "go"', "suspenders.0.then"),
    ("gap_um = 5400", "gap_um = 0", "clearance.pole_piece.gap_um"),
    ('author = "j.doe"', 'declared = "v9"', "declared"),
    ('author = "j.doe"', "colour = 1", "colour"),
    ("[axes.x_um]", "[axes.x_um", "can't be read"),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD)
def test_a_bad_file_is_refused_with_its_name_and_the_field(tmp_path, old, new, said):
    path = written(tmp_path, changed(old, new))
    with pytest.raises(BadInput) as refused:
        load_limits(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_the_label_follows_the_content_not_the_layout(tmp_path):
    first = load_limits(written(tmp_path, FILE))
    shuffled = FILE.replace("lower = -800\nupper = 900", "upper = 9e2 # same\nlower = -800.0")
    assert load_limits(written(tmp_path, shuffled)).label == first.label
    assert load_limits(written(tmp_path, changed("upper = 900", "upper = 901"))).label != first.label
    assert load_limits(written(tmp_path, changed('"staff"', '"stuff"'))).label != first.label
    assert Limits.model_validate(first.model_dump(mode="json")) == first  # as it crosses the socket


@pytest.mark.parametrize(
    ("begin", "seconds", "closed"),
    [("2026-12-01T07:59:00", 30, None), ("2026-12-01T07:59:00", 61, "cold trap begins"),
     ("2026-12-01T09:00:00", 1, "cold trap begins"), ("2026-12-01T10:00:00", 1, None),
     ("2030-01-01T17:59:59", 2, "the booking ends"), ("2031-01-01T00:00:00", 1, "the booking ends")],
)  # fmt: skip
def test_when_the_instrument_is_closed(tmp_path, begin, seconds, closed):
    limits = load_limits(written(tmp_path, FILE))
    now = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    found = limits.closed(now, now + timedelta(seconds=seconds))
    assert (found and found[0]) == closed


# --- where it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", shipped_worlds())
def test_every_shipped_world_has_limits_that_fit_it(world):
    guard = open_instrument(f"twin://{world}?seed=1", in_process=True)
    assert guard.limits().version >= 1
    assert guard.capabilities().limits_version == guard.limits().label
    assert all(axis.steerable for axis in guard.capabilities().axes)
    guard.close()


def test_a_strangers_world_has_the_packaged_default_or_its_own(tmp_path):
    world = Path(limits_path("twin://mxene").parent / "mxene.toml").read_text("utf-8")
    written(tmp_path, world.replace('holder = "double-tilt A"', 'holder = "theirs"'), "w.toml")
    uri = f"twin:{tmp_path}/w.toml?seed=1"
    assert limits_path(uri).name == "default.limits.toml"
    guard = open_instrument(uri, in_process=True)
    assert all(one.exposable for one in guard.capabilities().detectors)
    before = code_fingerprint(uri)
    written(tmp_path, 'version = 8\ninstrument = "SIMULATED*"\n', "w.limits.toml")
    guard = open_instrument(uri, in_process=True)
    assert guard.limits().version == 8
    assert not any(axis.steerable for axis in guard.capabilities().axes)  # nothing is in the file
    assert code_fingerprint(uri) != before  # a host with the old limits is replaced


def test_settings_name_a_file_by_the_longest_beginning(tmp_path):
    short, long = written(tmp_path, FILE, "a.toml"), written(tmp_path, changed("= 3", "= 4"), "b.toml")
    text = f'limits = {{ "py:rig" = "{short}", "py:rig:rig_driver?simulated" = "{long}", "py:other" = "x" }}'
    (tmp_path / "settings.toml").write_text(text)
    assert limits_path("py:rig:rig_driver") == short
    assert limits_path("py:rig:rig_driver?simulated=1") == long
    assert limits_path("py:third:driver") is None
    guard = open_instrument("py:rig:rig_driver", in_process=True)
    assert guard.limits().version == 3


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("* R1 7", True), ("SIMULATED Rig R1 7", True), ("py:rig:*", True), ("SIMULATED Rig R? 7", True),
     ("* R1 8", False), ("Rig R1 7", False), ("SIMULATED Rig R[1] 7", False), ("py:rig", False)],
)  # fmt: skip
def test_limits_of_another_instrument_are_refused_and_the_driver_is_closed(tmp_path, pattern, fits):
    path = written(tmp_path, changed("* R1 7", pattern))
    (tmp_path / "settings.toml").write_text(f'limits = {{ "py:rig" = "{path}" }}')
    capabilities = load_driver("py:rig:rig_driver").capabilities()
    if fits:
        assert limits_of("py:rig:rig_driver", capabilities).version == 3
    else:
        with pytest.raises(BadInput, match="are for"):
            limits_of("py:rig:rig_driver", capabilities)


def test_a_missing_file_is_no_permission(tmp_path):
    (tmp_path / "settings.toml").write_text(f'limits = {{ "py:rig" = "{tmp_path}/none.toml" }}')
    with pytest.raises(BadInput, match=r"none\.toml"):
        open_instrument("py:rig:rig_driver", in_process=True)


# --- what it leaves -----------------------------------------------------------------------------------------------


def narrowed(text, simulated=True, **more):
    capabilities = rig.declaration(simulated, **more)
    limits = Limits.model_validate(tomllib.loads(text))
    able = effective(capabilities, limits)
    return able, allowances(able, limits)


def test_the_tighter_of_driver_and_limits_binds_and_the_rest_is_locked():
    able, binding = narrowed(FILE)
    x, alpha = able.axis("x"), able.axis("alpha")
    assert (x.lower, x.upper, x.max_step) == pytest.approx((-8e-4, 9e-4, 1e-4))
    assert alpha.upper == pytest.approx(math.radians(20))
    assert [one.name for one in able.axes if not one.steerable] == ["y", "z", "beta"]
    assert [one.name for one in able.optics if one.settable] == ["defocus"]
    assert [one.name for one in able.detectors if one.exposable] == ["haadf"]
    assert set(binding) == {"x", "alpha", "defocus"}
    assert binding["x"].max_excursion == pytest.approx(1e-4)  # defaults to the step
    assert binding["defocus"].max_excursion == math.inf
    assert binding["defocus"].max_per_minute == pytest.approx(2e-6)
    assert "measured by staff 2026-10-02" in binding["x"].source
    assert able.limits_version in binding["x"].source


def test_a_limit_never_widens_the_declaration():
    wide = changed("upper = 900", "upper = 90000").replace("max_step = 100", "max_step = 1e6")
    able, _ = narrowed(wide.replace("lower = -800", "lower = -80000"))
    x = able.axis("x")
    assert (x.lower, x.upper, x.max_step) == (-1e-3, 1e-3, 1e-3)


def test_disjoint_limits_lock_the_axis():
    able, binding = narrowed(changed("lower = -800\nupper = 900", "lower = 2000\nupper = 3000"))
    assert not able.axis("x").steerable
    assert "x" not in binding


def test_no_file_leaves_a_simulated_driver_as_it_declares_itself():
    capabilities = rig.declaration()
    limits = declared(capabilities)
    assert effective(capabilities, limits) == capabilities
    assert limits.label == "factory"
    assert source_of(capabilities) == "limits factory, declared by the factory"


def test_no_file_leaves_a_real_one_a_small_travel_and_no_tilt():
    capabilities = rig.declaration(simulated=False)
    limits = declared(capabilities)
    able = effective(capabilities, limits)
    binding = allowances(able, limits)
    assert able.limits_version == "unmeasured (driver factory)"
    assert not able.axis("alpha").steerable
    assert not able.axis("beta").steerable
    for name, small in UNMEASURED.items():
        assert able.axis(name).max_step == small
        assert binding[name].max_excursion == small
        assert binding[name].max_path == pytest.approx(10 * small)
    assert able.axis("x").upper == 1e-3  # it may stand anywhere, but not go far
    assert "nobody measured it" in binding["x"].source


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("", "", (1e-4, True)),
        ('measured_by = "staff"', 'measured_by = " "', (20e-6, True)),
        ("measured_on = 2026-10-02", "", (20e-6, True)),
        ("[clearance]\nholders = []\n[clearance.pole_piece]\ngap_um = 5400", "", (1e-4, False)),
    ],
)
def test_on_a_real_instrument_unmeasured_travel_is_small_and_tilt_needs_a_clearance(old, new, steps):
    able, _ = narrowed(changed(old, new), simulated=False)
    assert (able.axis("x").max_step, able.axis("alpha").steerable) == (pytest.approx(steps[0]), steps[1])


def test_unmeasured_tilt_of_a_real_instrument_is_locked():
    text = FILE.replace(MEASURED, "")
    assert not narrowed(text, simulated=False)[0].axis("alpha").steerable
    assert narrowed(text, simulated=True)[0].axis("alpha").steerable


ANY_HOLDER = """[[clearance.holders]]
name = "*"
half_width_um = 1
half_length_um = 1
thickness_um = 1
margin_um = 1
measured_by = "x"
"""


@pytest.mark.parametrize(
    "text",
    [changed("[detectors.haadf]", '[detectors."*"]'), FILE.replace("holders = []\n", "") + ANY_HOLDER],
)
def test_a_wildcard_is_for_simulated_instruments(text):
    narrowed(text)
    with pytest.raises(BadInput, match="simulated"):
        narrowed(text, simulated=False)


def test_an_exclusion_of_a_misspelt_detector_is_refused():
    with pytest.raises(BadInput, match="no detector hadf"):
        narrowed(changed('detectors = ["bf"]', 'detectors = ["hadf"]'))


def test_a_draft_can_be_read_again_and_allows_no_more_than_the_driver(tmp_path):
    capabilities = rig.declaration(simulated=False)
    text = draft_text(declared(capabilities))
    with pytest.raises(BadInput, match="needs max_probe_current_pa"):
        load_limits(written(tmp_path, text))
    limits = load_limits(
        written(tmp_path, text.replace("# max_probe_current_pa = ", "max_probe_current_pa = 100"))
    )
    assert set(limits.axes) == {"x_um", "y_um", "z_um", "alpha_deg", "beta_deg"}
    assert not any(row.measured for row in limits.axes.values())
    assert effective(capabilities, limits).axis("x").max_step == UNMEASURED["x"]
    odd = declared(rig.declaration(vendor='A "quoted"\n\\ name'))
    assert tomllib.loads(draft_text(odd))["instrument"] == odd.instrument
