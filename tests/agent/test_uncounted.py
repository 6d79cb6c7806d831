"""Frames that can't be counted, in a run on the twin: a second look, a question, or it is said."""

import pytest
from workbench import Bench, Person, step

from eucentric.agent.agenda import Item
from eucentric.agent.consent.asked import Answer
from eucentric.agent.readback import named_state
from eucentric.agent.second_look import MARK, holds, reserve, second_look
from eucentric.core.calls import Cost
from eucentric.core.plan import Step
from eucentric.instruments.twin.oracle import Oracle
from eucentric.tools.base import Setting

IMAGE = {"width_px": 256, "height_px": 256, "fov_nm": 5.0, "dwell_us": 8.0, "detectors": ["haadf"]}
BOX = (-30e-6, 30e-6, -30e-6, 30e-6)


def standing(folder):
    """A bench whose stage stands on a suspended monolayer."""
    made = Bench(folder)
    place = Oracle(made.spy.driver).suspended(BOX)[0]
    made.guard.lease("setup")
    made.guard.move({"x": place.x, "y": place.y})
    made.guard.release()
    return made


@pytest.fixture
def bench(tmp_path):
    return standing(tmp_path)


def sharp_nm(bench):
    """The defocus at which the place is sharp, from the oracle [nm]."""
    oracle = Oracle(bench.spy.driver)
    here = oracle.actual()
    return 1e9 * oracle.height(here["x"], here["y"])


def counting(defocus_nm=0.0, *, rounds=1, focus=False, **image):
    """Rounds of: focus or not, a defocus that may be wrong, an image, its vacancies, and a look at the state."""
    steps = [
        *([step("f", "autofocus", beside_nm=60.0, range_nm=400.0)] if focus else []),
        step("o", "set_optics", defocus_nm=defocus_nm),
        step("i", "acquire_image", **{**IMAGE, **image}),
        Step(id="d", tool="detect_defects", args={"kind": "vacancy"}, inputs={"frame": "i.frame"}),
    ]
    return Step(id="s", times=rounds, at_most=rounds, do=tuple(steps))


def scanning_too_wide(bench, by):
    """The scan is larger than the instrument says."""
    inner = bench.spy.driver.acquire
    bench.spy.driver.acquire = lambda scan, *rest: inner(
        scan.model_copy(update={"fov_m": by * scan.fov_m}), *rest
    )


def calls(bench):
    return [row.body["call"]["step"] for row in bench.rows("called")]


@pytest.fixture(scope="module")
def refocused(tmp_path_factory):
    """A run out of focus by 300 nm; two searches for focus make it the slow one of this file."""
    bench = standing(tmp_path_factory.mktemp("refocused"))
    person = Person()
    return (
        bench,
        person,
        bench.carry(counting(300.0, focus=True), step("r", "estimate_density"), person=person),
    )


def test_out_of_focus_is_refocused_and_taken_once_more(refocused):
    bench, _, outcome = refocused
    assert outcome.outcome == "done"
    assert calls(bench) == ["f.1", "o.1", "i.1", "d.1", "i_2nd.1", "d_2nd.1", "r"]
    (judged,) = bench.rows("judged")
    assert (judged.body["verdict"], judged.body["step"]) == ("again", "d.1")
    first, second, all_of_them = (row.body["finding"] for row in bench.rows("found"))
    assert first["cannot_tell"]
    assert not second["cannot_tell"]
    assert second["of"] > 500
    assert all_of_them["of"] == second["of"]
    assert any(first["evidence"][0] in text for text in all_of_them["excluded"])


def test_the_second_look_spares_the_first_area_and_puts_the_beam_back(refocused):
    bench, *_ = refocused
    images = [
        frame
        for row in bench.rows("returned")
        for frame in row.body.get("frames", ())
        if frame["purpose"] == "image"
    ]
    apart_nm = 1e3 * (images[1]["y_um"] - images[0]["y_um"])
    assert abs(apart_nm) >= 1.5 * IMAGE["fov_nm"]
    assert bench.run.now().optics["beam_shift_y_nm"] == 0.0


