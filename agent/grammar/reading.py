"""Clause by clause: which rule takes it, and what belongs to the campaign that is open."""

from eucentric.agent.grammar import (
    analysis,
    imaging,
    optics,
    questions,
    reads,
    recommending,
    refusals,
    stage,
    stage_places,
)
from eucentric.agent.grammar.campaigns import campaign
from eucentric.agent.grammar.campaigns import steps as campaign_steps
from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.image_spec import read_image
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.elements import ELEMENT_NAMES
from eucentric.agent.grammar.language.words import fold
from eucentric.agent.grammar.patterns import pattern
from eucentric.agent.grammar.zone import zone


class Reading:
    """Clause by clause, with the campaign that is open."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.work: Work | None = None
        self.element = ""

    def read(self, clauses: list[Clause]) -> None:
        draft, clauses = self.draft, recommending.joined(clauses)
        for clause in clauses:
            if clause.take("CLAIM"):
                draft.not_understood.append(
                    "words about an approval approve nothing: the gate asks the person there"
                )
        if questions.impossible(clauses, draft):
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
        if self.work is None and recommending.wants_recommendation(clause):
            recommending.recommend(clause, draft)
            return
        self._materials(clause)
        if refusals.report_of_words(clause) or refusals.condition(clause, draft):
            return
        if not any(token.matters for token in clause.tokens):
            if reads.wants_read(clause):
                self._close()
                reads.read(clause, draft)
            return
        before = sum(token.used for token in clause.tokens)
        for turn in range(3):
            if not any(token.matters for token in clause.tokens):
                return
            self._rule(clause, fresh=turn == 0)
            after = sum(token.used for token in clause.tokens)
            if after == before:
                return
            before = after

    def _rule(self, clause: Clause, *, fresh: bool) -> None:
        draft = self.draft
        if questions.ambiguous(clause, draft) or zone(clause, draft) or pattern(clause, draft):
            return
        if refusals.unavailable(clause, draft):
            return
        if self._campaign(clause):
            return
        self._plain(clause, fresh=fresh)

    def _campaign(self, clause: Clause) -> bool:
        draft, work = self.draft, self.work
        if campaign.wants_flakes(clause) and work is None:
            if campaign.points_here(clause, draft):
                return True
            self.work = campaign.flakes(clause, draft)
            self.work.element = self.element
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
        if work.kind == "flakes":
            campaign.aim(clause, work, self.draft)
            if campaign.best_of_flakes(clause, self.draft):
                return True
        if analysis.wants_lattice(clause):
            return False
        if analysis.wants_analysis(clause):
            if work.revisiting:
                work.again_detect = "vacancy" if clause.has("VACANCY") else "any"
            analysis.analyse(clause, self.draft, _shadow(work))
            return True
        if clause.has("AUTOFOCUS"):
            work.focus = True
            clause.take("AUTOFOCUS", "ACQUIRE", "BESIDE")
            return True
        if work.kind == "flakes" and campaign.only_counts(clause, work):
            return True
        if imaging.wants_image(clause) or clause.has("ATOMIC", "HIGHRES") or clause.free("dose"):
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
        counts = campaign.whole_numbers(clause)
        if work.kind == "flakes":
            campaign.close_up(clause, self.draft)
        if work.kind == "flakes" and counts and not clause.has("AVERAGE", "FRAME", "SERIES"):
            found, work.at_most = work.at_most, int(counts[0].value)
            counts[0].used = True
            if found is not None and found != work.at_most:
                self.draft.assume(
                    f"{found} flakes to find, {work.at_most} to image: {work.at_most} are chosen"
                )
        spec = read_image(clause, self.draft)
        clause.take("FLAKE", "FIND", "EVERY", "LAYERS", "MONOLAYER", "GRID")
        if work.revisiting and work.again is None:
            work.again = spec
        elif work.revisiting or (work.spec is not None and work.spec.taken and spec.taken):
            self.draft.ask(
                f"'{clause.text}': a second image at the same places?",
                "one kind of image per place, or two requests",
            )
        else:
            work.spec = spec if work.spec is None or not work.spec.taken else work.spec

    def _plain(self, clause: Clause, *, fresh: bool) -> None:
        """`fresh`: nothing of the clause was used yet; words left over of an action are no question."""
        draft = self.draft
        if analysis.wants_lattice(clause):
            self._close()
            analysis.lattice(clause, draft)
        elif reads.wants_read(clause) and (fresh or clause.asked or clause.has("QUESTION", "PREDICT")):
            self._close()
            reads.read(clause, draft)
        elif (
            clause.has("SAVE") and draft.last_image and not clause.said("PLACE", "POSITION", "STAGE", "NAMED")
        ):
            clause.take("SAVE", "IMAGE", "FRAME")
            draft.assume("every frame is stored anyway")
        elif clause.has("SAVE") and (
            clause.has("POSITION", "IT", "ELEMENT") or clause.said("PLACE", "POSITION", "STAGE")
        ):
            self._close()
            stage_places.save(clause, draft)
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
                symbol = ELEMENT_NAMES.get(fold(token.text), token.text)
                self.element = symbol
                if self.work is not None:
                    self.work.element = symbol
                if card and symbol not in card.material and card.material[:1].isupper():
                    self.draft.assume(
                        f"{symbol}: not in the card's material {card.material}; all kinds of vacancy are counted"
                    )
            elif card is None:
                self.draft.assume(f"material {token.text}: no specimen card is loaded to compare it with")
            elif not _same_material(token.text, card.material):
                self.draft.ask(
                    f"The request says {token.text}, the specimen card says {card.material}. Which sample is in?",
                    f"the card is right: say it for {card.material}",
                    "load the card of the sample that is in",
                )
            else:
                self.draft.assume(f"material {token.text}: as on the specimen card ({card.material})")

    def _close(self) -> None:
        work, self.work = self.work, None
        if work is not None:
            campaign_steps.close(work, self.draft)


def _shadow(work: Work) -> Work:
    return Work("detect-only", work.said) if work.revisiting else work


def _focus_value(clause: Clause) -> bool:
    """'focus to -20 nm' sets the defocus; it does not search."""
    return bool(clause.free("length")) and not clause.said("RANGE", "BESIDE", "FOV", "IMAGE")


def _same_material(one: str, two: str) -> bool:
    a, b = (name.lower().replace("tx", "").replace("-", "").split(" ")[0] for name in (one, two))
    loose = {"mxene", "mxenes", "tmd", "sto", "perovskites"}
    return a.startswith(b) or b.startswith(a) or a in loose or b in loose
