"""`eucentric notebook`: short lines in, everything kept, everything out again for a colleague."""

import json
import os
from pathlib import Path

import pytest

from eucentric.knowledge import notebook as nb

NEW = (
    "new",
    "wedge",
    "--phase",
    "SrTiO3",
    "--microscope",
    "Titan 3",
    "--holder-name",
    "DT-7",
    "--limits",
    "35,30",
)


@pytest.fixture
def book(place, monkeypatch):
    """A folder with a begun notebook; `book(...)` runs a command there and returns its JSON."""
    monkeypatch.chdir(place.folder)
    monkeypatch.delenv("EUCENTRIC_NOTEBOOK", raising=False)

    def run(*args, code=0):
        got, out, err = place.eucentric("notebook", *args, "--json")
        assert (got, err) == (code, "")
        return json.loads(out)

    run(*NEW)
    run.text = lambda *args: place.eucentric("notebook", *args)[1]
    run.place = place
    return run


def read(path="wedge.notebook"):
    with nb.NotebookFile(Path(path)) as file:
        return file.read()


def solved(book):
    book("add-reading", "10.9,5=[112]", "--grain", "A", "--frame", "f-00012")
    book("add-reading", "-8.6,5.6=[111]", "--grain", "A", "--note", "tired")
    return book("solve")


def test_new_begins_with_what_is_known(book):
    found = read()
    assert [row.id for row in found.rows] == ["specimen1", "phase1", "cal1", "load1"]
    (calibration,) = (one for _, one in found.of(nb.CalibrationEntry))
    assert (calibration.microscope, calibration.holder_name, calibration.alpha_sign) == (
        "Titan 3",
        "DT-7",
        None,
    )
    assert found.specimen.software.startswith("eucentric ")
    assert book(*NEW, code=2)["error"]["what"].endswith("exists")


@pytest.mark.parametrize("index", ["[000]", "(000)@30", "[1 1 1 1]", "(1 0 0 2)@3"])
def test_what_is_no_index_is_not_written_down(book, index):
    assert book("add-reading", f"10.9,5={index}", "--grain", "A", code=2)["error"]["remedy"]
    assert "r1" not in str(book("show"))


def test_a_reading_says_at_once_whether_it_fits(book):
    book("add-reading", "10.9,5=[112]", "--grain", "A")
    said = book("add-reading", "-8.6,5.6=[111]", "--grain", "a")
    assert said["ids"] == ["r2"]
    assert "2 readings, residual 0.02°, 1 orientation" in said["fits"][0]
    said = book("add-reading", "20,0=[001]", "--grain", "A")
    assert said["fits"][0].startswith("kept, but: [1 1 1] and [0 0 1] were read")
    said = book("add-reading", "29.6,30.0=[001]", "--grain", "A", "--replaces", "r3")
    assert [key for key, _ in read().readings_of("grain1", "load1")] == ["r1", "r2", "r4"]
    assert len(read().of(nb.GrainEntry)) == 1


def test_everything_of_a_reading_is_kept_as_it_was(book):
    book("add-reading", "0.125,-3=band(2 0 0)@124.5", "--grain", "B", "--commanded", "0,-3", "--sigma", "0.4", "--mode",
         "Diffraction", "--camera-length", "100", "--kv", "200", "--spacing", "1.95", "--method", "CBED", "--frame",
         "f-7", "--by", "kim", "--orcid", "0000-0002-1825-0097", "--as-written", "--note", "½ ok")  # fmt: skip
    one = read().get("r1", nb.ReadingEntry)
    assert one.model_dump(exclude={"at"}) == nb.ReadingEntry(
        at=one.at, by="kim", orcid="0000-0002-1825-0097", note="½ ok", seen="band", grain="grain1", loading="load1",
        alpha_deg=0.125, beta_deg=-3.0, commanded_alpha_deg=0.0, commanded_beta_deg=-3.0, written="(2 0 0)",
        sense="as_given", sigma_deg=0.4, spacings_angstrom=(1.95,), method="CBED", frame="f-7",
        azimuths=(nb.ScreenAzimuth(azimuth_deg=124.5, screen=nb.ScreenMode(
            mode="Diffraction", camera_length_mm=100.0, high_tension_kv=200.0)),),
    ).model_dump(exclude={"at"})  # fmt: skip


