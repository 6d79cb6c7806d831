"""A plan with its price, and the question that a person is asked: both say what this run and this hour allow."""

from collections.abc import Iterable

from eucentric.agent.consent.asked import Asked, needs_words
from eucentric.agent.consent.deadline import Deadline, deadline
from eucentric.agent.consent.permit import ANY_PLAN, Terms, binding_of
from eucentric.agent.consent.rejections import steps_sha256
from eucentric.agent.consent.rules import needs_of
from eucentric.agent.custody.restore import restored_words
from eucentric.agent.preview.card import gate_card
from eucentric.agent.preview.foresight import foreseen
from eucentric.agent.preview.preview import Preview, envelope_for, preview
from eucentric.agent.run import Run
from eucentric.agent.twins import twins
from eucentric.agent.uncounted import with_second_looks
from eucentric.core import clock
from eucentric.core.approval import Envelope, Needs
from eucentric.core.instrument import MicroscopeState
from eucentric.core.plan import Plan
from eucentric.core.request import SpecimenCard
from eucentric.core.text import visible
from eucentric.core.units import STAGE
from eucentric.instruments.capabilities import Capabilities
from eucentric.tools.base import Setting

_NO_CARD = "no specimen card, no beam: give one with --specimen CARD.toml"


def priced(run: Run, plan: Plan, budget_e_per_a2: float) -> Preview:
    """The plan rehearsed at the present settings, with every reason why it can't run as it is.

    Parameters
    ----------
    budget_e_per_a2
        Most any place may receive: the smaller of the specimen card's and the request's.
    """
    card = run.specimen or SpecimenCard(name="none", material="unknown")
    setting = Setting(run.capabilities, run.now(), card)
    limits = run.instrument.limits()
    shown = preview(plan, setting, budget_e_per_a2, run.dose_at(None), run.dose_in, limits)
    shown = _with_earlier_reach(run, shown, plan)
    ahead = foreseen(run, plan)
    problems = [*ahead.problems]
    problems += [_NO_CARD] if shown.frames and run.specimen is None else []
    problems += _denied(run, rated(run, plan, shown))
    if shown.asks:
        problems += _too_late(shown, deadline_of(run))
    added = {"problems": (*shown.problems, *problems), "notes": (*shown.notes, *ahead.lines)}
    return shown.model_copy(update=added)


def rated(run: Run, plan: Plan, shown: Preview) -> Needs:
    """What the rules of the site say of each call of a plan, and so who must answer for it."""
    rules = run.rules
    return needs_of(
        (row.step, row.tool, rules.rate(row.tool, row.risk, row.figures, plan.planner)) for row in shown.rows
    )


def _denied(run: Run, needs: Needs) -> list[str]:
    return [
        f"step {ruling.step} {ruling.tool}: rule '{visible(ruling.rule, limit=80)}' of the policy "
        f"{run.rules.label} forbids it; {visible(run.rules.rules.author, limit=80)} answers for the rules"
        for ruling in needs.rulings
        if ruling.decision == "deny"
    ]


def question_of(
    run: Run,
    plan: Plan,
    shown: Preview,
    gate: str,
    *,
    plan_sha256: str = "",
    notes: Iterable[tuple[str, str]] = (),
) -> Asked:
    """The card, the envelope that an approval would grant, what it would be bound to, and who must answer.

    Parameters
    ----------
    plan_sha256
        Of the whole plan, where `plan` is what is left of it.
    notes
        Further lines of the card, each with its word in the margin.
    """
    state, end = run.now(), deadline_of(run)
    envelope, looks = _envelope(run, plan, shown, state, end)
    needs = rated(run, plan, shown)
    if state.held:
        needs = needs.model_copy(update={"impact": "high"})
    lines = [
        *notes,
        ("Second look", looks),
        ("Put back", restored_words(plan, state)),
        *([("Ends", f"at the latest when {end.words()}")] if end else []),
        *(("Done before", line) for line in twins(run.store, run, plan)),
        ("Near", near_words(shown, run.capabilities)),
        *(("Needs", text) for text in _needs_lines(run, needs)),
    ]
    one, like = _bindings(run, plan_sha256 or plan.sha256, state)
    return Asked(
        gate=gate,
        card=gate_card(plan, shown, envelope, run.specimen, state, gate, notes=lines),
        binding=one,
        envelope=envelope,
        plan=plan.model_dump(mode="json"),
        held=state.held,
        until=f"{end.at:%Y-%m-%dT%H:%M:%S.000Z}" if end else "",
        needs=needs,
        class_binding=like,
        steps_sha256=steps_sha256(plan),
    )


