"""Asking for what the instrument declares impossible is refused with the numbers: never clamped, never split."""

from typing import Final

from eucentric.agent.grammar.draft import Draft, number
from eucentric.core.units import OPTICS, SI, STAGE

_SHOWN: Final = {"um": "µm", "deg": "deg", "nm": "nm", "pa": "pA", "kv": "kV", "mrad": "mrad"}


def show(name: str, value: float) -> str:
    """'x_um', 5.0 -> '5 µm'."""
    return f"{number(value)} {_SHOWN.get(name.rpartition('_')[2], '')}".strip()


def check_stage(draft: Draft, target: dict[str, float]) -> bool:
    """All axes of a move stay inside the declared travel; else a refusal is recorded."""
    fine = True
    for name, value in target.items():
        axis = draft.situation.capabilities.axis(STAGE[name].si)
        stem = name.rpartition("_")[0]
        if axis is None:
            draft.refusals.append(
                f"Refused: {stem} to {show(name, value)}.\n  Limit: this stage has no {stem} axis.\n"
                "  Nothing was sent to the instrument."
            )
            fine = False
            continue
        low, high = axis.lower / STAGE[name].factor, axis.upper / STAGE[name].factor
        step = abs(value - draft.at.get(name, 0.0))
        longest = axis.max_step / STAGE[name].factor
        if not low - 1e-9 <= value <= high + 1e-9:
            _refuse_range(draft, name, value, low, high)
            fine = False
        elif step > longest * (1 + 1e-9):
            _refuse_step(draft, name, step, longest)
            fine = False
        elif 0 < step < axis.dead_band / STAGE[name].factor:
            draft.assume(
                f"{stem} moves by {show(name, step)}, less than the dead band "
                f"of {show(name, axis.dead_band / STAGE[name].factor)}: "
                "a beam shift would be more exact"
            )
    return fine


def _span(name: str, low: float, high: float) -> str:
    return (
        f"±{show(name, high)}"
        if abs(low + high) < 1e-6 * abs(high)
        else f"{show(name, low)} to {show(name, high)}"
    )


def _limits_source(draft: Draft) -> str:
    able = draft.situation.capabilities
    source = able.measured_by
    if source and not source.startswith(
        ("declared", "measured")
    ):  # 'measured by staff', 'declared by the simulation'
        source = f"measured by {source}"
    return f"limits {able.limits_version}" + (f", {source}" if source else "")


def _refuse_range(draft: Draft, name: str, value: float, low: float, high: float) -> None:
    stem, bound = name.rpartition("_")[0], high if value > high else low
    other = "another holder or a wider limit must be registered by an operator"
    draft.refusals.append(
        f"Refused: {stem} to {show(name, value)}.\n"
        f"  Limit: {stem} {_span(name, low, high)} ({_limits_source(draft)}).\n"
        f"  Nothing was sent to the instrument; {stem} is still {show(name, draft.at.get(name, 0.0))}.\n"
        f"  What works: up to {show(name, bound)}, if you ask for that value; {other}."
    )


def _refuse_step(draft: Draft, name: str, step: float, longest: float) -> None:
    stem = name.rpartition("_")[0]
    draft.refusals.append(
        f"Refused: a single {stem} move of {show(name, step)}.\n"
        f"  Limit: {show(name, longest)} in one move ({_limits_source(draft)}); it is not split into several.\n"
        f"  Nothing was sent to the instrument; {stem} is still {show(name, draft.at.get(name, 0.0))}.\n"
        f"  What works: a move of at most {show(name, longest)}, or an operator changes the limit."
    )


def check_optics(draft: Draft, wanted: dict[str, float]) -> bool:
    """All optics values are inside what the instrument declares as settable."""
    refused = [name for name, value in wanted.items() if not _check_optic(draft, name, value, OPTICS[name])]
    return not refused


def _check_optic(draft: Draft, name: str, value: float, si: SI) -> bool:
    spec = draft.situation.capabilities.optic(si.si)
    said = name.rpartition("_")[0].replace("_", " ").replace("fov", "field of view")
    if spec is None or not spec.settable:
        draft.refusals.append(
            f"Refused: {said} {show(name, value)}.\n  Limit: this instrument does not declare {said} as settable.\n"
            "  Nothing was sent to the instrument."
        )
        return False
    low, high = spec.lower / si.factor, spec.upper / si.factor
    if low * (1 - 1e-9) - 1e-12 <= value <= high * (1 + 1e-9) + 1e-12:
        return True
    now = draft.optics.get(name)
    still = f"; it is still {show(name, now)}" if now is not None else ""
    draft.refusals.append(
        f"Refused: {said} {show(name, value)}.\n  Limit: {show(name, low)} "
        f"to {show(name, high)} ({_limits_source(draft)}).\n"
        f"  Nothing was sent to the instrument{still}.\n  What works: a value inside that range."
    )
    return False


def check_scan(
    draft: Draft, fov_nm: float, width_px: int, height_px: int, dwell_us: float, detectors: tuple[str, ...]
) -> bool:
    """Detectors exist, and size and dwell are what the scan can do."""
    able = draft.situation.capabilities
    known = [detector.name for detector in able.detectors]
    absent = [name for name in detectors if name not in known]
    if absent:
        draft.refusals.append(
            f"Refused: no {', '.join(name.upper() for name in absent)} detector on this instrument.\n"
            f"  Nothing was sent to the instrument.\n  What works: {', '.join(known)}."
        )
        return False
    if max(width_px, height_px) > able.max_pixels or min(width_px, height_px) < 16:
        draft.refusals.append(
            f"Refused: {width_px} × {height_px} px.\n  Limit: 16 to {able.max_pixels} px along an edge.\n"
            "  Nothing was sent to the instrument."
        )
        return False
    if dwell_us < able.min_dwell_s * 1e6 * (1 - 1e-9) or dwell_us > 1e5:
        draft.refusals.append(
            f"Refused: dwell {number(dwell_us)} µs.\n  Limit: {number(able.min_dwell_s * 1e6)} to 1e5 µs.\n"
            "  Nothing was sent to the instrument.\n  What works: a dwell inside that range."
        )
        return False
    return _check_optic(draft, "fov_nm", fov_nm, OPTICS["fov_nm"])
