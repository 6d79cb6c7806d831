"""Where a tilt leads is told before anybody is asked, and is what is approved; the run then goes there."""

import numpy as np
import pytest
from workbench import Person, step

from eucentric.agent.consent.rules import Rule, RuleBook, Rules
from eucentric.core.plan import Step
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.diffraction import structure_named

LYING = cr.orientation_of(cr.axis_angle((0, 0, 1), 20.0) @ cr.axis_angle((1, 0, 0), 2.0))


def reading(*uvw):
    """What the goniometer showed on this axis."""
    tilt = cr.tilt_to_axis(structure_named("Ti3C2").crystal, LYING, uvw, cr.Stage())
    index = "[" + " ".join(str(i) for i in uvw) + "]"
    return {"index": index, "alpha_deg": tilt.alpha_deg, "beta_deg": tilt.beta_deg, "sense": "as_given"}


READINGS = [reading(0, 0, 1), reading(1, 1, 1), reading(1, 0, 1)]


def tilt(name, target, **more):
    return step(name, "tilt_to_zone_axis", target=target, readings=READINGS, recentre=False, **more)


def where(uvw):
    found = cr.tilt_to_axis(structure_named("Ti3C2").crystal, LYING, uvw, cr.Stage())
    return found.alpha_deg, found.beta_deg


def test_the_tilt_is_told_approved_and_gone_to(bench):
    person = Person()
    session = bench.carry(tilt("a", "[101]"), person=person)
    alpha, beta = where((1, 0, 1))
    (planned,) = bench.rows("planned")
    told = planned.body["proposal"]["plan"]["steps"][0]["args"]
    assert (told["expect_alpha_deg"], told["expect_beta_deg"]) == pytest.approx((alpha, beta), abs=1e-3)
    assert f"alpha {alpha:+.2f}, beta {beta:+.2f} deg by 3 readings; lands within" in person.cards[0]
    assert "NOT followed" in person.cards[0]
    envelope = person.asked[0].envelope
    assert envelope.alpha_deg[0] <= alpha <= envelope.alpha_deg[1] < 35
    assert session.outcome == "done"
    last = bench.spy.sent[-1]
    assert bench.run.now().stage["alpha_deg"].reported == pytest.approx(alpha, abs=0.05), last
    assert not bench.rows("returned")[-1].body.get("frames")


def test_what_would_refuse_is_refused_before_anybody_is_asked(bench):
    person = Person()
    session = bench.carry(step("a", "tilt_to_zone_axis", target="[101]"), person=person)
    assert session.outcome == "refused"
    assert "how this crystal lies is not known" in session.say
    assert not person.cards
    assert not bench.spy.sent
    session = bench.carry(tilt("a", "[100]"), person=person)
    assert "nearest: alpha" in session.say
    assert not bench.spy.sent


def test_a_step_is_foreseen_from_where_those_before_it_leave_the_stage(bench):
    plane = step("b", "tilt_edge_on", plane="(1 0 -2)", readings=READINGS, recentre=False)
    session = bench.carry(tilt("a", "[101]"), plane)
    assert session.outcome == "done"
    first, second = bench.rows("planned")[0].body["proposal"]["plan"]["steps"]
    crystal = structure_named("Ti3C2").crystal
    there = cr.Reading(alpha_deg=first["args"]["expect_alpha_deg"], beta_deg=first["args"]["expect_beta_deg"])
    best = cr.edge_on_tilt(cr.Stage(), cr.plane_normal(crystal, LYING, (1, 0, -2)), there)
    assert second["args"]["expect_alpha_deg"] == pytest.approx(best.alpha_deg, abs=2e-3)
    assert second["args"]["expect_beta_deg"] == pytest.approx(best.beta_deg, abs=2e-3)


def test_what_an_earlier_step_finds_out_is_told_when_it_is_known(bench):
    solve = step("s", "solve_orientation", readings=READINGS)
    go = Step(
        id="t", tool="tilt_to_zone_axis", args={"target": "[101]", "recentre": False},
        inputs={"orientations": "s.orientations"},
    )  # fmt: skip
    person = Person()
    session = bench.carry(solve, go, person=person)
    assert session.outcome == "done"
    assert "lands within" not in person.cards[0]
    assert person.asked[0].envelope.alpha_deg[1] == pytest.approx(35, abs=0.1)
    assert bench.run.now().stage["alpha_deg"].reported == pytest.approx(where((1, 0, 1))[0], abs=0.05)


def test_a_feature_is_followed_within_what_was_approved(bench):
    """The twin's film moves as a plane that the tilt axes miss; the envelope holds every step and every frame."""
    target = np.round(where((0, 0, 1)), 2).tolist()
    person = Person()
    go = step("a", "tilt_to_zone_axis", target="[001]", readings=READINGS, height_um=5, fov_nm=9000)
    session = bench.carry(go, person=person)
    assert session.outcome == "done", session.error
    value = bench.rows("concluded")[-1].body["value"]["travelled"]
    assert (value["alpha_deg"], value["beta_deg"]) == pytest.approx(target, abs=0.05)
    assert max(abs(x) for x in value["feature_off_um"]) < 0.5
    assert len(value["frames"]) >= 3
    assert "followed by image" in person.cards[0]


def test_a_rule_about_tilts_holds_for_every_way_of_tilting(bench):
    """A site that denies more than 5° denies the tool that tilts there, and one that can't say where it tilts."""
    denied = Rule(name="no far tilt", tools=("*",), where={"beta_deg": {"beyond": 5}}, decision="deny")
    rules = RuleBook(Rules(name="t", author="staff", version=3, rules=(denied,)), "v3 (sha256 abc)")
    person = Person()
    session = bench.carry(tilt("a", "[101]"), person=person, rules=rules)
    assert session.outcome == "refused"
    assert "forbids it" in session.say
    assert not bench.spy.sent
    assert bench.carry(tilt("a", "[001]"), person=person, rules=rules).outcome == "done"
