"""The planner that needs no model: clauses, rules, and an honest account of what no rule used."""

from typing import Any, Final

from eucentric.agent.grammar import analysis, campaign, imaging, optics, reads, refusals, stage
from eucentric.agent.grammar.campaign import Work
from eucentric.agent.grammar.clauses import Clause, split
from eucentric.agent.grammar.draft import Draft, seconds_text
from eucentric.agent.grammar.tokens import Sentence, Token, tokenise
from eucentric.agent.planner import Situation
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.request import Request
from eucentric.core.text import visible

READS: Final = frozenset(
    {
        "get_state",
        "query_log",
        "detect_defects",
        "estimate_density",
        "rank_places",
        "write_report",
        "grid_positions",
    }
)
"""Tools that only look at what is stored or reported."""
EXAMPLES: Final = (
    "take a 512x512 HAADF at 20 nm field of view, dwell 2 µs",
    "move 5 µm to the right, then autofocus",
    "find 3 monolayer flakes, image them at atomic resolution below 2e4 e/Å2, count the vacancies and write a report",
)


class GrammarPlanner:
    """Deterministic: the same request in the same situation gives the same plan."""

    name = "grammar v1"

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """A plan, an answer to look up, a question back, or a refusal. Never raises for any text."""
        sentence = tokenise(_unwrap(request.text))
        clauses = split(sentence.tokens)
        safe = _safety(clauses, sentence, self.name)
        if safe is not None:
            return safe
        draft = Draft.of(situation, sentence.german)
        draft.assumed.extend(sentence.notes)
        _data_not_orders(sentence, draft)
        _Reading(draft).read(clauses)
        return _propose(draft, clauses, sentence, self.name)


def _unwrap(text: str) -> str:
    """A request that is one quotation as a whole is meant as said."""
    bare = text.strip()
    pairs = {'"': '"', "“": "”", "„": "“", "'": "'", "`": "`"}
    if len(bare) > 2 and pairs.get(bare[0]) == bare[-1] and bare[-1] not in bare[1:-1]:
        return bare[1:-1]
    return bare


def _data_not_orders(sentence: Sentence, draft: Draft) -> None:
    for quoted in sentence.quoted:
        draft.not_understood.append(
            f"quoted text is data and was not followed: {visible(quoted, limit=160)!r}"
        )


_STOP_COMPANY: Final = frozenset(
    {"STOP", "BLANK", "TURN_OFF", "NOT", "RUNS", "RUN", "IMAGE", "ACQUIRE", "SURVEY", "MOVE", "TRUST", "TILT", "HAADF", "SERIES", "RESUME",
     "FRAME", "AUTOFOCUS", "SET", "GUN", "UNBLANK", "BACK", "X", "BURN"}
)  # fmt: skip


def _safety(clauses: list[Clause], sentence: Sentence, planner: str) -> Proposal | None:
    """Stop and blank act at once, alone; what else was said is named and left."""
    if not clauses:
        return None
    first = clauses[0]
    if _is_stop(first):
        return _at_once(
            "abort",
            {"blank": True, "hold_stage": True},
            "stop, blank, hold the stage",
            clauses,
            sentence,
            planner,
        )
    if _is_blank(first):
        return _at_once("blank_beam", {}, "blank the beam", clauses, sentence, planner)
    return None


def _is_stop(clause: Clause) -> bool:
    """'stop', 'halt the scan', 'please abort now': the stop word leads, and no quantity or condition says otherwise."""
    words = [token for token in clause.tokens if token.kind != "mark"]
    hits = [index for index, token in enumerate(words) if token.concept == "STOP"]
    if not hits or (clause.asked and not _all_company(words)):
        return False
    lead = words[: hits[0]]
    if any(token.concept in {"IF", "NOT", "QUESTION", "BYPASS", "GATE"} for token in lead):
        return False
    if any(token.concept in {"GATE", "LIMITS"} for token in words):
        return False
    if any(
        token.text.lower() in {"after", "at", "when", "nach", "once"}
        for token in words[hits[0] + 1 : hits[0] + 2]
    ):
        return False
    return all(not token.matters or token.concept in _STOP_COMPANY for token in lead) and len(lead) <= 4


def _all_company(words: list[Token]) -> bool:
    return all(not token.matters or token.concept in _STOP_COMPANY for token in words)


