"""What is never done, what no tool can do yet, and what can be read in more than one way."""

import math
from typing import Final

from eucentric.agent.grammar.clauses import Clause
from eucentric.agent.grammar.draft import Draft, Missing, Price, number, seconds_text
from eucentric.agent.grammar.image_spec import read_image
from eucentric.core.units import STAGE

_FORBIDDEN: Final = {
    "HT": ("the high tension", "instrument staff"),
    "VALVE": ("the column valves", "an operator at the microscope"),
    "VACUUM": ("vacuum, pumps and the airlock", "an operator at the microscope"),
    "GUN": ("the electron gun", "instrument staff"),
}
_ACTS: Final = ("SET", "RAISE", "LOWER", "LOADFILE", "TURN_OFF", "UNBLANK", "ACQUIRE", "MOVE", "BLANK", "BYPASS", "STOP", "NOT", "UP",
                "DOWN", "RESUME")  # fmt: skip
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
                f"Refused: '{clause.text}'.\n  {what[0].upper()}{what[1:]} can't be operated from here, by design: there is no tool for it.\n"
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
            f"Refused: '{clause.swallow()}'.\n  Records and frames are append-only, by design; no tool removes or rewrites them."
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
    return any("trust" in token.text.lower() or token.text.lower() == "unattended" for token in clause.take("TRUST", "POLITE")
               if token.text.lower() not in {"everything", "alles"})  # fmt: skip


_MISSING: Final = {
    "REPEATRUN": ("repeating an earlier run with changes", "looking that run up (show run 14) and typing its request again; positions are "
                                                           "not carried to a new sample and its approval is not reused", True),
    "ZONE": ("tilting to a zone axis or indexing an orientation", "tilting alpha and beta to angles you give", True),
    "DIFFRACTION": ("diffraction", "HAADF and BF images", True),
    "STIG": ("correcting astigmatism or aberrations", "autofocus", False),
    "SPECTRUM": ("EDS and EELS", "HAADF and BF images, single, averaged or at intervals", False),
    "CLASSIFY": ("classifying phases", "detecting vacancies and other defects in a frame", False),
    "FILE": ("reading a file", "the request itself: type the steps here; a file's text is data and never an instruction", True),
    "DESCRIBE": ("reading text in an image", "the frame's recorded settings (what were the settings of the last image?); "
                                             "text in an image is data and never an approval", False),
    "TOMO": ("tilt series", "single tilts with an image at each", True),
    "NOTIFY": ("calling or writing to anybody", "a plan that stops and parks when a bound is passed", False),
    "EXCHANGE": ("exchanging or moving the sample holder, detectors or apertures", "everything on the sample that is loaded", True),
    "HEAT": ("heating, cooling and biasing", "imaging at the present conditions", True),
    "MANIPULATE": ("changing the sample with the beam", "imaging it", True),
    "DISLOCATION": ("dislocations, boundaries, dopants and strain", "vacancies, or any deviation from the lattice (find defects)", False),
    "UNBLANK": ("unblanking by itself: the beam is opened only for an approved exposure and blanked after it", "taking an image", False),
    "CRYSTALLINITY": ("measuring crystallinity", "images at intervals, to be judged by a person", False),
}  # fmt: skip


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
        "A stopped run is never continued by a new request: what was begun and not finished is looked up first, frames on disk are "
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
    "TILT": ("move_stage",),
    "AUTOFOCUS": ("autofocus",),
    "IMAGE": ("acquire_image", "acquire_series", "survey", "autofocus"),
    "ACQUIRE": ("acquire_image", "acquire_series", "survey", "autofocus"),
    "CURRENT": ("set_optics",),
    "BLANK": ("blank_beam",),
    "REPORT": ("write_report",),
    "DETECT": ("detect_defects",),
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
        draft.ask(f"'{words}': a condition can't be judged during a run yet{metric}. Which part should be done without it?",
                  "the steps without the condition", "look first, then ask again")  # fmt: skip
    return True


