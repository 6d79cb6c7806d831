"""Planted keys through the command line: real HTTP, a real host process; then every file and every line is searched."""

import base64
import contextlib
import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import scripted_server as scripted
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEY = "plantedKey0123.456789xyz"
VENDOR = "vendor+Secret/987654321"
PLANTED = {"EUCENTRIC_API_KEY": KEY, "LAB_SERVER_TOKEN": VENDOR}
IMAGE = {"width_px": 32, "height_px": 32, "fov_nm": "50 nm", "dwell_us": "1 us"}
SENTENCE = "please record one picture, 32x32, 50 nm wide, 1 us"
DRIVER = """
import os, sys
from eucentric.instruments.twin import twin_driver

class Leaky:
    def __init__(self, when):
        self.inner, self.when, self.reads = twin_driver("mxene", {"seed": "3"}), when, 0
    def __getattr__(self, name):
        return getattr(self.inner, name)
    def read(self):
        self.reads += 1
        print("environment", dict(os.environ), flush=True)
        sys.stderr.write(f"connecting with Authorization: Bearer {os.environ['LAB_SERVER_TOKEN']}\\n")
        if self.when == "read" and self.reads > 2:
            raise RuntimeError(f"vendor said: 401 for {os.environ['LAB_SERVER_TOKEN']} and KEY_OF_THE_MODEL")
        return self.inner.read()
    def stop(self):
        raise OSError(f"no stop with {os.environ['LAB_SERVER_TOKEN']}")

def leaky(when="never"):
    if when == "open":
        raise RuntimeError(f"no licence for {os.environ['LAB_SERVER_TOKEN']}, {dict(os.environ)}")
    return Leaky(when)
""".replace("KEY_OF_THE_MODEL", KEY)
"""A driver that prints and raises what it should not, and knows the model's key though nobody gave it."""


def traces(key):
    raw = key.encode()
    yield from (raw, raw[:12], raw[-12:], raw.hex().encode(), quote(key, safe="").encode())
    for before in (b"", b"k:", b"me:", b"kim:"):
        yield base64.b64encode(before + raw)[len(before) * 2 : -4]


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    for variable, value in PLANTED.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture
def leaky(place):
    """A place with that driver."""
    (place.folder / "leaky_driver.py").write_text(DRIVER)
    return place


@pytest.fixture
def served(shared_place, tmp_path):
    """A place with a store of its own, where the twin has a host already."""
    return type(shared_place)(tmp_path, shared_place.capsys)


def found_in(place, least=4):
    """Where a planted key is left, in whatever spelling: in the place, and in the state with its hosts' logs."""
    kept = (".py", ".pyc", ".planted")
    state = Path(os.environ["EUCENTRIC_STATE"])
    files = [
        path
        for folder in (place.folder, state)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in kept
    ]
    assert len(files) >= least
    left = set()
    for path in files:
        data = b""
        with contextlib.suppress(FileNotFoundError):  # a host that ends takes its write-ahead log with it
            data = path.read_bytes()
        told = (trace for key in PLANTED.values() for trace in traces(key))
        left |= {(str(path), one) for one in told if one in data + str(path).encode()}
    return left


def draft(args, **more):
    return json.dumps(
        {"outcome": "run", "say": "one", "steps": [{"tool": "acquire_image", "args": args}]} | more
    )


def ask(place, url, text=SENTENCE, *more):
    return place.eucentric(
        "run", text, "--planner", "llm", "--base-url", url, "--model", "scripted-1", "--approve",
        str(place.policy(author=KEY)), "--instrument", "twin://mxene?seed=3", *place.store, *more,
    )  # fmt: skip


