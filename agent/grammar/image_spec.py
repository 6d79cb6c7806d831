"""What a clause says about an image: every number goes to one slot, or stays unused and is asked about."""

from dataclasses import dataclass, field
from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Token

DETECTORS: Final = {"HAADF": "haadf", "BF": "bf", "ABF": "abf", "MAADF": "maadf"}
_LENGTH_ROLES: Final = frozenset(
    {"FOV", "PIXELSIZE", "DEFOCUS", "PITCH", "OVERLAP", "BESIDE", "RANGE", "BEAMSHIFT", "ABOVE", "EVERY"}
)
_TIME_ROLES: Final = frozenset({"DWELL", "FRAMETIME", "EVERY", "CONTINUE_FOR", "FOR", "PITCH", "UNTIL"})
SLOTS: Final = (
    "width_px",
    "fov_nm",
    "dwell_us",
    "frame_s",
    "frames",
    "pixel_nm",
    "current_pa",
    "defocus_nm",
    "dose_e_per_a2",
    "every_s",
    "duration_s",
)
_PIXELS: Final = frozenset({64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0})


@dataclass
class ImageSpec:
    """Slots of an acquisition; None means the person did not say."""

    detectors: tuple[str, ...] = ()
    width_px: int | None = None
    height_px: int | None = None
    fov_nm: float | None = None
    dwell_us: float | None = None
    frame_s: float | None = None
    frames: int | None = None
    summed: bool = False
    """Frames are to be added up (a series), not kept as separate images."""
    pixel_nm: float | None = None
    current_pa: float | None = None
    defocus_nm: float | None = None
    dose_e_per_a2: float | None = None
    """Wanted mean dose of the whole image [e/Å²]."""
    averaged: bool = False
    every_s: float | None = None
    duration_s: float | None = None
    atomic: bool = False
    many: bool = False
    overview: bool = False
    taken: dict[str, Token] = field(default_factory=dict)
    """Slot -> the token that filled it."""

    def give_back(self, *slots: str) -> None:
        """These slots can't be used here: their numbers are unused again, so the person is asked about them."""
        for slot in slots:
            if slot in self.taken:
                self.taken.pop(slot).used = False
            setattr(self, slot, None)


def read_image(clause: Clause, draft: Draft, *, counted: bool = True) -> ImageSpec:
    """Take everything that an acquisition can use from the clause. `counted`: bare numbers count images."""
    spec = ImageSpec()
    _detectors(clause, draft, spec)
    for token in clause.tokens:
        if token.used:
            continue
        before = {name: getattr(spec, name) for name in SLOTS}
        if token.kind == "size":
            _size(token, spec)
        elif token.kind == "area":
            _area(token, spec)
        elif token.kind == "quantity":
            _quantity(clause, token, spec, draft)
        spec.taken.update({name: token for name in SLOTS if getattr(spec, name) != before[name]})
    spec.summed = clause.has("AVERAGE", "SERIES", "FRAME") or any(
        token.concept == "REPEAT" for token in clause.kind("number")
    )
    spec.averaged = clause.has("AVERAGE")
    if counted:
        _count(clause, spec, draft)
    if spec.summed and spec.dwell_us is not None:
        clause.take("X")  # '50 frames x 0.5 µs'
    _flags(clause, spec)
    _cues(clause)
    return spec


def _detectors(clause: Clause, draft: Draft, spec: ImageSpec) -> None:
    if clause.take("BOTH"):
        able = draft.situation.capabilities.detectors
        spec.detectors = tuple(detector.name for detector in able if detector.patterns is None)[:4]
        clause.take(*DETECTORS)
        return
    names = [DETECTORS[token.concept] for token in clause.take(*DETECTORS)]
    spec.detectors = tuple(dict.fromkeys(names))


def _size(token: Token, spec: ImageSpec) -> None:
    if spec.width_px is None and token.value == int(token.value) and token.second == int(token.second):
        spec.width_px, spec.height_px, token.used = int(token.value), int(token.second), True


def _area(token: Token, spec: ImageSpec) -> None:
    """'20 × 20 nm': only a square is one field of view without a choice of pixels."""
    if spec.fov_nm is None and token.value == token.second:
        spec.fov_nm, token.used = token.value, True


