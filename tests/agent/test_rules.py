"""The site's rules: the first that fits decides, what is not known yet counts against a plan, and the executor rates
each call again."""

import pytest
from workbench import IMAGE, URI, Person, Planned, image, step

from eucentric.agent.channels import ByPolicy, Nobody
from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.explain import explained, parsed
from eucentric.agent.consent.figures import figures_of, known_figures
from eucentric.agent.consent.policy import load_policy
from eucentric.agent.consent.rules import (
    BUILT_IN,
    Bound,
    Rule,
    RuleBook,
    Rules,
    load_rules,
    needs_of,
    satisfied,
    strictest,
)
from eucentric.agent.readback import named_state
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput
from eucentric.tools.catalogue import tool_named


def book(*rules):
    return RuleBook(Rules(name="t", author="staff", version=3, rules=rules), "v3 (sha256 abc)")


def rule(name, tools="*", **more):
    return Rule(name=name, tools=(tools,), **more)


def carry(bench, rules, *steps, **more):
    return bench.carry(*steps, rules=rules, **more)


# --- one rule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "value", "fits"),
    [
        ({"above": 5}, 5.0, False), ({"above": 5}, 5.1, True), ({"below": 5}, 4.9, True), ({"below": 5}, 5.0, False),
        ({"beyond": 20}, -25.0, True), ({"beyond": 20}, 20.0, False), ({"above": 1, "below": 2}, 1.5, True),
        ({"above": 1, "below": 2}, 2.5, False), ({"among": ["bf"]}, "bf", True), ({"among": ["bf"]}, "haadf", False),
        ({"above": 0}, "haadf", False), ({"among": ["bf"]}, 1.0, False),
    ],
)  # fmt: skip
def test_bounds(bound, value, fits):
    assert Bound(**bound).fits(value) == fits


@pytest.mark.parametrize(
    ("wanted", "tool", "risk", "figures", "planner", "fits"),
    [
        ({}, "move_stage", "control", {}, "", True),
        ({"tools": ("move_*",)}, "move_stage", "control", {}, "", True),
        ({"tools": ("acquire_*",)}, "move_stage", "control", {}, "", False),
        ({"risk": ("expose",)}, "move_stage", "control", {}, "", False),
        ({"planner": "llm *"}, "move_stage", "control", {}, "llm q", True),
        ({"planner": "llm *"}, "move_stage", "control", {}, "grammar v1", False),
        ({"where": {"alpha_deg": {"beyond": 20}}}, "move_stage", "control", {"alpha_deg": -30.0}, "", True),
        ({"where": {"alpha_deg": {"beyond": 20}}}, "move_stage", "control", {"alpha_deg": 3.0}, "", False),
        ({"where": {"alpha_deg": {"beyond": 20}}}, "move_stage", "control", {"x_um": 3.0}, "", False),
        ({"where": {"alpha_deg": {"beyond": 20}}}, "move_stage", "control", {"alpha_deg": None}, "", True),
        (
            {"where": {"alpha_deg": {"beyond": 20}}, "decision": "auto"},
            "move_stage", "control", {"alpha_deg": None}, "", False,
        ),
    ],
)  # fmt: skip
def test_a_rule_fits_by_tool_risk_planner_and_figures(wanted, tool, risk, figures, planner, fits):
    assert Rule(name="r", **wanted).fits(tool, risk, figures, planner) == fits


@pytest.mark.parametrize(
    ("rules", "decision"),
    [
        ((), "ask"),
        ((rule("no", decision="deny"), rule("yes", decision="auto")), "deny"),
        ((rule("yes", decision="auto"), rule("no", decision="deny")), "auto"),
        ((rule("others", "acquire_*", decision="deny"),), "ask"),
    ],
)
def test_the_first_rule_that_fits_decides(rules, decision):
    assert book(*rules).rate("move_stage", "control", {}, "").decision == decision


def test_stopping_and_reading_need_no_rule_and_stopping_is_under_none():
    deny = book(rule("nothing at all", decision="deny"))
    assert deny.rate("abort", "safety", {}, "").decision == "auto"
    assert deny.rate("get_state", "read", {}, "").decision == "deny"
    assert BUILT_IN.rate("get_state", "read", {}, "").decision == "auto"


def test_a_plan_needs_what_its_strictest_calls_need():
    rated = [
        ("s1", "get_state", rule("a", decision="auto", role="staff", approvers=2)),
        ("s2", "move_stage", rule("b", role="operator", timeout_s=60)),
        (
            "s3",
            "acquire_image",
            rule("c", role="user", approvers=2, impact="high", timeout_s=30, on_timeout="hold"),
        ),
    ]
    needs = needs_of(rated)
    assert (needs.role, needs.approvers, needs.impact) == ("operator", 2, "high")
    assert (needs.timeout_s, needs.on_timeout) == (30, "hold")
    assert strictest(needs) == "ask"
    assert strictest(needs_of(rated[:1])) == "auto"


