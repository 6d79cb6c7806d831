"""What was in the runs that a bench audited: so that a reader sees that they were not empty."""

from collections import Counter
from pathlib import Path
from typing import Any

from eucentric.core.event import Event
from eucentric.core.rows import open_rows


class Tally:
    """Counts over stores."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def add(self, store: Path, struck: list[str]) -> None:
        """The rows of a store, and the faults that its instruments had."""
        ledger = open_rows(store / "audit.db")
        try:
            for row in ledger.events():
                self._row(row)
        finally:
            ledger.close()
        self.faults.update(struck)

    def _row(self, row: Event) -> None:
        self.counts["rows"] += 1
        name = _NAMES.get(row.kind)
        if name:
            self.counts[name] += 1
        self.counts["frames"] += len(row.body.get("frames", ())) if row.kind == "returned" else 0
        if row.kind == "decided":
            self.counts[f"gates {row.body.get('outcome')}"] += 1
        if row.kind == "failed":
            self.counts["acts refused before they were sent"] += row.body.get("sent") is False
            self.counts["acts that failed"] += row.body.get("sent") is True
        if row.kind == "finished":
            self.endings[str(row.body.get("outcome"))] += 1

    def figures(self) -> dict[str, Any]:
        """For the answer of a bench."""
        return {
            "made": dict(sorted(self.counts.items())),
            "endings": dict(sorted(self.endings.items())),
            "faults_struck": dict(sorted(self.faults.items())),
        }


_NAMES = {
    "requested": "runs", "resumed": "taken up again", "called": "calls", "intended": "acts", "found": "findings",
    "paused": "pauses", "suspended": "suspensions by a rule", "in_doubt": "acts in doubt", "resolved": "acts settled",
    "control": "requests to a run", "changed": "holds released and other changes", "excluded": "places left out",
}  # fmt: skip