def _is_blank(clause: Clause) -> bool:
    words = [token for token in clause.tokens if token.kind != "mark"]
    asked = clause.asked or any(token.concept in {"QUESTION", "STATUS"} for token in words)
    if any(token.concept in {"NOT", "IF", "UNBLANK", "GATE", "IMAGE"} for token in words):
        return False
    beam_off = any(token.concept == "TURN_OFF" for token in words) and any(
        token.concept == "BEAM" for token in words
    )
    beam_off = beam_off or _split_off(words)
    blank = any(token.concept == "BLANK" for token in words) or beam_off
    polite = asked and words[0].text.lower() in {
        "could",
        "can",
        "would",
        "please",
        "kannst",
        "koennen",
        "können",
        "bitte",
    }
    return blank and (not asked or polite) and all(
        not token.matters or token.concept in {"BLANK", "TURN_OFF", "SET", "STOP", "ACQUIRE", "MOVE"} for token in words
    )  # fmt: skip


def _split_off(words: list[Token]) -> bool:
    """'turn the beam off', 'schalte den Strahl aus'."""
    texts = [token.text.lower() for token in words]
    return any(token.concept == "BEAM" for token in words) and any(
        text in {"off", "aus", "ab", "weg"} for text in texts
    )


def _at_once(
    tool: str, args: dict[str, Any], reason: str, clauses: list[Clause], sentence: Sentence, planner: str
) -> Proposal:
    rest = [clause.text for clause in clauses[1:]]
    plan = Plan(
        title=reason, steps=(Step(id="s1", tool=tool, args=args, reason=reason),), planner=planner,
        not_understood=tuple(f"not planned, since a stop acts alone: {visible(text, limit=160)!r}" for text in rest),
    )  # fmt: skip
    first = "Halt: " if sentence.german and tool == "abort" else "Strahl aus: " if sentence.german else ""
    more = " Ask for the rest again." if rest else ""
    return Proposal(outcome="safety", plan=plan, say=f"{first}{reason}, at once and without asking.{more}")


