"""Who may say yes, two who must, standing grants, what was rejected, one step at a time, another plan."""

import multiprocessing
from dataclasses import replace

import pytest
from workbench import IMAGE, Person, Planned, image, step

from eucentric.agent.channels import Nobody
from eucentric.agent.consent import grants
from eucentric.agent.consent.asked import Answer, GrantWish
from eucentric.agent.consent.deciding import decide, decision
from eucentric.agent.consent.onrecord import lacking
from eucentric.agent.consent.rejections import steps_sha256
from eucentric.agent.consent.rules import Rule, RuleBook, Rules
from eucentric.agent.gate import open_gate, question
from eucentric.core.approval import Approval, Needs
from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.operators import register
from eucentric.core.plan import Plan, Step
from eucentric.core.signing import decision_payload, make_key, signer_for
from eucentric.core.store import Store


def yes(name="", role="user", outcome="approved", **more):
    return Answer(outcome, name or "somebody", name=name, role=role, **more)


def strict(**rule):
    rules = Rules(name="t", author="staff", version=1, rules=(Rule(name="r", tools=("acquire_*",), **rule),))
    return RuleBook(rules, "v1 (sha256 x)")


def parked(bench, *steps, **more):
    """A run that waits for an operator; its question."""
    bench.carry(*steps or (image(),), person=Nobody(), **more)
    return question(bench.store, bench.run.id)


# --- roles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "role", "fine"),
    [
        ("user", "user", True),
        ("operator", "user", False),
        ("operator", "staff", True),
        ("staff", "operator", False),
    ],
)
def test_a_role_that_is_too_low_writes_nothing(bench, needed, role, fine):
    asked = parked(bench, rules=strict(role=needed))
    before = bench.store.ledger.head()
    if fine:
        assert decide(bench.store, bench.run.id, asked, yes("kim", role)).role == role
        return
    with pytest.raises(ApprovalRefused, match=f"takes {needed}"):
        decide(bench.store, bench.run.id, asked, yes("kim", role))
    assert bench.store.ledger.head() == before


@pytest.mark.parametrize("outcome", ["rejected", "deferred", "escalated"])
def test_no_takes_no_role(bench, outcome):
    asked = parked(bench, rules=strict(role="staff"))
    assert decide(bench.store, bench.run.id, asked, Answer(outcome, "anybody")).outcome == outcome


def test_what_was_escalated_takes_the_higher_role_from_then_on(bench):
    asked = parked(bench)
    decide(bench.store, bench.run.id, asked, Answer("escalated", "a user", to_role="staff"))
    assert question(bench.store, bench.run.id).needs.role == "staff"
    for who in (yes("kim", "operator"), yes()):
        with pytest.raises(ApprovalRefused):
            decide(bench.store, bench.run.id, asked, who)  # also with the question as it was first asked
    assert decide(bench.store, bench.run.id, asked, yes("lee", "staff")).name == "lee"


# --- two people -------------------------------------------------------------------------------------------


def test_two_different_people_have_to_agree(bench):
    rules = strict(role="operator", approvers=2)
    asked = parked(bench, rules=rules)
    say = lambda who: decide(bench.store, bench.run.id, asked, who)  # noqa: E731
    with pytest.raises(ApprovalRefused, match="two people"):
        say(Answer("approved", "x", role="staff"))
    assert say(yes("kim", "operator")) is None
    with pytest.raises(ApprovalRefused, match="agreed already"):
        say(yes("kim", "staff"))
    made = say(yes("lee", "operator"))
    assert [one.name for one in made.consents] == ["kim"]
    assert made.name == "lee"
    assert say(yes("mo", "staff")) == made
    assert lacking(bench.store, bench.run.id, made) == ""
    assert len(bench.rows("consented")) == 1


def test_a_run_waits_for_the_second(bench):
    person = Person(yes("kim", "operator"), yes("kim", "operator"), yes("lee", "operator"))
    outcome = bench.carry(image(), person=person, rules=strict(role="operator", approvers=2))
    assert outcome.outcome == "done"
    assert person.told_of == ["one of two has agreed", "kim has agreed already"]
    assert "two people, each at least operator" in person.cards[0]


def test_one_no_is_enough(bench):
    person = Person(yes("kim", "operator"), Answer("rejected", "lee", "no"))
    outcome = bench.carry(image(), person=person, rules=strict(role="operator", approvers=2))
    assert (outcome.exit_code, bench.spy.sent) == (3, [])


