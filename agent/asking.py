"""Asking for one plan: rules first, then standing grants, then what was rejected before, then a person.

Whatever answers, the question and the answer are rows. While it is waited, the beam is blanked.
"""

from dataclasses import replace

from eucentric.agent.acting.counting import count_of, reading
from eucentric.agent.consent.asked import Asked
from eucentric.agent.consent.deciding import answered_by_grant, by_rule
from eucentric.agent.consent.rejections import rejected_before, why_rejected
from eucentric.agent.consent.rules import strictest
from eucentric.agent.custody.checkpoint import Checkpoint
from eucentric.agent.custody.taking import Taking
from eucentric.agent.gate import Channel, open_gate, wait_for_answer
from eucentric.agent.likeness import like_notes
from eucentric.agent.preview.changes import plan_changes, price_changes
from eucentric.agent.preview.preview import Preview
from eucentric.agent.pricing import question_of
from eucentric.agent.run import Run
from eucentric.core.approval import Approval
from eucentric.core.plan import Plan
from eucentric.core.text import visible


class Asking:
    """The questions of one process that works on a run."""

    def __init__(self, run: Run, taking: Taking, checkpoint: Checkpoint) -> None:
        self.run, self.taking, self.checkpoint = run, taking, checkpoint
        self._shown: tuple[Plan, Preview] | None = None
        """What the last card showed: the next one says what is different."""

    def ask(
        self,
        plan: Plan,
        shown: Preview,
        channel: Channel,
        *,
        plan_sha256: str = "",
        done: str = "",
        why: str = "",
    ) -> Approval:
        """The decision about a plan.

        Parameters
        ----------
        plan_sha256
            Of the whole plan, where `plan` is what is left of it.
        done
            What of it was done before, for the card.
        why
            Why it is asked in the middle of a plan.
        """
        before_it = count_of(self.run.instrument)
        beam = self.taking.dark_for_question(f"run {self.run.id} waits for a decision")
        asked = self._question(plan, shown, plan_sha256, [("Done so far", done), ("Asks", why)])
        before = rejected_before(self.run.store, asked)
        if before is not None:
            asked = _with_line(asked, "Rejected", why_rejected(before))
        open_gate(self.run, asked, beam=beam, **reading(self.run.instrument, before_it))
        self._shown = (plan, shown)
        made = self._without_asking(asked, channel)
        if made is None:
            made = wait_for_answer(self.run, asked, self.checkpoint.at_gate(channel))
        if made.outcome == "timed_out" and asked.needs.on_timeout == "hold":
            self.run.instrument.blank(f"nobody answered gate {asked.gate} of run {self.run.id}")
        return made

    def _question(self, plan: Plan, shown: Preview, sha: str, notes: list[tuple[str, str]]) -> Asked:
        count = len(self.run.store.ledger.events(run=self.run.id, kinds=("asked",)))
        if self._shown is not None:
            old, price = self._shown
            lines = [*plan_changes(old, plan), *price_changes(price, shown)]
            notes = notes + [("Changed" if not n else "", line) for n, line in enumerate(lines)]
        elif self.run.like is not None:
            notes = notes + like_notes(self.run.like)
        return question_of(self.run, plan, shown, f"g{count + 1}", plan_sha256=sha, notes=notes)

    def _without_asking(self, asked: Asked, channel: Channel) -> Approval | None:
        """A decision that a rule, a grant or an earlier rejection makes; None if somebody has to be asked."""
        store, run = self.run.store, self.run
        if strictest(asked.needs) == "auto" and not asked.held:
            rules = ", ".join(dict.fromkeys(f"'{one.rule}'" for one in asked.needs.rulings))
            return by_rule(store, run.id, asked, "approved", f"policy {run.rules.label}", f"rules {rules}")
        granted = answered_by_grant(store, run.id, asked)
        if granted is not None:
            return granted
        here = rejected_before(store, asked, run.id)
        row = here or (None if getattr(channel, "person", False) else rejected_before(store, asked))
        if row is None:
            return None
        reason = f"not asked again: the same plan was {why_rejected(row)}"
        return by_rule(store, run.id, asked, "rejected", "rule: rejected before", reason)


def _with_line(asked: Asked, word: str, text: str) -> Asked:
    """A card with one more line, before the last one, which says what would be granted."""
    *lines, last = asked.card.split("\n")
    return replace(asked, card="\n".join([*lines, f"{word:<12} {visible(text, limit=600)}", last]))
