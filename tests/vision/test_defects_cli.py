"""`eucentric defects` and the page: from files of `detect` to statements, and a person's word back into them."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from eucentric.cli.defects import defects
from eucentric.cli.detect import detect
from eucentric.core.errors import BadInput
from eucentric.tools.vision.corrections import read_corrections
from eucentric.tools.vision.saved import read_saved

MADE = (0.02, 0.03, 0.045)
"""Share of vacancies in frames of one place: the same sites, and more."""


def run(command, *args):
    alone = ["--network", "none"] if command is detect else []  # torch would be most of the time
    return CliRunner().invoke(command, [*map(str, args), *alone])


def answer(command, *args):
    done = run(command, *args, "--json")
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(simulate, tmp_path_factory):
    """Frames of one place that drifts by (2, 1) px a frame, read frame by frame; and one image alone."""
    here = tmp_path_factory.mktemp("defects")
    frames = [simulate(size=280, counts=150, vacancies=share, seed=6).image for share in MADE]
    stack = np.stack([f[4 - k : 270 - k, 8 - 2 * k : 274 - 2 * k] for k, f in enumerate(frames)])
    np.save(here / "place.npy", stack)
    (here / "place.json").write_text(json.dumps({"simulated": True, "pixel_pm": 15.6}))
    np.save(here / "one <b>&.npy", simulate(size=256, counts=60, vacancies=0.05, seed=1).image)
    frames_out = run(
        detect, here / "place.npy", "--material", "Ti3C2", "--frames", "each", "--out", here / "series"
    )
    assert frames_out.exit_code == 0, frames_out.output
    one = answer(detect, here / "one <b>&.npy", "--material", "Ti3C2", "--out", here / "one")
    return here, one, frames_out


def test_the_page_holds_everything_and_obeys_nothing(folder):
    here, one, _ = folder
    page = (here / "one" / "index.html").read_text(encoding="utf-8")
    assert one["page"] == str(here / "one" / "index.html")
    assert "<b>&.npy" not in page
    assert "one &lt;b&gt;&amp;.npy" in page
    assert "SIMULATED" not in page.split("<main>")[0].split("</style>")[1]
    assert not re.search(r'(src|href)="(?!data:image/png;base64,)', page)
    assert "<script" not in page
    sites = re.findall(r"site (\d+): p 0", page)
    assert sites
    known = {site["site"] for site in one["images"][0]["vacancy_candidates"]}
    assert {int(site) for site in sites} <= known
    for words in (
        "Density",
        "Clusters and distances",
        "divacancies",
        "recall",
        "defects correct",
        one["images"][0]["sha256"],
    ):
        assert words in page


def test_frames_of_one_place_count_once(folder):
    here, _, done = folder
    page = (here / "series" / "index.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page
    assert "Frame 2 of 3 of one place, which counts once" in page
    assert "frame 3 of 3" in done.stderr
    bodies = [json.loads(path.read_text()) for path in sorted((here / "series").glob("place-*.json"))]
    shifts = [body["series"]["shift_px"] for body in bodies]
    np.testing.assert_allclose(shifts, [[2 * k, k] for k in range(3)], atol=0.3)
    assert re.search(r"All images .* of ([\d,]+) sites", done.stdout)[1].replace(",", "") == str(
        bodies[0]["sites_examined"]
    )


def test_a_stack_is_summed_if_nothing_else_is_said(folder):
    here, *_ = folder
    total = answer(detect, here / "place.npy", "--material", "Ti3C2", "--out", here / "sum")["images"][0]
    assert total["frame"] == "place.npy"
    assert total["series"] is None
    single = json.loads((here / "series" / "place-1.json").read_text())
    assert total["localisation_pm"] < 0.75 * single["localisation_pm"]


def test_files_of_one_place_are_a_series_too(simulate, tmp_path):
    for number, share in enumerate((0.03, 0.06)):
        np.save(tmp_path / f"{number}.npy", simulate(size=170, counts=150, vacancies=share, seed=3).image)
    args = [
        tmp_path / "0.npy",
        tmp_path / "1.npy",
        "--material",
        "Ti3C2",
        "--series",
        "--out",
        tmp_path / "out",
    ]
    bodies = answer(detect, *args)["images"]
    assert [body["series"]["number"] for body in bodies] == [1, 2]
    assert {body["series"]["place"] for body in bodies} == {f"0.npy {bodies[0]['sha256'][:12]}"}
    found = answer(defects, "series", tmp_path / "out", "--dose-per-frame", 1e4, "--dose-before", 2e3)
    assert [row["dose"] for row in found["frames"]] == [7e3, 1.7e4]
    np.save(tmp_path / "1.npy", simulate(size=180, counts=150, seed=3).image)
    assert isinstance(run(detect, *args).exception, BadInput)


def test_maps_of_several_runs_in_a_folder_are_said(conditions, tmp_path):
    shutil.copytree(conditions / "a0", tmp_path / "a")
    body = json.loads((tmp_path / "a" / "0.json").read_text()) | {"run": "another"}
    (tmp_path / "a" / "0.json").write_text(json.dumps(body))
    assert any("2 runs of detect" in remark for remark in answer(defects, "show", tmp_path / "a")["remarks"])


@pytest.mark.parametrize("frames", ["0", "none", "-1", "1.5"])
def test_frames_that_are_none(folder, frames):
    assert run(detect, folder[0] / "place.npy", "--material", "Ti3C2", "--frames", frames).exit_code == 2


def test_series_tells_damage_from_what_was_there(folder):
    here, *_ = folder
    found = answer(defects, "series", here / "series", "--dose-per-frame", 1e4)
    assert [row["dose"] for row in found["frames"]] == [5e3, 1.5e4, 2.5e4]
    assert found["before"]["interval"]["low"] <= 2.0 <= found["before"]["interval"]["high"]
    assert found["rate"]["interval"]["low"] > 0
    assert found["frames"][-1]["density"] > found["before"]["interval"]["value"]
    assert 4 <= len(found["made"]) <= 45
    assert not {one["site"] for one in found["made"]} & set(found["there"])
    counted = answer(defects, "series", here / "series")
    assert counted["unit"] == "frames"
    assert counted["rate"]["unit"] == "% of the sites per frame"
    assert any("--dose-per-frame" in remark for remark in counted["remarks"])
    assert "made by" in run(defects, "series", here / "series").stdout.lower()


def test_a_folder_of_other_images_is_no_series(folder):
    here, *_ = folder
    done = run(defects, "series", here / "one")
    assert isinstance(done.exception, BadInput)
    assert "--series" in done.exception.remedy


def test_a_persons_word_goes_round(folder, tmp_path):
    here, one, _ = folder
    path = next((here / "one").glob("*.json"))
    body, file = one["images"][0], tmp_path / "c.jsonl"
    sure = [site["site"] for site in body["vacancy_candidates"] if site["p"] > 0.9 and site["examined"]][:3]
    said = answer(
        defects,
        "correct",
        path,
        *(f"--site={site}=full" for site in sure),
        "--by",
        "j. doe",
        "--why",
        "dirt",
        "--out",
        file,
    )
    assert said["entries"] == 3
    again = answer(
        detect, here / "one <b>&.npy", "--material", "Ti3C2", "--corrections", file, "--out", tmp_path
    )
    after = again["images"][0]
    assert (after["by_hand"], after["vacancies"]) == (3, body["vacancies"] - 3)
    assert [row["was"]["state"] for row in after["corrections"]] == ["V_Ti"] * 3
    assert again["density"]["details"]["by_hand"] == 3
    assert again["density"]["interval"]["value"] < one["density"]["interval"]["value"]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "3 sites by hand" in page
    assert "j. doe" in page
    second = next(tmp_path.glob("one*.json"))
    answer(defects, "correct", second, f"--site={sure[0]}=unknown", "--by", "a", "--why", "b", "--out", file)
    rows = read_corrections(file).rows
    assert rows[-1].was.p_vacancy > 0.9  # what the program had said, not the person before
    assert rows[-1].label == "unknown"


def test_one_frame_of_a_stack_and_words_about_another_image(folder, tmp_path):
    here, *_ = folder
    path = next((here / "one").glob("*.json"))
    answer(defects, "correct", path, "--site=1=full", "--by", "a", "--why", "b", "--out", tmp_path / "c")
    args = ("--material", "Ti3C2", "--frames", "3", "--corrections", tmp_path / "c", "--out", tmp_path)
    done = run(detect, here / "place.npy", *args)
    assert done.exit_code == 0
    assert "Unused" in done.stdout
    assert json.loads((tmp_path / "place.json").read_text())["frame"] == "place.npy#3"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("1=gone", "ID=WORD"),
        ("x=full", "ID=WORD"),
        ("-1=full", "ID=WORD"),
        ("999999=full", "sites 0"),
        ("1", "ID=WORD"),
    ],
)
def test_words_that_mean_nothing_are_refused(folder, tmp_path, words, says):
    path = next((folder[0] / "one").glob("*.json"))
    done = run(
        defects, "correct", path, f"--site={words}", "--by", "a", "--why", "b", "--out", tmp_path / "c"
    )
    assert done.exit_code == 2
    assert says in done.output
    assert not (tmp_path / "c").exists()


@pytest.fixture(scope="module")
def conditions(folder, tmp_path_factory):
    """Samples of two conditions, by changing the counts of a real map: the statistics see only these."""
    here = tmp_path_factory.mktemp("conditions")
    base = json.loads(next((folder[0] / "one").glob("*.json")).read_text())
    rng = np.random.default_rng(2)
    for side, density in (("a", 0.01), ("b", 0.05)):
        for sample in range(3):
            for image in range(2):
                body = json.loads(json.dumps(base))
                body["sha256"] = f"{rng.integers(16**12):064x}"
                finding = body["findings"][0]
                finding["of"] = 1000
                finding["details"] |= {"called": int(rng.binomial(1000, density)), "recall": 1.0}
                path = here / f"{side}{sample}" / f"{image}.json"
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(body))
    return here


def test_compare(conditions):
    sides = [f"--{side}={conditions / f'{side}{k}'}" for side in "ab" for k in range(3)]
    found = answer(defects, "compare", *sides)
    assert found["verdict"] == "b is higher"
    assert found["units"] == [3, 3]
    assert found["ratio"]["low"] < 5 < found["ratio"]["high"]
    text = run(defects, "compare", *sides).stdout
    assert "b is higher" in text
    assert "quasi-likelihood" in text
    two = answer(defects, "compare", conditions / "a0", conditions / "b0")
    assert two["level"] == "frames"
    assert any("not about others" in remark for remark in two["remarks"])


def test_compare_says_what_it_left_out(conditions, folder, tmp_path):
    shutil.copytree(conditions / "a0", tmp_path / "a")
    (tmp_path / "a" / "junk.json").write_text("{}")
    body = json.loads((tmp_path / "a" / "0.json").read_text())
    (tmp_path / "a" / "copy.json").write_text(json.dumps(body))
    body["sha256"], body["findings"][0]["cannot_tell"] = "c" * 64, "out of focus"
    (tmp_path / "a" / "dim.json").write_text(json.dumps(body))
    found = answer(defects, "compare", tmp_path / "a", conditions / "b0")
    assert {one["why"] for one in found["left_out"]["a"]} == {
        "junk.json is no map of `eucentric detect`", "the same image again", "out of focus",
    }  # fmt: skip
    assert "Left out" in run(defects, "compare", tmp_path / "a", conditions / "b0").stdout
    series = answer(defects, "show", folder[0] / "series")
    assert {one["why"] for one in series["left_out"]} == {"a further frame of a place that counts once"}
    assert series["density"]["details"]["images"] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"material": "MoS2"}, "2 materials"),
        ({"method": "older"}, "2 methods"),
        ({"sha256": None}, "both sides"),
    ],
)
def test_what_cannot_be_compared_is_refused(conditions, tmp_path, change, says):
    body = json.loads((conditions / "a0" / "0.json").read_text())
    body |= {"sha256": "d" * 64} | {key: value for key, value in change.items() if value}
    if "sha256" in change:
        body["sha256"] = json.loads((conditions / "b0" / "0.json").read_text())["sha256"]
    (tmp_path / "0.json").write_text(json.dumps(body))
    done = run(defects, "compare", tmp_path, conditions / "b0")
    assert isinstance(done.exception, BadInput)
    assert says in str(done.exception)


def test_compare_needs_two_sides(conditions, tmp_path):
    assert run(defects, "compare", conditions / "a0").exit_code == 2
    assert isinstance(run(defects, "compare", conditions / "a0", tmp_path).exception, BadInput)
    assert isinstance(run(defects, "show", tmp_path / "none").exception, BadInput)
    body = json.loads((conditions / "a0" / "0.json").read_text())
    body["findings"][0]["cannot_tell"] = "out of focus"
    (tmp_path / "0.json").write_text(json.dumps(body))
    assert "out of focus" in run(defects, "show", tmp_path).exception.why


def test_show(conditions):
    found = answer(defects, "show", *(conditions / f"a{k}" for k in range(3)))
    assert found["density"]["details"]["level"] == "samples"
    assert found["density"]["interval"]["low"] < 1.0 < found["density"]["interval"]["high"]
    assert "3 samples" in run(defects, "show", *(conditions / f"a{k}" for k in range(3))).stdout


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.pop("sites"),
        lambda body: body["sites"].update(p_vacancy="0.1 0.2"),
        lambda body: body["sites"].update(x_px="nan " * 10),
        lambda body: body["findings"].clear(),
        lambda body: body.update(series={"place": "a"}),
        lambda body: body["findings"][0].update(of="many"),
    ],
)
def test_damaged_maps_are_refused(conditions, tmp_path, damage):
    body = json.loads((conditions / "a0" / "0.json").read_text())
    damage(body)
    (tmp_path / "0.json").write_text(json.dumps(body))
    with pytest.raises(BadInput, match="no map") as caught:
        read_saved(tmp_path / "0.json")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("show", "{a}", "--seed", -1), "--seed"),
        (("compare", "{a}", "{b}", "--seed", -1), "--seed"),
        (("series", "{a}", "--dose-per-frame", "nan"), "finite"),
        (("correct", "{a}/0.json", "--site", "5=full", "--by", "", "--why", "seen"), "--by"),
        (("correct", "{a}/0.json", "--site", "5=full", "--by", "jd", "--why", " "), "--why"),
    ],
)
def test_what_is_no_answer_is_a_usage_error(conditions, args, says):
    done = run(defects, *(str(arg).format(a=conditions / "a0", b=conditions / "b0") for arg in args))
    assert done.exit_code == 2, done.output
    assert says in done.output


def test_corrections_are_refused_before_they_are_lost(folder, tmp_path):
    here, _, _ = folder
    (tmp_path / "file").write_text("")
    place = next((here / "one").glob("one*.json"))
    done = run(defects, "correct", place, "--site", "5=full", "--by", "jd", "--why", "seen",
               "--out", tmp_path / "file" / "c.jsonl")  # fmt: skip
    assert isinstance(done.exception, BadInput)
    assert "nothing can be written" in done.exception.what


def test_a_comparison_names_samples_units_and_why_a_side_is_empty(conditions, tmp_path):
    shown = run(defects, "compare", conditions / "a0", conditions / "b0").stdout
    assert "percentage points" in shown
    assert f"1: {conditions / 'b0'}" in shown
    assert "1 sample\n" in shown
    shutil.copytree(conditions / "a0", tmp_path / "dark")
    for path in (tmp_path / "dark").glob("*.json"):
        body = json.loads(path.read_text())
        body["findings"][0] |= {"cannot_tell": "out of focus"}
        path.write_text(json.dumps(body))
    done = run(defects, "compare", conditions / "b0", tmp_path / "dark")
    assert isinstance(done.exception, BadInput)
    assert "out of focus" in done.exception.why
