"""The error tree. Each class says who must act; each error says what, why and what would work.

EucentricError
├── BadInput                 the user, exit 2: a wrong option, file, unit or number
│   ├── UnitProblem          a quantity without a unit, or in a unit of another kind
│   └── UnreadableImage      the file is missing, damaged or not an image
├── Refused                  nobody or an operator, exit 3: a rule said no and nothing was sent
│   ├── LimitRefused         position, step, rate or range outside the declared limits
│   ├── DoseRefused          the dose budget of a place would be passed
│   ├── ApprovalRefused      no valid approval covers this act
│   ├── NoSpecimenCard       no card, no beam
│   └── NotAvailable         there is no tool for this, by design or not yet
├── NeedsClarification       the user, exit 4: the request can be read in more than one way
├── Stopped                  nobody, exit 5: a person or the watchdog stopped it
├── Parked                   an operator, exit 6: a decision is waiting and no channel can give it
├── InstrumentError          an operator, exit 1 (BeamHeld, InDoubt: exit 6)
│   ├── UnknownAxis · UnknownDetector · MoveNotReached · BeamHeld · Busy · LeaseLost
│   ├── CommandTimeout       the state is unknown until it is read again
│   ├── ConnectionLost · BeamLost · InstrumentFault · Unsupported
│   └── InDoubt              begun and never finished: a person decides, nothing repeats by itself
├── LedgerError              an engineer, exit 1
│   ├── ChainBroken          verification failed
│   └── StoreFull            the disk is full: nothing more is exposed
├── ModelError               the operator of the model, exit 1
│   ├── EndpointRefused      the address is not on the allow-list
│   ├── EndpointFailed       no usable answer after the allowed tries
│   └── ModelReplyInvalid    the model may try again: its reply did not validate
└── Defect                   an engineer, exit 1: a bug of ours
"""

# ruff: noqa: N818 - a class says what happened; "Error" at the end of each would say nothing

import errno
from typing import Any, ClassVar, Literal

Actor = Literal["user", "operator", "engineer", "model", "nobody"]


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Numbers of an OSError that mean `StoreFull`; any other (rights, no such folder) does not."""


class EucentricError(Exception):
    """Base of the tree.

    Parameters
    ----------
    what
        What was wrong or refused, with the value.
    why
        The rule or bound, in the same unit as the value.
    remedy
        What would work, or who can change it.
    code
        A short code that the documentation explains; the class has a default.
    """

    code: ClassVar[str] = "E-GENERAL"
    exit_code: ClassVar[int] = 1
    who: ClassVar[Actor] = "engineer"

    def __init__(self, what: str, why: str = "", remedy: str = "", *, code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.error_code = code or type(self).code

    def as_dict(self) -> dict[str, Any]:
        """The error as plain JSON, the same on the wire, in the ledger and behind `--json`."""
        return {
            "type": type(self).__name__,
            "code": self.error_code,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "who": type(self).who,
        }

    def __str__(self) -> str:
        return " · ".join(part for part in (self.what, self.why, self.remedy) if part)


class BadInput(EucentricError):
    code: ClassVar[str] = "E-INPUT-01"
    exit_code: ClassVar[int] = 2
    who: ClassVar[Actor] = "user"


class UnitProblem(BadInput):
    code = "E-UNIT-01"


class UnreadableImage(BadInput):
    code = "E-IMAGE-01"


class Refused(EucentricError):
    code: ClassVar[str] = "E-REFUSED-01"
    exit_code: ClassVar[int] = 3
    who: ClassVar[Actor] = "operator"


class LimitRefused(Refused):
    code = "E-LIMIT-01"


class DoseRefused(Refused):
    code = "E-DOSE-03"


class ApprovalRefused(Refused):
    code = "E-APPROVAL-01"


class NoSpecimenCard(Refused):
    code = "E-CARD-01"


class NotAvailable(Refused):
    code: ClassVar[str] = "E-TOOL-01"
    who: ClassVar[Actor] = "nobody"


class NeedsClarification(EucentricError):
    code: ClassVar[str] = "E-CLARIFY-01"
    exit_code: ClassVar[int] = 4
    who: ClassVar[Actor] = "user"


class Stopped(EucentricError):
    code: ClassVar[str] = "E-STOP-01"
    exit_code: ClassVar[int] = 5
    who: ClassVar[Actor] = "nobody"


class Parked(EucentricError):
    code: ClassVar[str] = "E-PARKED-01"
    exit_code: ClassVar[int] = 6
    who: ClassVar[Actor] = "operator"


class InstrumentError(EucentricError):
    code: ClassVar[str] = "E-INST-01"
    who: ClassVar[Actor] = "operator"


class UnknownAxis(InstrumentError):
    code = "E-INST-02"


class UnknownDetector(InstrumentError):
    code = "E-INST-03"


class MoveNotReached(InstrumentError):
    code = "E-INST-04"


class BeamHeld(InstrumentError):
    code: ClassVar[str] = "E-INST-05"
    exit_code: ClassVar[int] = 6


class Busy(InstrumentError):
    code = "E-INST-06"


class LeaseLost(InstrumentError):
    code = "E-INST-07"


class CommandTimeout(InstrumentError):
    code = "E-INST-08"


class ConnectionLost(InstrumentError):
    code = "E-INST-09"


class BeamLost(InstrumentError):
    code = "E-INST-10"


class InstrumentFault(InstrumentError):
    code: ClassVar[str] = "E-INST-11"
    who: ClassVar[Actor] = "engineer"


class Unsupported(InstrumentError):
    code = "E-INST-12"


class InDoubt(InstrumentError):
    code: ClassVar[str] = "E-DOUBT-01"
    exit_code: ClassVar[int] = 6


class LedgerError(EucentricError):
    code = "E-LEDGER-01"


class ChainBroken(LedgerError):
    code = "E-LEDGER-02"


class StoreFull(LedgerError):
    code: ClassVar[str] = "E-LEDGER-03"
    who: ClassVar[Actor] = "operator"


class ModelError(EucentricError):
    code: ClassVar[str] = "E-MODEL-01"
    who: ClassVar[Actor] = "operator"


class EndpointRefused(ModelError):
    code: ClassVar[str] = "E-MODEL-02"
    exit_code: ClassVar[int] = 3


class EndpointFailed(ModelError):
    code = "E-MODEL-03"


class ModelReplyInvalid(ModelError):
    code: ClassVar[str] = "E-MODEL-04"
    who: ClassVar[Actor] = "model"


class Defect(EucentricError):
    code = "E-DEFECT-01"


def _tree(cls: type[EucentricError]) -> dict[str, type[EucentricError]]:
    found = {cls.__name__: cls}
    for sub in cls.__subclasses__():
        found |= _tree(sub)
    return found


def from_dict(data: dict[str, Any]) -> EucentricError:
    """Rebuild an error that crossed a socket; an unknown type becomes `InstrumentFault`."""
    cls = _tree(EucentricError).get(str(data.get("type")), InstrumentFault)
    return cls(
        str(data.get("what", "unknown error")),
        str(data.get("why", "")),
        str(data.get("remedy", "")),
        code=str(data.get("code") or cls.code),
    )