def _envelope(
    run: Run, plan: Plan, shown: Preview, state: MicroscopeState, end: Deadline | None
) -> tuple[Envelope, str]:
    """What a yes would allow, second looks and the end of a booking included; and what is said of second looks."""
    card = run.specimen or SpecimenCard(name="none", material="unknown")
    envelope, looks = with_second_looks(
        envelope_for(plan, shown, run.capabilities.position_errors.missed_moves),
        plan,
        Setting(run.capabilities, state, card),
        shown.budget_e_per_a2,
    )
    if end is not None:
        envelope = envelope.model_copy(update={"max_seconds": min(envelope.max_seconds, _left_s(end))})
    return envelope, looks


def _bindings(run: Run, plan_sha256: str, state: MicroscopeState) -> tuple[str, str]:
    """What an approval of this plan is tied to, and what a grant for its like is."""
    capabilities, label = run.instrument.capabilities(), run.rules.label
    one, like = (
        binding_of(Terms.of(whose, capabilities, label), state).sha256 for whose in (plan_sha256, ANY_PLAN)
    )
    return one, like


def near_words(shown: Preview, capabilities: Capabilities) -> str:
    """How much of the budget and of the stage's travel the worst case takes; '' for less than a tenth of either."""
    dose = shown.dose_e_per_a2 / shown.budget_e_per_a2 if shown.budget_e_per_a2 > 0 else 0.0
    travel = [
        max(abs(low), abs(high)) * STAGE[key].factor / min(-spec.lower, spec.upper)
        for key, (low, high) in ((key, getattr(shown, key)) for key in STAGE if key in Preview.model_fields)
        if (spec := capabilities.axis(STAGE[key].si)) is not None and spec.lower < 0 < spec.upper
    ]
    shares = [
        ("dose", dose, "of the budget at a target"),
        ("stage", max(travel, default=0.0), "of its travel"),
    ]
    return "; ".join(f"{name} {share:.0%} {of}" for name, share, of in shares if share >= 0.1)


def _needs_lines(run: Run, needs: Needs) -> list[str]:
    """Who must answer and by which rule; nothing where anybody at the terminal may."""
    if needs == needs.model_copy(
        update={"role": "user", "approvers": 1, "impact": "normal", "signed": False}
    ):
        return []
    asking = [ruling for ruling in needs.rulings if ruling.decision == "ask" and ruling.role == needs.role]
    rules = ", ".join(dict.fromkeys(f"'{visible(one.rule, limit=80)}'" for one in asking[:3]))
    plain = needs.role == "user" and needs.approvers == 1 and not needs.signed
    by = "" if plain else f" (policy {run.rules.label}, rule {rules})"
    return [f"{needs_words(needs)}{by}"]


def deadline_of(run: Run) -> Deadline | None:
    """When this run must be over: the booking, the person who asked, or maintenance."""
    limits = run.instrument.limits()
    ends = [end for end in (limits.booking_end, run.until) if end is not None]
    return deadline(clock.now(), min(ends, default=None), limits.maintenance)


def _left_s(end: Deadline) -> float:
    return max(1.0, end.left_s(clock.now()))


def _too_late(shown: Preview, end: Deadline | None) -> list[str]:
    if end is None:
        return []
    left = end.left_s(clock.now())
    if shown.seconds <= left:
        return []
    return [
        f"it may take {shown.seconds / 60:.1f} min and there are {left / 60:.1f} until {end.words()}, "
        "a minute kept for putting things back"
    ]


def _with_earlier_reach(run: Run, shown: Preview, plan: Plan) -> Preview:
    """A run taken up again stands elsewhere than it began; its recorded targets keep their places."""
    for row in run.store.ledger.events(run=run.id, kinds=("previewed",)):
        if row.body.get("plan_sha256") == plan.sha256:
            shown = shown.joined_with(Preview.model_validate(row.body["preview"]))
    return shown