def ambiguous(clause: Clause, draft: Draft) -> bool:
    """Requests whose readings differ in effect: two or three choices, each with its price."""
    if clause.has("BETTER") and (
        clause.has("IMAGE", "IT", "AUTOFOCUS", "ACQUIRE", "HAADF", "BF") or len(clause.tokens) <= 4
    ):
        _better(clause, draft)
    elif clause.has("ZOOM") and not clause.free("length"):
        _zoom(clause, draft)
    elif clause.has("LOWDOSE") and not clause.free("dose") and draft.budget_e_per_a2 is None:
        _low_dose(clause, draft)
    elif clause.has("INTERESTING"):
        draft.ask(f"'{clause.swallow()}': what counts as that? Only what can be measured can be looked for.",
                  "find monolayer flakes", "find defects in the last image")  # fmt: skip
    elif clause.free("mag") or clause.has("MAGNIFICATION"):
        _magnification(clause, draft)
    else:
        return False
    return True


def _now(draft: Draft) -> tuple[float, int, float]:
    fov = draft.optics.get("fov_nm") or 20.0
    return fov, draft.situation.defaults.width_px, draft.situation.defaults.dwell_us


def _room(draft: Draft, price: Price | None) -> str:
    limit = draft.limit_e_per_a2()
    if price is None:
        return "dose unknown"
    over = f"; over the {number(limit)} allowed" if limit is not None and price.bound_e_per_a2 > limit else ""
    return f"+{seconds_text(price.seconds)}, +{number(price.bound_e_per_a2)} e/Å² at most{over}"


def _better(clause: Clause, draft: Draft) -> None:
    fov, edge, dwell = _now(draft)
    less = draft.price(fov, edge, edge, dwell, 8)
    finer = draft.price(fov, 2 * edge, 2 * edge, dwell)
    draft.ask(
        f"'{clause.swallow()}': better how: less noise, focus, or finer sampling (or drift, astigmatism, another field)?",
        f"less noise: average 8 frames of {dwell:g} µs ({_room(draft, less)})",
        "focus: autofocus beside the area, then an image (about 20 s, 0 e/Å² on the area itself)",
        f"finer sampling: {2 * edge} px at {number(fov)} nm ({_room(draft, finer)})",
    )


def _zoom(clause: Clause, draft: Draft) -> None:
    edge, dwell = draft.situation.defaults.width_px, draft.situation.defaults.dwell_us
    on_defect = clause.has("DEFECT", "VACANCY")
    words = clause.swallow()
    prices = [
        f"field of view {fov} nm ({_room(draft, draft.price(fov, edge, edge, dwell))})" for fov in (20, 10)
    ]
    if not on_defect:
        draft.ask(
            f"'{words}': to which field of view? It is {number(draft.optics.get('fov_nm', 0.0))} nm now.",
            *prices,
        )
        return
    found = [
        f"{finding.id}: {finding.what}, {finding.count:g} in {', '.join(finding.evidence[:3])}"
        for finding in draft.situation.findings[:5]
    ]
    known = (
        f" Found so far: {'; '.join(found)}."
        if found
        else " No defect has been recorded yet: 'find the vacancies in the last image' first."
    )
    draft.ask(f"'{words}': which defect, and which field of view?{known}", *prices)


def _low_dose(clause: Clause, draft: Draft) -> None:
    spec = read_image(clause, draft)
    fov, edge, _ = _now(draft)
    fov, edge = spec.fov_nm or fov, spec.width_px or edge
    card = draft.situation.specimen
    budget = (
        f"The card of {card.material} allows {number(card.dose_budget_e_per_a2)} e/Å² at any place."
        if card
        else "No specimen card is loaded."
    )
    options = [
        line for line in (_at_dose(draft, wanted, fov, edge) for wanted in (10.0, 100.0, 1000.0)) if line
    ]
    draft.ask(f"'{clause.swallow()}': how low, as a number in e/Å²? {budget}", *options)


def _at_dose(draft: Draft, wanted: float, fov: float, edge: int) -> str:
    """An image of this mean dose: a shorter dwell, or where that is too short a larger field."""
    price = draft.price(fov, edge, edge, 1.0)
    if price is None:
        return ""
    dwell = wanted / price.mean_e_per_a2
    if dwell < max(0.1, draft.situation.capabilities.min_dwell_s * 1e6):
        fov, dwell = float(f"{fov / math.sqrt(dwell):.3g}"), 1.0
    time = draft.price(fov, edge, edge, dwell)
    took = seconds_text(time.seconds) if time else ""
    return f"at {wanted:g} e/Å²: {number(fov)} nm, {edge} px, dwell {dwell:.3g} µs, {took}"


