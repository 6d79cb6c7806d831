"""Who is asked for what, what they may answer, and what an answer grants."""

from typing import Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.canonical import digest
from eucentric.core.roles import Role

GateOutcome = Literal[
    "approved", "edited", "rejected", "granted-for-class", "deferred", "escalated", "timed_out", "no_channel",
    "stop_after_step", "aborted",
]  # fmt: skip
"""approved: the plan, inside the envelope. edited: one argument changed, then asked again. rejected: no, with a reason.
granted-for-class: a standing grant of a person answered. deferred: not now, the question stays open. escalated: it
takes somebody higher, the question stays open for them. timed_out, no_channel: nobody answered, which is nobody's
decision. stop_after_step: the first step, then asked again. aborted: the run ends."""
GRANTING: tuple[GateOutcome, ...] = ("approved", "granted-for-class", "stop_after_step")
"""Outcomes that let something be sent."""
OPEN: tuple[GateOutcome, ...] = ("no_channel", "timed_out", "deferred", "escalated")
"""Outcomes that leave the question open for a person."""


class Envelope(Model):
    """A bounded approval: any act inside every bound is covered, any other is asked or refused."""

    tools: tuple[str, ...]
    """Names of tools that may act."""
    max_frames: int = Field(ge=0)
    max_dose_e_per_a2: float = Field(ge=0)
    """At any place, with what it had before [e/Å²]."""
    max_electrons: float | None = Field(None, gt=0)
    """In all, wherever they go; None: not bounded."""
    x_um: tuple[float, float]
    """Stage box [µm]."""
    y_um: tuple[float, float]
    z_um: tuple[float, float] = (-300.0, 300.0)
    alpha_deg: tuple[float, float] = (0.0, 0.0)
    beta_deg: tuple[float, float] = (0.0, 0.0)
    max_probe_current_pa: float = Field(ge=0)
    max_seconds: float = Field(gt=0)
    """Instrument time from the approval on [s]."""


class Binding(Model):
    """What an approval is tied to; if any of it changes, the approval is void."""

    plan: str
    """Digest of the plan; '*' for a grant, which is for a class of plans."""
    limits_version: str
    instrument: str
    holder: str
    loading: str
    voltage_kv: float
    epoch: int
    calibration: str = "none"
    """Digest of what the instrument declares of its detectors, fields and position errors."""
    policy: str = "built-in"
    """Version of the rules that said who must be asked."""

    @property
    def sha256(self) -> str:
        """Digest that the approval carries."""
        return digest(self.model_dump(mode="json"))


class Ruling(Model):
    """What a rule says of one call of a plan."""

    step: str
    tool: str
    rule: str
    """Name of the rule that decided, or why none did."""
    decision: Literal["auto", "ask", "deny"]
    role: Role = "user"


class Needs(Model):
    """Who must answer a question, by the strictest of its rulings."""

    role: Role = "user"
    approvers: int = Field(1, ge=1, le=2)
    """Two: two different people, each proved."""
    impact: Literal["normal", "high"] = "normal"
    """High: nothing is preselected, no short key decides, no grant answers."""
    signed: bool = False
    """Every yes carries a signature by a key of whoever gave it."""
    timeout_s: float | None = Field(None, gt=0)
    """How long it is waited for; None: as long as the channel waits."""
    on_timeout: Literal["park", "hold"] = "park"
    """Hold: the beam is blanked and held besides."""
    rulings: tuple[Ruling, ...] = ()


class Consent(Model):
    """One person's yes, of two that are needed."""

    name: str
    role: Role
    by: str
    """Name, terminal and proof."""
    utc: str


class Approval(Model):
    """A decision at a gate, by a person, by a standing grant, or by a file that a person wrote."""

    gate: str
    outcome: GateOutcome
    by: str
    """'j.doe (pts/1)' or 'policy demo-envelope (sha256 …)'."""
    role: Role = "user"
    """What was proved of the one who decided; without a proof 'user'."""
    name: str = ""
    """Of the operator, if a secret was proved; else ''."""
    consents: tuple[Consent, ...] = ()
    """Who agreed before, where two had to."""
    grant: str = ""
    """The standing grant that answered."""
    binding: str = ""
    """`Binding.sha256` at the time of asking."""
    envelope: Envelope | None = None
    reason: str = ""
    card_sha256: str = ""
    """Digest of the card that was shown."""
    seconds_on_screen: float = 0.0
    expires_utc: str = ""


class Grant(Model):
    """A person's standing yes to a class of questions: so many times, so long, inside bounds."""

    id: str
    """'grant-0003', of this store."""
    envelope: Envelope
    """Each use stays inside it; the dose of a place counts over all uses."""
    binding: str
    """`Binding.sha256` with the plan '*': another specimen, holder, voltage or limit ends it."""
    uses: int = Field(ge=1, le=1000)
    expires_utc: str
    by: str
    name: str = ""
    role: Role = "user"
    asked_in: str
    """'RUN gate': the question at which it was given."""


__all__ = [
    "GRANTING", "OPEN", "Approval", "Binding", "Consent", "Envelope", "GateOutcome", "Grant", "Needs", "Ruling",
]  # fmt: skip
