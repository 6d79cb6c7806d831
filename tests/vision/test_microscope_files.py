"""Files of microscopes: what they say is understood, what is ambiguous is asked, what is damaged is refused."""

import h5py
import numpy as np
import pytest
import tifffile
from microscope_files import DM_TAGS, IMAGE, STACK, DmFile, dm_image, dm_tree, velox_metadata, write_velox

from eucentric.core.errors import UnreadableImage
from eucentric.tools.vision import read_frames, read_image

ONE = IMAGE[None]


def test_velox(tmp_path):
    path = tmp_path / "a.emd"
    write_velox(path, {"aa": (ONE, velox_metadata("BF")), "bb": (ONE + 1, velox_metadata())})
    pixels, frame = read_image(path)
    np.testing.assert_array_equal(pixels, IMAGE + 1)
    assert frame.pixel_pm == pytest.approx(7.8)
    assert frame.detector == "haadf"
    assert (frame.voltage_kv, frame.probe_current_pa) == (pytest.approx(60), pytest.approx(25))
    assert (frame.dwell_us, frame.convergence_mrad) == (pytest.approx(2.5), pytest.approx(30))
    assert (frame.alpha_deg, frame.x_um) == (pytest.approx(1.0), pytest.approx(-4.35))
    assert frame.instrument == "FEI Company Titan 3354"
    assert not frame.simulated
    assert read_image(path, dataset="BF")[1].detector == "bf"
    np.testing.assert_array_equal(read_image(path, dataset="aa")[0], IMAGE)
    with pytest.raises(UnreadableImage, match="'DF4'") as caught:
        read_image(path, dataset="DF4")
    assert "haadf (bb)" in caught.value.why


def test_velox_with_several_or_no_haadf_asks(tmp_path):
    path = tmp_path / "a.emd"
    write_velox(path, {"aa": (ONE, velox_metadata()), "bb": (ONE, velox_metadata())})
    with pytest.raises(UnreadableImage, match="2 images") as caught:
        read_image(path)
    assert "--dataset" in caught.value.remedy
    write_velox(path, {"aa": (ONE, velox_metadata("", index="5"))})
    assert read_image(path)[1].detector == "bf"
    write_velox(path, {"aa": (ONE, {"BinaryResult": "?", "Optics": [1], "Stage": {"Position": 3}})})
    assert read_image(path)[1].pixel_pm is None


def test_frames_of_a_stack(tmp_path):
    write_velox(tmp_path / "a.emd", {"aa": (STACK, velox_metadata())})
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    np.save(tmp_path / "a.npy", STACK)
    DmFile().save(tmp_path / "a.dm4", dm_tree(dm_image(STACK)))
    for name in ("a.emd", "a.tif", "a.npy", "a.dm4"):
        frames = read_frames(tmp_path / name)
        assert [frame.id for _, frame in frames] == [f"{name}#{k}" for k in (1, 2, 3)]
        assert len({frame.sha256 for _, frame in frames}) == 3
        for k, (pixels, _) in enumerate(frames):
            np.testing.assert_array_equal(pixels, STACK[k])
        np.testing.assert_array_equal(read_image(tmp_path / name, frame=2)[0], STACK[1])
        with pytest.raises(UnreadableImage, match="no frame 4"):
            read_image(tmp_path / name, frame=4)
        with pytest.raises(UnreadableImage, match="stack of 3") as caught:
            read_image(tmp_path / name)
        assert "--frames" in caught.value.remedy


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4", "u4", "u1"])
def test_dm(tmp_path, version, little, dtype):
    path = tmp_path / f"a.dm{version}"
    image = (IMAGE % 250).astype(dtype)
    DmFile(version, little).save(path, dm_tree(dm_image(image, tags=DM_TAGS, electrons=0.25)))
    pixels, frame = read_image(path)
    np.testing.assert_array_equal(pixels, image)
    assert frame.pixel_pm == pytest.approx(12.7)
    assert (frame.voltage_kv, frame.probe_current_pa, frame.dwell_us) == (60.0, pytest.approx(25.0), 8.0)
    assert (frame.counts_per_electron, frame.offset_counts) == (4.0, 20.0)
    assert (frame.alpha_deg, frame.x_um, frame.detector) == (1.5, -12.0, "haadf")


