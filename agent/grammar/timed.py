"""Images at intervals: how many, how far apart, for how long."""

import math
from typing import Any

from eucentric.agent.grammar.charging import charge, reason
from eucentric.agent.grammar.draft import Draft, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec
from eucentric.core.plan import Step


def timed(spec: ImageSpec, args: dict[str, Any], draft: Draft, said: str) -> None:
    every = spec.every_s or 1.0
    price = draft.price(args["fov_nm"], args["width_px"], args["height_px"], args["dwell_us"])
    one = price.line() if price else "dose unknown"
    if spec.frames == 1:  # 'one image every minute' counts none
        spec.frames = None
    if spec.averaged:
        draft.ask(f"'{said}': an average, or single images every {every:g} s?", "an average", "single images")
        return
    if spec.frames and spec.duration_s and abs(spec.frames * every - spec.duration_s) > every:
        draft.ask(
            f"'{said}': {spec.frames} images every {every:g} s take {seconds_text(spec.frames * every)}, "
            f"not {seconds_text(spec.duration_s)}. Which holds?",
            f"{spec.frames} images every {every:g} s",
            f"every {every:g} s for {seconds_text(spec.duration_s)}",
        )
        return
    times = spec.frames or (math.floor(spec.duration_s / every + 1e-9) if spec.duration_s else None)
    if not times:
        draft.ask(
            f"'{said}': for how long? One frame costs {one}.",
            f"every {every:g} s for 5 min ({300 / every:.0f} frames)",
            f"every {every:g} s, 10 images",
        )
        return
    if price and price.seconds > every:
        draft.ask(
            f"'{said}': one frame takes {seconds_text(price.seconds)}, longer than the {every:g} s between frames.",
            f"every {math.ceil(price.seconds + 1)} s",
            "a shorter dwell or fewer pixels",
        )
        return
    if times > 10_000:
        draft.ask(
            f"'{said}': {times} frames are more than one plan may hold (10000).",
            f"every {math.ceil(every * times / 10_000)} s",
        )
        return
    if charge(draft, args, times, f"{times} frames at intervals of {every:g} s"):
        step = Step(
            id=f"s{draft.count() + 1}_image",
            tool="acquire_image",
            args=args,
            reason=reason(args, "one frame"),
        )
        draft.add_loop([step], times, times=times, every_s=every, reason=f"every {every:g} s, {times} times")
        draft.assume(
            f"{times} frames, start to start {every:g} s, "
            f"{seconds_text(times * every)} in all; beam blanked between frames"
        )
        draft.seconds = max(draft.seconds, times * every)
        draft.last_image = f"{step.id}.frame"
