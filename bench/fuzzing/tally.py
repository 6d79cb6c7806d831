"""What became of the calls of a fuzz."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from eucentric.bench.spying.account import Watch


@dataclass
class Tally:
    """What became of the calls."""

    made: int = 0
    executed: int = 0
    """Ended well, and something arrived at the driver."""
    read: int = 0
    """Ended well without a command: reading, or the recorded result of an earlier call."""
    refused: Counter[str] = field(default_factory=Counter)
    broke: Counter[str] = field(default_factory=Counter)
    touched: int = 0
    """Instruments that were given to staff: on a worn stage a move may be missed, and the next one then collides."""
    cpu_s: list[float] = field(default_factory=list)
    """Of each executed call, without the time inside the driver [s]."""
    kinds: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, outcome: str, watch: Watch, cpu_s: float, what: str) -> None:
        """One call."""
        with self.lock:
            self.made += 1
            self.kinds[kind] += 1
            if outcome == "done" and watch.arrived:
                self.executed += 1
                self.cpu_s.append(cpu_s)
            elif outcome == "done":
                self.read += 1
            elif outcome == "broke":
                self.broke[what] += 1
            else:
                self.refused[outcome] += 1