# --- forged rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"role": "user"}, "it takes operator"),
        ({"consents": ()}, "two people"),
        ({"name": "kim"}, "two people"),
        ({"card_sha256": "0" * 64}, "another card"),
        ({"binding": "0" * 64}, "another card"),
        ({"gate": "g9"}, "nothing was asked"),
        ({"envelope": None}, "other bounds"),
        ({"grant": "grant-0001"}, "there is no grant-0001"),
    ],
)
def test_a_row_that_nobody_could_have_written_does_not_count(bench, change, why):
    """Somebody with the file writes a decision past the code; the executor compares it with the question."""
    asked = parked(bench, rules=strict(role="operator", approvers=2))
    if change == {"envelope": None}:
        change = {"envelope": asked.envelope.model_copy(update={"max_frames": 999})}
    decide(bench.store, bench.run.id, asked, yes("kim", "operator"))
    real = decide(bench.store, bench.run.id, asked, yes("lee", "operator"))
    assert why in lacking(bench.store, bench.run.id, real.model_copy(update=change))


def test_the_executor_takes_no_forged_decision(bench):
    def forged(asked):
        body = {"gate": asked.gate, "outcome": "approved", "by": "kim", "binding": asked.binding, "role": "user",
                "envelope": asked.envelope.model_dump(mode="json")}  # fmt: skip
        from eucentric.core.canonical import sha256_text

        bench.store.ledger.append(
            bench.run.id, "decided", "kim", "forged", {**body, "card_sha256": sha256_text(asked.card)}
        )

    outcome = bench.carry(image(), person=Person(forged), rules=strict(role="operator"))
    assert (outcome.exit_code, bench.spy.sent) == (3, [])
    assert "takes operator" in outcome.error["why"]


# --- grants -----------------------------------------------------------------------------------------------


def granted(bench, uses=2, hours=1.0, dose=500.0, **more):
    person = Person(yes("kim", "operator", grant=GrantWish(uses, hours, dose)))
    assert bench.carry(image(), person=person, **more).outcome == "done"
    return grants.live(bench.store)[0]


def test_a_grant_answers_the_like_so_often_and_says_so(bench):
    grant = granted(bench, uses=2)
    for left in (1, 0):
        assert bench.carry(image(dwell_us=0.5), person=Nobody()).outcome == "done"
        (row,) = bench.rows("decided")
        assert (row.body["outcome"], row.body["grant"]) == ("granted-for-class", grant.id)
        assert f"{left} of 2 uses left" in row.body["reason"]
        assert "kim" in row.actor
    assert bench.carry(image(dwell_us=0.5), person=Nobody()).outcome == "parked"
    assert grants.live(bench.store) == []


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ((image(dwell_us=20.0),), "more dose"), ((image(), image("i2")), "more frames"),
        ((step("s", "set_optics", defocus_nm=1.0),), "another tool"),
        ((step("m", "move_stage", x_um=30.0), image()), "outside the box"),
    ],
)  # fmt: skip
def test_a_grant_answers_nothing_wider(bench, asked, why):
    granted(bench)
    assert bench.carry(*asked, person=Nobody()).outcome == "parked", why


@pytest.mark.parametrize("change", [{"holder": "another"}, {"loading": "another"}, {"epoch": 5}])
def test_a_grant_is_for_this_specimen(bench, change):
    granted(bench)
    bench.spy.override = change
    assert bench.carry(image(), person=Nobody()).outcome == "parked"


def test_a_grant_ends_with_its_time_and_by_anybody(bench, monkeypatch):
    grant = granted(bench)
    monkeypatch.setattr(grants, "utc_now", lambda: "2999-01-01T00:00:00.000Z")
    assert grants.live(bench.store) == []
    monkeypatch.undo()
    grants.revoke(bench.store, grant.id, "anybody", "not today")
    assert bench.carry(image(), person=Nobody()).outcome == "parked"
    for name, match in ((grant.id, "already"), ("grant-0099", "no grant")):
        with pytest.raises(BadInput, match=match):
            grants.revoke(bench.store, name, "x", "")


