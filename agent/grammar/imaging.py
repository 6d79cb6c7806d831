"""Single images, averages, timed series, focus and optics."""

import math
from typing import Any

from eucentric.agent.grammar.charging import charge, reason
from eucentric.agent.grammar.draft import Draft, number, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec, read_image
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.limits import check_optics, check_scan, show
from eucentric.agent.grammar.timed import timed
from eucentric.core.plan import Step
from eucentric.knowledge.dose import dwell_for_dose_us

ATOMIC_PIXEL_NM = 0.02
"""Coarsest pixel that still samples an atom column: five pixels across 1 Å."""


def wants_image(clause: Clause) -> bool:
    """The clause asks for an acquisition."""
    picture = clause.has("IMAGE", "HAADF", "BF", "ABF", "MAADF", "SERIES", "FRAME", "OVERVIEW") or (
        clause.has("AVERAGE") and bool(clause.kind("number"))
    )
    made = clause.has("ACQUIRE") and bool(clause.kind("size") or clause.free("length", "px", "time"))
    another = clause.has("ACQUIRE") and clause.said("ONE", "MORE") and not clause.has("AUTOFOCUS")
    return picture or made or another or (clause.has("ATOMS", "ATOMIC") and clause.has("ACQUIRE"))


def image(clause: Clause, draft: Draft) -> None:
    """Write the acquisition of this clause."""
    spec = read_image(clause, draft)
    write_image(spec, draft, clause.text)


def write_image(spec: ImageSpec, draft: Draft, said: str) -> None:
    """Settings first, then the frames: one, several, summed, or at intervals."""
    if spec.every_s is None:
        spec.give_back("duration_s")
    contradictions(spec)
    if not settings(spec, draft):
        return
    args = resolve(spec, draft, said)
    if args is None:
        return
    if spec.every_s is not None:
        timed(spec, args, draft, said)
    elif spec.frames is not None and spec.frames > 1 and spec.summed:
        _series(spec, args, draft)
    else:
        _single(spec, args, draft)


def contradictions(spec: ImageSpec) -> None:
    """Numbers that say one thing twice: the second one is not used, so it will be asked about."""
    if spec.dwell_us is not None or spec.dose_e_per_a2 is not None:
        spec.give_back("frame_s")
    said_twice = spec.pixel_nm and spec.fov_nm and spec.width_px
    if said_twice and abs((spec.fov_nm or 0) / (spec.width_px or 1) / (spec.pixel_nm or 1) - 1) > 0.02:
        spec.give_back("pixel_nm")


def settings(spec: ImageSpec, draft: Draft) -> bool:
    """Current and defocus that the clause states; False if they were refused."""
    wanted = {
        name: value
        for name, value in (("probe_current_pa", spec.current_pa), ("defocus_nm", spec.defocus_nm))
        if value is not None
    }
    if not wanted:
        return True
    if not check_optics(draft, wanted):
        return False
    draft.add("set_optics", ", ".join(show(name, value) for name, value in wanted.items()), dict(wanted))
    draft.optics.update(wanted)
    return True


def resolve(spec: ImageSpec, draft: Draft, said: str) -> dict[str, Any] | None:
    """Size, field and dwell with what the request left open filled in and disclosed; None if refused."""
    fov = _field(spec, draft, said)
    if fov is None:
        return None
    width, height = _pixels(spec, fov, draft)
    dwell = _dwell(spec, fov, width, height, draft, said)
    detectors = spec.detectors or (draft.situation.defaults.detector,)
    if dwell is None or not check_scan(draft, fov, width, height, dwell, detectors):
        return None
    if not spec.detectors:
        draft.assume(f"detector {detectors[0].upper()} (default)")
    return {
        "detectors": list(detectors),
        "width_px": width,
        "height_px": height,
        "fov_nm": fov,
        "dwell_us": dwell,
    }


def _field(spec: ImageSpec, draft: Draft, said: str) -> float | None:
    if spec.fov_nm is not None:
        return spec.fov_nm
    if spec.pixel_nm is not None:
        return spec.pixel_nm * (spec.width_px or draft.situation.defaults.width_px)
    if spec.atomic:
        draft.assume("'atomic resolution' taken as a field of 8 nm at 512 px, 15.6 pm/px")
        return 8.0
    if spec.overview:
        fov = draft.situation.defaults.survey_fov_um * 1e3
        draft.assume(f"'overview' taken as a field of {fov / 1e3:g} µm (default of the survey)")
        return fov
    now = draft.optics.get("fov_nm")
    if not now:
        draft.ask(
            f"'{said}': which field of view? The instrument states none.",
            "HAADF, field of view 20 nm, 512 px",
        )
        return None
    draft.assume(f"field of view {number(now)} nm (as set now)")
    return now


def _pixels(spec: ImageSpec, fov: float, draft: Draft) -> tuple[int, int]:
    if spec.width_px is not None:
        return spec.width_px, spec.height_px or spec.width_px
    if spec.pixel_nm is not None and spec.fov_nm is not None:
        edge = max(16, round(fov / spec.pixel_nm))
        draft.assume(f"{edge} × {edge} px follow from {fov:g} nm and {spec.pixel_nm * 1e3:g} pm/px")
        return edge, edge
    edge = draft.situation.defaults.width_px
    if spec.many:
        edge = 1024
        draft.assume("'many pixels' taken as 1024 × 1024")
        return edge, edge
    if spec.atomic:
        while fov / edge > ATOMIC_PIXEL_NM and edge < min(4096, draft.situation.capabilities.max_pixels):
            edge *= 2
    draft.assume(f"{edge} × {edge} px ({'for atomic resolution' if spec.atomic else 'default'})")
    return edge, edge


