"""An exported run: whole, readable by others, checked by plain Python, and every way to spoil it is found."""

import base64
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from rocrate.rocrate import ROCrate
from workbench import Bench, Person, Planned, image, step

from eucentric.agent.auditing.crate import verify
from eucentric.agent.auditing.crate.acts import acts
from eucentric.agent.auditing.crate.people import people_of
from eucentric.agent.auditing.crate.write import Options, export
from eucentric.agent.conduct import take_up
from eucentric.agent.consent.asked import Answer
from eucentric.agent.reporting.blocks import Document
from eucentric.agent.reporting.gather import gather
from eucentric.agent.reporting.html import html
from eucentric.agent.session import Observer
from eucentric.core.canonical import canonical
from eucentric.core.errors import BadInput, ChainBroken
from eucentric.core.operators_file import fingerprint
from eucentric.core.signing import new_private, public_of
from eucentric.core.store import Archive

HOSTILE = 'look <script>alert(1)</script> \u202e [x](http://evil) & "quote"'
PLAN = (
    step("m", "move_stage", x_um=3.0),
    step("o", "set_optics", defocus_nm=5.0),
    image("a", detectors=("haadf", "bf")),
    step("s", "acquire_series", width_px=32, height_px=32, fov_nm=10.0, dwell_us=1.0, frames=3),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs, the second inside the first: it was parked, another ran, and it was taken up again."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EUCENTRIC_STATE", str(folder / "s"))
        patch.setenv("EUCENTRIC_CONFIG", str(folder / "none.toml"))
        bench = Bench(folder)
        planner = Planned(*PLAN)
        blob = bench.store.put_blob(b'{"messages": [{"content": "hello"}]}')
        planner.proposal = planner.proposal.model_copy(update={"evidence": {"request 1": blob}})
        bench.carry(planner=planner, person=Person(Answer("no_channel", "nobody")), text=HOSTILE)
        bench.carry(image("x"), text="the zebra plan of somebody else")
        take_up(bench.store, "r-0001", bench.guard, Person(Answer("approved", "kim (pts/3)")), Observer(),
                by="j.doe (pts/1)", settle=lambda *_: "give-up")  # fmt: skip
        bench.store.close()
        yield folder


