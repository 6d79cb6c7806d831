"""Addresses: one spelling per instrument, and clear words for what is none."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from eucentric.core.errors import BadInput, InstrumentFault
from eucentric.core.places import canonical_uri, host_key, hosts_dir, parse_uri
from eucentric.instruments.guard import Guard
from eucentric.instruments.hostfiles import code_fingerprint
from eucentric.instruments.uri import load_driver, open_instrument

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


SAME = [
    ("twin://mxene?seed=7&stage=worn", "twin://mxene?stage=worn&seed=7"),
    ("twin://mxene", "twin://mxene/"),
    ("TWIN://mxene?seed=7", "twin://mxene?seed=7"),
    (" twin://mxene ", "twin://mxene"),
    ("twin:w.toml?seed=7", f"twin:{Path('w.toml').resolve()}?seed=7"),
    ("twin:./a/../w.toml", "twin:w.toml"),
    ("py:a.b:make?x=1%20m&a=2", "py:a.b:make?a=2&x=1+m"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_instrument_has_one_spelling_and_one_host(one, other):
    assert canonical_uri(one) == canonical_uri(other)
    assert host_key(one) == host_key(other)
    assert canonical_uri(canonical_uri(one)) == canonical_uri(one)


def test_other_options_are_another_instrument():
    keys = {host_key(uri) for uri in ("twin://a", "twin://b", "twin://a?seed=1", "twin://a?seed=2", "py:a:b")}
    assert len(keys) == 5


def test_options_come_back_as_given():
    assert parse_uri("twin://mxene?seed=7&stage=worn").query == {"seed": "7", "stage": "worn"}
    assert parse_uri(canonical_uri("py:a:b?path=/x%20y&e=%26%3D")).query == {"path": "/x y", "e": "&="}


BAD = [
    "", "mxene", "twin:", "twin://", "twin://mxene?seed", "twin://mxene?seed=", "twin://mxene?=7",
    "twin://mxene?seed=7&seed=8", "twin://mx\x1b[2Jene", "twin:mxene", "nosuch://x", "py:toy", "py:toy:",
    "py::toy_driver", "py:toy:toy_driver?colour=red", "py:toy:nothing", "py:no_such_module_:make",
    "py:toy:CAPABILITIES", "py:os.path/../x:y", "py:toy:toy_driver?miss_m=far", "://x", "a b://x",
]  # fmt: skip


@pytest.mark.parametrize("uri", BAD)
def test_bad_address_is_bad_input_with_examples(uri):
    with pytest.raises(BadInput) as raised:
        open_instrument(uri, in_process=True)
    assert "twin://mxene?seed=7" in str(raised.value)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("uri", ["nosuch://x", "twin:mxene", "py:toy"])
def test_bad_scheme_is_said_before_a_host_is_started(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    with pytest.raises(BadInput):
        open_instrument(uri)
    assert not hosts_dir().exists()


def test_py_driver_gets_its_options_as_text():
    guard = open_instrument("py:toy:toy_driver?miss_m=5e-8", in_process=True)
    assert isinstance(guard, Guard)
    assert load_driver("py:toy:toy_driver?miss_m=5e-8").miss_m == 5e-8  # type: ignore[attr-defined]


def test_what_is_no_driver_is_refused():
    with pytest.raises(InstrumentFault, match="acquire"):
        load_driver("py:toy:not_a_driver")


def test_module_of_the_current_folder_is_not_loaded(tmp_path, monkeypatch):
    (tmp_path / "planted_driver.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as python -c and a prompt have it
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(BadInput, match="current folder"):
        load_driver("py:planted_driver:make")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # as python -m has it
    with pytest.raises(BadInput, match="current folder"):
        load_driver("py:planted_driver:make")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # now somebody said so
    with pytest.raises(SystemExit, match="ran"):
        load_driver("py:planted_driver:make")


def test_entry_point_scheme_gets_path_and_query(monkeypatch):
    entry = importlib.metadata.EntryPoint("toyscope", "entry_driver:make", "eucentric.drivers")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [entry])
    module = type(sys)("entry_driver")
    seen = []

    def make(path, query):
        seen.append((path, query))
        return load_driver("py:toy:toy_driver")

    module.make = make
    monkeypatch.setitem(sys.modules, "entry_driver", module)
    load_driver("toyscope://room-3?port=9095")
    assert seen == [("room-3", {"port": "9095"})]
    monkeypatch.delattr(module, "make")
    with pytest.raises(InstrumentFault, match="toyscope"):
        load_driver("toyscope://room-3")


def test_fingerprint_follows_the_driver_and_the_world(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    module, world = tmp_path / "some_driver.py", tmp_path / "w.toml"
    module.write_text("a = 1")
    world.write_text("seed = 1")
    before = [code_fingerprint("py:some_driver:make"), code_fingerprint(f"twin:{world}")]
    module.write_text("a = 2")
    world.write_text("seed = 2")
    after = [code_fingerprint("py:some_driver:make"), code_fingerprint(f"twin:{world}")]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert code_fingerprint("py:some_driver:make") == after[0]
