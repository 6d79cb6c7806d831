"""What can be said of real images without truth: names, agreement of points, the series of etchants."""

import csv

import numpy as np
import pytest
from tifffile import imwrite

from eucentric.bench import defects_real
from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap


@pytest.mark.parametrize(
    ("name", "hf"),
    [
        ("1134_241205_Ti3C2_12HF_10.0Mx_20x1.0us.tif", 12.5),
        ("1512_250408_MXenes_6mL_10.0Mx.tif", 9.1),
        ("1415_250408_MXenes_3mL_14.5Mx.tif", 5.0),
        ("1657_250618_MXene_5HF_10.0Mx.tif", 5.0),
        ("1807_240903_Ti3C2_HF9p1_12.5_Mx_STEM.tif", 9.1),
        ("another_12.5_Mx.tif", None),
    ],
)
def test_etchant_by_name(name, hf):
    assert defects_real.hf_percent(name) == hf


def test_agreement_takes_our_columns_as_the_reference():
    """Pixels of 0.1 Å: a point 4 px off agrees, one 8 px off is another column, one at the edge is not counted."""
    ours = np.array([[100.0, 100], [140, 100], [180, 100], [3, 3]])
    seen = AtomMap(phase("Ti3C2"), (256, 256), pixel_pm=10.0, atoms_xy=ours)
    points = np.array([[104.0, 100], [140, 108], [180, 100], [3, 3]])
    answer = defects_real.agreement(points, (256, 256), seen)
    assert answer["precision"] == pytest.approx(2 / 3, abs=1e-4)
    assert answer["recall"] == pytest.approx(2 / 3, abs=1e-4)
    assert answer["rms_pm"] == pytest.approx(10 * np.sqrt(16 / 2), abs=0.1)
    assert defects_real.agreement(points, (256, 256), AtomMap(phase("Ti3C2"), (256, 256))) == {"points": 4}


def test_images_beside_what_was_published(tmp_path):
    """Noise cannot be read and says so; it counts in no series, its published counts neither."""
    noise = np.random.default_rng(1).normal(size=(2, 128, 128)).astype(np.float32)
    names = ["1415_x_3mL.tif", "1512_x_6mL.tif"]
    for name, image in zip(names, noise, strict=True):
        imwrite(tmp_path / name, image)
    with open(tmp_path / "published_counts.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["hf_percent", "num_atoms", "num_vacancies", "percent_vacancy", "file_name"])
        table.writerow([9.1, 100, 2, 2.0, names[1]])
    answer = defects_real.run(file=tmp_path)
    rows = {row["file"]: row for row in answer["figures"]["images"]}
    assert rows[names[1]]["published"] == {"atoms": 100, "vacancies": 2, "hf": 9.1}
    assert rows[names[0]]["published"] is None
    assert all(row["cannot_tell"] for row in rows.values())
    series = answer["figures"]["by_hf_percent"]
    assert {hf: (one["images"], one["read"], one["published_percent"]) for hf, one in series.items()} == {
        "5": (1, 0, None), "9.1": (1, 0, None)
    }  # fmt: skip
    assert answer["bars"][0]["holds"] is False  # nothing to see is not the same as out of focus


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no TIFF"):
        defects_real.run(file=tmp_path)