@pytest.fixture
def store(made, monkeypatch):
    """It, with the anchors where they were written."""
    monkeypatch.setenv("EUCENTRIC_STATE", str(made / "s"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(made / "none.toml"))
    return made / "store"


@pytest.fixture(scope="module")
def original(made, tmp_path_factory):
    """One export of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EUCENTRIC_STATE", str(made / "s"))
        patch.setenv("EUCENTRIC_CONFIG", str(made / "none.toml"))
        out = tmp_path_factory.mktemp("out") / "crate"
        export(made / "store", ["r-0001"], out, Options(with_prompts=True, licence="CC-BY-4.0"))
    return out


@pytest.fixture
def crate(original, tmp_path):
    """A copy that may be spoilt."""
    return Path(shutil.copytree(original, tmp_path / "crate"))


def graph(crate):
    return {one["@id"]: one for one in json.loads((crate / verify.METADATA).read_text())["@graph"]}


def rows(crate):
    return [json.loads(line) for line in (crate / verify.ROWS).read_bytes().splitlines()]


def sealed(crate):
    return [json.loads(line) for line in (crate / verify.SEALED).read_bytes().splitlines()]


def resealed(crate):
    """As somebody who knows how: every digest in the metadata is made right again."""
    path = crate / verify.METADATA
    data = json.loads(path.read_text())
    kept = []
    for one in data["@graph"]:
        file = crate / one["@id"]
        if "sha256" in one:
            if not file.is_file():
                continue
            one["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        kept.append(one)
    data["@graph"] = kept
    path.write_text(json.dumps(data))


# --- whole and readable -----------------------------------------------------------------------------------


def test_the_library_reads_it_back_and_every_file_it_lists_is_there_with_its_digest(original):
    crate = ROCrate(original)
    files = [one for one in crate.get_entities() if one.get("sha256")]
    assert len(files) > 20
    for one in files:
        assert hashlib.sha256((original / one.id).read_bytes()).hexdigest() == one["sha256"], one.id
        assert int(one["contentSize"]) == (original / one.id).stat().st_size
    on_disk = {path.relative_to(original).as_posix() for path in original.rglob("*") if path.is_file()}
    assert on_disk == {one.id for one in files} | {verify.METADATA}
    assert crate.license.id == "https://spdx.org/licenses/CC-BY-4.0"


def test_who_with_what_from_what_made_what(original):
    crate = ROCrate(original)
    run = crate.dereference("#r-0001")
    assert run.type == "CreateAction"
    assert run["startTime"] < run["endTime"]
    software, microscope = run["instrument"]
    assert (software["name"], software["softwareVersion"]) == ("eucentric", "0.1.0")
    assert microscope["description"] == "SIMULATED: no real instrument, no real specimen."
    assert microscope["serialNumber"] == "ideal-7"
    assert {one.type for one in run["object"]} == {"File", "Product"}
    assert any(one.id.endswith(".tiff") for one in run["result"])
    people = {one["name"]: one["description"] for one in crate.get_by_type("Person")}
    assert people["kim"] == "r-0001: approved at gate g2 (from pts/3)"
    assert people["j.doe"].startswith("r-0001: resumed")
    assert run["agent"]["name"] == "t"
    (allowed,) = crate.get_by_type("AuthorizeAction")
    assert (allowed["agent"]["name"], allowed["object"].id) == ("kim", "runs/r-0001/cards/g2.txt")
    (parked,) = crate.get_by_type("AssessAction")
    assert (parked["name"], parked.get("agent")) == ("no_channel at gate g1 of r-0001", None)


def test_everything_simulated_is_stamped(original):
    found = graph(original)
    assert found["./"]["name"].startswith("SIMULATED: ")
    assert "SIMULATED" in found["./"]["keywords"]
    assert found["#r-0001"]["description"].startswith("SIMULATED. ")
    frames = [one for key, one in found.items() if key.endswith(".tiff")]
    assert len(frames) == 6  # two detectors, three of the series, and its sum
    for one in frames:
        assert one["description"].startswith("SIMULATED. Frame f-")
        with tifffile.TiffFile(original / one["@id"]) as tiff:
            assert tiff.pages[0].description.startswith('{"SIMULATED": ')
    page = (original / "ro-crate-preview.html").read_text()
    assert '<div class="stamp simulated"' in page


@pytest.mark.parametrize("form", ["tiff", "npy"])
def test_pixels_come_out_as_they_were_kept(store, tmp_path, form):
    export(store, ["r-0002"], tmp_path / "c", Options(frames=form))
    archive = Archive(store)
    (one,) = gather(archive, "r-0002").frames
    (path,) = (tmp_path / "c" / "runs" / "r-0002" / "frames").glob(f"*.{form}")
    read = tifffile.imread(path) if form == "tiff" else np.load(path)
    np.testing.assert_array_equal(read, archive.get_array(one.frame.sha256))
    archive.close()
    assert verify.verify(tmp_path / "c").facts["frames"] == 1


def test_without_pixels_the_digests_stay_and_it_is_said(store, tmp_path):
    export(store, ["r-0002"], tmp_path / "c", Options(frames="none"))
    result = verify.verify(tmp_path / "c")
    assert (result.ok, result.facts["frames"]) == (True, 0)
    assert "1 frames of the rows are not in this export" in result.notes


def test_each_line_is_the_text_that_was_hashed(original, store):
    archive = Archive(store)
    stored = {row.seq: row.hash for row in archive.ledger.events(run="r-0001")}
    archive.close()
    lines = (original / verify.ROWS).read_bytes().splitlines()
    assert {json.loads(line)[0]: hashlib.sha256(line).hexdigest() for line in lines} == stored


def test_rows_of_the_other_run_are_chained_but_not_readable(original):
    told = sealed(original)
    assert len(told) > 8
    everything = b"".join(path.read_bytes() for path in original.rglob("*") if path.is_file())
    assert b"zebra" not in everything
    for one in told:
        tail = base64.b64decode(one["tail"])
        assert len(tail) - len(b'"' + b"0" * 64 + b'"]') <= 63
        assert re.fullmatch(rb'.*"[0-9a-f]{64}"\]', tail, re.DOTALL)


def test_several_runs_are_one_export(store, tmp_path):
    export(store, ["r-0002", "r-0001"], tmp_path / "c", Options())
    result = verify.verify(tmp_path / "c")
    assert (result.ok, result.facts["runs"], result.facts["sealed"]) == (True, ["r-0001", "r-0002"], 0)
    page = (tmp_path / "c" / "ro-crate-preview.html").read_text()
    assert "r-0001 · Every act on the instrument" in page
    assert "r-0002 · Every act on the instrument" in page


def test_a_zip_file_is_the_same(store, tmp_path):
    made = export(store, ["r-0001"], tmp_path / "c.zip", Options())
    result = verify.verify(tmp_path / "c.zip")
    assert (result.ok, result.facts["fingerprint"], result.facts["rows"]) == (
        True,
        made.fingerprint,
        made.rows,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["c.zip"], "nothing is left beside it"


def test_a_store_is_only_read(store, tmp_path):
    def listing():
        return {
            str(path): path.stat().st_mtime_ns
            for path in store.rglob("*")
            if path.suffix not in (".db-wal", ".db-shm")
        }

    before = {key: value for key, value in listing().items() if key != str(store)}
    export(store, ["r-0001"], tmp_path / "c", Options())
    assert {key: value for key, value in listing().items() if key != str(store)} == before


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_and_obeys_nothing(original):
    page = (original / "ro-crate-preview.html").read_text("utf-8")
    assert "<script" not in page
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?!data:)", page.replace('src="data:', ""))
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\u202e [x](http://evil) &amp; &quot;quote&quot;" in page


def test_the_page_tells_the_run(original, store):
    page = (original / "ro-crate-preview.html").read_text("utf-8")
    archive = Archive(store)
    record = gather(archive, "r-0001")
    archive.close()
    for section in (
        "What came of it", "Not counted", "In short", "Request and plan", "Who allowed what, on which evidence",
        "Every act on the instrument", "Places and dose", "Frames", "Predicted and actual", "Methods",
        "How to check this",
    ):  # fmt: skip
        assert f"<h2>{section}</h2>" in page, section
    assert len(record.gates) == 2
    for gate in record.gates:
        assert gate.card_sha256 in page
    assert "approved by kim (pts/3), event " in page
    assert "the same card by its digest" in page
    for row in (one for one in record.of("intended") if one.body["act"] != "store"):
        assert re.search(rf"<td[^>]*>{row.seq}, {row.seq + 1}</td>", page), row.seq
    assert "x +3 µm" in page
    assert "defocus +5 nm" in page
    assert page.count("<figure>") >= 6


def test_what_was_refused_or_left_open_is_among_the_acts(bench):
    log = bench.store.ledger.append
    log("r-0001", "requested", "t", "x", {})
    log(
        "r-0001",
        "failed",
        "eucentric",
        "acquire refused",
        {"sent": False, "error": {"what": "too much", "why": "5 of 4"}},
    )
    log(
        "r-0001",
        "intended",
        "eucentric",
        "move",
        {"act": "move_stage", "args": {"x_um": 1.0}},
        action_id="r-0001/m#1",
    )
    page = html(Document("t", "s", None, (acts(gather(bench.store, "r-0001")),)))
    assert "Refused before anything was sent" in page
    assert "too much · 5 of 4" in page
    assert "NOT ENDED: in doubt" in page


# --- a stranger -------------------------------------------------------------------------------------------


def run_alone(crate, *args):
    """The script of the export, with the standard library only and no packages."""
    words = [sys.executable, "-I", "-S", str(crate / "verify.py"), *args]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_stranger_checks_it_with_plain_python(original):
    code, out, err = run_alone(original)
    assert (code, err) == (0, "")
    first, last = rows(original)[0][0], rows(original)[-1][0]
    assert f"events {first} to {last}: none is missing; anchored to event {last}" in out
    assert out.endswith("verified\n")
    assert json.loads(run_alone(original, "--json")[1])["ok"] is True


def test_a_spoilt_one_fails_for_a_stranger_too(crate):
    (crate / "runs/r-0001/cards/g1.txt").write_text("another card")
    code, out, _ = run_alone(crate)
    assert code == 1
    assert "PROBLEM  runs/r-0001/cards/g1.txt was altered" in out
    assert "none is missing" not in out


# --- spoiling ---------------------------------------------------------------------------------------------


def edit_row(crate, at=3, value="never said"):
    told = rows(crate)
    told[at][7] = value
    write_rows(crate, told)


def write_rows(crate, told):
    (crate / verify.ROWS).write_text("".join(canonical(row) + "\n" for row in told))


def drop_row(crate, at):
    told = rows(crate)
    del told[at]
    write_rows(crate, told)


def other_pixels(crate):
    path = sorted((crate / "runs/r-0001/frames").glob("*.tiff"))[0]
    data = bytearray(path.read_bytes())
    at = data.index(verify.tiff_pixels(bytes(data))[:64])
    data[at] ^= 1
    path.write_bytes(data)


def swapped_frames(crate):
    one, other = sorted((crate / "runs/r-0001/frames").glob("*.tiff"))[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def rechained_before_the_sealed(crate):
    """Edit an early row and make all readable rows before the sealed ones follow each other again."""
    told = rows(crate)
    edge = sealed(crate)[0]["seq"]
    told[1][7] = "a plan that nobody made"
    for before, row in itertools.pairwise(told):
        if row[0] < edge and row[0] > told[1][0]:
            row[-1] = hashlib.sha256(canonical(before).encode()).hexdigest()
    write_rows(crate, told)


def sealed_anew(crate, **change):
    told = sealed(crate)
    told[2] |= change
    (crate / verify.SEALED).write_text("".join(json.dumps(one) + "\n" for one in told))


def tail_of_another(crate):
    """A sealed row that claims to follow another one."""
    told = sealed(crate)
    tail = bytearray(base64.b64decode(told[2]["tail"]))
    tail[-10:-2] = b"deadbeef"
    sealed_anew(crate, tail=base64.b64encode(tail).decode())


def whole_ledger_made_up(crate):
    """Every hash made right, anchors as they were: what an anchor is for."""
    told = [row for row in rows(crate) if row[0] < sealed(crate)[0]["seq"]]
    told[1][7] = "a plan that nobody made"
    for before, row in itertools.pairwise(told):
        row[-1] = hashlib.sha256(canonical(before).encode()).hexdigest()
    (crate / verify.SEALED).unlink()
    anchors = [
        line
        for line in (crate / verify.ANCHORS).read_text().splitlines()
        if json.loads(line)["seq"] <= told[-1][0]
    ]
    (crate / verify.ANCHORS).write_text("\n".join(anchors) + "\n")
    for path in (crate / "runs/r-0001/frames").glob("*"):
        path.unlink()
    write_rows(crate, told)


SPOILT = {
    "a row edited": (edit_row, "a row was edited or left out"),
    "a row dropped": (lambda c: drop_row(c, 3), "are missing"),
    "the request dropped": (lambda c: drop_row(c, 0), "is no request"),
    "the end cut off": (lambda c: drop_row(c, -1), "was anchored in"),
    "a row twice": (lambda c: write_rows(c, [*rows(c), rows(c)[4]]), "is there twice"),
    "rows that follow again, before sealed ones": (rechained_before_the_sealed, "a row was edited or left out"),
    "a ledger made up": (whole_ledger_made_up, "the ledger was rewritten"),
    "sealed rows dropped": (lambda c: (c / verify.SEALED).unlink(), "are missing"),
    "a sealed row of another state": (lambda c: sealed_anew(c, state="00" * 32), "a row was edited or left out"),
    "a sealed row of another length": (lambda c: sealed_anew(c, length=99), "not as an export writes it"),
    "a sealed row that follows another": (tail_of_another, "a row was edited or left out"),
    "another pixel": (other_pixels, "its pixels are not those of event"),
    "frames swapped": (swapped_frames, "its pixels are not those of event"),
    "a prompt edited": (
        lambda c: next((c / "runs/r-0001/prompts").iterdir()).write_text("other"), "is not the request 1 of event",
    ),
    "an anchor edited": (
        lambda c: (c / verify.ANCHORS).write_text(json.dumps({"seq": rows(c)[-1][0], "hash": "ab" * 32, "where": "x"})),
        "the ledger was rewritten",
    ),
    "no JSON": (lambda c: (c / verify.ROWS).write_text("{"), "not as an export writes it"),
    "no rows": (lambda c: (c / verify.ROWS).write_text(""), "there are no rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
@pytest.mark.parametrize("knowing", [False, True], ids=["clumsy", "with new digests"])
def test_what_was_spoilt_is_found(crate, case, knowing):
    spoil, words = SPOILT[case]
    spoil(crate)
    if knowing:
        resealed(crate)
    result = verify.verify(crate)
    assert any(words in problem for problem in result.problems), result.problems
    if not knowing:
        assert any("was altered" in problem or "is missing" in problem for problem in result.problems)


def test_a_file_that_was_added_or_taken_away_is_found(crate):
    (crate / "more.txt").write_text("x")
    (crate / "runs/r-0001/report.html").unlink()
    problems = verify.verify(crate).problems
    assert "more.txt does not belong to the export" in problems
    assert "runs/r-0001/report.html is missing" in problems


def test_a_cut_that_takes_its_anchors_along_is_no_proof_and_it_is_said(crate):
    told = rows(crate)
    keep = told[-4][0]
    write_rows(crate, [row for row in told if row[0] <= keep])
    lines = [
        line for line in (crate / verify.ANCHORS).read_text().splitlines() if json.loads(line)["seq"] <= keep
    ]
    (crate / verify.ANCHORS).write_text("\n".join(lines))
    resealed(crate)
    result = verify.verify(crate)
    assert result.ok
    assert any("were cut off can't be seen" in note for note in result.notes)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"{}"])
def test_what_is_no_export_is_told_and_raises_nothing(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    assert not verify.verify(path).ok
    assert not verify.verify(tmp_path / "nowhere").ok


def test_a_name_that_leads_out_of_a_zip_is_not_followed(store, tmp_path):
    export(store, ["r-0002"], tmp_path / "c.zip", Options())
    (tmp_path / "secret").write_text("x")
    with zipfile.ZipFile(tmp_path / "c.zip", "a") as file:
        file.writestr("../secret", "y")
    assert "../secret does not belong to the export" in verify.verify(tmp_path / "c.zip").problems


def test_sha256_goes_on_from_the_middle():
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000):
        data = bytes(n * 7 % 251 for n in range(size))
        cut = size // 2 // 64 * 64
        state = verify.after_blocks(verify.FIRST, data[:cut])
        assert verify.finish(state, cut, data[cut:]) == hashlib.sha256(data).hexdigest()


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "words"), [(["r-0099"], "no run 'r-0099'"), (["r-0001", "nope"], "no run 'nope'")]
)
def test_a_run_that_is_not_there(store, tmp_path, runs, words):
    with pytest.raises(BadInput, match=words):
        export(store, runs, tmp_path / "c", Options())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(store, tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(BadInput, match="is there already"):
        export(store, ["r-0001"], tmp_path / "c", Options())


def test_a_key_that_got_into_the_store_does_not_get_out(store, tmp_path):
    with pytest.raises(BadInput, match="holds the key"):
        export(store, ["r-0001"], tmp_path / "c", Options(with_prompts=True, secrets=('{"messages": [',)))
    assert list(tmp_path.iterdir()) == []
    export(store, ["r-0001"], tmp_path / "c", Options(secrets=('{"messages": [',)))


def test_prompts_are_only_in_it_if_asked_for(store, tmp_path, original):
    assert len(list((original / "runs/r-0001/prompts").iterdir())) == 1
    export(store, ["r-0001"], tmp_path / "c", Options())
    assert not (tmp_path / "c" / "runs/r-0001/prompts").exists()
    assert verify.verify(tmp_path / "c").facts.get("prompts") is None


def test_a_ledger_that_does_not_prove_itself_is_not_exported(store, tmp_path):
    import sqlite3

    shutil.copytree(store, tmp_path / "copy")
    line = sqlite3.connect(tmp_path / "copy" / "audit.db", isolation_level=None)
    for (name,) in line.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
        line.execute(f"DROP TRIGGER {name}")
    line.execute("UPDATE event SET summary='never said' WHERE seq=4")
    line.close()
    with pytest.raises(ChainBroken, match="event 4 does not give its hash"):
        export(tmp_path / "copy", ["r-0001"], tmp_path / "c", Options())
    assert not (tmp_path / "c").exists()


def test_missing_pixels_are_told_and_the_rest_is_exported(store, tmp_path):
    shutil.copytree(store, tmp_path / "copy")
    archive = Archive(tmp_path / "copy")
    (one,) = gather(archive, "r-0002").frames
    archive.close()
    (tmp_path / "copy" / "blobs" / one.frame.sha256[:2] / one.frame.sha256).unlink()
    made = export(tmp_path / "copy", ["r-0002"], tmp_path / "c", Options())
    assert f"r-0002/{one.frame.id}: blob {one.frame.sha256[:12]}… is missing" in made.missing[0]
    assert "Not in this export" in (tmp_path / "c" / "ro-crate-preview.html").read_text()


def test_without_the_library_it_says_what_to_install(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    monkeypatch.delitem(sys.modules, "eucentric.agent.auditing.crate.metadata", raising=False)
    with pytest.raises(BadInput, match="pip install 'eucentric\\[export\\]'"):
        export(store, ["r-0002"], tmp_path / "c", Options())


# --- people -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("kim (pts/3)", "kim"),
        ("kim (root (pts/3))", "kim"),
        ("Jo Doe (claimed, x (pts/1))", "Jo Doe"),
        ("policy demo (sha256 ab)", None),
        ("option --approve deny", None),
        ("nobody", None),
        ("clock", None),
        ("rule", None),
        ("eucentric", None),
    ],
)
def test_who_is_a_person(bench, by, name):
    bench.store.ledger.append("r-0001", "requested", "t", "x", {})
    bench.store.ledger.append("r-0001", "decided", by, "x", {"gate": "g1", "outcome": "approved", "by": by})
    found = set(people_of(gather(bench.store, "r-0001")))
    assert found == ({"t", name} if name else {"t"})


# --- signatures -------------------------------------------------------------------------------------------


@pytest.fixture
def signed_run(bench, tmp_path, monkeypatch):
    """A run whose decision and whose ledger's head are signed; exported."""
    (bench.folder / "none.toml").write_text("sign_anchors = true\n")
    private = new_private()
    public = public_of(private)

    def signer(payload):
        return {"alg": "ed25519", "key": fingerprint(public), "by": "kim", "public": public,
                "sig": private.sign(payload).hex()}  # fmt: skip

    bench.carry(image("a"), person=Person(Answer("approved", "kim (pts/3)", signer=signer)))
    bench.store.anchor()
    export(bench.folder / "store", ["r-0001"], tmp_path / "c", Options())
    return tmp_path / "c", fingerprint(public)


def test_signatures_are_checked_with_plain_python(signed_run):
    crate, key = signed_run
    result = verify.verify(crate)
    machine = [who for who in result.facts["signatures"] if who.startswith("this machine, key ")]
    assert (result.ok, result.facts["signatures"][f"kim, key {key}"], len(machine)) == (True, 1, 1)
    code, out, _ = run_alone(crate)
    assert code == 0
    assert f"1 signed by kim, key {key}: ask them whether that is their key" in out
    assert f"signed with the key {key} of kim" in (crate / "ro-crate-preview.html").read_text()


@pytest.mark.parametrize("name", ["sig", "public", "by", "key"])
def test_a_signature_that_is_not_of_this_row_is_found(signed_run, name):
    crate, _ = signed_run
    told = rows(crate)
    row = next(row for row in told if row[3] == "decided")
    body = json.loads(row[8])
    told_as = body["signature"][name]
    body["signature"][name] = "lee" if name == "by" else told_as[:-1] + ("1" if told_as[-1] == "0" else "0")
    body["reason"] = "another" if name == "by" else body["reason"]
    row[8] = canonical(body)
    write_rows(crate, told)
    assert any(
        "the signature of event" in problem or "signatures" in problem
        for problem in verify.verify(crate).problems
    )


def test_a_signature_of_another_ledger_is_found(signed_run):
    crate, _ = signed_run
    (crate / verify.LEDGER).write_text(json.dumps({"ledger_id": "ab" * 16}))
    assert any("the signature of event" in problem for problem in verify.verify(crate).problems)


def test_plain_python_agrees_with_the_library():
    """RFC 8032, 7.1, test 2, and keys that are drawn."""
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    sig = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verify.signed(bytes.fromhex(public), b"r", bytes.fromhex(sig))
    for number in range(5):
        private, message = new_private(), b"m" * number
        key, made = private.public_key().public_bytes_raw(), bytearray(private.sign(message))
        assert verify.signed(key, message, bytes(made))
        assert not verify.signed(key, message + b".", bytes(made))
        made[10 * number] ^= 1
        assert not verify.signed(key, message, bytes(made))
