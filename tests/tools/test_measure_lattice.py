"""The tool on stored frames: numbers, agreement with the stated scale, and a picture."""

import pytest
from bench_port import BenchPort

from eucentric.bench.images.drawn_lattices import draw
from eucentric.core.instrument import Frame
from eucentric.tools.catalogue import tool_named

TOOL = tool_named("measure_lattice")


def measured(drawn, stated_pm, material):
    bench = BenchPort(seed=7, stage="ideal")
    frame = Frame(
        id="drawn", sha256="", detector="haadf", shape=drawn.image.shape, dtype="float32", pixel_pm=stated_pm,
        simulated=True,
    )  # fmt: skip
    kept = bench.store(drawn.image, frame)
    return bench, bench.do(TOOL, frame=kept.id, material=material)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Pictures go to the folder that the tests run in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def oxide():
    return draw("SrTiO3", size=288, pixel_a=0.18, counts=300, vacancies=0.01, seed=1)


def test_the_lattice_of_a_frame(oxide):
    bench, result = measured(oxide, 18.0, "SrTiO3")
    assert result.pixel_pm == pytest.approx(18.0, rel=0.003)
    assert result.agrees
    assert result.lattice_constant.low <= 3.905 * (1 + 2e-3)
    assert result.lattice_constant.value == pytest.approx(3.905, rel=0.003)
    (grain,) = result.grains
    assert grain.angle_deg == pytest.approx(90, abs=0.2)
    assert grain.a_px == pytest.approx(3.905 / 0.18, rel=0.003)
    assert grain.turn_deg == pytest.approx(17.0, abs=0.2)
    assert [one.component for one in result.strain] == ["exx", "eyy", "exy", "rotation"]
    assert all(one.error > 0 for one in result.strain)
    picture = bench.context.folder / result.picture
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "agrees with the stated 18.000" in TOOL.summary(result)


def test_a_stated_scale_that_is_off_is_said(oxide):
    _, result = measured(oxide, 18.6, "SrTiO3")
    assert result.agrees is False
    assert result.off_percent == pytest.approx(-3.2, abs=0.3)
    assert "DISAGREES" in TOOL.summary(result)


def test_without_a_lattice_it_cannot_tell(oxide):
    blank = draw("Ti3C2", size=128, counts=0.01, seed=2)
    _, result = measured(blank, 14.0, "Ti3C2")
    assert result.cannot_tell
    assert result.picture == ""
    assert result.strain == ()
    assert "cannot tell" in TOOL.summary(result)