def test_a_run_that_a_grant_let_begin_stops_when_it_is_revoked(bench):
    """The next act is not sent; the run parks, since somebody may allow it."""
    loop = step("l", None).model_copy(update={"times": 3, "at_most": 3, "do": (image(),)})
    assert bench.carry(loop, person=Person(yes(grant=GrantWish(5, 1, 5e3)))).outcome == "done"
    sent = len(bench.spy.sent)
    seen = []

    def revoked(*_):
        seen.append(1)
        if len(seen) == 2:
            grants.revoke(bench.store, "grant-0001", "a colleague", "stop that")

    bench.spy.after["acquire"] = revoked
    outcome = bench.carry(loop, person=Nobody())
    assert outcome.outcome == "parked"
    assert "revoked by a colleague" in outcome.error["what"]
    assert len(bench.spy.sent) - sent == 2


@pytest.mark.parametrize(
    "rules", [strict(impact="high"), strict(approvers=2), strict(role="staff")], ids=["high", "two", "higher"]
)
def test_what_takes_more_is_not_granted(bench, rules):
    grant = granted(bench)
    assert bench.carry(image(), person=Nobody(), rules=rules).outcome == "parked"
    strictly = replace(question(bench.store, bench.run.id), class_binding=grant.binding)
    assert grants.covering(bench.store, strictly) is None
    assert grants.covering(bench.store, replace(strictly, needs=Needs())) == grant


def test_a_high_impact_question_can_not_be_granted(bench):
    asked = parked(bench, rules=strict(impact="high"))
    with pytest.raises(ApprovalRefused, match="can't be granted"):
        decide(bench.store, bench.run.id, asked, yes(grant=GrantWish(3, 1)))
    assert decision(bench.store, bench.run.id, asked.gate) is None  # all or nothing
    assert grants.grants_of(bench.store) == []


def test_no_grant_lives_longer_than_a_day(bench):
    asked = parked(bench)
    with pytest.raises(ApprovalRefused, match="none lives longer than 24 h"):
        decide(bench.store, bench.run.id, asked, yes(grant=GrantWish(3, 24.1)))
    assert decision(bench.store, bench.run.id, asked.gate) is None
    assert grants.grants_of(bench.store) == []


def _use(folder, run_id, barrier, answers):
    from eucentric.agent.consent.deciding import answered_by_grant

    store = Store(folder)
    asked = question(store, run_id)
    barrier.wait()
    made = answered_by_grant(store, run_id, asked)
    answers.put(made.outcome if made else "asked")
    store.close()


def test_two_processes_can_not_have_one_use_twice(bench):
    bench.carry(image(), person=Nobody())
    bench.carry(image(), person=Nobody())
    granted(bench, uses=1)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [
        context.Process(target=_use, args=(bench.store.folder, run, barrier, answers))
        for run in ("r-0001", "r-0002")
    ]
    for one in both:
        one.start()
    told = sorted(answers.get(timeout=60) for _ in both)
    for one in both:
        one.join()
    assert told == ["asked", "granted-for-class"]


# --- what was rejected ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (image("a"), image("b"), True),
        (image(), image().model_copy(update={"reason": "another"}), True),
        (image(), image(dwell_us=2.0), False),
        (image(), step("img", "acquire_series", **IMAGE), False),
    ],
)
def test_a_plan_is_known_by_what_it_does(one, other, same):
    def sha(step_, title):
        return steps_sha256(Plan(title=title, steps=(step_,), planner=title))

    assert (sha(one, "x") == sha(other, "y")) == same


def test_renamed_references_are_the_same_plan():
    def made(a, b):
        grid = Step(id=a, tool="grid_positions", args={"nx": 2})
        go = Step(id=b, tool="move_stage", inputs={"x_um": "item.x_um"})
        return Plan(title="t", steps=(grid, Step(id="l", for_each=f"{a}.positions", at_most=2, do=(go,))))

    assert steps_sha256(made("s1", "s2")) == steps_sha256(made("grid", "go"))


def test_the_same_plan_is_not_put_to_nobody_again_and_a_person_is_told(bench):
    bench.carry(image(), person=Person(Answer("rejected", "kim", "holder not cleaned")))
    outcome = bench.carry(image("other"), person=Nobody())
    (row,) = bench.rows("decided")
    assert (outcome.exit_code, row.body["outcome"], row.body["automatic"]) == (3, "rejected", True)
    assert row.actor == "rule: rejected before"
    assert "holder not cleaned" in outcome.say
    person = Person()
    assert bench.carry(image(), person=person).outcome == "done"  # a person may change their mind
    assert "Rejected     rejected by kim" in person.cards[0]
    assert (
        bench.carry(image(), person=Nobody()).outcome == "parked"
    )  # and since then it is no longer rejected