def test_a_calibration_grows_and_the_readings_before_it_are_read_with_it(book):
    solved(book)
    said = book(
        "add-reading", "-8.6,5.6=(1-10)@16.48", "--grain", "A", "--camera-length", "100", "--kv", "200"
    )
    assert "not used  r3" in said["fits"][1]
    book("add-calibration", "--signs", "++", "--screen", "diffraction,100mm,200kV=-18.3")
    book("add-calibration", "--screen", "image,200kV=71.25 mirrored ±0.5", "--repeatability", "0.05")
    key, calibration = read().newest(nb.CalibrationEntry)
    assert (key, calibration.replaces, calibration.alpha_sign, calibration.repeatability_deg) == (
        "cal3",
        "cal2",
        1,
        0.05,
    )
    assert [(r.screen.label, r.azimuth_deg, r.mirrored, r.sigma_deg) for r in calibration.screens] == [
        ("diffraction, 100 mm, 200 kV", -18.3, False, 1.0),
        ("image, 200 kV", 71.25, True, 0.5),
    ]
    assert book("solve")["solution"]["readings"] == ["r1", "r2", "r3"]
    other = book("add-calibration", "--microscope", "Grand ARM", "--holder-name", "GATAN 925")
    assert (other["id"], other["replaces"]) == ("cal4", "")


def test_solving_keeps_all_and_checking_makes_it_again(book, place):
    said = solved(book)
    assert (said["id"], len(said["solution"]["candidates"])) == ("sol1", 1)
    checked = book("check")
    assert [(one["identical"], one["turned_deg"]) for one in checked["solutions"]] == [(True, 0.0)]
    assert "comes out again" in book.text("check")


def test_a_collaborator_gets_every_tilt_to_the_last_bit(book, place):
    solved(book)
    digests = {book("show")["digest"]}
    mine = json.loads(
        place.eucentric("tilt", "--notebook", "wedge", "--grain", "A", "--to", "<110>", "--json")[1]
    )
    book("export", "wedge.jsonld")
    digests.add(book("import", "wedge.jsonld", "--out", "two")["digest"])
    book("export", "two.h5", "-n", "two")
    digests.add(book("import", "two.h5", "--out", "three")["digest"])
    book("export", "three.nxs", "-n", "three.notebook")
    digests.add(book("import", "three.nxs", "--out", "four")["digest"])
    assert len(digests) == 1
    for copy in ("two", "three", "four"):
        theirs = json.loads(place.eucentric("tilt", "--notebook", copy, "--to", "<110>", "--json")[1])
        assert theirs == mine
    book("export", "again.jsonld", "-n", "three")
    assert (place.folder / "wedge.jsonld").read_bytes() == (place.folder / "again.jsonld").read_bytes()


def test_what_was_added_meanwhile_comes_over_and_a_clash_does_not(book):
    solved(book)
    book("export", "a.jsonld", "-n", "wedge")
    book("import", "a.jsonld", "--out", "copy")
    book("add-reading", "1,1=?", "-n", "copy")
    book("export", "b.h5", "-n", "copy")
    assert book("import", "b.h5", "--into", "wedge")["new"] == 1
    assert book("import", "b.h5", "--into", "wedge")["new"] == 0
    book("add-reading", "2,2=?", "-n", "wedge", "--grain", "A")
    book("add-reading", "3,3=?", "-n", "copy", "--grain", "A")
    book("export", "c.h5", "-n", "copy")
    assert (
        "one entry here and another one there"
        in book("import", "c.h5", "--into", "wedge", code=2)["error"]["what"]
    )
    book("new", "other")
    book("export", "d.jsonld", "-n", "other")
    assert "another notebook" in book("import", "d.jsonld", "--into", "wedge", code=2)["error"]["what"]


def test_reloading_tells_what_carries_over_and_tilting_goes_on(book, place):
    solved(book)
    said = book("reload", "--flip", "alpha", "--turn", "33")
    assert (said["id"], said["after"], said["carried"]) == ("load2", "load1", [])  # signs are not known
    book("add-calibration", "--signs", "++")
    said = book("reload", "--flip", "alpha", "--turn", "33")
    assert (said["id"], said["after"], said["carried"]) == ("load3", "load2", ["grain1"])
    code, out, _ = place.eucentric("tilt", "--notebook", "wedge", "--to", "<111>")
    assert code == 0
    assert "readings r1, r2 of load1 carried over" in out
    text = book.text("reload", "--unknown")
    assert "begins anew" in text
    assert "stage positions: find the grain again" in text
    assert place.eucentric("tilt", "--notebook", "wedge", "--to", "<111>")[0] == 2


def test_transfer_to_another_microscope(book, place):
    book("add-calibration", "--signs", "++")
    solved(book)
    book("add-calibration", "--microscope", "ARM", "--holder-name", "H", "--signs", "-+", "--limits", "20,20")
    said = book("transfer", "--calibration", "cal3", "--turn", "0")
    assert said["carried"] == ["grain1"]
    there = json.loads(
        place.eucentric("tilt", "--notebook", "wedge", "--to", "[111]", "--now", "0,0", "--json")[1]
    )
    tilt = there["answer"]["ways"][0]["options"][0]["tilt"]
    assert (tilt["alpha_deg"], tilt["beta_deg"]) == pytest.approx(
        (8.58, 5.60), abs=0.02
    )  # alpha reads the other way
    assert there["situation"]["stage"]["limits"]["alpha"] == [-20, 20]


