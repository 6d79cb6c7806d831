"""Image files: good ones, and everything that goes wrong with files of users."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from eucentric.core.errors import UnreadableImage
from eucentric.tools.vision import read_image

GOOD = np.random.default_rng(0).normal(1.0, 0.1, (80, 96)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", lambda path: np.save(path, GOOD)),
        ("a.TIF", lambda path: tifffile.imwrite(path, GOOD)),
        ("double.npy", lambda path: np.save(path, GOOD.astype(np.float64))),
        ("a.tif", lambda path: tifffile.imwrite(path, GOOD)),
        ("page.tiff", lambda path: tifffile.imwrite(path, GOOD[None])),
        ("big-endian.tif", lambda path: tifffile.imwrite(path, GOOD, byteorder=">")),
    ],
)
def test_reads(tmp_path, name, write):
    write(tmp_path / name)
    pixels, frame = read_image(tmp_path / name)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, GOOD, rtol=1e-6)
    assert frame.shape == (80, 96)
    assert len(frame.sha256) == 64
    assert frame.pixel_pm is None


@pytest.mark.parametrize("mode", ["L", "I;16", "grey RGB"])
def test_reads_png(tmp_path, mode):
    grey = np.clip(GOOD * 100, 0, 255).astype(np.uint8)
    array = (
        np.stack([grey] * 3, -1) if mode == "grey RGB" else grey.astype(np.uint16) if mode == "I;16" else grey
    )
    Image.fromarray(array).save(tmp_path / "a.png")
    pixels, _ = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(pixels, grey)


def colour():
    return np.random.default_rng(1).integers(0, 255, (80, 80, 3)).astype(np.uint8)


def holes(share):
    image = GOOD.copy()
    image.ravel()[: int(share * image.size)] = np.nan
    return image


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("none.tif", None, "no file"),
        ("a.jpg", lambda p: p.write_bytes(b"x" * 100), "kind"),
        ("a.dm3", lambda p: p.write_bytes(b"x" * 100), "no DM file"),
        ("a.emd", lambda p: p.write_bytes(b"x" * 100), "cannot be read"),
        ("a.npz", lambda p: p.write_bytes(b"x" * 100), "cannot be read"),
        ("bad.tif", lambda p: p.write_bytes(b"II*\x00" + b"\x99" * 40), "bad.tif"),
        ("bad.npy", lambda p: p.write_bytes(b"\x93NUMPY garbage"), "cannot be read"),
        ("bad.png", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\nnot"), "cannot be read"),
        ("empty.npy", lambda p: p.write_bytes(b""), "0 bytes"),
        ("folder.tif", lambda p: p.mkdir(), "is a folder"),
        (
            "pickle.npy",
            lambda p: np.save(p, np.array([{}], dtype=object), allow_pickle=True),
            "cannot be read",
        ),
        ("line.npy", lambda p: np.save(p, np.arange(100.0)), "shape"),
        ("stack.npy", lambda p: np.save(p, np.zeros((5, 80, 80))), "stack of 5"),
        ("deep.npy", lambda p: np.save(p, np.zeros((5, 5, 80, 80))), "shape"),
        ("zero.npy", lambda p: np.save(p, np.zeros((0, 80))), "px"),
        ("small.npy", lambda p: np.save(p, GOOD[:20, :20]), "64"),
        ("flat.npy", lambda p: np.save(p, np.ones((80, 80))), "same value"),
        ("nan.npy", lambda p: np.save(p, np.full((80, 80), np.nan)), "not finite"),
        ("holes.npy", lambda p: np.save(p, holes(0.7)), "not finite"),
        ("inf.npy", lambda p: np.save(p, np.full((80, 80), 1e300)), "not finite"),
        ("complex.npy", lambda p: np.save(p, GOOD.astype(complex)), "complex"),
        ("text.npy", lambda p: np.save(p, np.full((80, 80), "a")), "numbers"),
        ("rgb.png", lambda p: Image.fromarray(colour()).save(p), "colour"),
    ],
)
def test_refuses_with_a_reason(tmp_path, name, write, says):
    if write:
        write(tmp_path / name)
    with pytest.raises(UnreadableImage, match=says) as caught:
        read_image(tmp_path / name)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_few_missing_pixels_are_kept_as_missing(tmp_path):
    np.save(tmp_path / "a.npy", holes(0.1))
    pixels, _ = read_image(tmp_path / "a.npy")
    assert np.isnan(pixels).mean() == pytest.approx(0.1, abs=0.01)


def test_imagej_scale(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GOOD, imagej=True, resolution=(50.0, 50.0), metadata={"unit": "nm"})
    assert read_image(tmp_path / "a.tif")[1].pixel_pm == pytest.approx(20.0)
    tifffile.imwrite(tmp_path / "b.tif", GOOD, resolution=(300, 300), resolutionunit="INCH")
    assert read_image(tmp_path / "b.tif")[1].pixel_pm is None


SPACE = {"field_of_view_x": 9.6, "field_of_view_y": 8.0, "field_of_view_units": "nm"}


@pytest.mark.parametrize(
    ("side", "pixel", "voltage"),
    [
        ({"experimental_details": {"voltage": "60 kV", "spatial_info": SPACE}}, 100.0, 60.0),
        ({"pixel_pm": 15.6, "simulated": True}, 15.6, None),
        ({"pixel_pm": "nan"}, None, None),
        ({"pixel_pm": -3}, None, None),
        ({"experimental_details": {"voltage": "60 V", "spatial_info": {"field_of_view_x": "9"}}}, None, None),
        ({"experimental_details": [1, 2], "pixel_pm": True}, None, None),
        ([1, 2, 3], None, None),
    ],
)
def test_sidecar(tmp_path, side, pixel, voltage):
    np.save(tmp_path / "a.npy", GOOD)
    (tmp_path / "a.json").write_text(json.dumps(side))
    _, frame = read_image(tmp_path / "a.npy")
    assert frame.pixel_pm == (pytest.approx(pixel) if pixel else None)
    assert frame.voltage_kv == voltage
    assert frame.simulated == (isinstance(side, dict) and side.get("simulated") is True)


def test_a_broken_sidecar_is_no_obstacle(tmp_path):
    np.save(tmp_path / "a.npy", GOOD)
    (tmp_path / "a.json").write_bytes(b"\xff{not json")
    assert read_image(tmp_path / "a.npy")[1].pixel_pm is None


def test_names_are_escaped(tmp_path):
    np.save(tmp_path / "a\x1b[2J.npy", GOOD)
    assert "\x1b" not in read_image(tmp_path / "a\x1b[2J.npy")[1].id
