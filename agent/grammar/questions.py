"""What can be read in more than one way, or not be done at that size: asked back, with prices."""

import math

from eucentric.agent.grammar.draft import Draft, Price, number, seconds_text
from eucentric.agent.grammar.image_spec import read_image
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.core.units import STAGE


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
        draft.ask(
            f"'{clause.swallow()}': what counts as that? Only what can be measured can be looked for.",
            "find monolayer flakes",
            "find defects in the last image",
        )
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
        f"'{clause.swallow()}': better how: less noise, focus, or "
        "finer sampling (or drift, astigmatism, another field)?",
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
    draft.ask(
        f"'{words}': a magnification has no calibration on this "
        "instrument, so it says nothing about the field of view. "
        "Which field of view, in nm?",
        *options,
    )


def impossible(clauses: list[Clause], draft: Draft) -> bool:
    """Tile arithmetic for a whole grid or a large area at high magnification, before anything is planned."""
    tokens = [token for clause in clauses for token in clause.tokens]
    whole = any(token.concept in {"WHOLE", "DISC"} for token in tokens) and any(
        token.concept in {"GRID", "DISC", "SAMPLE", "SURVEY", "PLACE", "PARTICLE"}
        or token.text.lower() in {"grid", "sample"}
        for token in tokens
    )
    wide_grid = any(
        token.kind == "quantity" and token.dim == "length" and token.value >= 1e6 for token in tokens
    )
    close_up = any(token.concept in {"ATOMS", "ATOMIC"} for token in tokens)
    whole = whole or (wide_grid and close_up)
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
        fields[0].value if fields else 8.0 if close_up else draft.situation.defaults.survey_fov_um * 1e3,
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
        f"That is {tiles:.2g} tiles of {number(fov)} nm: {seconds_text(total)} "
        f"of scan time alone at {width} px and {dwell:g} µs. The stage "
        f"reaches ±{reach:g} µm, so {visit}. Nothing was started. "
        "What should count as weird or interesting has to be measurable, and nobody can be called from here.",
        f"12 h: about {per_night:.2g} tiles of {number(fov)} nm, {side:.3g} µm across",
        f"survey 8x8 tiles of {draft.situation.defaults.survey_fov_um:g} "
        f"µm first ({64 * per_tile * 5 / 60:.2g} min), then choose places",
    )
    return True
