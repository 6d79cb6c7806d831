"""What the twin declares about itself: nothing that a manufacturer could not know."""

import math

from eucentric.instruments.capabilities import (
    AxisSpec,
    Capabilities,
    DetectorSpec,
    PatternsSpec,
    PositionErrors,
)
from eucentric.instruments.twin.camera_spec import CameraModel
from eucentric.instruments.twin.column import optic_specs
from eucentric.instruments.twin.presets import StagePreset
from eucentric.instruments.twin.stage import AXES, MAX_STEP, motion_of
from eucentric.instruments.twin.world import WorldSpec

MAX_PIXELS = 4096
_LEAST_TOLERANCE = {"m": 1e-10, "rad": 1e-6}


def axis_specs(preset: StagePreset) -> tuple[AxisSpec, ...]:
    """The five axes of a preset."""
    motion = motion_of(preset)
    specs = []
    for n, name in enumerate(AXES):
        unit = "m" if n < 3 else "rad"
        travel = float(motion.travel[n])
        specs.append(
            AxisSpec(
                name=name,
                unit="m" if n < 3 else "rad",
                lower=-travel,
                upper=travel,
                tolerance=max(0.6 * float(motion.quantum[n]), _LEAST_TOLERANCE[unit]),
                max_step=min(MAX_STEP, 2 * travel) if n < 3 else 2 * travel,
                dead_band=float(motion.backlash[n]),
                speed=float(motion.speed[n]),
                overhead_s=preset.overhead_s,
            )
        )
    return tuple(specs)


_SURE = 4.0
"""A largest error is so many standard deviations."""
_UNSETTLED_DRIFT_NM_PER_S = 0.6
"""What staff saw at worst on a disturbed day: draughts and refilling add to the thermal drift."""


def position_errors(preset: StagePreset) -> PositionErrors:
    """Largest errors of a preset, as staff would state them after measuring the stage often.

    A stage that never misses a move is trusted; one that misses some is trusted not to miss one (two) more in a row
    than happens once in 10^5 moves.
    """
    nm = 1e-9
    jitter_nm = math.hypot(preset.jitter_nm, 0.5 * preset.settle_nm)
    drift_nm = _SURE * preset.thermal_nm_per_s + (
        _UNSETTLED_DRIFT_NM_PER_S if preset.thermal_nm_per_s else 0.0
    )
    return PositionErrors(
        fixed_m=(2 * preset.screw_nm + preset.readback_nm) * nm,
        move_m=_SURE * jitter_nm * nm,
        one_way_m=0.5 * preset.settle_nm * nm,
        scale=_SURE * preset.scale,
        cross=_SURE * math.hypot(1.0, 0.5) * preset.cross_axis,
        creep_m=(0.5 * _SURE + 0.5) * preset.settle_nm * nm,
        creep_s=preset.settle_s,
        drift_m_per_s=drift_nm * nm,
        missed_moves=next((n for n in (0, 1, 2) if preset.miss ** (n + 1) < 1e-5), 2),
    )


def _detectors(world: WorldSpec) -> tuple[DetectorSpec, ...]:
    return tuple(
        DetectorSpec(
            name=name,
            counts_per_electron=model.counts_per_electron,
            offset_counts=model.offset_counts,
            collection_mrad=model.collection_mrad,
            saturation_counts=model.saturation_counts,
            retractable=model.retractable,
            insert_s=model.insert_s if model.retractable else 0.0,
        )
        for name, model in world.detectors.items()
    ) + tuple(_camera(name, model) for name, model in world.cameras.items())


def _camera(name: str, model: CameraModel) -> DetectorSpec:
    return DetectorSpec(
        name=name,
        counts_per_electron=model.counts_per_electron,
        collection_mrad=(0.0, model.width_mrad / 2),
        saturation_counts=model.saturation_counts,
        patterns=PatternsSpec(
            max_px=model.max_px,
            min_exposure_s=model.min_exposure_ms * 1e-3,
            max_exposure_s=model.max_exposure_s,
            max_patterns=model.max_patterns,
        ),
    )


def declare(
    world: WorldSpec, seed: int, stage_name: str, preset: StagePreset, *, abort_mid_frame: bool
) -> Capabilities:
    """The declaration of a twin."""
    knobs = tuple(f"{knob}_{axis}" for knob in world.optics.knobs for axis in "xy")
    focusing = ("defocus", "z", "probe_current", "fov", "beam_shift_x", "beam_shift_y", *knobs)
    return Capabilities(
        vendor="Eucentric",
        model=f"twin {world.name}",
        serial="-".join(filter(None, (stage_name, world.column, str(seed)))),
        simulated=True,
        axes=axis_specs(preset),
        optics=optic_specs(world.optics),
        detectors=_detectors(world),
        min_dwell_s=world.scan.min_dwell_us * 1e-6,
        max_pixels=MAX_PIXELS,
        line_flyback_s=world.scan.flyback_us * 1e-6,
        frame_overhead_s=world.scan.overhead_ms * 1e-3,
        abort="mid_frame" if abort_mid_frame else "frame_boundary",
        responds_to=dict.fromkeys(world.detectors, focusing),
        beam_idle=world.beam_idle,
        unblank_s=world.unblank_s,
        position_errors=position_errors(preset),
        limits_version="twin-1",
        measured_by="declared by the simulation",
    )
