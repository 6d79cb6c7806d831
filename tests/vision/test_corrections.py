"""A person's word about a site: stored with where it comes from, and put in place of the program's."""

import json

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, vacancy_density
from eucentric.tools.vision.corrections import (
    Correction,
    Corrections,
    Said,
    add_corrections,
    applied,
    of_image,
    read_corrections,
)


def word(site=3, label="vacancy", sha="a" * 64, xy=(10.0, 20.0), **more):
    return Correction(
        utc="2026-01-01T00:00:00.000Z", by="j.doe", why="seen in the next frame", image="one.npy", image_sha256=sha,
        material="Ti3C2", method="m", site=site, x_px=xy[0], y_px=xy[1], label=label,
        was=Said(state="full", p_vacancy=0.4), **more,
    )  # fmt: skip


def test_what_was_written_is_read_and_the_newest_word_counts(tmp_path):
    path = tmp_path / "deep" / "c.jsonl"
    add_corrections(path, [word(), word(4, "full", xy=(30.0, 20.0))])
    first = path.read_bytes()
    add_corrections(path, [word(3, "unknown")])
    assert path.read_bytes().startswith(first)
    read = read_corrections(path)
    assert (read.image, read.image_sha256) == ("one.npy", "a" * 64)
    assert [tuple(entry) for entry in read.entries] == [(10.0, 20.0, "unknown"), (30.0, 20.0, "full")]
    assert len(read.rows) == 3
    assert read.rows[0].was.p_vacancy == 0.4


def test_an_editor_that_took_the_last_line_end_does_no_harm(tmp_path):
    path = tmp_path / "c.jsonl"
    add_corrections(path, [word()])
    path.write_bytes(path.read_bytes().rstrip())
    assert len(add_corrections(path, [word(5, xy=(1.0, 1.0))]).rows) == 2
    assert len(read_corrections(path).rows) == 2


def line(**more):
    return json.dumps(word().model_dump(mode="json") | more)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file"),
        (b"", "no correction"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[1, 2]\n", "line 1"),
        (line(label="gone").encode(), "line 1"),
        (line(x_px="NaN").encode(), "line 1"),
        (line(more=1).encode(), "line 1"),
        (f"{line()}\n{line()[:40]}".encode(), "line 2"),
        (f"{line()}\n{line(image_sha256='b' * 64)}".encode(), "several images"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, says):
    path = tmp_path / "c.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        read_corrections(path)
    assert caught.value.remedy


def test_another_image_goes_into_another_file(tmp_path):
    path = tmp_path / "c.jsonl"
    add_corrections(path, [word()])
    before = path.read_bytes()
    with pytest.raises(BadInput, match="another image"):
        add_corrections(path, [word(sha="b" * 64)])
    assert path.read_bytes() == before
    assert of_image([read_corrections(path)], "b" * 64) is None


def grid_map(p):
    """A triangular lattice, 10 px, with these probabilities."""
    n = len(p)
    i, j = (g.ravel()[:n] for g in np.mgrid[0:40, 0:40])
    xy = np.stack([i + 0.5 * j, 3**0.5 / 2 * j], -1) * 10.0
    ti = phase("Ti3C2")
    return AtomMap(
        ti, (512, 512), pixel_pm=ti.spacing_angstrom * 10, pixel_pm_sigma=0.1, sites_xy=xy, sites_p_vacancy=p,
        sites_sublattice=np.zeros(n, int), sites_relative=np.ones(n), sites_examined=np.ones(n, bool),
        sites_state=tuple("V_Ti" if one > 0.5 else "full" for one in p), sites_kind=("V_Ti",) * n,
        recall=0.9, false_calls=2.0, usable=1.0,
    )  # fmt: skip


def test_a_persons_word_replaces_the_programs():
    p = np.zeros(1600)
    p[[3, 5, 7, 9]] = (0.45, 0.6, 0.9, 0.45)
    atoms = grid_map(p)
    labels = {3: "vacancy", 5: "full", 7: "unknown", 11: "extra"}
    rows = tuple(word(site, label, xy=tuple(atoms.sites_xy[site] + 2.0)) for site, label in labels.items())
    done, lost = applied(atoms, Corrections(rows))
    assert lost == ()
    assert list(done.sites_by_hand) == [3, 5, 7, 11]
    assert list(done.sites_p_vacancy[[3, 5, 7, 9]]) == [1.0, 0.0, 0.0, 0.45]
    assert [done.sites_state[k] for k in labels] == ["V_Ti", "full", "unknown", "extra"]
    assert list(done.vacancies_site) == [3]
    assert not done.sites_examined[7]
    assert done.examined == 1599
    assert done.recall == pytest.approx(0.95)  # of the two sites that may be missed, one was looked at
    assert done.false_calls == 0.0  # and both that were called
    assert atoms.sites_p_vacancy[3] == 0.45
    assert vacancy_density([done]).details["by_hand"] == 4


def test_a_word_about_no_site_is_handed_back():
    atoms = grid_map(np.zeros(1600))
    done, lost = applied(atoms, Corrections((word(xy=(-40.0, -40.0)),)))
    assert [entry.label for entry in lost] == ["vacancy"]
    assert done is atoms
