"""What a fuzzed run may do: approvals as a person would give them, and tight limits as staff would write them."""

from typing import Any

from eucentric.bench.fuzzing.calls import REACH_UM
from eucentric.instruments.limits import Limits

BUDGET = 2e4
"""Of the specimen card [e/Å²]."""
NARROW: dict[str, Any] = {
    "tools": ("move_stage", "set_optics", "acquire_image", "acquire_series", "survey", "insert_detector"),
    "max_frames": 2000,
    "max_dose_e_per_a2": 1.5e4,
    "x_um": (-REACH_UM, REACH_UM),
    "y_um": (-REACH_UM, REACH_UM),
    "z_um": (-10.0, 10.0),
    "alpha_deg": (-5.0, 5.0),
    "beta_deg": (-5.0, 5.0),
    "max_probe_current_pa": 100.0,
    "max_seconds": 1e6,
}
"""A campaign as a person would grant it."""
WIDE: dict[str, Any] = NARROW | {
    **dict.fromkeys(("x_um", "y_um", "z_um", "alpha_deg", "beta_deg"), (-1e5, 1e5)),
    "max_probe_current_pa": 1e6,
    "max_dose_e_per_a2": 1e9,
}
"""An approval that bounds nothing: only the instrument's own limits and the card are left to refuse."""
_AXIS = {"max_step": 80.0, "max_excursion": 150.0, "max_per_minute": 800.0, "max_path": 3000.0}
STRICT = Limits.model_validate(
    {
        "version": 1,
        "instrument": "SIMULATED *",
        "author": "the bench",
        "axes": {
            "x_um": {"lower": -400.0, "upper": 400.0, **_AXIS},
            "y_um": {"lower": -400.0, "upper": 400.0, **_AXIS},
            "z_um": {"lower": -50.0, "upper": 50.0, "max_step": 30.0, "max_excursion": 20.0, "max_path": 200.0},
            "alpha_deg": {
                "lower": -20.0, "upper": 20.0, "max_step": 6.0, "max_excursion": 15.0, "max_path": 90.0,
            },
            "beta_deg": {"lower": -15.0, "upper": 15.0, "max_step": 10.0},
        },
        "optics": {
            "defocus_nm": {
                "lower": -2000.0, "upper": 2000.0, "max_step": 1000.0, "max_excursion": 1500.0,
                "max_path": 20_000.0,
            },
            "beam_shift_x_nm": {"lower": -1000.0, "upper": 1000.0},
            "beam_shift_y_nm": {"lower": -1000.0, "upper": 1000.0},
            "probe_current_pa": {"lower": 5.0, "upper": 400.0},
            "fov_nm": {"lower": 0.6, "upper": 20_000.0},
        },
        "detectors": {
            "haadf": {"max_probe_current_pa": 300.0, "max_charge_pc": 6.0},
            "bf": {"max_probe_current_pa": 90.0, "max_charge_pc": 3.0},
        },
        "exclusions": [
            {"detectors": ["bf"], "when": {"probe_current_pa": [100.0, 1e6]}, "reason": "wears out"},
        ],
    }
)  # fmt: skip
"""What `spying.limits.TIGHT` says, as staff would write it."""
