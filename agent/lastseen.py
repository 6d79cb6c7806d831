"""Where a run last saw the instrument: a run taken up again must find it there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eucentric.core.event import Event
from eucentric.core.instrument import MicroscopeState
from eucentric.core.units import STAGE
from eucentric.instruments.capabilities import Capabilities

WITH_STATE = ("called", "returned", "failed", "in_doubt")
"""Kinds of rows that tell where the instrument was, or that nobody knows."""
_SAME = 1e-6
"""Relative difference of two readings of the same setting."""


@dataclass(frozen=True)
class LastSeen:
    """The last read-back in a run's rows."""

    state: MicroscopeState
    stage_known: bool = True
    """False after a move that failed or is in doubt."""
    optics_known: bool = True

    @classmethod
    def of(cls, rows: Iterable[Event]) -> "LastSeen | None":
        """From the rows of a run; None if it has no read-back."""
        last: MicroscopeState | None = None
        astray: dict[str | None, str] = {}
        for row in rows:
            if "state" in row.body:
                last, astray = MicroscopeState.model_validate(row.body["state"]), {}
            elif row.body.get("sent"):
                astray[row.action_id] = str(row.body.get("act"))
            elif row.kind == "failed":  # once in doubt, then proven not to have been sent
                astray.pop(row.action_id, None)
        acts = astray.values()
        return None if last is None else cls(last, "move_stage" not in acts, "set_optics" not in acts)

    def differences(
        self, act: str, args: dict[str, Any], now: MicroscopeState, capabilities: Capabilities
    ) -> list[str]:
        """What stands elsewhere, in words; what the act is about to set anyway doesn't count."""
        found = self._stage(now, capabilities) if self.stage_known and act != "move_stage" else []
        return found + ([] if not self.optics_known else self._optics(args, now))

    def _stage(self, now: MicroscopeState, capabilities: Capabilities) -> list[str]:
        found = []
        for key, reading in now.stage.items():
            axis, then = capabilities.axis(STAGE[key].si), self.state.stage.get(key)
            slack = axis.tolerance / STAGE[key].factor if axis else 0.0
            if then is not None and abs(reading.reported - then.reported) > slack:
                found.append(f"{key} {then.reported:.4g} → {reading.reported:.4g}")
        return found

    def _optics(self, args: dict[str, Any], now: MicroscopeState) -> list[str]:
        return [
            f"{key} {then:.4g} → {now.optics[key]:.4g}"
            for key, then in self.state.optics.items()
            if key in now.optics
            and key not in args
            and abs(now.optics[key] - then) > _SAME * max(abs(then), 1.0)
        ]
