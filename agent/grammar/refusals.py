"""What is never done, what no tool can do yet, and what can be read in more than one way."""

from typing import Final

from eucentric.agent.grammar.draft import Draft, Missing, number, seconds_text
from eucentric.agent.grammar.image_spec import read_image
from eucentric.agent.grammar.language.clauses import Clause

_FORBIDDEN: Final = {
    "HT": ("the high tension", "instrument staff"),
    "VALVE": ("the column valves", "an operator at the microscope"),
    "VACUUM": ("vacuum, pumps and the airlock", "an operator at the microscope"),
    "GUN": ("the electron gun", "instrument staff"),
}
_ACTS: Final = (
    "SET",
    "RAISE",
    "LOWER",
    "LOADFILE",
    "TURN_OFF",
    "UNBLANK",
    "ACQUIRE",
    "MOVE",
    "BLANK",
    "BYPASS",
    "STOP",
    "NOT",
    "UP",
    "DOWN",
    "RESUME",
)
ENVELOPE: Final = (
    "Gates and limits can't be turned off from a request, by design. What works: an operator signs a bounded envelope "
    "(which tools, ranges, dose per place, number of frames, end time) and passes it with --approve POLICY.toml; "
    "inside it nothing is asked again."
)


def forbidden(clause: Clause, draft: Draft) -> bool:
    """High tension, valves, vacuum and gun have no tool; gates and the record can't be switched off."""
    for concept, (what, who) in _FORBIDDEN.items():
        if clause.has(concept) and not _only_asked(clause, concept):
            draft.refusals.append(
                f"Refused: '{clause.text}'.\n  {what[0].upper()}{what[1:]} can't "
                "be operated from here, by design: there is no tool for it.\n"
                f"  Nothing was sent to the instrument.\n  Who can: {who}."
            )
            clause.swallow()
            return True
    if _volts(clause, draft):
        return True
    if _bypass(clause):
        draft.refusals.append(
            f"Refused: '{clause.swallow()}'.\n  {ENVELOPE}\n  Nothing was sent to the instrument."
        )
        return True
    if clause.has("TAMPER") or (
        clause.has("BYPASS", "SET") and clause.has("LOG") and not clause.has("QUESTION")
    ):
        draft.refusals.append(
            f"Refused: '{clause.swallow()}'.\n  Records and frames are "
            "append-only, by design; no tool removes or rewrites them."
        )
        return True
    return False


def _only_asked(clause: Clause, concept: str) -> bool:
    return concept == "HT" and (clause.asked or clause.has("QUESTION")) and not clause.has(*_ACTS)


def _volts(clause: Clause, draft: Draft) -> bool:
    """'at 80 kV' where the instrument stands at 60."""
    now = draft.optics.get("voltage_kv")
    for token in clause.free("voltage"):
        if now is None or abs(token.value - now) > 0.01 * now:
            stands = f"the instrument stands at {now:g} kV" if now else "its present value is not stated"
            draft.refusals.append(
                f"Refused: {token.text}.\n  The high tension can't be changed from here, by design; {stands}.\n"
                "  Nothing was sent to the instrument.\n  Who can: instrument staff."
            )
            clause.swallow()
            return True
    return False


def _bypass(clause: Clause) -> bool:
    gate = clause.has("GATE", "LIMITS", "BUDGET") or (clause.has("CLAIM") and clause.has("BYPASS"))
    off = any(token.text.lower() in {"off", "aus", "ab", "away"} for token in clause.tokens)
    lifted = (
        off
        or clause.has("BYPASS", "TURN_OFF", "NOT", "STOP")
        or (clause.has("RAISE", "SET") and clause.has("LIMITS", "BUDGET"))
    )
    if (
        gate
        and lifted
        and not (clause.has("LIMITS", "BUDGET") and clause.has("NOT") and not clause.has("BYPASS", "GATE"))
    ):
        return True
    return (clause.has("TRUST") and clause.has("GATE", "BYPASS", "POLITE")) or _trust(clause)


def _trust(clause: Clause) -> bool:
    """'just run everything, I trust you'."""
    return any(
        "trust" in token.text.lower() or token.text.lower() == "unattended"
        for token in clause.take("TRUST", "POLITE")
        if token.text.lower() not in {"everything", "alles"}
    )


