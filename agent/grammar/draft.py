"""What has been understood so far: steps, what they assume, and why some of it can't be done."""

from dataclasses import dataclass, field
from typing import Any

from eucentric.agent.planner import Situation
from eucentric.core.plan import Step
from eucentric.knowledge.dose import frame_seconds, scan_dose


@dataclass(frozen=True)
class Price:
    """What frames would cost, from declared timings and the settings at that point of the plan."""

    pixel_nm: float
    seconds: float
    mean_e_per_a2: float
    bound_e_per_a2: float

    def line(self) -> str:
        """Time and dose in one line."""
        return (
            f"{seconds_text(self.seconds)}, {number(self.mean_e_per_a2)} e/Å² mean, "
            f"at most {number(self.bound_e_per_a2)} e/Å² at any atom"
        )


@dataclass(frozen=True)
class Question:
    """One thing to ask, with its priced choices."""

    say: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A part of the request that no tool can do yet."""

    phrase: str
    what: str
    exists: str
    blocking: bool = False
    """The other steps make no sense without it."""


def number(value: float) -> str:
    """Four digits, as people write them: 4090, 1.636e4, 0.524."""
    if value and not 1e-3 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.4g}"


def seconds_text(seconds: float) -> str:
    """'0.524 s', '83.89 s = 1.4 min', '171 days'."""
    if seconds < 60:
        return f"{number(seconds)} s"
    if seconds < 7200:
        return f"{number(seconds)} s = {seconds / 60:.1f} min"
    return f"{seconds / 3600:.3g} h" if seconds < 172_800 else f"{seconds / 86_400:.4g} days"


@dataclass
class Draft:
    """A plan being written. Positions and optics are followed step by step, so that limits are checked in order."""

    situation: Situation
    german: bool = False
    steps: list[Step] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    forbids: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Words of a prohibition and the tools that it rules out."""
    budget_e_per_a2: float | None = None
    """Stated in the request [e/Å²]."""
    at: dict[str, float] = field(default_factory=dict)
    optics: dict[str, float] = field(default_factory=dict)
    saved: dict[str, tuple[float, float]] = field(default_factory=dict)
    moved: bool = False
    dose_here_e_per_a2: float = 0.0
    worst_dose_e_per_a2: float = 0.0
    seconds: float = 0.0
    gentle: str = ""
    """Words that ask to spare the sample."""
    counted: bool = False
    """Columns are to be looked at: an image that leaves its field open gets one in which they can be seen."""
    last_image: str = ""
    """'step.field' of the newest frame of this plan."""
    loop: list[Step] | None = None
    """Steps of the loop being written, if one is open."""

    @classmethod
    def of(cls, situation: Situation, german: bool) -> "Draft":
        """An empty plan at the instrument's present state."""
        stage = {name: reading.reported for name, reading in situation.state.stage.items()}
        return cls(
            situation, german, at=stage, optics=dict(situation.state.optics), saved=dict(situation.positions)
        )

    def add(self, tool: str, reason: str, args: dict[str, Any] | None = None, **inputs: str) -> Step:
        """One more step, in the open loop if there is one."""
        into = self.steps if self.loop is None else self.loop
        step = Step(id=f"s{self.count() + 1}", tool=tool, args=args or {}, inputs=inputs, reason=reason)
        into.append(step)
        return step

    def count(self) -> int:
        """Steps so far, those inside loops included."""
        inside = sum(len(step.do) for step in self.steps)
        return len(self.steps) + inside + len(self.loop or ())

    def add_loop(self, do: list[Step], at_most: int, **how: Any) -> Step:
        """A loop over a list, or so many times."""
        step = Step(id=f"s{self.count() + 1}", do=tuple(do), at_most=at_most, **how)
        self.steps.append(step)
        return step

    def ask(self, say: str, *options: str) -> None:
        """A question back to the person."""
        self.questions.append(Question(say, options))

    def assume(self, line: str) -> None:
        """Disclose a default or a reading, once."""
        if line not in self.assumed:
            self.assumed.append(line)

    def limit_e_per_a2(self) -> float | None:
        """The dose bound that holds: the smaller of the request's and the specimen's [e/Å²]."""
        card = self.situation.specimen
        bounds = [self.budget_e_per_a2, card.dose_budget_e_per_a2 if card else None]
        known = [bound for bound in bounds if bound is not None]
        return min(known) if known else None

    def price(
        self, fov_nm: float, width_px: int, height_px: int, dwell_us: float, frames: int = 1
    ) -> Price | None:
        """Cost of frames with the optics at this point of the plan; None if the instrument doesn't state them."""
        needed = ("probe_current_pa", "voltage_kv", "convergence_mrad")
        if not all(self.optics.get(name) for name in needed):
            return None
        able = self.situation.capabilities
        flyback_us = able.line_flyback_s * 1e6
        current, voltage, convergence = (self.optics[name] for name in needed)
        dose = scan_dose(
            current_pa=current,
            dwell_us=dwell_us,
            pixel_nm=fov_nm / width_px,
            columns=width_px,
            voltage_kv=voltage,
            convergence_mrad=convergence,
            flyback_us=flyback_us,
        )
        seconds = frame_seconds(
            rows=height_px,
            columns=width_px,
            dwell_us=dwell_us,
            flyback_us=flyback_us,
            overhead_s=able.frame_overhead_s,
        )
        return Price(
            fov_nm / width_px, frames * seconds, frames * dose.mean_e_per_a2, frames * dose.bound_e_per_a2
        )

    def charge(self, price: Price, what: str, advice: str = "") -> bool:
        """Add an exposure at this place; a refusal if the place's budget would be passed."""
        self.seconds += price.seconds
        self.dose_here_e_per_a2 += price.bound_e_per_a2
        self.worst_dose_e_per_a2 = max(self.worst_dose_e_per_a2, self.dose_here_e_per_a2)
        limit = self.limit_e_per_a2()
        if limit is None or self.dose_here_e_per_a2 <= limit:
            return True
        self.refusals.append(
            f"Refused: {what} would put up to {number(self.dose_here_e_per_a2)} "
            f"e/Å² (mean {number(price.mean_e_per_a2)}) on one "
            f"place in {seconds_text(price.seconds)}.\n  Limit: {number(limit)} e/Å² ({self._whose(limit)}).\n"
            "  Nothing was sent to the instrument.\n  What works: "
            f"{advice or 'a shorter dwell or a larger field of view'}; "
            "an operator can raise the specimen's budget."
        )
        return False

    def _whose(self, limit: float) -> str:
        return "stated in the request" if limit == self.budget_e_per_a2 else "budget of the specimen card"

    def new_place(self) -> None:
        """The stage moved: dose is counted afresh."""
        self.dose_here_e_per_a2 = 0.0
        self.moved = True
