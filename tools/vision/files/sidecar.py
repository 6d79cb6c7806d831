"""Known numbers of a JSON file beside an image."""

import json
import math
from pathlib import Path
from typing import Any

from eucentric.core.text import visible
from eucentric.tools.vision.files.content import picometres, plausible


def sidecar(file: Path, width: int) -> dict[str, Any]:
    """Known numbers of a JSON file beside the image; anything else in it is ignored."""
    side = file.with_suffix(".json")
    if not side.is_file() or side.stat().st_size > 1_000_000:
        return {}
    try:
        data = json.loads(side.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    details = data.get("experimental_details")
    details = details if isinstance(details, dict) else data
    out: dict[str, Any] = {
        "pixel_pm": _pixel_of(data, details, width),
        "voltage_kv": _number(details.get("voltage"), "kv"),
        "probe_current_pa": _number(details.get("probe_current"), "pa"),
        "simulated": data.get("simulated") is True,
    }
    return {key: value for key, value in out.items() if value is not None}


def _pixel_of(data: dict[str, Any], details: dict[str, Any], width: int) -> float | None:
    if (direct := _number(data.get("pixel_pm"), "")) is not None:
        return plausible(direct)
    space = details.get("spatial_info")
    if not isinstance(space, dict):
        return None
    field = _number(space.get("field_of_view_x"), "")
    unit = visible(str(space.get("field_of_view_units", "")), limit=40)
    return picometres(field / width, unit, "the sidecar") if field else None


def _number(value: Any, unit: str) -> float | None:
    """A finite positive number, given plainly or as a text with exactly this unit."""
    if isinstance(value, str):
        text = value.strip().lower()
        if unit and not text.endswith(unit):
            return None
        value = text[: len(text) - len(unit)] if unit else text
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 and not isinstance(value, bool) else None
