"""What `eucentric detect` and its pages say to the person at the keyboard."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from eucentric.agent.reporting.defects import _pixel, defects_page
from eucentric.agent.reporting.quantities import basis_text
from eucentric.cli.detect import detect
from eucentric.cli.detect_words import clusters_line, told_words
from eucentric.cli.detected import Shot, in_series
from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput
from eucentric.core.instrument import Frame
from eucentric.tools.detect_defects import TOOL, Args, kinds_text
from eucentric.tools.vision import find_atoms, write_gallery
from eucentric.tools.vision.advice import advice_of
from eucentric.tools.vision.files.reading import read_image
from eucentric.tools.vision.fusion import read_again
from eucentric.tools.vision.network import open_network
from eucentric.tools.vision.overlay import _caption


def run(*args):
    return CliRunner().invoke(detect, [*map(str, args), "--material", "Ti3C2", "--network", "none"])


def test_the_same_image_in_two_files_counts_once(simulate, tmp_path):
    image = simulate(size=170, counts=150, vacancies=0.03, seed=3).image
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "a" / "one.npy", image)
    np.savez(tmp_path / "b" / "two.npz", image)
    done = run(tmp_path / "a" / "one.npy", tmp_path / "b" / "two.npz", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    sites = {one["sites_examined"] for one in answer["images"]}
    assert sites == {answer["density"]["of"]}
    assert any("the same image as “one.npy”" in text for text in answer["density"]["excluded"])


def test_stacks_of_one_name_in_two_folders_are_two_places():
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)

    def place(digest):
        frame = Frame(id="s.npy#1", sha256=digest * 64, detector="haadf", shape=(64, 64), dtype="float32")
        (shot,) = in_series([Shot(image, frame, Path("s.npy"), "s")])
        return shot.series["place"]

    assert place("a") != place("b")
    assert place("a") == place("a")


def test_nothing_is_looked_at_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("none.npy", "--out", tmp_path / "file" / "out")
    assert isinstance(done.exception, BadInput)
    assert "nothing can be written" in done.exception.what
    assert "reading" not in done.stderr


@pytest.mark.parametrize(
    ("told", "off", "says"),
    [(None, None, " if it is Ti3C2: none is told"), (15.6, 0.3, ", 15.60 told (+0.3 %)")],
)
def test_without_a_told_pixel_size_it_is_said_that_the_material_is_believed(told, off, says):
    assert told_words({"told_pixel_pm": told, "off_percent": off, "grains": []}, "Ti3C2").startswith(says)


def test_what_was_done_before_a_stop_is_kept(simulate, tmp_path, monkeypatch):
    from eucentric.cli import detected

    files = [tmp_path / f"{k}.npy" for k in range(2)]
    for k, path in enumerate(files):
        np.save(path, simulate(size=170, counts=150, vacancies=0.03, seed=k).image)
    look, seen = detected.look, []

    def interrupted(*args):
        if seen:
            raise KeyboardInterrupt
        seen.append(look(*args))
        return seen[0]

    monkeypatch.setattr(detected, "look", interrupted)
    done = run(*files, "--out", tmp_path / "out")
    assert done.exit_code == 5, done.output
    assert "Stopped      at file 2 of 2" in done.stdout
    assert (tmp_path / "out" / "index.html").exists()


def test_an_unreadable_file_is_told_in_plain_words(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((80, 80)))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadInput) as caught:
        read_image(path)
    assert "Error" not in caught.value.why
    assert "damaged" in caught.value.why

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(read_image.__globals__["_READERS"], ".npy", denied)
    with pytest.raises(BadInput, match="permission"):
        read_image(path)


def test_a_picture_says_what_the_table_counts(simulate, tmp_path):
    atoms = find_atoms(simulate(size=320, counts=120, vacancies=0.06, seed=2).image, _ti3c2(), pixel_pm=15.6)
    beside = len(atoms.vacancies_xy) - atoms.called
    assert beside > 0
    assert f"{atoms.called} vacancies and {beside} not counted (squares)" in _caption(atoms, "one")


def test_titles_of_the_gallery_do_not_run_into_each_other(simulate, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: kept.append(self))
    image = simulate(size=320, counts=40, vacancies=0.06, seed=2).image
    write_gallery(image, find_atoms(image, _ti3c2(), pixel_pm=15.6), tmp_path / "g.png")
    renderer = kept[0].canvas.get_renderer()
    boxes = [axes.title.get_window_extent(renderer) for axes in kept[0].axes]
    assert len(boxes) > 6
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


def test_pixels_in_which_no_column_shows_are_told_and_not_a_failure():
    image = np.random.default_rng(0).poisson(20, (256, 256)).astype(np.float32)
    atoms = read_again(find_atoms(image, _ti3c2(), pixel_pm=39062.5), image, open_network())
    assert "39,062 pm are told" in atoms.cannot_tell
    assert "39 pm or less" in atoms.cannot_tell
    assert advice_of(atoms) == "ask"
    assert TOOL.args is Args


@pytest.mark.parametrize(
    ("images", "of", "says"), [(2, 3, "in 2 of 3 frames"), (3, 3, "in 3 frames"), (1, 1, "in 1 frame")]
)
def test_frames_that_were_not_counted_are_no_denominator(images, of, says):
    finding = Finding(
        id="d", what="Ti vacancy density", unit="%", interval={"value": 1.0, "low": 0.5, "high": 2.0}, count=10,
        of=1000, evidence=tuple(f"f-{k}" for k in range(of)), method="m", details={"images": images},
    )  # fmt: skip
    assert basis_text(finding).endswith(says)


def test_the_page_writes_no_powers_of_ten():
    sizes = {"called": 3, "low": 1.0, "high": 5.0, "by_chance": 131.4}
    found = {"topology": dict.fromkeys(("isolated", "divacancies", "trivacancies", "pores"), sizes)
             | {"clustered": 0, "p_value": 0.5, "largest": 1}}  # fmt: skip
    assert ">131<" in defects_page("Ti3C2", [], [], None, found)


def _ti3c2():
    from eucentric.knowledge.phases import phase

    return phase("Ti3C2")


@pytest.mark.parametrize(
    ("number", "says"),
    [(0, "0 divacancies, 0 pores"), (1, "1 divacancy, 1 pore"), (2, "2 divacancies, 2 pores")],
)
def test_one_is_no_plural(number, says):
    sizes = {key: {"called": number} for key in ("isolated", "divacancies", "trivacancies", "pores")}
    line = clusters_line({"topology": sizes, "pair_correlation": {"p_value": None, "verdict": "v"}})
    assert line.replace(f"{number} trivacanc{'y' if number == 1 else 'ies'}, ", "").startswith(
        f"{number} isolated, {says}"
    )


@pytest.mark.parametrize(
    ("told", "off", "says"), [(None, None, "the material is believed"), (8.0, -2.5, "8.00 (-2.5 %)")]
)
def test_the_page_says_what_the_pixel_size_was_held_against(told, off, says):
    body = {"lattice": {"told_pixel_pm": told, "off_percent": off}, "pixel_pm": 7.8, "pixel_pm_sigma": 0.04}
    rows = dict(_pixel(body | {"material": "Ti3C2"}))
    assert rows["pixel [pm], if it is Ti3C2"] == "7.80 ± 0.04"
    assert says in rows["pixel told [pm]"]
    assert _pixel({"lattice": None}) == []


@pytest.mark.parametrize(
    ("called", "says"),
    [(["V_Ti"] * 5, ""), (["V_S", "V_Mo", "V_S", "unknown"], " (V_Mo 1, V_S 2, unknown 1)"), ([], "")],
)
def test_vacancies_of_several_kinds_are_told_apart(called, says):
    assert kinds_text(called) == says