class _Reading:
    """Clause by clause, with the campaign that is open."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.work: Work | None = None

    def read(self, clauses: list[Clause]) -> None:
        draft = self.draft
        for clause in clauses:
            if clause.take("CLAIM"):
                draft.not_understood.append(
                    "words about an approval approve nothing: the gate asks the person there"
                )
        if refusals.impossible(clauses, draft):
            return
        for clause in sorted(
            clauses, key=lambda clause: not clause.has("NOT")
        ):  # constraints hold for all of it
            if not refusals.forbidden(clause, draft):
                refusals.prohibition(clause, draft)
        for clause in clauses:
            self._clause(clause)
        self._close()

    def _clause(self, clause: Clause) -> None:
        draft = self.draft
        self._materials(clause)
        if refusals.report_of_words(clause) or refusals.condition(clause, draft):
            return
        if not any(token.matters for token in clause.tokens):
            if reads.wants_read(clause):
                self._close()
                reads.read(clause, draft)
            return
        before = sum(token.used for token in clause.tokens)
        for _ in range(3):
            if not any(token.matters for token in clause.tokens):
                return
            self._rule(clause)
            after = sum(token.used for token in clause.tokens)
            if after == before:
                return
            before = after

    def _rule(self, clause: Clause) -> None:
        draft = self.draft
        if refusals.ambiguous(clause, draft) or refusals.unavailable(clause, draft):
            return
        if self._campaign(clause):
            return
        self._plain(clause)

    def _campaign(self, clause: Clause) -> bool:
        draft, work = self.draft, self.work
        if campaign.wants_flakes(clause) and work is None:
            self.work = campaign.flakes(clause, draft)
        elif work is not None and campaign.wants_revisit(clause, work):
            campaign.revisit(clause, draft, work)
        elif campaign.wants_grid(clause) and work is None:
            self.work = campaign.grid(clause, draft)
        elif work is not None:
            return self._inside(clause, work)
        else:
            return False
        return True

    def _inside(self, clause: Clause, work: Work) -> bool:
        """A clause that adds to the open campaign."""
        if analysis.wants_analysis(clause):
            if work.revisiting:
                work.again_detect = "vacancy" if clause.has("VACANCY") else "any"
            analysis.analyse(clause, self.draft, None if work.revisiting and False else _shadow(work))
            return True
        if clause.has("AUTOFOCUS"):
            work.focus = True
            clause.take("AUTOFOCUS", "ACQUIRE", "BESIDE")
            return True
        if imaging.wants_image(clause) or (clause.has("ATOMIC") or clause.free("dose")):
            self._image_inside(clause, work)
            return True
        if (
            clause.has("FLAKE", "FIND", "EACH", "MOVE", "REVISIT")
            and not clause.free("length")
            and not clause.kind("number")
        ):
            clause.take("FLAKE", "FIND", "MOVE", "REVISIT", "POSITION", "EVERY", "BACK")
            return True
        return False

    def _image_inside(self, clause: Clause, work: Work) -> None:
        counts = [
            token
            for token in clause.kind("number")
            if token.value == int(token.value) and 1 <= token.value <= 50 and not token.concept
        ]
        if work.kind == "flakes" and counts and not clause.has("AVERAGE", "FRAME", "SERIES"):
            found, work.at_most = work.at_most, int(counts[0].value)
            counts[0].used = True
            if found is not None and found != work.at_most:
                self.draft.assume(
                    f"{found} flakes to find, {work.at_most} to image: {work.at_most} are chosen"
                )
        spec = imaging.read_image(clause, self.draft)
        clause.take("FLAKE", "FIND", "EVERY", "LAYERS", "MONOLAYER", "GRID")
        if work.revisiting and work.again is None:
            work.again = spec
        elif work.revisiting or (work.spec is not None and (spec.fov_nm or spec.dwell_us or spec.frames)):
            self.draft.ask(
                f"'{clause.text}': a second image at the same places?",
                "one kind of image per place, or two requests",
            )
        else:
            work.spec = spec if work.spec is None else work.spec

    def _plain(self, clause: Clause) -> None:
        draft = self.draft
        if reads.wants_read(clause):
            self._close()
            reads.read(clause, draft)
        elif clause.has("SAVE") and (
            clause.has("POSITION", "IT", "ELEMENT") or clause.said("PLACE", "POSITION", "STAGE")
        ):
            self._close()
            stage.save(clause, draft)
        elif clause.has("REPORT") and not imaging.wants_image(clause):
            self._close()
            analysis.report(clause, draft)
        elif clause.has("BLANK") or (clause.has("TURN_OFF") and clause.said("BEAM")):
            self._close()
            clause.take("BLANK", "TURN_OFF", "SET")
            draft.add("blank_beam", "blank the beam at the end")
        elif clause.has("AUTOFOCUS") and not clause.has("DEFOCUS", "HAADF") and not _focus_value(clause):
            imaging.focus(clause, draft)
        elif analysis.wants_analysis(clause):
            analysis.analyse(clause, draft, self.work)
        elif stage.wants_stage(clause) and not imaging.wants_image(clause):
            self._close()
            stage.move(clause, draft)
        elif imaging.wants_image(clause):
            imaging.image(clause, draft)
        elif optics.wants_optics(clause):
            self._close()
            optics.set_optics(clause, draft)
        elif clause.has("ZOOM"):
            optics.set_optics(clause, draft)
        elif stage.wants_stage(clause):
            self._close()
            stage.move(clause, draft)

    def _materials(self, clause: Clause) -> None:
        card = self.draft.situation.specimen
        for token in clause.take("MATERIAL", "ELEMENT"):
            if token.concept == "ELEMENT":
                if self.work is not None:
                    self.work.element = token.text
                if card and token.text not in card.material and card.material[:1].isupper():
                    self.draft.assume(
                        f"{token.text}: not in the card's material {card.material}; all kinds of vacancy are counted"
                    )
            elif card is None:
                self.draft.assume(f"material {token.text}: no specimen card is loaded to compare it with")
            elif not _same_material(token.text, card.material):
                self.draft.ask(f"The request says {token.text}, the specimen card says {card.material}. Which sample is in?",
                               f"the card is right: say it for {card.material}", "load the card of the sample that is in")  # fmt: skip
            else:
                self.draft.assume(f"material {token.text}: as on the specimen card ({card.material})")

    def _close(self) -> None:
        work, self.work = self.work, None
        if work is not None:
            campaign.close(work, self.draft)


def _shadow(work: Work) -> Work:
    return Work("detect-only", work.said) if work.revisiting else work


def _focus_value(clause: Clause) -> bool:
    """'focus to -20 nm' sets the defocus; it does not search."""
    return bool(clause.free("length")) and not clause.said("RANGE", "BESIDE", "FOV", "IMAGE")


def _same_material(one: str, two: str) -> bool:
    a, b = (name.lower().replace("tx", "").replace("-", "").split(" ")[0] for name in (one, two))
    loose = {"mxene", "mxenes", "tmd", "sto", "perovskites"}
    return a.startswith(b) or b.startswith(a) or a in loose or b in loose


def _propose(draft: Draft, clauses: list[Clause], sentence: Sentence, planner: str) -> Proposal:
    left = [token for clause in clauses for token in clause.tokens if token.matters and token.kind != "quote"]
    _check_tools(draft)
    _check_forbidden_by_person(draft)
    notes = tuple(dict.fromkeys(draft.not_understood))
    if draft.refusals:
        return Proposal(outcome="refuse", say=_lines(draft, sentence, "Abgelehnt.", *draft.refusals, *notes))
    if draft.questions:
        return _clarify(draft, sentence, notes, left)
    blocking = [part for part in draft.missing if part.blocking]
    if blocking or (draft.missing and not draft.steps):
        return Proposal(
            outcome="refuse", say=_lines(draft, sentence, "Nicht verfügbar.", *_missing_lines(draft), *notes)
        )
    if any(token.concept == "STOP" for token in left):
        draft.ask(
            "A stop acts at once and alone: say STOP by itself. A later stop can't be planned.",
            "STOP",
            "blank the beam",
        )
        return _clarify(draft, sentence, notes, left)
    if left or not draft.steps:
        return _not_understood(draft, sentence, left, notes)
    return _plan(draft, sentence, notes, planner)


def _missing_lines(draft: Draft) -> list[str]:
    lines = [
        f"Not available yet: {part.what} ('{visible(part.phrase, limit=120)}'). What exists: {part.exists}."
        for part in draft.missing
    ]
    return [*lines, "Nothing was sent to the instrument."]


def _lines(draft: Draft, sentence: Sentence, german: str, *lines: str) -> str:
    return "\n".join(line for line in ([german] if sentence.german else []) + list(lines) if line)


def _clarify(draft: Draft, sentence: Sentence, notes: tuple[str, ...], left: list[Token]) -> Proposal:
    says = [question.say for question in draft.questions]
    options = [option for question in draft.questions for option in question.options]
    unread = [_named(left)] if left else []
    missing = _missing_lines(draft)[:-1] if draft.missing else []
    return Proposal(
        outcome="clarify",
        say=_lines(draft, sentence, "Rückfrage:", *says, *unread, *missing, *notes),
        options=tuple(options[:6]),
    )


def _named(left: list[Token]) -> str:
    words = ", ".join(f"'{visible(token.text.strip(), limit=40)}'" for token in left[:8])
    return f"Not understood: {words}{' and more' if len(left) > 8 else ''}."


def _not_understood(draft: Draft, sentence: Sentence, left: list[Token], notes: tuple[str, ...]) -> Proposal:
    got = f"Understood so far: {_title(draft)}." if draft.steps else ""
    named = _named(left) if left else "No instruction was found in that."
    return Proposal(outcome="clarify", say=_lines(draft, sentence, "Nicht ganz verstanden.", named, got, "Nothing was started. Ways to say it:", *notes),
                    options=EXAMPLES)  # fmt: skip


def _title(draft: Draft) -> str:
    names = [step.tool or " + ".join(inner.tool or "loop" for inner in step.do) for step in draft.steps]
    return " → ".join(dict.fromkeys(name.replace("_", " ") for name in names))[:300]


def _tools(steps: list[Step] | tuple[Step, ...]) -> set[str]:
    return {step.tool for step in steps if step.tool} | {tool for step in steps for tool in _tools(step.do)}


def _check_tools(draft: Draft) -> None:
    """A step whose tool this catalogue lacks is said, never planned."""
    have = draft.situation.tools
    lacking = sorted(_tools(draft.steps) - set(have)) if have else []
    if lacking:
        draft.refusals.append(
            f"Refused: no tool {', '.join(lacking)} in this catalogue.\n  What exists: {', '.join(have)}."
        )


def _check_forbidden_by_person(draft: Draft) -> None:
    for words, tools in draft.forbids:
        clash = sorted(_tools(draft.steps) & set(tools))
        if clash:
            draft.ask(
                f"'{words}', but the rest needs {', '.join(clash)}. Which holds?",
                "the rest, with it",
                "leave that part out",
            )
        else:
            draft.assume(f"kept as a constraint: '{words}'")


def _plan(draft: Draft, sentence: Sentence, notes: tuple[str, ...], planner: str) -> Proposal:
    missing = tuple(
        f"not available yet: {part.what} ('{visible(part.phrase, limit=120)}'); exists: {part.exists}"
        for part in draft.missing
    )
    plan = Plan(title=_title(draft), steps=tuple(draft.steps), budget_e_per_a2=draft.budget_e_per_a2,
                assumed=tuple(dict.fromkeys(draft.assumed)), not_understood=notes + missing, planner=planner)  # fmt: skip
    reading = _tools(draft.steps) <= READS
    head = f"Understood: {plan.title}."
    cost = f"Scan time about {seconds_text(draft.seconds)}." if draft.seconds and not reading else ""
    german = "Verstanden, nur lesend:" if reading else "Verstanden, als Plan zur Freigabe:"
    say = _lines(draft, sentence, german, *draft.answers, head, cost, *plan.not_understood)
    return Proposal(outcome="answer" if reading else "run", plan=plan, say=say)
