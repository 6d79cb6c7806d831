"""A notebook on disk is only added to, is checked when it is read, and is never mistaken for something else."""

import sqlite3
import threading

import pytest
import sqlite_utils
from notebook_session import AT, CELLS, begun

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.notebook import file as files


@pytest.fixture
def file(path):
    numbers, group = CELLS["SrTiO3"]
    with begun(path, cr.crystal_of(numbers, group, "SrTiO3")) as opened:
        yield opened


def axis(**words):
    return nb.ReadingEntry(**AT, **{"seen": "axis", "written": "[001]", "alpha_deg": 1.5, **words})


def test_ids_count_by_kind_and_everything_is_read_back(file, path):
    assert file.add(axis(grain="grain1"), axis(written="<112>")) == ("r1", "r2")
    assert file.add(nb.GrainEntry(**AT, name="B")) == ("grain2",)
    again = nb.NotebookFile(path).read()
    assert [row.id for row in again.rows] == [
        "specimen1",
        "cal1",
        "load1",
        "phase1",
        "grain1",
        "r1",
        "r2",
        "grain2",
    ]
    assert again.get("r2", nb.ReadingEntry).written == "<112>"
    assert again.sha256 == file.read().sha256


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET body='{}' WHERE id='cal1'",
        "DELETE FROM entry WHERE id='cal1'",
        "INSERT OR REPLACE INTO entry SELECT * FROM entry WHERE id='cal1'",
        "INSERT OR REPLACE INTO entry SELECT seq+40, id, kind, at, \"by\", body, sha256 FROM entry WHERE id='cal1'",
        "INSERT INTO entry SELECT 99, 'r9', kind, at, \"by\", body, sha256 FROM entry WHERE id='cal1'",
        "UPDATE notebook SET id='x'",
        "INSERT INTO notebook VALUES('x')",
    ],
)
def test_what_was_written_stays(file, path, sql):
    before = file.read().sha256
    with sqlite3.connect(path) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(sql)
    assert file.read().sha256 == before


def test_an_altered_entry_is_noticed(file, path):
    file.add(axis())
    with sqlite3.connect(path) as other:
        other.execute("DROP TRIGGER entry_no_update")
        other.execute("UPDATE entry SET body=replace(body,'1.5','2.5') WHERE id='r1'")
    with pytest.raises(BadInput, match="r1 was altered"):
        file.read()


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (lambda: axis(grain="grain7"), "no grain7"),
        (lambda: axis(loading="load2"), "no load2"),
        (lambda: axis(replaces="cal1"), "is no reading"),
        (lambda: nb.PictureEntry(**AT, path="a", sha256="0" * 64, size_bytes=1, readings=["r5"]), "no r5"),
    ],
)
def test_an_entry_can_only_name_what_is_there_and_nothing_is_half_written(file, entry, match):
    before = len(file.read().rows)
    with pytest.raises(BadInput, match=match):
        file.add(axis(), entry())
    assert len(file.read().rows) == before


def test_a_correction_hides_what_it_replaces_and_both_stay(file):
    file.add(
        axis(grain="grain1", loading="load1"),
        axis(grain="grain1", loading="load1", written="[011]", replaces="r1"),
    )
    book = file.read()
    assert [key for key, _ in book.readings_of("grain1", "load1")] == ["r2"]
    assert book.get("r1", nb.ReadingEntry).written == "[001]"


def test_two_writers_number_one_after_the_other(file, path):
    def write():
        with nb.NotebookFile(path) as mine:
            for _ in range(5):
                mine.add(axis())

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [key for key, _ in file.read().of(nb.ReadingEntry)] == [f"r{n}" for n in range(1, 16)]


def test_a_file_of_the_first_version_gets_what_it_lacks(tmp_path):
    old = sqlite3.connect(tmp_path / "old.notebook", isolation_level=None)
    files._migrations.apply(sqlite_utils.Database(old), stop_before="m002_views")
    row = nb.Row(id="specimen1", entry=nb.SpecimenEntry(**AT, name="x"), sha256="")
    from eucentric.knowledge.notebook.book import row_of, stored_text

    row = row_of("specimen1", row.entry)
    old.execute("INSERT INTO notebook VALUES('ab')")
    old.execute("INSERT INTO entry VALUES(1,?,?,?,?,?,?)",
                [row.id, "specimen", AT["at"], AT["by"], stored_text(row.entry), row.sha256])  # fmt: skip
    old.close()
    with nb.NotebookFile(tmp_path / "old.notebook") as file:
        file.add(axis())
        found = sqlite3.connect(file.path).execute("SELECT id, alpha_deg, written FROM reading").fetchall()
    assert found == [("r1", 1.5, "[001]")]


@pytest.mark.parametrize("what", ["missing", "text", "other", "empty"])
def test_what_is_no_notebook_is_refused_and_left_alone(tmp_path, what):
    path = tmp_path / "x.notebook"
    if what == "text":
        path.write_text("dear diary " * 100)
    if what == "empty":
        path.touch()
    if what == "other":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE entry_of_somebody_else(a)")
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(BadInput, match=r"no notebook|not a notebook"):
        nb.NotebookFile(path)
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_notebook_is_never_written_over(file, path):
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists"):
        nb.NotebookFile.new(path, nb.SpecimenEntry(**AT, name="y"))
    assert path.read_bytes() == before


def test_a_copy_takes_what_is_new_in_the_other_and_refuses_what_clashes(file, tmp_path):
    file.add(axis())
    with nb.NotebookFile.copy(tmp_path / "copy.notebook", file.read()) as copy:
        file.add(axis(written="[110]"))
        assert copy.take(file.read().rows) == 1
        assert copy.read().sha256 == file.read().sha256
        assert copy.take(file.read().rows) == 0
        copy.add(axis(written="[111]"))
        file.add(axis(written="[112]"))
        with pytest.raises(BadInput, match="r3 is one entry here and another one there"):
            copy.take(file.read().rows)
