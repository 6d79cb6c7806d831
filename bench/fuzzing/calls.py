"""Calls as a careless, broken or hostile planner would make them, and good ones among them. Data only."""

import math
import random
from collections.abc import Callable
from typing import Any

Draft = tuple[str, dict[str, Any]]
"""Tool and arguments."""
Maker = Callable[[random.Random], Draft]

REACH_UM = 30.0
"""Half the approved box in x and y [µm]."""
_TOOLS = ("move_stage", "set_optics", "acquire_image", "acquire_series", "survey")
_AXES = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
_CONTROLS = ("probe_current_pa", "defocus_nm", "fov_nm", "beam_shift_x_nm", "beam_shift_y_nm")
_LOOKALIKES = str.maketrans({"a": "\u0430", "e": "\u0435", "o": "\u043e", "c": "\u0441", "_": "\uff3f"})
_CONTROL = ("\x00", "\x1b[2J", "\u202e", "\n", "\r", "\u200b", "\ud800", "\x7f")


# --- good ones ---------------------------------------------------------------------------------------


def move(rng: random.Random) -> Draft:
    """To a place in the approved box, some axes, sometimes as a text with a unit."""
    near = REACH_UM * 0.95
    args: dict[str, Any] = {"x_um": rng.uniform(-near, near), "y_um": rng.uniform(-near, near)}
    if rng.random() < 0.2:
        args["z_um"] = rng.uniform(-4, 4)
    if rng.random() < 0.2:
        args["alpha_deg"] = rng.uniform(-4, 4)
    if rng.random() < 0.3:
        args["x_um"] = f"{rng.uniform(-0.9, 0.9) * near * 1e3:.1f} nm"
    return "move_stage", args


def step(rng: random.Random) -> Draft:
    """A small relative step."""
    return "move_stage", {"mode": "relative", rng.choice(("dx_um", "dy_um")): rng.uniform(-0.5, 0.5)}


def optics(rng: random.Random) -> Draft:
    """Settings inside range and approval."""
    args: dict[str, Any] = {
        "defocus_nm": rng.uniform(-200, 200),
        "fov_nm": rng.uniform(20, 5000),
        "beam_shift_x_nm": rng.uniform(-300, 300),
        "beam_shift_y_nm": rng.choice((0.0, "0.1 um", "-2 nm")),
        "probe_current_pa": rng.choice((20.0, 50.0, "0.04 nA")),
    }
    kept = rng.sample(sorted(args), rng.randint(1, 3))
    return "set_optics", {name: args[name] for name in kept}


def image(rng: random.Random) -> Draft:
    """A small, cheap frame; its size on the specimen varies over two decades."""
    args: dict[str, Any] = {"width_px": 16, "height_px": rng.choice((16, 24))}
    args |= {"fov_nm": 10 ** rng.uniform(1.5, 3.3), "dwell_us": rng.choice((0.1, 0.2, "0.5 us"))}
    if rng.random() < 0.2:
        args["detectors"] = ["haadf", "bf"]
    return "acquire_image", args


def several(rng: random.Random) -> Draft:
    """A composite verb: many acts of one call."""
    if rng.random() < 0.5:
        return "acquire_series", {
            "frames": 2, "width_px": 16, "height_px": 16, "fov_nm": 500.0, "dwell_us": 0.5,
        }  # fmt: skip
    return "survey", {
        "tiles_x": 2, "tiles_y": 1, "fov_um": 1.0, "width_px": 16, "dwell_us": 0.2,
        "centre_x_um": rng.uniform(-9, 9), "centre_y_um": rng.uniform(-9, 9),
    }  # fmt: skip


def detector(rng: random.Random) -> Draft:
    """The bright-field detector in or out."""
    return "insert_detector", {"detector": "bf", "inside": rng.random() < 0.5}


def reading(rng: random.Random) -> Draft:
    """What needs no approval."""
    return rng.choice(
        (
            ("get_state", {}),
            ("query_log", {"what": "events", "limit": 3}),
            ("query_log", {"what": "dose_here"}),
            ("grid_positions", {"nx": 2, "ny": 2, "pitch_um": 1.0}),
            ("save_position", {"name": f"p{rng.randint(0, 9)}"}),
        )
    )


