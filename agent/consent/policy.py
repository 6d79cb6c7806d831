"""Who decides, if nobody is at a terminal: a policy file that a person wrote, or nobody."""

import hashlib
import math
from pathlib import Path

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Envelope
from eucentric.core.errors import BadInput
from eucentric.core.settings import load_model


class Policy(Model):
    """A file that grants what fits inside its bounds, on the instruments it names."""

    name: str = Field(min_length=1, max_length=80)
    author: str = Field(min_length=1, max_length=80)
    """The person who answers for it."""
    instruments: tuple[str, ...] = ("twin:",)
    """URI prefixes it is for. Only twins are accepted without a person."""
    releases_holds: bool = False
    """Whether it also lets a beam go on that was stopped before; else that takes a person."""
    envelope: Envelope


def load_policy(path: Path, instrument: str) -> tuple[Policy, str]:
    """Read a policy file for an instrument; returns it and the digest of its text.

    Raises
    ------
    BadInput
        Missing, malformed, not for this instrument, or for a real one: no file may stand in for a
        person where a real beam is concerned.
    """
    before = _digest(path)
    policy = load_model(path, "policy file", Policy)
    sha = _digest(path) or ""
    if sha != before:
        raise BadInput(f"policy {path} changed while it was read", "nothing was approved", "try again")
    if not instrument.startswith("twin:"):
        raise BadInput(
            f"policy {path} can't approve for {instrument}",
            "files approve for simulated instruments (twin:) only",
            "use --approve ask at a terminal, or let an operator `eucentric approve` the parked run",
        )
    if not any(instrument.startswith(prefix) for prefix in policy.instruments):
        raise BadInput(
            f"policy {path} is for {', '.join(policy.instruments)}", f"the instrument is {instrument}"
        )
    return policy, sha


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # `load_model` says what is wrong with it
        return None


def outside(policy: Envelope, wanted: Envelope) -> list[str]:
    """Bounds of `wanted` that pass those of `policy`, in words; empty if it fits."""
    wrong = [f"tool {tool}" for tool in wanted.tools if tool not in policy.tools]
    for field, words in (
        ("max_frames", "frames"),
        ("max_dose_e_per_a2", "e/Å² at a place"),
        ("max_probe_current_pa", "pA"),
        ("max_seconds", "s of instrument time"),
    ):
        ask, may = getattr(wanted, field), getattr(policy, field)
        if ask > may:
            wrong.append(f"{ask:.4g} {words}, {may:.4g} granted")
    if policy.max_electrons is not None and (wanted.max_electrons or math.inf) > policy.max_electrons:
        wrong.append(f"{wanted.max_electrons or math.inf:.4g} electrons, {policy.max_electrons:.4g} granted")
    for field in ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg"):
        ask_low, ask_high = getattr(wanted, field)
        may_low, may_high = getattr(policy, field)
        if ask_low < may_low or ask_high > may_high:
            wrong.append(f"{field} {ask_low:.4g} … {ask_high:.4g}, {may_low:.4g} … {may_high:.4g} granted")
    return wrong