def test_a_file_does_not_overrule_a_person(bench):
    from test_rules import ENVELOPE
    from workbench import URI

    from eucentric.agent.channels import ByPolicy
    from eucentric.agent.consent.policy import load_policy

    bench.carry(image(), person=Person(Answer("rejected", "kim", "no")))
    path = bench.folder / "p.toml"
    path.write_text(ENVELOPE)
    outcome = bench.carry(image(), person=ByPolicy(*load_policy(path, URI), "p.toml", bench.note.append))
    assert (outcome.exit_code, bench.spy.sent) == (3, [])


class Stubborn:
    """A planner that is asked for another plan: what it proposes next is on its list."""

    name, revises = "llm stubborn", True

    def __init__(self, *plans):
        self.plans, self.seen = [Planned(*one).proposal for one in plans], []

    def propose(self, request, situation):
        self.seen.append(situation.rejected)
        return self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]


def test_after_a_rejection_the_planner_is_told_why_and_makes_another_plan(bench):
    planner = Stubborn((image(dwell_us=9.0),), (image(dwell_us=1.0),))
    person = Person(Answer("rejected", "kim", "too long"), yes())
    assert bench.carry(planner=planner, person=person).outcome == "done"
    assert planner.seen == [(), ("kim: too long",)]
    assert "dwell_us 9 → 1" in person.cards[1]
    assert [row.body["proposal"]["plan"]["revision"] for row in bench.rows("planned")] == [1, 2]
    assert bench.spy.sent[0][1].dwell_s == pytest.approx(1e-6)


def test_the_same_plan_again_is_refused_unasked_and_three_in_a_row_end_the_run(bench):
    planner = Stubborn((image(),))
    person = Person(Answer("rejected", "kim", "no"))
    outcome = bench.carry(planner=planner, person=person)
    assert (outcome.exit_code, bench.spy.sent) == (3, [])
    assert len(person.asked) == 1
    assert [row.body.get("automatic", False) for row in bench.rows("decided")] == [False, True, True]
    assert len(planner.seen) == 3


# --- one step, edits, the beam ----------------------------------------------------------------------------


def test_only_the_first_step_then_it_is_asked_again(bench):
    person = Person(
        yes(outcome="stop_after_step"), yes(outcome="stop_after_step"), Answer("rejected", "k", "enough")
    )
    steps = (image("a"), step("m", "move_stage", x_um=2.0), image("b"))
    outcome = bench.carry(*steps, person=person)
    assert bench.spy.names() == ["acquire", "move"]
    assert (outcome.exit_code, len(person.cards)) == (3, 3)
    assert "Done so far  a acquire_image, m move_stage" in person.cards[2]
    assert " 1  acquire_image" in person.cards[2]
    assert " 2  " not in person.cards[2]


def test_a_loop_is_one_step(bench):
    loop = step("l", None).model_copy(update={"times": 3, "at_most": 3, "do": (image(),)})
    person = Person(yes(outcome="stop_after_step"), yes())
    assert bench.carry(loop, image("last"), person=person).outcome == "done"
    assert bench.spy.names().count("acquire") == 4
    assert len(person.cards) == 2


def test_what_is_left_can_be_edited(bench):
    person = Person(
        yes(outcome="stop_after_step"), Answer("edited", "k", edit="b.dwell_us=3"), yes(),
    )  # fmt: skip
    assert bench.carry(image("a"), image("b"), person=person).outcome == "done"
    assert [round(args.dwell_s * 1e6, 3) for name, args in bench.spy.sent if name == "acquire"] == [1.0, 3.0]
    assert "Changed      b.dwell_us 1 → 3" in person.cards[2]


def test_an_edit_says_line_by_line_what_it_changes(bench):
    person = Person(Answer("edited", "j", edit="img.dwell_us=2"), yes())
    bench.carry(image(), person=person)
    assert "Changed      img.dwell_us 1 → 2" in person.cards[1]
    assert "dose at a target" in person.cards[1].split("Changed")[1]
    assert bench.rows("planned")[1].body["changes"] == ["img.dwell_us 1 → 2"]


def test_a_beam_that_is_on_is_blanked_while_a_question_waits(bench):
    bench.guard.lease("somebody at the console")
    bench.spy.driver.set_blank(False)
    bench.guard.release()
    bench.spy.driver.set_blank(False)
    seen = []

    def look(asked):
        seen.append((bench.spy.driver.is_blanked(), asked.held, asked.needs.impact))
        return Answer("deferred", "j")

    bench.carry(image(), person=Person(look))
    assert seen == [(True, f"run {bench.run.id} waits for a decision", "high")]
    assert bench.rows("asked")[0].body["beam"] == "blanked"