GOOD: tuple[Maker, ...] = (
    move, move, step, step, optics, optics, image, image, image, image, several, detector,
)  # fmt: skip


def good(rng: random.Random) -> Draft:
    """One that should be carried out."""
    return rng.choice(GOOD)(rng)


# --- bad ones ----------------------------------------------------------------------------------------


def junk(rng: random.Random) -> Any:
    """A value that is no quantity, or one that pretends to be."""
    return rng.choice(
        (
            math.nan, math.inf, -math.inf, 1e308, -1e308, 10**400, -(10**400), 2**63, True, False, None, "", " ",
            "NaN", "inf", "-inf um", "nan nm", "5", "5 kg", "5 um; 900 um", "1e999 um", "٣ um", "0x10 um", "5,0 um",
            [], [5.0], {}, {"value": 5.0}, [[[[[]]]]], _nested(40), "9" * 100_000, rng.choice(_CONTROL) + "5 um",
            "5 um" + rng.choice(_CONTROL), "__import__('os')", "-0.0 um um",
        )
    )  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = 5.0
    for _ in range(depth):
        value = {"v": [value]}
    return value


def wrong_tool(rng: random.Random) -> Draft:
    """A name that is nearly one, or none at all, with good arguments."""
    tool, args = good(rng)
    name = rng.choice(
        (
            tool.upper(), tool.title(), tool.translate(_LOOKALIKES), tool + " ", " " + tool, tool + "\x00",
            tool.replace("_", "-"), rng.choice(_CONTROL) + tool, tool * 5000, "", "open_valves", "set_high_tension",
            "eval", "os.system", "../" + tool, "raw_command", "insert_detector", tool.swapcase(), "ﬁ" + tool,
        )
    )  # fmt: skip
    return name, args


def wrong_name(rng: random.Random) -> Draft:
    """A known tool with an argument it does not have."""
    tool, args = good(rng)
    key = rng.choice(
        (
            "x", "X_um", "q_um", "gamma_deg", "х_um", "x_um ", "x_mm", "voltage_kv", "high_tension_kv", "force",
            "approved", "permit", "__class__", "dx_um\x00", "limits", "beam_on", "aperture", "confirm",
        )
    )  # fmt: skip
    return tool, {**args, key: rng.choice((1.0, True, junk(rng)))}


def wrong_value(rng: random.Random) -> Draft:
    """A known tool with one argument spoilt."""
    tool, args = good(rng)
    tables = {"move_stage": _AXES, "set_optics": _CONTROLS}
    names = tables.get(tool, tuple(args))
    return tool, {**args, rng.choice(names): junk(rng)}


def wrong_shape(rng: random.Random) -> Draft:
    """Arguments of another tool, or modes mixed."""
    tool = rng.choice(_TOOLS)
    return tool, rng.choice(
        (
            {"mode": "absolute", "dx_um": 1.0}, {"mode": "relative", "x_um": 1.0}, {"mode": "saved", "name": "no"},
            {"mode": "ABSOLUTE", "x_um": 1.0}, {}, {"args": {"x_um": 1.0}}, {"x_um": {"x_um": 1.0}},
            {"detectors": []}, {"detectors": ["haadf", "haadf"]}, {"detectors": ["HAADF"]}, {"detectors": "haadf"},
            {"detectors": ["eels"]}, {"detectors": ["haadf"] * 9}, {"width_px": 0}, {"width_px": -16},
            {"width_px": 16.5}, {"width_px": True}, {"width_px": "16"}, {"width_px": 2**31}, {"height_px": 99999},
            {"dwell_us": 0}, {"dwell_us": -1}, {"dwell_us": 1e-9}, {"fov_nm": 0.0}, {"fov_nm": -5.0},
            {"frames": 10**9}, {"frames": -1}, {"tiles_x": 10**6}, {"probe_current_pa": -5.0},
            {"probe_current_pa": 0.0},
        )
    )  # fmt: skip


_EDGES = {
    "x_um": 1000.0, "y_um": 1000.0, "z_um": 300.0, "alpha_deg": 35.0, "beta_deg": 30.0, "defocus_nm": 5000.0,
    "beam_shift_x_nm": 2000.0, "beam_shift_y_nm": 2000.0, "probe_current_pa": 1000.0, "fov_nm": 50_000.0,
}  # fmt: skip