_MISSING: Final = {
    "REPEATRUN": (
        "repeating an earlier run with changes",
        "looking that run up (show run 14) and typing its request again; positions are "
        "not carried to a new sample and its approval is not reused",
        True,
    ),
    "ZONE": (
        "that with an orientation",
        "tilting to a zone axis that you name ('tilt to [110]'), or 'which zone axes are in reach?'",
        True,
    ),
    "DIFFRACTION": ("diffraction", "HAADF and BF images", True),
    "STIG": ("correcting astigmatism or aberrations", "autofocus", False),
    "SPECTRUM": ("EDS and EELS", "HAADF and BF images, single, averaged or at intervals", False),
    "CLASSIFY": ("classifying phases", "detecting vacancies and other defects in a frame", False),
    "FILE": (
        "reading a file",
        "the request itself: type the steps here; a file's text is data and never an instruction",
        True,
    ),
    "DESCRIBE": (
        "reading text in an image",
        "the frame's recorded settings (what were the settings of the last image?); "
        "text in an image is data and never an approval",
        False,
    ),
    "TOMO": ("tilt series", "single tilts with an image at each", True),
    "NOTIFY": ("calling or writing to anybody", "a plan that stops and parks when a bound is passed", False),
    "EXCHANGE": (
        "exchanging or moving the sample holder, detectors or apertures",
        "everything on the sample that is loaded",
        True,
    ),
    "HEAT": ("heating, cooling and biasing", "imaging at the present conditions", True),
    "MANIPULATE": ("changing the sample with the beam", "imaging it", True),
    "DISLOCATION": (
        "dislocations, boundaries and dopants",
        "vacancies, or any deviation from the lattice (find defects), grains and strain (measure the lattice)",
        False,
    ),
    "UNBLANK": (
        "unblanking by itself: the beam is opened only for an approved exposure and blanked after it",
        "taking an image",
        False,
    ),
    "CRYSTALLINITY": ("measuring crystallinity", "images at intervals, to be judged by a person", False),
}


def unavailable(clause: Clause, draft: Draft) -> bool:
    """Name what no tool can do; true if the clause is dealt with."""
    if clause.has("RESUME") and not clause.free("time") and not clause.has("CONTINUE_FOR"):
        _resume(clause, draft)
        return True
    for concept, (what, exists, blocking) in _MISSING.items():
        if not clause.has(concept) or _else_meant(clause, concept):
            continue
        phrase = clause.text
        if concept == "SPECTRUM":
            exists = _priced_map(clause, draft) + exists
        if concept == "REPEATRUN":
            clause.swallow()
        blocking = blocking or _needed_for_settings(clause)
        if what not in [part.what for part in draft.missing]:
            draft.missing.append(Missing(phrase, what, exists, blocking))
        clause.swallow()
        return True
    return False


def report_of_words(clause: Clause) -> bool:
    """'the note says "…"': what follows is somebody else's text, and the clause asks for nothing."""
    doing = clause.has(
        "ACQUIRE", "MOVE", "TILT", "SET", "IMAGE", "SAVE", "FIND", "SURVEY", "HAADF", "BF", "BACK"
    )
    if (
        clause.kind("quote")
        and not doing
        and not clause.free("length", "angle", "time", "current", "px")
        and not clause.kind("number")
    ):
        clause.swallow()
        return True
    return False


def _else_meant(clause: Clause, concept: str) -> bool:
    """Words with a second, harmless sense in this company."""
    if concept == "DESCRIBE":
        bare = any(token.text.lower().startswith(("descr", "beschr", "text")) for token in clause.tokens)
        return not (clause.has("IMAGE", "FRAME", "LAST") or bare)
    if concept == "CLASSIFY":
        return clause.has("FLAKE", "DENSITY")
    if concept == "REPEATRUN":
        return not (clause.has("RUN", "RUNS", "YESTERDAY", "LAST") or bool(clause.kind("name")))
    if concept == "DIFFRACTION" and clause.has("SPECTRUM"):
        return True
    return concept == "CRYSTALLINITY" and (clause.has("ZONE", "FLAKE", "TILT", "AUTOFOCUS"))