def _dwell(spec: ImageSpec, fov: float, width: int, height: int, draft: Draft, said: str) -> float | None:
    wanted = _dwell_for_dose(spec, fov, width, draft)
    if spec.frame_s is not None and spec.dwell_us is None and wanted is None:
        dwell = float(f"{spec.frame_s * 1e6 / (width * height):.4g}")
        draft.assume(f"dwell {dwell:g} µs follows from {seconds_text(spec.frame_s)} a frame")
        return dwell
    if spec.dwell_us is not None:
        if wanted is not None and abs(wanted / spec.dwell_us - 1) > 0.03:
            draft.ask(
                f"'{said}': the dose asked for needs {wanted:.3g} µs, but the dwell is given as {spec.dwell_us:g} µs.",
                f"dwell {wanted:.3g} µs",
                f"dwell {spec.dwell_us:g} µs, whatever dose that gives",
            )
            return None
        return spec.dwell_us
    if wanted is not None:
        draft.assume(f"dwell {wanted:g} µs follows from {number(spec.dose_e_per_a2 or 0)} e/Å²")
        return wanted
    return _default_dwell(spec, fov, width, height, draft)


def _dwell_for_dose(spec: ImageSpec, fov: float, width: int, draft: Draft) -> float | None:
    current = draft.optics.get("probe_current_pa")
    if spec.dose_e_per_a2 is None or not current:
        return None
    frames = spec.frames if spec.summed and spec.frames else 1
    return float(f"{dwell_for_dose_us(spec.dose_e_per_a2 / frames, current, fov / width):.4g}")


def _default_dwell(spec: ImageSpec, fov: float, width: int, height: int, draft: Draft) -> float:
    several = spec.summed and (spec.frames or 0) > 1 and spec.every_s is None
    dwell = 0.5 if several else draft.situation.defaults.dwell_us
    least = draft.situation.capabilities.min_dwell_s * 1e6
    dwell = max(dwell, least)
    limit = draft.limit_e_per_a2()
    times = spec.frames or 1
    price = draft.price(fov, width, height, dwell, times)
    if price and limit and price.bound_e_per_a2 + draft.dose_here_e_per_a2 > limit:
        if draft.budget_e_per_a2 is None and not draft.gentle:
            draft.assume(f"dwell {dwell:g} µs (default)")
            return dwell
        room = max(0.0, limit - draft.dose_here_e_per_a2)
        shorter = math.floor(dwell * 0.95 * room / price.bound_e_per_a2 * 100) / 100
        if shorter >= least:
            draft.assume(
                f"dwell {shorter:g} µs, chosen to stay below {number(limit)} e/Å² (default is {dwell:g} µs)"
            )
            return shorter
    draft.assume(f"dwell {dwell:g} µs (default)")
    return dwell


def _single(spec: ImageSpec, args: dict[str, Any], draft: Draft) -> None:
    name = ", ".join(args["detectors"]).upper()
    times = spec.frames or 1
    if not charge(draft, args, times, f"{times} × {name}" if times > 1 else name):
        return
    if times > 1 and draft.loop is None:
        draft.assume(f"{times} separate images at one place (say 'average {times} frames' for a sum)")
        step = Step(
            id=f"s{draft.count() + 1}_image", tool="acquire_image", args=args, reason=reason(args, name)
        )
        draft.add_loop([step], times, times=times, reason=f"{times} images")
        draft.last_image = f"{step.id}.frame"
        return
    step = draft.add("acquire_image", reason(args, name), args)
    draft.optics["fov_nm"] = args["fov_nm"]
    draft.last_image = f"{step.id}.frame"


def series_args(args: dict[str, Any], frames: int) -> dict[str, Any]:
    """The arguments of `acquire_series` from those of one image."""
    rest = {name: value for name, value in args.items() if name != "detectors"}
    return {"frames": frames, "detector": args["detectors"][0], **rest}


def _series(spec: ImageSpec, args: dict[str, Any], draft: Draft) -> None:
    frames = spec.frames or 2
    if frames > 200 or len(args["detectors"]) > 1:
        draft.ask(
            f"A series is 2 to 200 frames on one detector, not {frames} on {', '.join(args['detectors'])}.",
            f"average 200 frames on {args['detectors'][0]}",
        )
        return
    if charge(draft, args, frames, f"{frames} frames"):
        step = draft.add(
            "acquire_series",
            reason(args, f"{frames} frames, drift-corrected sum"),
            series_args(args, frames),
        )
        draft.optics["fov_nm"] = args["fov_nm"]
        draft.last_image = f"{step.id}.sum"


def focus(clause: Clause, draft: Draft) -> None:
    """Autofocus here, or beside the area that matters."""
    clause.take("AUTOFOCUS", "ACQUIRE", "IMAGE", "SET")
    args: dict[str, Any] = {}
    for token in clause.free("length"):
        role = clause.near(token, {"RANGE", "BESIDE", "FOV", "BY"})
        name = {"RANGE": "range_nm", "BESIDE": "beside_nm", "FOV": "fov_nm"}.get(role.concept if role else "")
        if name and name not in args and token.value > 0:
            args[name], token.used = token.value, True
            assert role is not None
            role.used = True
    if clause.take("BESIDE") and "beside_nm" not in args:
        args["beside_nm"] = max(60.0, 3 * draft.optics.get("fov_nm", 20.0))
        draft.assume(f"'beside' taken as {number(args['beside_nm'])} nm away")
    draft.add("autofocus", "sharpest of a series of quick frames", args)
    draft.assume("focus frames expose the area they image; their dose is priced in the preview and charged")
