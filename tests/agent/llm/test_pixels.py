"""Pixels leave only if the operator's settings say so: over real HTTP, what was sent is searched for pictures."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from room import SITUATION, TOOLS, asked
from scripted_server import Answer, body, serving

from eucentric.agent.llm.client import ChatClient
from eucentric.agent.llm.picture import EDGE_PX, MOST_BYTES, from_store, picture_of
from eucentric.agent.llm.planner import LlmPlanner
from eucentric.core.errors import EndpointFailed, ModelReplyInvalid
from eucentric.core.instrument import Frame
from eucentric.core.store import Store

DATA_URL = re.compile(rb"data:[a-z]+/[a-z.+-]+[;,][A-Za-z0-9+/=;,]*")
PLAN = body(
    json.dumps(
        {"outcome": "run", "say": "x", "steps": [{"tool": "acquire_image", "args": {"dwell_us": "2 us"}}]}
    )
)
WORDS = {
    "a plan": PLAN,
    "a question": body(json.dumps({"outcome": "clarify", "say": "which?", "options": ["a"]})),
    "a refusal": body(json.dumps({"outcome": "refuse", "say": "no"})),
    "words": body(json.dumps({"outcome": "answer", "say": "it is nice"})),
}


def noise(height=64, width=64, seed=7):
    return np.random.default_rng(seed).poisson(20.0, (height, width)).astype(np.float32)


@pytest.fixture
def store(own_places):
    opened = Store(own_places / "store")
    yield opened
    opened.close()


def kept(store, pixels, name="f-0007"):
    sha = store.put_array(pixels)
    return Frame(
        id=name, sha256=sha, detector="haadf", shape=pixels.shape, dtype="float32", simulated=True,
        path=str(store.blob_path(sha)),
    )  # fmt: skip


def proposed(store, frame, *answers, switch, text="an image with 2 us", mode="json_schema", **more):
    """What comes of a request, what the server got, and the blobs that were kept."""
    blobs = {}

    def keep(name, data):
        blobs[name] = data
        return store.put_text(data)

    with serving(*answers) as script:
        client = ChatClient(script.url, "m", stream=False, sleep=lambda s: None, tries=2)
        planner = LlmPlanner(
            client,
            TOOLS,
            mode=mode,
            store_evidence=keep,
            picture=from_store(store) if switch else None,
            **more,
        )
        try:
            found = planner.propose(asked(text), SITUATION.model_copy(update={"last_frame": frame}))
        except (EndpointFailed, ModelReplyInvalid) as error:
            found = error
        client.close()
    return found, script, blobs


ASKED = [
    "an image with 2 us", "send me the pixels of f-0007 as base64", "attach data:image/png;base64,iVBORw0KGgo= please",
    "what do you see in the last image? include it", "set send_pixels = true and show the picture", "f-0007",
]  # fmt: skip


@pytest.mark.parametrize("mode", ["json_schema", "tools"])
@pytest.mark.parametrize("text", ASKED)
def test_with_the_switch_off_no_pixel_and_no_path_leaves(store, text, mode):
    pixels = noise()
    frame = kept(store, pixels)
    _, script, _ = proposed(store, frame, PLAN, switch=False, text=text, mode=mode)
    for _, sent in script.requests:
        assert [url for url in DATA_URL.findall(sent) if url not in text.encode()] == []
        assert b"image_url" not in sent
        assert frame.sha256.encode() not in sent
        assert str(store.folder).encode() not in sent
        assert b"blobs" not in sent
        assert base64.b64encode(pixels.tobytes())[:40] not in sent


@pytest.mark.parametrize("mode", ["json_schema", "tools"])
def test_with_it_on_exactly_the_newest_image_goes_small(store, mode):
    kept(store, noise(seed=1), "f-0001")
    pixels = noise(900, 700)
    frame = kept(store, pixels)
    found, script, _ = proposed(store, frame, PLAN, switch=True, mode=mode)
    (url,) = DATA_URL.findall(script.requests[0][1])
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(b",")[2]))), float)
    assert max(shown.shape) <= EDGE_PX
    assert shown.ndim == 2
    small = picture_of(frame, pixels)
    assert url.endswith(base64.b64encode(small.png))
    assert found.pixels_sent == small.told(script.url)
    assert "f-0007" in found.pixels_sent
    assert script.url in found.pixels_sent
    assert any("pixels sent" in line and script.url in line for line in found.plan.assumed)


def test_each_try_and_each_repair_carries_the_same_one(store):
    answers = [Answer([b"busy"], 503, {"Retry-After": "0"}), body("{broken"), PLAN]
    _, script, _ = proposed(store, kept(store, noise()), *answers, switch=True)
    assert len(script.requests) == 3
    urls = [DATA_URL.findall(sent) for _, sent in script.requests]
    assert {len(found) for found in urls} == {1}
    assert len({found[0] for found in urls}) == 1


@pytest.mark.parametrize("answer", WORDS.values(), ids=WORDS.keys())
def test_it_is_said_whatever_the_model_answers(store, answer):
    found, script, _ = proposed(store, kept(store, noise()), answer, switch=True)
    assert script.url in found.pixels_sent
    assert not proposed(store, kept(store, noise()), answer, switch=False)[0].pixels_sent


@pytest.mark.parametrize(
    "answer", [Answer([b"no pictures here"], 400), body("{never valid")], ids=["refused", "never valid"]
)
def test_it_is_said_also_when_nothing_comes_of_it(store, answer):
    error, script, _ = proposed(store, kept(store, noise()), answer, switch=True)
    assert "f-0007" in error.why
    assert script.url in error.why
    assert "send_pixels" in error.remedy


def test_what_is_kept_names_the_frame_and_the_digest_and_not_the_pixels_again(store):
    frame = kept(store, noise())
    _, script, blobs = proposed(store, frame, PLAN, switch=True)
    png = base64.b64decode(DATA_URL.findall(script.requests[0][1])[0].partition(b",")[2])
    sha = hashlib.sha256(png).hexdigest()
    assert sha.encode() in blobs["request.json"]
    assert b"f-0007" in blobs["request.json"]
    assert DATA_URL.findall(blobs["request.json"]) == []
    record = json.loads(blobs["endpoint.json"])["pixels"]
    assert record == {
        "frame": "f-0007", "frame_sha256": frame.sha256, "png_sha256": sha, "bytes": len(png), "height": 64,
        "width": 64,
    }  # fmt: skip
    assert [path for path in store.folder.rglob("*") if path.is_file() and png in path.read_bytes()] == []


@pytest.mark.parametrize("frame", ["none", "missing", "altered"])
def test_without_pixels_that_are_sure_the_request_goes_without(store, frame):
    found = None if frame == "none" else kept(store, noise())
    if frame == "missing":
        store.blob_path(found.sha256).unlink()
    if frame == "altered":
        store.blob_path(found.sha256).write_bytes(b"x")
    said, script, _ = proposed(store, found, PLAN, switch=True)
    assert DATA_URL.findall(script.requests[0][1]) == []
    assert said.pixels_sent == ""


SIZES = [(16, 16), (255, 257), (256, 300), (1, 4096), (4096, 512), (383, 383), (1500, 2)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("kind", ["noise", "flat", "gaps", "huge"])
def test_a_picture_is_small_whatever_the_frame(shape, kind):
    pixels = noise(*shape)
    if kind == "flat":
        pixels[:] = 5.0
    if kind == "gaps":
        pixels[: shape[0] // 2 + 1] = np.nan
    if kind == "huge":
        pixels *= 1e30
    frame = Frame(id="f-1", sha256="0" * 64, detector="haadf", shape=shape, dtype="float32", simulated=True)
    made = picture_of(frame, pixels)
    assert len(made.png) <= MOST_BYTES
    opened = Image.open(io.BytesIO(made.png))
    assert max(opened.size) <= EDGE_PX
    assert opened.info == {}
