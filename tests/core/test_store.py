"""Blobs and sidecars are whole or not there, and nothing escapes from the store's folder."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from eucentric.core.errors import BadInput, LedgerError, StoreFull
from eucentric.core.store import Store


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "store")
    yield made
    made.close()


@pytest.mark.parametrize("data", [b"", b"\0\n\r\xff", b"x" * 1_000_000])
def test_a_blob_comes_back_and_is_kept_once(store: Store, data: bytes) -> None:
    sha = store.put_blob(data)
    assert sha == hashlib.sha256(data).hexdigest() == store.put_blob(data)
    assert store.get_blob(sha) == data
    assert [p.name for p in (store.folder / "blobs").rglob("*") if p.is_file()] == [sha]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flip, "altered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "altered"),
        (lambda path: path.write_bytes(b""), "altered"),
        (Path.unlink, "missing"),
    ],
    ids=["one bit", "one byte less", "emptied", "removed"],
)
def test_an_altered_blob_is_refused_and_writing_it_again_mends_it(store: Store, damage, words: str) -> None:
    sha = store.put_blob(b"evidence")
    damage(store.blob_path(sha))
    with pytest.raises(LedgerError, match=words):
        store.get_blob(sha)
    assert store.put_blob(b"evidence") == sha
    assert store.get_blob(sha) == b"evidence"


@pytest.mark.parametrize(
    "sha", ["", "x", "../../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 62 + "/."]
)
def test_what_is_no_digest_is_no_path(store: Store, sha: str) -> None:
    with pytest.raises(LedgerError, match="digest"):
        store.get_blob(sha)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "/abs", "nul\0", "-flag", ".hidden", "x" * 101, "a\n"]
)
def test_what_is_no_name_makes_no_folder(store: Store, name: str) -> None:
    for use in (
        lambda: store.run_folder(name),
        lambda: store.write_sidecar("r-0001", name, {}),
        lambda: store.write_sidecar(name, "f-1", {}),
    ):
        with pytest.raises(LedgerError, match="no name"):
            use()
    assert sorted(p.name for p in store.folder.parent.iterdir()) == ["store"]


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.bool_])
def test_an_array_comes_back(store: Store, dtype) -> None:
    pixels = np.arange(12).reshape(3, 4).astype(dtype)
    back = store.get_array(store.put_array(pixels))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, pixels)


def test_objects_are_neither_pickled_nor_unpickled(store: Store) -> None:
    with pytest.raises(ValueError):
        store.put_array(np.array([{"a": 1}], dtype=object))
    path = store.folder / "evil.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for blob in (path.read_bytes(), b"not an array", b"", path.read_bytes()[:20]):
        with pytest.raises(LedgerError, match="not an array"):
            store.get_array(store.put_blob(blob))


def test_a_sidecar_carries_the_head_and_the_text_of_devices(store: Store) -> None:
    store.ledger.append("r-0001", "found", "me", "s")
    store.write_sidecar("r-0001", "f-00001-haadf", {"id": "f", "operator": "J. D\ud800e µ"})
    body = json.loads((store.folder / "runs/r-0001/frames/f-00001-haadf.json").read_text("utf-8"))
    assert (body["anchor"]["seq"], body["anchor"]["hash"]) == store.ledger.head()
    assert body["operator"] == "J. D\ud800e µ"
    with pytest.raises(ValueError):
        store.write_sidecar("r-0001", "f-2", {"x": float("nan")})


def test_run_ids_are_taken_at_once_and_never_twice(store: Store) -> None:
    assert [store.next_run() for _ in range(3)] == ["r-0001", "r-0002", "r-0003"]
    store.ledger.append("r-0041", "requested", "me", "s")
    store.ledger.append("r-²", "requested", "me", "s")
    store.ledger.append("other", "requested", "me", "s")
    (store.folder / "runs" / "r-0042").mkdir()
    assert store.next_run() == "r-0043"


_NEXT = """
import sys
from pathlib import Path
from eucentric.core.store import Store
store = Store(Path(sys.argv[1]))
print(*[store.next_run() for _ in range(20)])
"""


def test_two_processes_never_get_the_same_run(store: Store, spawn) -> None:
    running = [spawn(_NEXT, str(store.folder)) for _ in range(2)]
    ids = [name for one in running for name in one.communicate(timeout=60)[0].split()]
    assert len(set(ids)) == len(ids) == 40


_FULL = """
import resource, sys
from pathlib import Path
from eucentric.core.errors import StoreFull
from eucentric.core.store import Store
store = Store(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for write in (lambda: store.put_blob(b"x" * 100_000),
              lambda: store.write_sidecar("r-0001", "f-1", {"x": "y" * 100_000})):
    try:
        write()
    except StoreFull as error:
        print("full", error.who)
"""


def test_a_full_disk_leaves_nothing_half_written(store: Store, spawn) -> None:
    out, complaint = spawn(_FULL, str(store.folder)).communicate(timeout=60)
    assert out.split("\n")[:2] == ["full operator"] * 2, complaint
    files = [p for p in store.folder.rglob("*") if p.is_file() and not p.name.startswith("audit.db")]
    assert files == []


def test_rights_are_not_called_a_full_disk(store: Store) -> None:
    (store.folder / "blobs").touch()  # a file where a folder is needed
    with pytest.raises(LedgerError, match="can't write") as caught:
        store.put_blob(b"x")
    assert not isinstance(caught.value, StoreFull)


def test_others_may_read_what_the_umask_lets_them(store: Store) -> None:
    before = os.umask(0o027)
    try:
        path = store.blob_path(store.put_blob(b"x"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("make", ["nothing", "folder", "empty ledger"])
def test_an_existing_store_must_exist(tmp_path: Path, make: str) -> None:
    folder = tmp_path / "there"
    if make != "nothing":
        folder.mkdir()
    if make == "empty ledger":
        (folder / "audit.db").touch()
    with pytest.raises((BadInput, LedgerError)):
        Store.existing(folder)
    assert not (folder / "audit.db").exists() or (folder / "audit.db").stat().st_size == 0


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file"):
        Store(tmp_path / "file")


def test_the_anchor_is_the_head(store: Store, own_state: Path) -> None:
    assert store.anchor() == store.ledger.head()
    assert [p.stem for p in (own_state / "anchors").iterdir()] == [store.ledger.name]


def test_a_blob_that_is_there_already_has_its_name_synced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it may have died between its name and the folder's sync."""
    folder = store.blob_path(store.put_blob(b"data")).parent
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_ino), sync(handle)))
    store.put_blob(b"data")
    assert synced == [folder.stat().st_ino]


def test_a_sidecar_comes_back_without_its_anchor(store: Store) -> None:
    store.write_sidecar("r-0001", "f-1", {"id": "f-1", "dose": 1.5})
    assert store.read_sidecar("r-0001", "f-1") == {"id": "f-1", "dose": 1.5}
    assert store.read_sidecar("r-0001", "f-2") is None
    path = store.folder / "runs" / "r-0001" / "frames" / "f-1.json"
    for damaged in ("[1]", "{", "\udcff"):
        path.write_text(damaged, errors="surrogateescape")
        assert store.read_sidecar("r-0001", "f-1") is None