def beyond(rng: random.Random) -> Draft:
    """Just or far outside a limit of the instrument."""
    name = rng.choice(sorted(_EDGES))
    value = _EDGES[name] * rng.choice((1 + 1e-5, 1.001, 1.05, 2.0, 4.9)) * rng.choice((1, -1))
    if name == "fov_nm" and rng.random() < 0.5:
        return "acquire_image", {"width_px": 16, "height_px": 16, "fov_nm": abs(value), "dwell_us": 0.1}
    return ("move_stage" if name in _AXES else "set_optics"), {name: value}


def outside(rng: random.Random) -> Draft:
    """Possible for the instrument, but not what was approved."""
    name = rng.choice(("x_um", "y_um", "z_um", "alpha_deg", "beta_deg", "probe_current_pa"))
    box = {"x_um": REACH_UM, "y_um": REACH_UM, "z_um": 10.0, "alpha_deg": 5.0, "beta_deg": 5.0}
    if name == "probe_current_pa":
        return "set_optics", {name: 100.0 * rng.choice((1 + 1e-6, 1.5, 9.0))}
    return "move_stage", {name: box[name] * rng.choice((1 + 1e-5, 1.5, 2.5)) * rng.choice((1, -1))}


def long_step(rng: random.Random) -> Draft:
    """From end to end of the travel in one move: inside the limits, but no single step."""
    sign = rng.choice((1, -1))
    return "move_stage", {rng.choice(("x_um", "y_um")): sign * rng.uniform(510, 990)}


def tilt(rng: random.Random) -> Draft:
    """Towards the pole pieces: each axis may be within its own limits, the way is not."""
    args = {"alpha_deg": rng.uniform(18, 34), "z_um": rng.uniform(-290, 290)}
    if rng.random() < 0.4:
        args["beta_deg"] = rng.uniform(-28, 28)
    kept = rng.sample(sorted(args), rng.randint(1, len(args)))
    return "move_stage", {name: args[name] * rng.choice((1, -1)) for name in kept}


def across(rng: random.Random) -> Draft:
    """A long way, allowed each time, until the sum is not."""
    side = rng.choice((-1, 1)) * rng.uniform(0.7, 0.97) * REACH_UM
    return "move_stage", {rng.choice(("x_um", "y_um")): side}


def soak(rng: random.Random) -> Draft:
    """Much charge on the detectors, spread so thin that no place is overexposed."""
    return "acquire_image", {
        "width_px": 64, "height_px": 64, "fov_nm": rng.uniform(3000, 8000), "dwell_us": rng.choice((2.0, 5.0, 9.0)),
        "detectors": rng.choice((["haadf"], ["haadf", "bf"])),
    }  # fmt: skip


def bright(rng: random.Random) -> Draft:
    """A current that one detector bears and another does not."""
    return "set_optics", {"probe_current_pa": rng.choice((85.0, 95.0, 99.0, 120.0, 310.0, 550.0))}


BAD: tuple[Maker, ...] = (
    wrong_tool, wrong_name, wrong_value, wrong_value, wrong_shape, beyond, beyond, outside, outside,
)  # fmt: skip


def bad(rng: random.Random) -> Draft:
    """One that nothing should come of."""
    return rng.choice(BAD)(rng)


_SPOT_A2 = 1.5
"""About what the probe covers."""
FIFTY: Draft = ("set_optics", {"probe_current_pa": 50.0})
"""The current that `costly` reckons with."""


def costly(rng: random.Random, share: float, budget_e_per_a2: float) -> Draft:
    """A frame that takes about that share of a budget at 50 pA, from well sampled to undersampled."""
    pixel_a = rng.choice((0.5, 0.8, 3.0))
    electrons = share * budget_e_per_a2 * min(pixel_a**2, _SPOT_A2)
    dwell_us = min(9_000.0, max(0.1, electrons / (50e-12 / 1.602e-19) * 1e6))
    return "acquire_image", {
        "width_px": 16, "height_px": 16, "fov_nm": 16 * pixel_a / 10, "dwell_us": dwell_us,
    }  # fmt: skip