def test_dm_with_several_images_asks(tmp_path):
    path = tmp_path / "a.dm3"
    DmFile(3).save(path, dm_tree(dm_image(IMAGE), dm_image(IMAGE + 1)))
    with pytest.raises(UnreadableImage, match="2 images"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, dataset="2")[0], IMAGE + 1)
    with pytest.raises(UnreadableImage, match="no image '0'"):
        read_image(path, dataset="0")  # the thumbnail


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"DataType": 3}, "no image of real"),
        ({"DataType": 2}, "disagree"),
        ({"Dimensions": {"0": 96, "1": 81}}, "does not fit its shape"),
        ({"Dimensions": {"0": 96}}, "no image"),
        ({"Dimensions": {"0": 2**30, "1": 2**30}}, "declares"),
    ],
)
def test_dm_images_that_contradict_themselves(tmp_path, change, says):
    one = dm_image(IMAGE)
    one["ImageData"] |= change
    DmFile().save(tmp_path / "a.dm4", dm_tree(one))
    with pytest.raises(UnreadableImage, match=says):
        read_image(tmp_path / "a.dm4")


def test_dm_nests_no_deeper_than_read(tmp_path):
    tree = {}
    for _ in range(60):
        tree = {"a": tree}
    DmFile().save(tmp_path / "a.dm4", tree)
    with pytest.raises(UnreadableImage, match="break off") as caught:
        read_image(tmp_path / "a.dm4")
    assert "deep" in caught.value.why


@pytest.mark.parametrize("unit", ["1/nm", "nm^-1", "Å⁻¹", "mrad"])
def test_reciprocal_space_is_no_image(tmp_path, unit):
    DmFile().save(tmp_path / "a.dm4", dm_tree(dm_image(IMAGE, unit=unit)))
    with pytest.raises(UnreadableImage, match="calibrated in"):
        read_image(tmp_path / "a.dm4")
    write_velox(tmp_path / "a.emd", {"aa": (ONE, velox_metadata(unit=unit))})
    with pytest.raises(UnreadableImage, match="calibrated in"):
        read_image(tmp_path / "a.emd")


@pytest.mark.parametrize(
    ("unit", "scale", "pm"),
    [("nm", 0.02, 20.0), ("µm", 2e-5, 20.0), ("Å", 0.2, 20.0), ("m", 2e-11, 20.0), ("px", 1.0, None), ("", 1.0, None),
     ("nm", -1.0, None), ("nm", 0.0, None), ("nm", 1e-9, None)],
)  # fmt: skip
def test_units_are_converted_by_code(tmp_path, unit, scale, pm):
    DmFile().save(tmp_path / "a.dm4", dm_tree(dm_image(IMAGE, unit=unit, scale=scale)))
    found = read_image(tmp_path / "a.dm4")[1].pixel_pm
    assert found == (None if pm is None else pytest.approx(pm))


def nexus(root):
    root.attrs["default"] = "entry"
    entry = root.create_group("entry")
    entry.attrs["default"] = "data"
    data = entry.create_group("data")
    data.attrs["signal"], data.attrs["axes"] = "counts", ["y", "x"]
    data["counts"] = IMAGE
    data["x"] = np.arange(96) * 0.02
    data["x"].attrs["units"] = "nm"
    root["other"] = IMAGE + 5


def berkeley(root):
    group = root.create_group("data/image")
    group.attrs["emd_group_type"] = 1
    group["data"] = IMAGE
    for k, n in ((1, 80), (2, 96)):
        group[f"dim{k}"] = np.arange(n) * 0.02
        group[f"dim{k}"].attrs["units"] = np.bytes_("[n_m]")


def hyperspy(root):
    group = root.create_group("Experiments/a")
    group["data"] = IMAGE
    for k, n in ((0, 80), (1, 96)):
        axis = group.create_group(f"axis-{k}")
        axis.attrs.update({"units": "nm", "scale": 0.02, "size": n})


@pytest.mark.parametrize("write", [nexus, berkeley, hyperspy])
def test_hdf5_that_says_what_it_is(tmp_path, write):
    with h5py.File(tmp_path / "a.h5", "w") as root:
        write(root)
    pixels, frame = read_image(tmp_path / "a.h5")
    np.testing.assert_array_equal(pixels, IMAGE)
    assert frame.pixel_pm == pytest.approx(20.0)


