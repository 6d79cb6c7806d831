"""What the model is told of instrument and specimen: short JSON blocks, in a microscopist's units."""

import json
from typing import Any

from eucentric.agent.planner import Situation
from eucentric.core.text import visible
from eucentric.core.units import OPTICS, SI, STAGE
from eucentric.instruments.capabilities import Capabilities


def known(situation: Situation) -> dict[str, Any]:
    """State, limits, specimen and records as plain JSON; texts are escaped and cut."""
    state = situation.state
    found: dict[str, Any] = {
        "stage": {name: _short(reading.reported) for name, reading in state.stage.items()},
        "optics": {name: _short(value) for name, value in state.optics.items()},
        "beam": "held: " + _said(state.held) if state.held else "blanked" if state.blanked else "on",
        "limits": _limits(situation.capabilities),
        "detectors": [_said(detector.name) for detector in situation.capabilities.detectors],
    }
    if situation.specimen:
        card = situation.specimen
        found["specimen"] = {
            "name": _said(card.name), "material": _said(card.material), "form": list(card.form),
            "dose_budget_e_per_a2": card.dose_budget_e_per_a2,
        }  # fmt: skip
    return found | _records(situation)


def _records(situation: Situation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if situation.positions:
        found["saved_positions"] = [_said(name) for name in list(situation.positions)[:12]]
    if situation.last_frame:
        frame = situation.last_frame
        found["last_image"] = {
            "id": _said(frame.id),
            "detector": _said(frame.detector),
            "shape": list(frame.shape),
        }
    if situation.findings:
        found["findings"] = [_said(finding.what) for finding in situation.findings[-5:]]
    return found


def _limits(capabilities: Capabilities) -> dict[str, list[float]]:
    rows = [(STAGE, spec.name, spec.lower, spec.upper) for spec in capabilities.axes]
    rows += [(OPTICS, spec.name, spec.lower, spec.upper) for spec in capabilities.optics if spec.settable]
    named = ((_field(table, name), low, high) for table, name, low, high in rows)
    return {
        entry[0]: [_short(low / entry[1]), _short(high / entry[1])] for entry, low, high in named if entry
    }


def _field(table: dict[str, SI], name: str) -> tuple[str, float] | None:
    """The suffixed name of an SI control, and its factor; a control that no tool knows is left out."""
    return next(((field, row.factor) for field, row in table.items() if row.si == name), None)


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _said(text: str) -> str:
    return visible(text, limit=80)


def data_block(title: str, value: dict[str, Any]) -> str:
    """A titled, fenced block of JSON that no text inside it can close: a backtick is written as an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("`", "\\u0060")
    return f"{title} (data)\n```json\n{text}\n```\n"
