"""What frames cost, charged to the place they are taken at, and what would fit instead."""

import math
from typing import Any

from eucentric.agent.grammar.draft import Draft, Price, number


def disclose(draft: Draft, args: dict[str, Any], price: Price, frames: int = 1) -> None:
    """Pixel, time, dose and current, in one line for the person who approves."""
    current = draft.optics.get("probe_current_pa")
    times = f"{frames} frames, " if frames > 1 else ""
    limit = draft.limit_e_per_a2()
    against = (
        f" of {number(limit)} allowed"
        if limit
        else "; no specimen card and no budget stated, so none is checked"
    )
    draft.assume(f"probe current {number(current or 0)} pA")
    draft.assume(
        f"predicted: {times}pixel {number(price.pixel_nm * 1e3)} pm, "
        f"dwell {args['dwell_us']:g} µs, {price.line()}{against}"
    )


def _advice(draft: Draft, args: dict[str, Any], price: Price) -> str:
    limit = draft.limit_e_per_a2() or math.inf
    room = limit - (draft.dose_here_e_per_a2 - price.bound_e_per_a2)
    if room <= 0:
        return "move to a fresh area first"
    share = room / price.bound_e_per_a2 * 0.99
    dwell = float(f"{args['dwell_us'] * share:.2g}")
    field_nm = float(f"{args['fov_nm'] / math.sqrt(share):.3g}")
    wider = f"{field_nm:g} nm at {args['dwell_us']:g} µs"
    if dwell < draft.situation.capabilities.min_dwell_s * 1e6:
        return wider
    return f"dwell {dwell:g} µs at {args['fov_nm']:g} nm, or {wider}"


def charge(draft: Draft, args: dict[str, Any], frames: int, what: str) -> bool:
    """Charge frames to this place and disclose their price; False if they were refused."""
    price = draft.price(args["fov_nm"], args["width_px"], args["height_px"], args["dwell_us"], frames)
    if price is None:
        draft.assume(
            "dose can't be predicted: the instrument states no probe current, voltage or convergence"
        )
        return True
    advice = _advice_after(draft, args, price)
    fewer = math.floor(frames * share) if frames > 1 and (share := _share(draft, price)) > 0 else 0
    if not draft.charge(price, what, f"{fewer} frames, or {advice}" if fewer else advice):
        return False
    disclose(draft, args, price, frames)
    return True


def _share(draft: Draft, price: Price) -> float:
    limit = draft.limit_e_per_a2() or math.inf
    return min(1.0, (limit - draft.dose_here_e_per_a2) / price.bound_e_per_a2)


def _advice_after(draft: Draft, args: dict[str, Any], price: Price) -> str:
    draft.dose_here_e_per_a2 += price.bound_e_per_a2
    words = _advice(draft, args, price)
    draft.dose_here_e_per_a2 -= price.bound_e_per_a2
    return words


def reason(args: dict[str, Any], what: str) -> str:
    """Size, field and dwell of an acquisition, after `what` it is."""
    return f"{what}, {args['width_px']} × {args['height_px']} px, {number(args['fov_nm'])} nm, {args['dwell_us']:g} µs"