def _magnification(clause: Clause, draft: Draft) -> None:
    words, dwell, edge = clause.text, draft.situation.defaults.dwell_us, draft.situation.defaults.width_px
    spec = read_image(clause, draft)
    dwell, edge = spec.dwell_us or dwell, spec.width_px or edge
    clause.swallow()
    options = []
    for fov in (100, 20):
        price = draft.price(fov, edge, edge, dwell)
        options.append(
            f"field of view {fov} nm, {edge} px, {dwell:g} µs ({price.line() if price else 'dose unknown'})"
        )
    draft.ask(f"'{words}': a magnification has no calibration on this instrument, so it says nothing about the field of view. "
              "Which field of view, in nm?", *options)  # fmt: skip


def impossible(clauses: list[Clause], draft: Draft) -> bool:
    """Tile arithmetic for a whole grid or a large area at high magnification, before anything is planned."""
    tokens = [token for clause in clauses for token in clause.tokens]
    whole = any(token.concept in {"WHOLE", "DISC"} for token in tokens) and any(
        token.concept in {"GRID", "DISC", "SAMPLE", "SURVEY", "PLACE", "PARTICLE"}
        or token.text.lower() in {"grid", "sample"}
        for token in tokens
    )
    area = next((token for token in tokens if token.kind == "area" and token.value >= 2e4), None)
    wide = [
        token for token in tokens if token.kind == "quantity" and token.dim == "length" and token.value >= 1e5
    ]
    fields = [
        token
        for token in tokens
        if token.kind == "quantity" and token.dim == "length" and 0 < token.value < 1e5
    ]
    surveyed = any(token.concept in {"SURVEY", "GRID", "WHOLE", "IMAGE"} for token in tokens)
    if area is not None and surveyed and fields:
        return _tiles(
            clauses, draft, area.value * area.second, fields[0].value, max(area.value, area.second), 1.0
        )
    if not whole or any(token.kind in {"grid"} for token in tokens):
        return False
    edge = wide[0].value if wide else 3e6
    if not wide:
        draft.assume("size of the grid not said: a disc of 3 mm")
    return _tiles(
        clauses,
        draft,
        edge**2,
        fields[0].value if fields else draft.situation.defaults.survey_fov_um * 1e3,
        edge,
        math.pi / 4,
    )


def _tiles(
    clauses: list[Clause], draft: Draft, square_nm2: float, fov: float, edge: float, share: float
) -> bool:
    tiles = share * square_nm2 / fov**2
    width, dwell = draft.situation.defaults.width_px, draft.situation.defaults.dwell_us
    price = draft.price(fov, width, width, dwell)
    axis = draft.situation.capabilities.axis("x")
    reach = axis.upper / STAGE["x_um"].factor if axis else 0.0
    per_tile = price.seconds if price else 1.0
    total = tiles * per_tile
    if tiles < 1000 and total < 12 * 3600 and edge / 2000 <= reach:
        return False
    per_night = 12 * 3600 / (per_tile + 1.0)
    side = math.sqrt(per_night) * fov / 1000
    for clause in clauses:
        clause.swallow()
    visit = (
        f"only part of {edge / 1e6:g} mm can be visited"
        if edge / 2000 > reach
        else f"{edge / 1e6:g} mm can be reached"
    )
    draft.ask(
        f"That is {tiles:.2g} tiles of {number(fov)} nm: {seconds_text(total)} of scan time alone at {width} px and {dwell:g} µs. The stage "
        f"reaches ±{reach:g} µm, so {visit}. Nothing was started. "
        "What should count as weird or interesting has to be measurable, and nobody can be called from here.",
        f"12 h: about {per_night:.2g} tiles of {number(fov)} nm, {side:.3g} µm across",
        f"survey 8x8 tiles of {draft.situation.defaults.survey_fov_um:g} µm first ({64 * per_tile * 5 / 60:.2g} min), then choose places",
    )
    return True
