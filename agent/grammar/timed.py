"""Images at intervals: how many, how far apart, for how long."""

import math
from typing import Any, Final

from eucentric.agent.grammar.charging import charge, reason
from eucentric.agent.grammar.draft import Draft, Price, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec
from eucentric.core.plan import Step

MOST_FRAMES: Final = 10_000
"""Frames that one plan may hold."""


def timed(spec: ImageSpec, args: dict[str, Any], draft: Draft, said: str) -> None:
    """Write single images at intervals, or ask what keeps them from being a plan."""
    every = spec.every_s or 1.0
    if spec.frames == 1:  # 'one image every minute' counts none
        spec.frames = None
    times = spec.frames or (math.floor(spec.duration_s / every + 1e-9) if spec.duration_s else None)
    price = draft.price(args["fov_nm"], args["width_px"], args["height_px"], args["dwell_us"])
    doubt = _two_readings(spec, every) or _too_much(times, every, price)
    if doubt or not times:
        draft.ask(f"'{said}': {doubt[0]}", *doubt[1:])
    elif charge(draft, args, times, f"{times} frames at intervals of {every:g} s"):
        _loop(times, every, args, draft)


def _two_readings(spec: ImageSpec, every: float) -> tuple[str, ...]:
    if spec.averaged:
        return f"an average, or single images every {every:g} s?", "an average", "single images"
    if spec.frames and spec.duration_s and abs(spec.frames * every - spec.duration_s) > every:
        return (
            f"{spec.frames} images every {every:g} s take {seconds_text(spec.frames * every)}, "
            f"not {seconds_text(spec.duration_s)}. Which holds?",
            f"{spec.frames} images every {every:g} s",
            f"every {every:g} s for {seconds_text(spec.duration_s)}",
        )
    return ()


def _too_much(times: int | None, every: float, price: Price | None) -> tuple[str, ...]:
    if not times:
        return (
            f"for how long? One frame costs {price.line() if price else 'an unknown dose'}.",
            f"every {every:g} s for 5 min ({300 / every:.0f} frames)",
            f"every {every:g} s, 10 images",
        )
    if price and price.seconds > every:
        return (
            f"one frame takes {seconds_text(price.seconds)}, longer than the {every:g} s between frames.",
            f"every {math.ceil(price.seconds + 1)} s",
            "a shorter dwell or fewer pixels",
        )
    if times > MOST_FRAMES:
        return (
            f"{times} frames are more than one plan may hold ({MOST_FRAMES}).",
            f"every {math.ceil(every * times / MOST_FRAMES)} s",
        )
    return ()


def _loop(times: int, every: float, args: dict[str, Any], draft: Draft) -> None:
    step = Step(
        id=f"s{draft.count() + 1}_image", tool="acquire_image", args=args, reason=reason(args, "one frame")
    )
    draft.add_loop([step], times, times=times, every_s=every, reason=f"every {every:g} s, {times} times")
    draft.assume(
        f"{times} frames, start to start {every:g} s, "
        f"{seconds_text(times * every)} in all; beam blanked between frames"
    )
    draft.seconds = max(draft.seconds, times * every)
    draft.last_image = f"{step.id}.frame"