def test_fiducials_give_the_turn(book):
    book("add-calibration", "--signs", "++", "--screen", "image=10")
    solved(book)
    book("reload", "--fiducial", "12.5:45.5", "--fiducial", "-100:-67", "--mode", "image")
    assert nb.turn_of(read(), "load2").turn_deg == pytest.approx(33.0)


def test_grains_and_pictures(book, place):
    (place.folder / "map.tif").write_bytes(b"pixels")
    said = book("picture", "map.tif", "--what", "overview")
    assert said["path"] == "map.tif"
    book("grain", "B", "--position", "31.2,-4.75", "--picture", "pic1", "--pixel", "120,340")
    book("grain", "B", "--position", "30,-5,0.5")
    ((key, grain),) = read().grains()
    assert (key, grain.x_um, grain.z_um, grain.row_px, grain.loading) == ("grain1", 30.0, 0.5, 120.0, "load1")
    assert "map.tif   overview   as it was" in book.text("show")
    (place.folder / "map.tif").write_bytes(b"other pixels")
    assert "CHANGED since it was noted" in book.text("show")
    (place.folder / "map.tif").unlink()
    assert "not here" in book.text("show")


def test_show_tells_all_of_it_and_the_history_what_was_replaced(book):
    solved(book)
    book("add-reading", "10.8,5=[112]", "--replaces", "r1")
    text = book.text("show")
    for words in (
        "SrTiO3  P m -3 m  3.905",
        "Titan 3, DT-7",
        "not calibrated",
        "grain A",
        "r2    load1",
        "residual",
    ):
        assert words in text
    assert "r1    load1" not in text
    assert "(replaced by r3)" in book.text("show", "--all")
    assert [one["id"] for one in book("show")["entries"]] == [row.id for row in read().rows]


def test_which_notebook_is_meant(book, place, monkeypatch):
    assert book("show")["notebook"].endswith("wedge.notebook")
    book("new", "other")
    assert "2 notebooks are here" in book("show", code=2)["error"]["what"]
    monkeypatch.setenv("EUCENTRIC_NOTEBOOK", str(place.folder / "other.notebook"))
    assert book("show")["notebook"].endswith("other.notebook")
    monkeypatch.delenv("EUCENTRIC_NOTEBOOK")
    os.makedirs("empty")
    monkeypatch.chdir("empty")
    assert "no notebook in this folder" in book("show", code=2)["error"]["what"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("add-reading", "10.9,5"), "no reading"),
        (("add-reading", "10.9,5=[001]", "--grain", "A", "--loading", "load7"), "no loading 'load7'"),
        (("add-reading", "10.9,5=[001]", "--replaces", "r7"), "no r7"),
        (("add-reading", "10.9,5=[001]", "--sigma", "0"), "sigma_deg"),
        (("add-reading", "400,5=[001]"), "alpha_deg"),
        (("add-reading", "1,5=[001]", "--orcid", "12"), "orcid"),
        (("add-calibration", "--screen", "diffraction"), "no azimuth of a mode"),
        (("add-calibration", "--signs", "up"), "two signs"),
        (("phase", "unobtanium"), "no structure"),
        (("solve",), "0 indexed readings"),
        (("solve", "--grain", "Z"), "no grain 'Z'"),
        (("reload",), "is not said"),
        (("reload", "--turn", "3", "--fiducial", "1:2"), "said twice"),
        (("reload", "--fiducial", "1"), "no fiducial"),
        (("transfer", "--calibration", "cal9", "--turn", "1"), "no calibration 'cal9'"),
        (("grain", "A", "--position", "1"), "numbers for --position"),
        (("grain", "A", "--phase", "phase9"), "no phase9"),
        (("export", "x.csv"), "of no kind"),
        (("import", "x.jsonld"), "can't read"),
        (("import", "x.h5"), "HDF5"),
        (("import", "x.csv"), "of no kind"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(book, args, words):
    before = read().sha256
    error = book(*args, code=2)["error"]
    assert words in f"{error['what']} {error.get('why')}"
    assert read().sha256 == before


def test_words_of_a_stranger_are_shown_harmless(book, place):
    book("add-reading", "1,5=[001]", "--grain", "A\x1b[31m\u202eevil", "--note", "\x07")
    out = book.text("show")
    assert "\x1b" not in out
    assert "\u202e" not in out