def _quantity(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> None:
    taker = {
        "length": _length,
        "time": _time,
        "px": _px,
        "current": _current,
        "dose": _dose,
        "voltage": _voltage,
    }.get(token.dim)
    if (taker is not None and token.value > 0) or token.dim == "length":
        assert taker is not None
        token.used = taker(clause, token, spec, draft)


def _length(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    role = clause.near(token, _LENGTH_ROLES)
    concept = role.concept if role else "FOV"
    if concept == "FOV" and spec.fov_nm is None and token.value > 0:
        spec.fov_nm = token.value
    elif concept == "PIXELSIZE" and spec.pixel_nm is None and token.value > 0:
        spec.pixel_nm = token.value
    elif concept == "DEFOCUS" and spec.defocus_nm is None:
        under = role is not None and role.text.lower().startswith(("under", "unter"))
        spec.defocus_nm = -abs(token.value) if under else token.value
        if under:
            draft.assume(f"underfocus read as a defocus of {spec.defocus_nm:g} nm")
    else:
        return False
    if role is not None:
        role.used = True
    return True


def _time(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    role = clause.near(token, _TIME_ROLES)
    concept = role.concept if role else ""
    if concept in {"EVERY", "PITCH"} and spec.every_s is None:
        spec.every_s = token.value / 1e6
    elif concept in {"CONTINUE_FOR", "FOR", "UNTIL"} and token.value >= 1e6 and spec.duration_s is None:
        spec.duration_s = token.value / 1e6
    elif concept == "FRAMETIME" and token.value >= 2e4 and spec.frame_s is None:
        spec.frame_s = token.value / 1e6
    elif (
        concept not in {"EVERY", "CONTINUE_FOR"}
        and spec.dwell_us is None
        and (concept == "DWELL" or token.value <= 1e4)
    ):
        spec.dwell_us = token.value
    elif (
        (spec.every_s is not None or clause.said("EVERY", "RESUME"))
        and token.value >= 1e6
        and spec.duration_s is None
    ):
        spec.duration_s = token.value / 1e6
    else:
        return False
    if role is not None and concept != "FOR":
        role.used = True
    return True


def _px(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    if spec.width_px is not None or token.value != int(token.value):
        return False
    spec.width_px = spec.height_px = int(token.value)
    return True


def _current(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    if spec.current_pa is not None:
        return False
    spec.current_pa = token.value
    return True


def _dose(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    """A bound ('below', 'budget') limits the whole request; any other dose is what the image should get."""
    if clause.near(token, {"BELOW", "BUDGET", "BURN", "LIMITS"}, before=5):
        draft.budget_e_per_a2 = min(token.value, draft.budget_e_per_a2 or token.value)
        clause.take("BELOW", "BUDGET", "KEEP", "LIMITS")
    elif spec.dose_e_per_a2 is None:
        spec.dose_e_per_a2 = token.value
    else:
        return False
    clause.take("DOSE", "LOWDOSE")
    return True


def _voltage(clause: Clause, token: Token, spec: ImageSpec, draft: Draft) -> bool:
    now = draft.optics.get("voltage_kv")
    if now is not None and abs(token.value - now) <= 0.01 * now:
        draft.assume(f"{token.text}: the voltage is {now:g} kV already")
        return True
    return False


def _count(clause: Clause, spec: ImageSpec, draft: Draft) -> None:
    numbers = clause.kind("number")
    for token in numbers:
        before = {name: getattr(spec, name) for name in SLOTS}
        whole = token.value == int(token.value) and not token.signed
        if token.concept == "REPEAT" and whole:
            spec.frames, token.used = int(token.value), True
        elif whole and token.value in _PIXELS and spec.width_px is None and not _counts_images(clause, token):
            spec.width_px = spec.height_px = int(token.value)
            draft.assume(f"{token.text} read as {token.value:g} × {token.value:g} px")
            token.used = True
        elif whole and token.kilo and spec.width_px is None:
            spec.width_px = spec.height_px = round(token.value / 1000 * 1024)
            draft.assume(f"{token.text} read as {spec.width_px} × {spec.width_px} px")
            token.used = True
        elif whole and token.value >= 1 and spec.frames is None and _counts_images(clause, token):
            spec.frames, token.used = int(token.value), True
        spec.taken.update({name: token for name in SLOTS if getattr(spec, name) != before[name]})


def _counts_images(clause: Clause, token: Token) -> bool:
    if clause.near(token, {"BELOW", "BUDGET", "ABOVE", "LIMITS"}, before=3, after=0):
        return False  # 'below 2e4' lacks its unit; it counts nothing
    at = clause.tokens.index(token)
    after = [other for other in clause.tokens[at + 1 : at + 5] if other.kind == "word"]
    before = clause.tokens[max(0, at - 2) : at]
    countable = {"IMAGE", "FRAME", "HAADF", "BF", "SERIES", "EACH", "TIMES"}
    return any(other.concept in countable for other in after) or any(
        other.concept in {"AVERAGE", "FRAME", "SERIES"} for other in before
    )


def _flags(clause: Clause, spec: ImageSpec) -> None:
    spec.atomic = bool(clause.take("ATOMIC")) or (clause.has("ATOMS") and not clause.has("DETECT", "FIND"))
    if spec.atomic:
        clause.take("ATOMS")
    spec.overview = bool(clause.take("OVERVIEW"))
    spec.many = clause.has("MANY") and (clause.has("PX") or not clause.free("px"))
    if spec.many:
        clause.take("MANY", "PX")


def _cues(clause: Clause) -> None:
    """Words that carried no number of their own but were about this image."""
    clause.take("ACQUIRE", "IMAGE", "FRAME", "SERIES", "AVERAGE", "PX", "SET", "MORE")
    if clause.take("TIMES"):
        clause.take("REPEATRUN")  # 'repeat it ten times'
    for concept, dims in (
        ("FOV", {"length"}),
        ("DWELL", {"time"}),
        ("CURRENT", {"current"}),
        ("DEFOCUS", {"length"}),
        ("PIXELSIZE", {"length"}),
        ("DOSE", {"dose"}),
        ("FRAMETIME", {"time"}),
        ("EVERY", {"time"}),
        ("CONTINUE_FOR", {"time"}),
        ("UNTIL", {"time"}),
        ("BELOW", {"dose"}),
    ):
        if any(token.kind in {"quantity", "area"} and token.dim in dims for token in clause.tokens):
            clause.take(concept)
