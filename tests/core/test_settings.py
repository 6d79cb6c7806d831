"""Settings: absent is fine, wrong is named, and a misspelt word is never ignored."""

from pathlib import Path

import pytest

from eucentric.core.errors import BadInput
from eucentric.core.settings import LOOPBACK, Settings, load_settings, settings_path
from eucentric.core.settings_file import DEFAULT_STORE, default_store, read_toml


@pytest.fixture
def write():
    def save(text: str | bytes) -> Path:
        path = settings_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return save


def test_no_file_is_all_defaults() -> None:
    assert load_settings() == Settings()
    assert load_settings().store == default_store() == DEFAULT_STORE == Path("eucentric-store")
    assert load_settings().llm.allow == LOOPBACK
    assert load_settings().llm.send_pixels is False


def test_the_file_wins_over_the_defaults(write) -> None:
    write('store = "/data/stem"\nplanner = "llm"\n[llm]\nmode = "tools"\ntimeout_s = 5\n')
    loaded = load_settings()
    assert (loaded.planner, loaded.llm.mode, loaded.llm.timeout_s) == ("llm", "tools", 5.0)
    assert loaded.store == default_store() == Path("/data/stem")


def test_a_tilde_is_the_home_folder(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/j.doe")
    write('store = "~/stem"\nspecimen = "~/cards/ti3c2.toml"\n')
    assert load_settings().store == default_store() == Path("/home/j.doe/stem")
    assert load_settings().specimen == Path("/home/j.doe/cards/ti3c2.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('stor = "x"', "stor"), ('planner = "grammer"', "planner"), ('[llm]\nmode = "chat"', "llm.mode"),
        ("[llm]\ntimeout_s = 0", "llm.timeout_s"), ("[llm]\ntimeout_s = nan", "llm.timeout_s"),
        ("[llm]\ntimeout_s = inf", "llm.timeout_s"), ('[llm]\nallow = "http://x"', "llm.allow"), ("store = 5", "store"),
        ("store = ", "can't be read"), (b"\xff\xfe", "can't be read"), ("a = 1\na = 2", "can't be read"),
        ("x = " + "[" * 5000, "can't be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(write, text: str, words: str) -> None:
    path = write(text)
    with pytest.raises(BadInput, match=words) as caught:
        load_settings()
    assert str(path) in caught.value.what


@pytest.mark.parametrize("text", ["store = 5", "store = ", "store = ['x']"])
def test_the_light_reader_of_the_store_refuses_the_same(write, text: str) -> None:
    write(text)
    with pytest.raises(BadInput):
        default_store()


@pytest.mark.parametrize(
    ("own", "xdg", "wanted"),
    [
        ("/a/b.toml", "/x", "/a/b.toml"), ("~/b.toml", None, "/home/j/b.toml"),
        (None, "/x", "/x/eucentric/settings.toml"),
        (None, "relative", "/home/j/.config/eucentric/settings.toml"),
        (None, None, "/home/j/.config/eucentric/settings.toml"),
        ("", "", "/home/j/.config/eucentric/settings.toml"),
    ],
)  # fmt: skip
def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, own, xdg, wanted: str) -> None:
    monkeypatch.setenv("HOME", "/home/j")
    for name, value in (("EUCENTRIC_CONFIG", own), ("XDG_CONFIG_HOME", xdg)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert settings_path() == Path(wanted)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no specimen card"):
        read_toml(tmp_path / "none.toml", "specimen card")
    with pytest.raises(BadInput, match="can't be read"):
        read_toml(tmp_path, "specimen card")
