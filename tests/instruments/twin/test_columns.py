"""Columns and stages by name or file, under any world; a clock that walks."""

import threading
import time

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.optics.presets import load_column, shipped_columns
from eucentric.instruments.twin.oracle import Oracle

NEVER = threading.Event()


def scan(*detectors: str, fov: float = 1e-6, n: int = 24, dwell: float = 2e-6) -> ScanSpec:
    return ScanSpec(detectors=detectors or ("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=dwell)


def frame(twin, spec: ScanSpec):
    twin.set_blank(False)
    return twin.acquire(spec, NEVER)[1]


@pytest.mark.parametrize("name", shipped_columns())
def test_a_shipped_column_stands_under_the_world(name):
    twin = twin_driver("mxene", {"seed": "3", "column": name})
    caps, column = twin.capabilities(), load_column(name)
    assert caps.identity.endswith(f"good-{name}-3")
    assert {one.name for one in caps.detectors} == {*column.detectors, *column.cameras}
    assert twin.read().optics["voltage"] == column.optics.voltage_kv * 1e3
    assert len(caps.optic("convergence").choices) == len(column.optics.convergences_mrad)
    (image,) = frame(twin, scan())
    assert np.array_equal(image, np.rint(image))
    assert image.min() >= 0
    assert image.mean() > column.detectors["haadf"].offset_counts


def test_detectors_of_one_column_see_one_specimen():
    twin = twin_driver("mxene", {"seed": "3", "column": "tuned"})
    haadf, maadf, abf = frame(twin, scan("haadf", "maadf", "abf", fov=4e-6, n=48, dwell=2e-5))
    assert np.corrcoef(haadf.ravel(), maadf.ravel())[0, 1] > 0.5
    assert np.corrcoef(haadf.ravel(), abf.ravel())[0, 1] < -0.5


def test_lenses_of_another_seed_are_off_in_another_way():
    first, second = (Oracle(twin_driver("mxene", {"seed": s, "column": "tuned"})).aberrations for s in "12")
    assert first != second
    assert 0 < abs(first.a1) < 10e-9
    assert Oracle(twin_driver("mxene", {"seed": "1"})).aberrations.a1 == 0


def test_a_strangers_column_and_stage(tmp_path):
    (tmp_path / "ours.toml").write_text("[optics]\nvoltage_kv = 80\nc3_um = 500\nconvergence_mrad = 12\n")
    (tmp_path / "stiff.toml").write_text("backlash_nm = 700\nmiss = 0.5\n")
    query = {"column": str(tmp_path / "ours.toml"), "stage": str(tmp_path / "stiff.toml"), "seed": "4"}
    caps = twin_driver("mxene", query).capabilities()
    assert caps.identity.endswith("stiff-ours-4")
    assert caps.axis("x").dead_band == pytest.approx(700e-9)


@pytest.mark.parametrize(
    ("key", "name", "text", "says"),
    [
        ("column", "c.toml", "[optics]\nvoltage_kv = -1\n", "voltage_kv"),
        ("column", "c.toml", "[optics", "not TOML"),
        ("column", "c.toml", "[detectors]\n", "detectors"),
        ("column", "c.toml", "[optics]\ncurrents_pa = [10, 20]\n", "probe_current_pa 30 is none of"),
        ("stage", "s.toml", "miss = 2\n", "miss"),
        ("stage", "s.toml", "wheels = 4\n", "wheels"),
        ("stage", "a stage.toml", "miss = 0.1\n", "rename the file"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, key, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=says):
        twin_driver("mxene", {key: str(tmp_path / name)})


def test_a_paced_clock_takes_its_time_and_gives_the_same_bytes():
    paced = twin_driver("mxene", {"seed": "3", "clock": "paced", "speed": "40"})
    jumping = twin_driver("mxene", {"seed": "3"})
    pictures = []
    begun = time.monotonic()
    for twin in (paced, jumping):
        twin.move({"x": 5e-6}, NEVER)
        pictures.append(frame(twin, scan())[0])
    assert paced.read().time_s == jumping.read().time_s
    assert time.monotonic() - begun >= paced.read().time_s / 40
    assert np.array_equal(*pictures)
    assert paced.capabilities().abort == "mid_frame"


def test_nothing_passes_between_commands_on_a_paced_clock():
    twin = twin_driver("mxene", {"clock": "paced", "speed": "10000"})
    twin.wait(5.0, NEVER)
    before = twin.read().time_s
    time.sleep(0.01)
    assert twin.read().time_s == before == 5.0


def test_a_stop_ends_a_paced_move_on_its_way():
    twin = twin_driver("mxene", {"clock": "paced", "speed": "1"})
    event = threading.Event()
    threading.Timer(0.05, event.set).start()
    twin.move({"x": 400e-6}, event)
    assert 0 < twin.read().time_s < 1.0
    assert abs(twin.read().reported["x"]) < 100e-6