@pytest.mark.parametrize(
    ("on_timeout", "held"), [("park", None), ("hold", "nobody answered gate g1 of run r-0001")]
)
def test_a_time_out_is_nobodys_decision(bench, on_timeout, held):
    outcome = bench.carry(
        image(), person=Person(lambda asked: None), rules=strict(timeout_s=0.05, on_timeout=on_timeout)
    )
    (row,) = bench.rows("decided")
    assert (outcome.outcome, row.body["outcome"], row.body["automatic"], row.actor) == (
        "parked", "timed_out", True, "clock",
    )  # fmt: skip
    assert bench.guard.held() == held


def test_what_changed_between_runs_is_a_row(bench):
    bench.carry(image())
    assert bench.rows("changed") == []
    bench.carry(image(), rules=strict())
    (row,) = bench.rows("changed")
    assert (row.body["what"], row.body["from"], row.body["to"]) == ("policy", "built-in", "v1 (sha256 x)")
    bench.carry(image(), rules=strict())
    assert bench.rows("changed") == []
    assert open_gate


# --- signatures -------------------------------------------------------------------------------------------


@pytest.fixture
def signers():
    """Two operators with keys."""
    made = {}
    for name in ("kim", "lee"):
        register(name, f"secret of {name}")
        make_key(name, f"secret of {name}")
        made[name] = signer_for(name, f"secret of {name}")
    return made


def test_a_gate_that_takes_a_signature_takes_no_yes_without(bench, signers):
    asked = parked(bench, rules=strict(role="operator", signed=True))
    with pytest.raises(ApprovalRefused, match="takes a signature"):
        decide(bench.store, bench.run.id, asked, yes("kim", "operator"))
    made = decide(bench.store, bench.run.id, asked, yes("kim", "operator", signer=signers["kim"]))
    assert lacking(bench.store, bench.run.id, made) == ""
    assert "operator, signed (policy" in asked.card


@pytest.mark.parametrize("forgery", ["none", "another's", "of another row", "edited"])
def test_who_can_write_the_file_can_not_make_a_signature(bench, signers, forgery):
    """The row fits the question in every word; only the key is missing."""
    rules = strict(role="operator", signed=True)
    outcome = bench.carry(
        image(), rules=rules, person=Person(lambda asked: forged(bench, signers, asked, forgery))
    )
    assert (outcome.exit_code, bench.spy.sent) == (3, [])
    assert "takes a signature" in outcome.error["why"]


def forged(bench, signers, asked, forgery):
    ledger, run = bench.store.ledger, bench.run.id
    row = bench.rows("asked")[-1].body
    body = Approval(
        gate=asked.gate, outcome="approved", by="kim", name="kim", role="operator", binding=asked.binding,
        envelope=asked.envelope, card_sha256=row["card_sha256"], expires_utc="2999-01-01T00:00:00.000Z",
    ).model_dump(mode="json")  # fmt: skip
    signed = {
        "none": lambda: None,
        "another's": lambda: signers["lee"](decision_payload(ledger.name, run, "decided", body)),
        "of another row": lambda: signers["kim"](decision_payload(ledger.name, "r-0009", "decided", body)),
        "edited": lambda: signers["kim"](
            decision_payload(ledger.name, run, "decided", {**body, "reason": "x"})
        ),
    }[forgery]()
    ledger.append(run, "decided", "kim", "forged", {**body, **({"signature": signed} if signed else {})})


def test_both_of_two_sign(bench, signers):
    rules = strict(role="operator", approvers=2, signed=True)
    both = [yes(name, "operator", signer=signers[name]) for name in ("kim", "lee")]
    assert bench.carry(image(), rules=rules, person=Person(*both)).outcome == "done"
    (consent,) = bench.rows("consented")
    assert consent.body["signature"]["by"] == "kim"


def test_other_roles_than_the_last_run_found_are_one_row(bench):
    bench.carry(image())
    register("kim", "secret of kim", "operator")
    for wanted in (1, 1):  # once, though two runs find it so
        bench.carry(image(), person=Person())
        rows = bench.store.ledger.events(kinds=("changed",))
        assert [row.body["roles"] for row in rows if row.body.get("what") == "operators"] == [
            {"kim": "operator"}
        ] * wanted
    assert any("kim is operator" in text for text in bench.note)
