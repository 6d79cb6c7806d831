"""Each error says who must act and ends the program with the number that DECISIONS 13 gives it."""

import pickle
from typing import get_args

import pytest

from eucentric.core import errors
from eucentric.core.errors import Actor, EucentricError, InstrumentFault, Refused, Stopped, from_dict

CLASSES = list(errors._tree(EucentricError).values())
EXIT = {
    "EucentricError": 1, "BadInput": 2, "UnitProblem": 2, "UnreadableImage": 2, "Refused": 3, "LimitRefused": 3,
    "DoseRefused": 3, "ApprovalRefused": 3, "NoSpecimenCard": 3, "NotAvailable": 3, "NeedsClarification": 4,
    "Stopped": 5,
    "Parked": 6, "InstrumentError": 1, "UnknownAxis": 1, "UnknownDetector": 1, "MoveNotReached": 1, "BeamHeld": 6,
    "Busy": 1, "LeaseLost": 1, "CommandTimeout": 1, "ConnectionLost": 1, "BeamLost": 1, "InstrumentFault": 1,
    "Unsupported": 1, "InDoubt": 6, "LedgerError": 1, "ChainBroken": 1, "StoreFull": 1, "ModelError": 1,
    "EndpointRefused": 3, "EndpointFailed": 1, "ModelReplyInvalid": 1, "Defect": 1,
}  # fmt: skip
OURS = [cls for cls in CLASSES if cls.__module__ == "eucentric.core.errors"]


def test_every_class_has_its_exit_code() -> None:
    assert {cls.__name__: cls.exit_code for cls in OURS} == EXIT


def test_codes_and_names_are_unique() -> None:
    assert len({cls.code for cls in OURS}) == len({cls.__name__ for cls in OURS}) == len(OURS)


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_every_class_says_who_and_is_drawn_in_the_tree(cls: type[EucentricError]) -> None:
    assert cls.who in get_args(Actor)
    assert cls.code.startswith("E-")
    assert cls.exit_code in range(1, 7)
    assert cls.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_an_error_survives_the_wire_and_a_pickle(cls: type[EucentricError]) -> None:
    error = cls("what", "why", "remedy", code="E-OTHER-99")
    for back in (from_dict(error.as_dict()), pickle.loads(pickle.dumps(error))):
        assert type(back) is cls
        assert back.as_dict() == error.as_dict()
        assert str(back) == "what · why · remedy"


def test_the_class_gives_the_code_unless_told_otherwise() -> None:
    assert Stopped("x").error_code == Stopped.code
    assert Refused("x", code="E-DOSE-01").as_dict()["code"] == "E-DOSE-01"
    assert str(Refused("only what")) == "only what"


@pytest.mark.parametrize(
    "data", [{}, {"type": "KeyboardInterrupt"}, {"type": None, "what": 5}, {"type": "object", "code": None}]
)
def test_an_unknown_error_from_a_host_is_a_fault_of_the_instrument(data: dict) -> None:
    back = from_dict(data)
    assert type(back) is InstrumentFault
    assert back.error_code == InstrumentFault.code
