"""The switch of the settings, from the command line: what leaves, and that the person is told."""

import json
import re

import pytest
import scripted_server as scripted

IMAGE = {"width_px": 32, "height_px": 32, "fov_nm": "50 nm", "dwell_us": "1 us"}
SENTENCE = "please record one picture, 32x32, 50 nm wide, 1 us"
DRAFT = json.dumps(
    {"outcome": "run", "say": "one image", "steps": [{"tool": "acquire_image", "args": IMAGE}]}
)
PICTURE = re.compile(rb"data:image/png;base64,[A-Za-z0-9+/=]+")


def ask(place, url, *more):
    return place.eucentric(
        "run", SENTENCE, "--planner", "llm", "--base-url", url, "--model", "scripted-1", "--approve",
        str(place.policy()),
        "--instrument", "twin://mxene?seed=3", *place.store, *more,
    )  # fmt: skip


@pytest.mark.parametrize("switch", ["true", "false", None])
def test_the_second_request_shows_the_first_image_if_the_operator_says_so(place, switch):
    settings = "[llm]\nmodel = 'scripted-1'\n" + (f"send_pixels = {switch}\n" if switch else "")
    (place.folder / "settings.toml").write_text(settings)
    with scripted.serving(scripted.body(DRAFT)) as server:
        first = ask(place, server.url)
        second = ask(place, server.url)
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    pictures = [PICTURE.findall(sent) for _, sent in server.requests]
    assert [len(found) for found in pictures] == ([0, 1] if switch == "true" else [0, 0])
    assert "Pixels sent" not in first[1]
    told = [line for line in second[1].splitlines() if line.startswith("Pixels sent")]
    assert len(told) == (1 if switch == "true" else 0)
    assert all(server.url in line and "frame f-" in line for line in told)
    rows = json.loads(place.eucentric("audit", "show", "r-0002", "--json", *place.store)[1])["events"]
    (proposal,) = [row["body"]["proposal"] for row in rows if row["kind"] == "planned"]
    assert (server.url in proposal["pixels_sent"]) == (switch == "true")
    assert any("pixels sent" in line for line in proposal["plan"]["assumed"]) == (switch == "true")
