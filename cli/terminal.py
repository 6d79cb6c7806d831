"""Asking the person at this terminal, a line at a time: nothing is preselected, and Enter alone decides nothing.

Lines are read in slices of a fifth of a second, so that a stop, or an answer from another terminal, is never kept
waiting, also while a secret is typed.
"""

import contextlib
import select
import sys
import termios
from collections.abc import Callable
from typing import Any

import click

from eucentric.agent.consent.asked import Answer, Asked, GrantWish, needs_words
from eucentric.core.approval import GateOutcome
from eucentric.core.errors import EucentricError
from eucentric.core.roles import Role
from eucentric.core.text import visible

Next = Callable[[str], Answer | None]
"""What the next line is for: it gives an answer, or None if more is needed."""
Prove = Callable[[str, str], tuple[Role, Any]]
"""Name and secret to role and signer; raises if they don't fit."""
_HELP = """Type a letter and press Enter.
a  run the plan inside the bounds of the last line
o  only the first step; then you are asked again
g  as a, and let the like pass for a while without asking
e  change one argument; the plan is priced and asked again
d  not now: the question stays open
u  somebody higher is to decide: the question stays open for them
r  nothing is sent to the instrument; you are asked for a reason, and the same plan is not asked again"""


class Terminal:
    """The person at this terminal."""

    person = True

    def __init__(self, by: str, prove: Prove) -> None:
        self.by, self._prove = by, prove
        self._next: Next | None = None
        self._asked: Asked | None = None
        self._hidden: list[Any] | None = None
        """Terminal settings to go back to after a secret was typed."""

    # --- the card ----------------------------------------------------------------------------------------

    def show(self, asked: Asked) -> None:
        """The card. What was typed before it was on the screen is no answer to it."""
        self._asked = asked
        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        click.echo("")
        click.echo(visible(asked.card, one_line=False, limit=100_000))
        self._prompt()

    def told(self, what: str, why: str) -> None:
        """Why an answer did not count, or who else has to give one."""
        click.echo(f"\n{visible(what, limit=300)}\n  {visible(why, limit=300)}")
        self._prompt()

    def _prompt(self) -> None:
        self._next = None
        words = "[a]pprove  [o]nly the first step  [g]rant  [e]dit  [d]efer  [u]p  [r]eject  [?]"
        if self._high:
            words = words.replace("[a]pprove", "approve (the whole word)").replace("  [g]rant", "")
        needs = f"\nIt takes {needs_words(self._asked.needs)}." if self._asked and self._takes_proof else ""
        click.echo(f"{needs}\nApprove this envelope?   {words}   (Ctrl-C stops)  ", nl=False)

    @property
    def _high(self) -> bool:
        return self._asked is not None and self._asked.needs.impact == "high"

    @property
    def _takes_proof(self) -> bool:
        needs = self._asked.needs if self._asked else None
        return needs is not None and (needs.role != "user" or needs.approvers > 1 or needs.signed)

    # --- lines -------------------------------------------------------------------------------------------

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """A line typed within that time."""
        self._asked = asked
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return None
        line = sys.stdin.readline()
        self._show_again()
        if line == "":
            return Answer("no_channel", "nobody", "the terminal went away", automatic=True)
        following, self._next = self._next, None
        return following(line.rstrip("\n")) if following else self._read(line.strip().lower())

    def _ask(self, words: str, following: Next, *, hidden: bool = False) -> None:
        click.echo(words, nl=False)
        self._next = following
        if hidden:
            with contextlib.suppress(termios.error, OSError, ValueError):
                self._hidden = termios.tcgetattr(sys.stdin.fileno())
                quiet = termios.tcgetattr(sys.stdin.fileno())
                quiet[3] &= ~termios.ECHO
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, quiet)

    def over(self) -> None:
        """The question is decided, here or elsewhere: what is typed is seen again."""
        self._show_again()

    def _show_again(self) -> None:
        if self._hidden is not None:
            with contextlib.suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._hidden)
            self._hidden = None
            click.echo("")

    def _read(self, word: str) -> Answer | None:
        yes = ("approve",) if self._high else ("a", "approve")
        if word in yes:
            return self._yes("approved")
        if word in ("o", "only"):
            return self._yes("stop_after_step")
        if word in ("g", "grant") and not self._high:
            self._ask(
                "How often, how many hours, up to which dose in e/Å² anywhere? (Enter: 10, 2, as this plan)  ",
                self._granted,
            )
        elif word in ("r", "reject"):
            self._ask("Reason (Enter): ", lambda text: Answer("rejected", self.by, text or "no reason given"))
        elif word in ("e", "edit"):
            self._ask(
                "Change (step.argument=value, such as s3_image.dwell_us=0.4), Enter: ",
                lambda text: Answer("edited", self.by, edit=text),
            )
        elif word in ("d", "defer"):
            return Answer("deferred", self.by, "not now")
        elif word in ("u", "up"):
            self._ask("Why (Enter): ", lambda text: Answer("escalated", self.by, text, to_role=self._above()))
        else:
            click.echo(_HELP)
            self._prompt()
        return None

    def _above(self) -> Role:
        return "staff" if self._asked and self._asked.needs.role == "operator" else "operator"

    def _granted(self, text: str) -> Answer | None:
        numbers = text.replace(",", " ").split() or ["10", "2"]
        try:
            uses, hours = int(numbers[0]), float(numbers[1])
            dose = float(numbers[2]) if len(numbers) > 2 else None
            if len(numbers) > 3 or not (
                1 <= uses <= 1000 and 0 < hours <= 24 and (dose is None or 0 < dose < 1e9)
            ):
                raise ValueError
        except (ValueError, IndexError):
            self.told("not such numbers", "1 to 1000 times, at most 24 hours, a dose, such as: 10 2 5e3")
            return None
        return self._yes("approved", GrantWish(uses, hours, dose))

    # --- who says yes ------------------------------------------------------------------------------------

    def _yes(self, outcome: GateOutcome, grant: GrantWish | None = None) -> Answer | None:
        if not self._takes_proof:
            return Answer(outcome, self.by, grant=grant)
        self._ask("Operator: ", lambda name: self._named(name.strip(), outcome, grant))
        return None

    def _named(self, name: str, outcome: GateOutcome, grant: GrantWish | None) -> None:
        def typed(secret: str) -> Answer | None:
            try:
                role, signer = self._prove(name, secret)
            except EucentricError as error:
                self.told(error.what, error.why)
                return None
            by = f"{visible(name, limit=80)} ({self.by}, proved)"
            return Answer(outcome, by, name=name, role=role, grant=grant, signer=signer)

        self._ask(f"Secret of {visible(name, limit=80)}: ", typed, hidden=True)
