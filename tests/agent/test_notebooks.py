"""Readings of a run are rows first; the notebook is filled from them, once each, and people may add to it."""

import os

import pytest
from workbench import step

from eucentric.agent.auditing.past import Past
from eucentric.agent.notebooks import is_copy, notebook_of, notebook_path, on_record
from eucentric.agent.observer import Observer
from eucentric.core.errors import EucentricError
from eucentric.core.plan import Step
from eucentric.knowledge import notebook as nb


def image(name="i"):
    return Step(id=name, tool="acquire_image", args={"fov_nm": 20, "width_px": 64, "height_px": 64})


@pytest.fixture
def path(bench):
    return notebook_path(bench.store.folder, bench.card.name)


def read(path):
    with nb.NotebookFile(path) as file:
        return file.read()


def test_what_a_run_notes_lands_in_the_notebook_with_its_frame(bench, path):
    bench.carry(image(), step("n", "notebook_add", index="[001]", grain="A", frame="last"))
    book = read(path)
    (reading,) = (one for _, one in book.of(nb.ReadingEntry))
    frame = bench.rows("returned")[-1].body["frames"][0]
    assert (reading.frame, reading.frame_sha256) == (frame["id"], frame["sha256"])
    assert reading.origin.startswith(f"ledger {bench.store.ledger.name} event ")
    assert reading.by == "eucentric, run r-0001"
    (calibration,) = (one for _, one in book.of(nb.CalibrationEntry))
    assert calibration.microscope == bench.run.capabilities.identity
    assert calibration.alpha_sign is None  # nobody watched
    assert [one.name for _, one in book.of(nb.LoadingEntry)] == ["twin-1"]
    assert book.phase_of("grain1")[1].crystal.name == "Ti3C2"


def test_filling_it_again_adds_nothing_and_the_next_run_goes_on(bench, path):
    bench.carry(step("n", "notebook_add", index="[001]", grain="A"))
    first = read(path)
    assert notebook_of(bench.store, bench.card.name).sha256 == first.sha256
    bench.carry(step("n", "notebook_add", index="[100]", grain="a"))
    book = read(path)
    assert [key for key, _ in book.of(nb.ReadingEntry)] == ["r1", "r2"]
    assert [grain.name for _, grain in book.grains()] == ["A"]
    assert book.rows[: len(first.rows)] == first.rows


def test_a_lost_file_is_made_again_from_the_rows(bench, path):
    bench.carry(step("n", "notebook_add", index="[001]", grain="A"), step("m", "notebook_add"))
    before = read(path)
    path.unlink()
    assert notebook_of(bench.store, bench.card.name).sha256 == before.sha256


def by_hand(path, alpha_deg=9.4):
    who = {"at": "2026-11-28T00:00:00Z", "by": "kim"}
    with nb.NotebookFile(path) as file:
        file.add(
            nb.ReadingEntry(
                **who, seen="axis", written="[1 1 1]", alpha_deg=alpha_deg, grain="grain1", loading="load1"
            )
        )


def test_what_people_add_is_on_record_before_a_run_goes_by_it(bench, path):
    query = step("q", "notebook_query", what="readings")
    bench.carry(step("n", "notebook_add", index="[0001]", grain="A"))
    assert not any(map(is_copy, bench.rows("changed")))
    by_hand(path)
    bench.carry(query, step("n", "notebook_add", index="[100]", grain="A"), step("r", "notebook_query"))
    bench.carry(query)
    by_hand(path, 3.0)
    bench.carry(query)
    copies = [row for row in bench.store.ledger.events(kinds=("changed",)) if is_copy(row)]
    assert [row.run_id for row in copies] == ["r-0002", "r-0004"]
    whole = read(path)
    assert on_record(bench.store, bench.card.name).sha256 == whole.sha256
    path.unlink()
    assert notebook_of(bench.store, bench.card.name).sha256 == whole.sha256


def test_a_copy_that_was_altered_is_refused(bench, path):
    bench.carry(step("n", "notebook_add", index="[0001]", grain="A"))
    by_hand(path)
    bench.carry(step("q", "notebook_query", what="readings"))
    (row,) = (row for row in bench.store.ledger.events(kinds=("changed",)) if is_copy(row))
    blob = bench.store.blob_path(row.body["notebook"]["blob"])
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b"9.4", b"8.4"))
    with pytest.raises(EucentricError, match="altered"):
        on_record(bench.store, bench.card.name)


def test_what_people_add_counts_in_the_next_query(bench, path):
    bench.carry(step("n", "notebook_add", index="[0001]", grain="A"))
    by_hand(path)
    bench.carry(step("q", "notebook_query", what="readings"))
    value = bench.rows("concluded", run="r-0002")[0].body["value"]
    assert [row["by"] for row in value["rows"]] == ["eucentric, run r-0001", "kim"]


def test_another_specimen_has_a_notebook_of_its_own_and_another_loading_an_entry(bench, path):
    bench.carry(step("n", "notebook_add", index="[001]"))
    bench.card = bench.card.model_copy(update={"name": "Ti3C2 test/2"})
    bench.carry(step("n", "notebook_add", index="[001]"))
    other = notebook_path(bench.store.folder, "Ti3C2 test/2")
    assert other != path
    assert len(read(path).of(nb.ReadingEntry)) == len(read(other).of(nb.ReadingEntry)) == 1
    assert notebook_path(bench.store.folder, "Ti3C2 test 2") != other


def test_an_auditor_sees_what_was_noted_before(bench):
    bench.carry(step("n", "notebook_add", index="[001]"), step("m", "notebook_add", index="[010]"))
    first, second = (row.seq for row in bench.rows("concluded")[:2])
    past = Past(bench.store, "r-0001", second)
    assert len(past.notebook(bench.card.name).of(nb.ReadingEntry)) == 1
    assert Past(bench.store, "r-0001", first).notebook(bench.card.name) is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_notebook_that_cannot_be_written_stops_no_run(bench, path):
    path.parent.mkdir()
    path.parent.chmod(0o500)
    outcome = bench.carry(step("n", "notebook_add", index="[001]"))
    path.parent.chmod(0o700)
    assert outcome.exit_code == 0
    assert len(read_after(bench).of(nb.ReadingEntry)) == 1


def test_a_file_in_its_place_stops_no_run_and_is_left_alone(bench, path, monkeypatch):
    said = []
    monkeypatch.setattr(Observer, "note", lambda self, text: said.append(text))
    path.parent.mkdir()
    path.write_text("not a notebook " * 50)
    outcome = bench.carry(step("n", "notebook_add", index="[001]"))
    assert outcome.exit_code == 0
    assert path.read_text().startswith("not a notebook")
    assert [line for line in said if "not in the notebook yet" in line]


def read_after(bench):
    return notebook_of(bench.store, bench.card.name)
