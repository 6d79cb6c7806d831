"""One life of an instrument's process, command by command: which row each belongs to, and which have none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from eucentric.agent.auditing.reconciling.expected import Sent, matched, sent_by
from eucentric.agent.auditing.reconciling.model import Absent, Mark
from eucentric.agent.auditing.reconciling.sources import Act
from eucentric.instruments.driver import LoggedCommand


@dataclass(frozen=True)
class Span:
    """Commands from one count to another that belong to an act, or to a lease that blanked."""

    low: int
    high: int
    wanted: tuple[Sent, ...]
    what: str
    utc: str
    act: Act | None = None


@dataclass(frozen=True)
class Lost:
    """Commands that no row explains."""

    commands: int
    during: str
    after: Mark | None
    before: Mark | None
    entries: tuple[LoggedCommand, ...]
    """As far as the instrument's log has them."""


@dataclass
class Walked:
    """What came of the walk."""

    lost: list[Lost] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    counted_less: dict[str, int] = field(default_factory=dict)
    """Commands that this driver counts for an act, where they are fewer than the protocol has."""


BLANKED = (Sent("blank", {}),)
"""What a lease or a release may send: beside an act, the guard only blanks."""
TOUCH_CLEARED = (Sent("clear_touch", {}), *BLANKED)


class Walk:
    """The walk along the count.

    Parameters
    ----------
    log
        Entries of the instrument's own log by number; empty if there is none.
    logged_to
        The last number that the log must have, if the command arrived.
    """

    def __init__(
        self, spans: Iterable[Span], marks: Iterable[Mark], log: Mapping[int, LoggedCommand], logged_to: int
    ) -> None:
        self.spans = sorted(spans, key=lambda one: (one.low, one.high, one.utc))
        self.marks = sorted(marks, key=lambda one: (one.commands, one.utc))
        self.log, self.logged = log, range(min(log, default=1), logged_to + 1) if log else range(0)
        self.result = Walked()
        self._short: list[tuple[Span, int]] = []

    def go(self) -> Walked:
        """From the first count that is known to the last."""
        at = self.marks[0].commands if self.marks else 0
        for span in self.spans:
            self._gap(at, span.low)
            self._through(span, max(at, span.low))
            at = max(at, span.high)
        if self.marks:
            self._gap(at, self.marks[-1].commands)
        self._judge_short()
        return self.result

    # --- between two acts -------------------------------------------------------------------------------

    def _gap(self, low: int, high: int) -> None:
        if high <= low:
            return
        after = _nearest(mark for mark in reversed(self.marks) if mark.commands <= low)
        before = _nearest(mark for mark in self.marks if mark.commands >= high)
        self.result.lost.append(Lost(high - low, "", after, before, tuple(self._entries(low, high))))

    def _entries(self, low: int, high: int) -> list[LoggedCommand]:
        return [self.log[number] for number in range(low + 1, high + 1) if number in self.log]

    # --- within an act ----------------------------------------------------------------------------------

    def _through(self, span: Span, low: int) -> None:
        """Hold the commands in a span against what its act sends."""
        number, done = span.high - low, span.act is not None and span.act.ended == "done"
        if number > 0 and low + 1 in self.logged and span.high in self.logged:
            self._by_log(span, low, done)
        elif number > len(span.wanted):
            self._more(span, number - len(span.wanted), [])
        elif done and number < len(span.wanted):
            self._short.append((span, number))

    def _by_log(self, span: Span, low: int, done: bool) -> None:
        entries = self._entries(low, span.high)
        _, others, missing = matched(entries, span.wanted)
        if others and span.act is not None and span.act.name != "acquire" and others[0].name == "blank":
            others = others[1:]  # the guard's own: a hand had the beam on
        if others:
            self._more(span, len(others), others)
        if done and missing:
            names = ", ".join(dict.fromkeys(one.name for one in missing))
            self._absent(span, f"the instrument's own log has no such command ({names})")

    def _more(self, span: Span, number: int, entries: Sequence[LoggedCommand]) -> None:
        marks = span.act.marks if span.act else ()
        after, before = marks[0] if marks else None, marks[-1] if len(marks) > 1 else None
        self.result.lost.append(Lost(number, span.what, after, before, tuple(entries)))

    def _absent(self, span: Span, why: str) -> None:
        if span.act is not None:
            act = span.act
            self.result.absent.append(
                Absent(event=act.event, store=act.store, utc=act.utc, what=span.what, why=why)
            )

    def _judge_short(self) -> None:
        """Acts that added less than they should: the driver's way of counting if all do, else a row too many."""
        for name in dict.fromkeys(span.act.name for span, _ in self._short if span.act):
            of_kind = [(span, number) for span, number in self._short if span.act and span.act.name == name]
            counts = {number for _, number in of_kind}
            whole = sum(
                1 for span in self.spans if span.act and (span.act.name, span.act.ended) == (name, "done")
            )
            if len(counts) == 1 and counts != {0} and len(of_kind) == whole:
                self.result.counted_less[name] = counts.pop()
                continue
            for span, number in of_kind:
                self._absent(
                    span, f"the instrument counted {number} of the {len(span.wanted)} commands it takes"
                )


def span_of(act: Act, marks: Sequence[Mark], log: Mapping[int, LoggedCommand]) -> Span:
    """The commands of an act; one that nobody saw end has what it may have sent before the next count."""
    wanted = sent_by(act)
    if act.after is not None:
        return Span(act.before, act.after, wanted, act.what, act.utc, act)
    later = [mark.commands for mark in marks if mark.utc > act.utc and mark.commands >= act.before]
    end = min(later, default=act.before + len(wanted))
    inside = [log[number] for number in range(act.before + 1, end + 1) if number in log]
    if inside:
        own = matched(inside, wanted)[0]
        return Span(act.before, own[-1].number if own else act.before, wanted, act.what, act.utc, act)
    return Span(act.before, min(end, act.before + len(wanted)), wanted, act.what, act.utc, act)


def _nearest(marks: Iterable[Mark]) -> Mark | None:
    """Of the first count that is named, a row before a note."""
    found = list(marks)
    same = [mark for mark in found if mark.commands == found[0].commands]
    return next((mark for mark in same if mark.what.startswith("event")), same[0] if same else None)