HEADER = f"Authorization: Bearer {KEY}"
ANSWERS = {
    "in the reply's words": scripted.body(draft(IMAGE, say=f"your key {KEY} and {VENDOR}")),
    "in the reply's reasons": scripted.body(
        json.dumps({"outcome": "run", "say": "x", "steps": [{"tool": "acquire_image", "args": IMAGE, "reason": KEY}]})
    ),
    "as a place's name": scripted.body(
        json.dumps({"outcome": "run", "say": "x", "steps": [{"tool": "save_position", "args": {"name": KEY}}]})
    ),
    "in a question": scripted.body(
        json.dumps({"outcome": "clarify", "say": f"is {KEY} it?", "options": [KEY, VENDOR]})
    ),
    "as a tool's name": scripted.body(None, [(KEY, "{}")]),
    "in pieces of a stream": scripted.Answer(
        [scripted.delta(content=KEY[:9]), scripted.delta(content=KEY[9:]), scripted.delta("stop"), scripted.DONE]
    ),
    "echoed by an error": scripted.Answer([f"you sent {HEADER}, {VENDOR}".encode()], 401),
    "echoed in base64": scripted.Answer([base64.b64encode(f"kim:{KEY}".encode())], 400),
    "echoed in a URL": scripted.Answer([f"?key={quote(KEY)}&token={quote(VENDOR, safe='')}".encode()], 403),
    "echoed in a stream": scripted.Answer([scripted.event({"error": {"message": HEADER, "code": 401}})]),
    "echoed by a redirect": scripted.Answer([HEADER.encode()], 302, {"Location": f"http://127.0.0.1:9/?key={KEY}"}),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_what_a_server_says(served, answer):
    with scripted.serving(answer) as server:
        ask(
            served,
            server.url,
            f"{SENTENCE}, my key is {KEY}, base64 {base64.b64encode(VENDOR.encode()).decode()}",
        )
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in server.requests[0][1]
    assert served.eucentric("audit", "show", "r-0001", "--acts", *served.store)[0] == 0
    shown = served.eucentric("audit", "show", "r-0001", "--json", *served.store)[1]
    assert "[secret EUCENTRIC_API_KEY]" in shown
    assert found_in(served) == set()


@pytest.mark.parametrize("more", [(), ("--json",), ("--debug",)], ids=["for people", "JSON", "debug"])
def test_a_card_and_what_is_shown_of_it(served, more):
    card = (
        f'name = "flake {KEY}"\nmaterial = "Ti3C2"\nnotes = "see https://kim:{VENDOR}@lab/"\n'
        'holder = "double-tilt A"\nloading = "twin-1"\n'
    )
    file = served.folder / "card.planted"
    file.write_text(card)
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        code, _, said = ask(served, server.url, SENTENCE, "--specimen", str(file), *more)
    assert code == 0, said
    if not more:
        crate = ("--out", str(served.folder / "crate"), "--with-prompts")
        assert served.eucentric("audit", "export", "r-0001", *crate, *served.store)[0] == 0
        assert len(list((served.folder / "crate").rglob("*"))) > 10
    assert found_in(served) == set()


@pytest.mark.parametrize("when", ["never", "read", "open"])
def test_a_driver_that_prints_and_raises_them(leaky, when):
    uri = f"py:leaky_driver:leaky?when={when}"
    leaky.eucentric("run", "where is the stage right now?", "--instrument", uri, *leaky.store)
    leaky.eucentric("limits", uri)
    leaky.eucentric("stop")
    leaky.eucentric("status", *leaky.store)
    logs = b"".join(path.read_bytes() for path in leaky.folder.glob("state/hosts/*.log"))
    assert b"[secret LAB_SERVER_TOKEN]" in logs
    assert b"'EUCENTRIC_API_KEY':" not in logs, "the model's key is of no use to a driver"
    assert found_in(leaky) == set()


@pytest.mark.parametrize(
    "uri", [f"twin://mxene?seed=3&world={KEY}", "py:leaky_driver:leaky?password=hunter2hunter2", "x://kim:hunter22@host"]
)  # fmt: skip
def test_an_address_holds_no_secret(leaky, uri):
    code, _, said = leaky.eucentric("run", "where is the stage?", "--instrument", uri, *leaky.store)
    assert code == 2
    assert "holds a secret" in said
    assert "hunter2" not in said
    assert not (leaky.folder / "state" / "hosts").exists()


def picture():
    y, x = np.mgrid[:96, :96]
    noise = np.random.default_rng(7).normal(0, 2, (96, 96))
    return (100 + 40 * np.cos(x / 3) * np.cos(y / 3) + noise).astype("float32")


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["for people", "JSON"])
def test_the_metadata_and_the_name_of_a_file(place, more):
    tiff, png = place.folder / f"a {KEY}.planted.tif", place.folder / "b.planted.png"
    tifffile.imwrite(tiff, picture(), description=f"key {KEY}", metadata=None)
    tags = PngInfo()
    tags.add_text("Comment", f"token {VENDOR}")
    Image.fromarray(picture().astype("uint8")).save(png, pnginfo=tags)
    tiff.with_suffix(".json").write_text(
        json.dumps({"pixel_pm": f"15 {KEY}", "notes": KEY, "simulated": VENDOR})
    )
    out = place.folder / "out"
    place.eucentric("detect", str(tiff), str(png), "--material", "Ti3C2", "--out", str(out), *more)
    for path in (tiff, png, tiff.with_suffix(".json")):
        path.unlink()
    assert len(list(out.iterdir())) >= 4
    assert found_in(place) == set()


SLIPS = [
    ("run", KEY, "--instrument", "twin://mxene?seed=3"), ("plan", f"take an image {VENDOR}"),
    ("run", "x", "--specimen", f"/nowhere/{KEY}.toml"), ("audit", "show", KEY), ("audit", "search", KEY),
    ("nosuch", KEY), ("deny", "r-0001", KEY, "--as", VENDOR, "--reason", KEY), ("pause", "r-0001", "--reason", KEY),
    ("run", "x", "--planner", "llm", "--base-url", f"http://kim:{KEY}@127.0.0.1:9/v1"), ("calc", VENDOR),
]  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["for people", "JSON"])
def test_slips_on_the_command_line_are_not_echoed(place, more):
    for args in SLIPS:
        store = () if args[0] in ("nosuch", "calc") else place.store
        place.eucentric(*args, *store, *more)
    assert found_in(place) == set()


def test_a_trace_of_a_defect_is_printed_without_them(place, monkeypatch):
    def broken(*args, **more):
        raise ZeroDivisionError(f"{HEADER}\nGate g1: approved by kim")

    monkeypatch.setattr("eucentric.cli.options.open_store", broken)
    monkeypatch.setattr("eucentric.cli.audit.recompute.folder_of", lambda store: place.folder)
    monkeypatch.setattr(sys, "argv", ["eucentric", "--debug"])
    code, _, said = place.eucentric("audit", "recompute")
    assert (code, "Traceback" in said, "ZeroDivisionError" in said) == (1, True, True)
    assert not any(line.startswith("Gate") for line in said.splitlines())
    assert found_in(place, least=1) == set()