def test_hdf5_that_does_not(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as root:
        root["deep/one"] = IMAGE
        root["table"] = np.zeros((5, 5))
    np.testing.assert_array_equal(read_image(path)[0], IMAGE)
    with h5py.File(path, "a") as root:
        root["deep/two"] = IMAGE + 1
        root["link"] = h5py.SoftLink("/link")
        root["outside"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(UnreadableImage, match="2 datasets") as caught:
        read_image(path)
    assert "deep/one, deep/two" in caught.value.why
    np.testing.assert_array_equal(read_image(path, dataset="/deep/two")[0], IMAGE + 1)
    for name in ("link", "outside", "table", "nothing"):
        with pytest.raises(UnreadableImage, match="no image"):
            read_image(path, dataset=name)


def test_nothing_outside_the_file_is_read(tmp_path):
    (tmp_path / "secret").write_bytes(IMAGE.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as root:
        root.create_dataset(
            "image", IMAGE.shape, "u2", external=[(str(tmp_path / "secret"), 0, IMAGE.nbytes)]
        )
    with pytest.raises(UnreadableImage, match="other files"):
        read_image(tmp_path / "a.h5")


def test_links_to_other_files_are_not_followed(tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as root:
        nexus(root)
        root["Data/Image/aa/Data"] = STACK
    with h5py.File(tmp_path / "a.h5", "w") as root:
        root.attrs["default"] = "entry"
        root["entry"] = h5py.ExternalLink(str(other), "/entry")
        root["Data"] = h5py.ExternalLink(str(other), "/Data")
        root["mine"] = IMAGE + 9
    other.chmod(0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.h5")[0], IMAGE + 9)


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, image=IMAGE, noiseless=IMAGE + 1, pixel_size_A=np.float64(0.12))
    pixels, frame = read_image(path)
    np.testing.assert_array_equal(pixels, IMAGE)
    assert frame.pixel_pm == pytest.approx(12.0)
    np.testing.assert_array_equal(read_image(path, dataset="noiseless")[0], IMAGE + 1)
    np.savez(path, a=IMAGE, b=np.arange(3))
    np.testing.assert_array_equal(read_image(path)[0], IMAGE)
    np.savez(path, a=IMAGE, b=IMAGE)
    with pytest.raises(UnreadableImage, match="2 arrays"):
        read_image(path)
    np.savez(path, image=np.array([{}], dtype=object))
    with pytest.raises(UnreadableImage, match="cannot be read"):
        read_image(path)


def test_ome_tiff(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        IMAGE,
        metadata={"axes": "YX", "PhysicalSizeX": 2e-5, "PhysicalSizeXUnit": "µm"},
    )
    assert read_image(tmp_path / "a.ome.tif")[1].pixel_pm == pytest.approx(20.0)


WRITERS = {
    "a.emd": lambda path: write_velox(path, {"aa": (ONE, velox_metadata())}),
    "a.h5": lambda path: hyperspy(h5py.File(path, "w")),
    "a.dm3": lambda path: DmFile(3).save(path, dm_tree(dm_image(IMAGE, tags=DM_TAGS))),
    "a.dm4": lambda path: DmFile(4, little=False).save(path, dm_tree(dm_image(IMAGE, tags=DM_TAGS))),
    "a.tif": lambda path: tifffile.imwrite(path, IMAGE),
    "a.npz": lambda path: np.savez_compressed(path, image=IMAGE),
    "a.npy": lambda path: np.save(path, IMAGE),
}


def outcome(path):
    """Whether it was refused, in words."""
    try:
        return read_image(path)[0].ndim != 2
    except UnreadableImage as error:
        return bool(error.what and error.remedy)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore")  # tifffile warns of what it then refuses
def test_damaged_files_end_in_words(tmp_path, name):
    """Cut anywhere or altered anywhere: an image, or a reason and a remedy; never another exception."""
    path = tmp_path / name
    WRITERS[name](path)
    good, rng = path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for turn in range(60):
        bad = bytearray(good)
        if turn % 2:
            bad = bad[: rng.integers(0, len(bad))]
        else:
            head = min(len(bad), 4000)  # where the structure is
            for at in rng.integers(0, head, rng.integers(1, 12)):
                bad[at] = rng.integers(0, 256)
        path.write_bytes(bad)
        refused += outcome(path)
    assert refused >= 20