def test_the_card_says_what_a_second_look_may_take(refocused):
    _, person, _ = refocused
    (asked,) = person.asked
    assert "Second look  where a frame can't be counted" in asked.card
    assert asked.envelope.max_frames >= 2 * 57


LOOP = counting(0.0, focus=True)
DETECTED = {"frame": "f-1", "material": "Ti3C2", "counts_per_column": 5.0, "cannot_tell": "why"}


@pytest.mark.parametrize(
    ("advice", "changed"),
    [("refocus", {"dwell_us": 8.0}), ("more_dose", {"frames": 6}), ("shorter_dwell", {"dwell_us": 4.0})],
)
def test_what_a_second_look_changes(advice, changed):
    item = Item(LOOP.do[-1], (0,))
    again, detect = second_look((LOOP,), item, {**DETECTED, "advice": advice})
    assert again.step.tool == "retake_image"
    assert {name: again.step.args[name] for name in changed} == changed
    assert again.step.args["why"] == advice
    assert detect.step.inputs == {"frame": f"{again.step.id}.frame"}


@pytest.mark.parametrize("advice", ["none", "check_scale", "tilt", "other_place", "ask"])
def test_what_no_second_look_helps(advice):
    assert second_look((LOOP,), Item(LOOP.do[-1], (0,)), {**DETECTED, "advice": advice}) == ()


def test_there_is_no_third_look():
    _, detect = second_look((LOOP,), Item(LOOP.do[-1], (0,)), {**DETECTED, "advice": "refocus"})
    assert second_look((LOOP,), detect, {**DETECTED, "advice": "refocus"}) == ()


def test_room_is_kept_for_one_second_look_in_each_round(bench):
    setting = Setting(
        bench.guard.capabilities(), named_state("twin", True, bench.guard.state(), None), bench.card
    )
    one, cost = reserve((counting(0.0, focus=True),), setting)
    three, more = reserve((counting(0.0, focus=True, rounds=3),), setting)
    assert (one, three) == (1, 3)
    assert more.frames == 3 * cost.frames
    assert reserve((counting(0.0),), setting) == (0, Cost())


def test_a_plan_without_a_search_for_focus_has_no_second_look(bench):
    person = Person()
    outcome = bench.carry(counting(300.0), person=person)
    assert outcome.outcome == "partial"
    assert calls(bench) == ["o.1", "i.1", "d.1"]
    assert "Second look" not in person.cards[0]
    assert "no room for a second look" in bench.rows("excluded")[0].summary


def test_a_wrong_scale_is_not_counted_and_asked_about_once(bench):
    scanning_too_wide(bench, 1.04)
    person = Person()
    outcome = bench.carry(counting(sharp_nm(bench), rounds=2), person=person)
    assert outcome.outcome == "partial"
    assert len(person.asked) == 2
    assert "pixel size or material is wrong" in person.cards[1]
    assert all(row.body["finding"]["cannot_tell"] for row in bench.rows("found"))
    assert [row.body["verdict"] for row in bench.rows("judged")] == ["ask"] * 2
    assert len(bench.rows("excluded")) == 2


def test_who_says_no_to_a_wrong_scale_ends_the_run(bench):
    scanning_too_wide(bench, 1.04)
    person = Person(Answer("approved", "a"), Answer("rejected", "a", reason="calibrate first"))
    outcome = bench.carry(counting(sharp_nm(bench), rounds=2), person=person)
    assert outcome.outcome == "refused"
    assert calls(bench) == ["o.1", "i.1", "d.1"]


def test_what_waits_is_found_in_the_plan_by_its_name():
    """An edited step is another step of the same name; a second look belongs to the image it looks at again."""
    image = Step(id="image", tool="acquire_image", args={"dwell_us": 1.0})
    loop = Step(id="loop", at_most=2, do=(image,))
    edited = image.model_copy(update={"args": {"dwell_us": 3.0}})
    again = image.model_copy(update={"id": f"image{MARK}"})
    assert [holds(image, one) for one in (image, edited, again, loop)] == [True, True, True, False]
    assert [holds(loop, one) for one in (image, edited, again, loop)] == [True] * 4