@pytest.mark.parametrize(
    ("wanted", "role", "people", "fine"),
    [
        ({"decision": "auto"}, "user", 0, True), ({"decision": "deny"}, "staff", 2, False),
        ({"role": "operator"}, "user", 1, False), ({"role": "operator"}, "staff", 1, True),
        ({"approvers": 2}, "staff", 1, False), ({"approvers": 2}, "user", 2, True),
    ],
)  # fmt: skip
def test_what_an_approval_covers(wanted, role, people, fine):
    assert satisfied(Rule(name="r", **wanted), role, people) == fine


# --- the file ---------------------------------------------------------------------------------------------

FILE = """
name = "site"
author = "staff"
version = 2
[[rules]]
name = "large tilts"
tools = ["move_stage"]
where.alpha_deg = { beyond = 20 }
role = "operator"
"""


@pytest.mark.parametrize(
    ("text", "uri", "match"),
    [
        (FILE.replace("alpha_deg", "alfa_deg"), URI, "no call has a figure 'alfa_deg'"),
        (FILE.replace("move_stage", "move_stag"), URI, "no tool is named"),
        (FILE.replace("beyond", "byond"), URI, "policy"),
        (FILE.replace('"operator"', '"boss"'), URI, "role"),
        (FILE.replace("version = 2", "version = 0"), URI, "version"),
        (FILE.replace('role = "operator"', 'decision = "auto"'), "py:my:driver", "pass unasked"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused(bench, text, uri, match):
    path = bench.folder / "policy.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=match):
        load_rules(path, uri)


def test_a_file_is_read_with_a_label_that_changes_with_it(bench):
    path = bench.folder / "policy.toml"
    path.write_text(FILE)
    first = load_rules(path, URI)
    path.write_text(FILE + "\n# another word\n")
    assert first.label.startswith("v2 (sha256 ")
    assert load_rules(path, URI).label != first.label


# --- figures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "later", "wanted"),
    [
        ({"alpha_deg": 5.0}, (), {"alpha_deg": 5.0, "step_deg": 5.0, "step_um": 0.0}),
        ({"mode": "relative", "dx_um": -3.0}, (), {"x_um": -3.0, "step_um": 3.0}),
        ({"mode": "saved", "name": "here"}, (), {"alpha_deg": None, "step_um": None}),
        ({"x_um": 1.0}, ("y_um",), {"x_um": None, "step_um": None}),
    ],
)
def test_figures_of_a_move_are_those_of_its_end(bench, args, later, wanted):
    tool = tool_named("move_stage")
    state = named_state("twin", True, bench.guard.state(), None)
    found = figures_of(tool, tool.args.model_validate(args), state, Cost(), later)
    assert {name: found[name] for name in wanted} == wanted
    assert set(found) <= known_figures()


# --- in a run ---------------------------------------------------------------------------------------------


def test_a_forbidden_call_is_refused_before_anybody_is_asked(bench):
    rules = book(rule("no tilting here", "move_stage", where={"step_deg": {"above": 1}}, decision="deny"))
    outcome = carry(bench, rules, step("t", "move_stage", alpha_deg=5.0))
    assert (outcome.exit_code, bench.spy.sent, bench.rows("asked")) == (3, [], [])
    assert "rule 'no tilting here' of the policy v3 (sha256 abc) forbids it" in outcome.say
    assert carry(bench, rules, step("t", "move_stage", alpha_deg=0.5)).outcome == "done"


def test_what_rules_let_pass_is_nobodys_decision(bench):
    outcome = carry(
        bench, book(rule("images are fine", "acquire_*", decision="auto")), image(), person=Nobody()
    )
    (row,) = bench.rows("decided")
    assert outcome.outcome == "done"
    assert (row.body["outcome"], row.body["automatic"], row.actor) == (
        "approved",
        True,
        "policy v3 (sha256 abc)",
    )
    assert "images are fine" in row.body["reason"]


def test_a_held_beam_is_never_let_go_by_a_rule(bench):
    bench.guard.stop("smoke")
    outcome = carry(bench, book(rule("fine", decision="auto")), image(), person=Nobody())
    assert (outcome.exit_code, bench.guard.held()) == (6, "smoke")


@pytest.mark.parametrize(("role", "code"), [("user", 3), ("operator", 0), ("staff", 0)])
def test_a_yes_counts_only_from_who_may_give_it(bench, role, code):
    person = Person(Answer("approved", "kim", name="kim", role=role), Answer("rejected", "kim", "then not"))
    outcome = carry(bench, book(rule("exposures", "acquire_*", role="operator")), image(), person=person)
    assert outcome.exit_code == code
    assert "Needs        operator (policy v3 (sha256 abc), rule 'exposures')" in person.cards[0]
    assert len(person.told_of) == (role == "user")


def test_a_file_is_no_operator(bench):
    path = bench.folder / "p.toml"
    path.write_text(ENVELOPE)
    stand_in, sha = load_policy(path, URI)
    rules = book(rule("exposures", "acquire_*", role="operator"))
    outcome = carry(bench, rules, image(), person=ByPolicy(stand_in, sha, "p.toml", bench.note.append))
    assert (outcome.exit_code, bench.spy.sent) == (6, [])


ENVELOPE = """
name = "p"
author = "a person"
[envelope]
tools = ["acquire_image"]
max_frames = 50
max_dose_e_per_a2 = 1e6
x_um = [-20, 20]
y_um = [-20, 20]
alpha_deg = [-0.1, 0.1]
beta_deg = [-0.1, 0.1]
max_probe_current_pa = 100
max_seconds = 7200
"""


def test_the_executor_rates_a_call_by_the_arguments_it_has_then(bench):
    """The loop's positions are known only when it runs: the plan is approved, the far one is not sent."""
    rules = book(rule("far", "move_stage", where={"x_um": {"above": 0.5}}, decision="deny"))
    grid = step("grid", "grid_positions", nx=2, ny=1, pitch_um=2.0)
    move = step("go", "move_stage").model_copy(update={"inputs": {"x_um": "item.x_um", "y_um": "item.y_um"}})
    loop = step("loop", None).model_copy(update={"for_each": "grid.positions", "at_most": 2, "do": (move,)})
    refused = carry(bench, rules, grid, loop)
    assert refused.exit_code == 3  # not known yet: counts against the plan
    asks = book(rule("far", "move_stage", where={"x_um": {"above": 0.5}}, role="operator"))
    user = Person(Answer("approved", "u"), Answer("rejected", "u", "no"))
    assert carry(bench, asks, grid, loop, person=user).exit_code == 3
    bench.carry(
        grid, loop, prepare=lambda session: session.run.__setattr__("rules", rules_later(session, asks))
    )
    sent = [args["x"] for name, args in bench.spy.sent if name == "move"]
    assert max(sent) < 0
    failed = [row for row in bench.rows("failed") if row.body["act"] == "move_stage"]
    assert [row.body["error"]["code"] for row in failed] == ["E-APPROVAL-03"]


def rules_later(session, rules):
    """Rules that come into force once the plan was approved: the executor is alone with them."""

    class Late:
        label, path = BUILT_IN.label, ""

        def __init__(self):
            self.rules = rules.rules

        def rate(self, *call):
            return (rules if session.executor.permit else BUILT_IN).rate(*call)

    return Late()


def test_changed_rules_void_an_approval(bench):
    def changed(asked):
        bench.run.rules = book(rule("new", "survey"))
        return Answer("approved", "tester")

    outcome = bench.carry(image(), person=Person(changed))
    assert (outcome.exit_code, bench.spy.sent) == (3, [])


# --- explain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "decision", "by", "over"),
    [
        (["move_stage", "alpha_deg=25"], "ask", "rule 'large tilts'", ()),
        (["move_stage", "alpha_deg=2"], "deny", "rule 'moves'", ("'large tilts': alpha_deg is 2",)),
        (
            ["move_stage", "x_um=2"],
            "deny",
            "rule 'moves'",
            ("'large tilts': alpha_deg is not a figure of it",),
        ),
        (['{"tool": "acquire_image", "args": {"fov_nm": "80 Å"}}'], "ask", "rule 'no rule", ("'models'",)),
        (["get_state"], "auto", "rule 'no rule: reading passes'", ()),
        (["abort"], "auto", "rule 'stopping", ()),
    ],
)
def test_explain_says_which_rule_decides(bench, call, decision, by, over):
    rules = book(
        rule("large tilts", "move_stage", where={"alpha_deg": {"beyond": 20}}, role="operator"),
        rule("moves", "move_stage", decision="deny"),
        rule("models", "acquire_*", planner="llm *", decision="deny"),
    )
    told = explained(rules, bench.guard, bench.card, call)
    assert told.decision == decision
    assert told.rule.startswith(by)
    assert [line.startswith(want) for line, want in zip(told.passed_over, over, strict=True)] == [True] * len(
        over
    )


@pytest.mark.parametrize("call", [["{"], ["{}"], ["move_stage", "x_um"], ["move_stage", "y"], ["nothing"]])
def test_what_is_no_call_is_refused(bench, call):
    from eucentric.core.errors import EucentricError

    with pytest.raises(EucentricError):
        explained(BUILT_IN, bench.guard, bench.card, call)


def test_words_and_json_say_the_same():
    assert parsed(["acquire_image", "fov_nm=20", "detectors=haadf"]) == (
        "acquire_image", {"fov_nm": 20, "detectors": "haadf"},
    )  # fmt: skip
    assert parsed(['{"tool": "acquire_image",', '"args": {"fov_nm": 20}}']) == (
        "acquire_image",
        {"fov_nm": 20},
    )


def test_the_plan_of_a_model_may_need_more(bench):
    rules = book(rule("models", planner="llm *", role="operator"))
    planner = Planned(image())
    plan = planner.proposal.plan.model_copy(update={"planner": "llm qwen"})
    planner.proposal = planner.proposal.model_copy(update={"plan": plan})
    assert carry(bench, rules, planner=planner, person=Nobody()).exit_code == 6
    assert bench.rows("asked")[0].body["needs"]["role"] == "operator"
    assert carry(bench, rules, image(), person=Nobody()).exit_code == 6
    assert bench.rows("asked")[0].body["needs"]["role"] == "user"
    assert IMAGE