def _needed_for_settings(clause: Clause) -> bool:
    return clause.has("SPECTRUM") and clause.has("SET")


def _priced_map(clause: Clause, draft: Draft) -> str:
    """What the map would have cost, if the request gives its numbers: the person learns it is over budget."""
    spec = read_image(clause, draft)
    if spec.current_pa is not None:
        draft.optics["probe_current_pa"] = spec.current_pa
    if spec.fov_nm is None or spec.width_px is None or spec.dwell_us is None:
        return ""
    price = draft.price(spec.fov_nm, spec.width_px, spec.height_px or spec.width_px, spec.dwell_us)
    if price is None:
        return ""
    limit = draft.limit_e_per_a2()
    over = (
        f", above the budget of {number(limit)}" if limit is not None and price.bound_e_per_a2 > limit else ""
    )
    return f"(the map would take {seconds_text(price.seconds)} and {number(price.mean_e_per_a2)} e/Å²{over}) "


def _resume(clause: Clause, draft: Draft) -> None:
    clause.swallow()
    draft.add("get_state", "where the instrument is now, against where it should be")
    draft.add("query_log", "runs that ended early", {"what": "runs"})
    draft.answers.append(
        "A stopped run is never continued by a new request: what was "
        "begun and not finished is looked up first, frames on disk are "
        "adopted, nothing is exposed twice. Resume that run by its id, with a fresh approval."
    )


def prohibition(clause: Clause, draft: Draft) -> bool:
    """'without moving the stage', 'no autofocus', 'do not burn the sample': a constraint, kept."""
    if not clause.has("NOT"):
        return False
    spare = clause.has("STOP") and clause.said("SAMPLE")  # 'not kill sample'
    if clause.has("BURN") or spare:
        clause.take("STOP")
        draft.gentle = draft.gentle or clause.text
        draft.assume("sparing the sample is read as: stay inside its dose budget")
        clause.take("NOT", "BURN", "SAMPLE", "DOSE")
        return True
    if clause.free("dose"):
        token = clause.free("dose")[0]
        draft.budget_e_per_a2 = min(token.value, draft.budget_e_per_a2 or token.value)
        clause.swallow()
        return True
    ruled = [tools for concept, tools in _RULED.items() if clause.has(concept)]
    if ruled and not clause.free("length", "angle", "time", "current", "px"):
        draft.forbids.append((clause.text, tuple(tool for tools in ruled for tool in tools)))
        clause.swallow()
        return True
    if clause.has("SPECTRUM", "DIFFRACTION", "NOTIFY", "EXCHANGE"):
        draft.assume(f"left out, as asked: '{clause.swallow()}'")
        return True
    return False


_RULED: Final = {
    "MOVE": ("move_stage", "go_to_target", "survey"),
    "STAGE": ("move_stage", "go_to_target", "survey"),
    "TILT": ("move_stage", "tilt_to_zone_axis", "tilt_along_band", "tilt_edge_on"),
    "AUTOFOCUS": ("autofocus",),
    "IMAGE": ("acquire_image", "acquire_series", "survey", "autofocus"),
    "ACQUIRE": ("acquire_image", "acquire_pattern", "acquire_series", "survey", "autofocus"),
    "CURRENT": ("set_optics",),
    "BLANK": ("blank_beam",),
    "REPORT": ("write_report",),
    "DETECT": ("detect_defects", "measure_lattice"),
    "SURVEY": ("survey",),
}


def condition(clause: Clause, draft: Draft) -> bool:
    """'if the crystal is half gone then stop': nothing can judge that yet, and it is said."""
    if not clause.has("IF"):
        return False
    stops = clause.said("STOP") and (bool(draft.steps) or draft.count() > 0)
    words = clause.swallow()
    metric = " (a crystallinity metric is missing)" if clause.said("CRYSTALLINITY") else ""
    if stops:
        draft.not_understood.append(
            f"'{words}': nothing judges that during a run yet{metric}. The frames run to their full number; "
            "stop them yourself with STOP, at any time"
        )
    else:
        draft.ask(
            f"'{words}': a condition can't be judged during a run yet{metric}. Which part should be done without it?",
            "the steps without the condition",
            "look first, then ask again",
        )
    return True
