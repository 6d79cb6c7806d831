"""What crosses a folder is frozen, strict about names and finite; digests follow the content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eucentric.core import calls, event, instrument, plan, request, settings
from eucentric.core.base import Model

MINIMAL: dict[type[Model], dict] = {
    instrument.Reading: {"commanded": 1.0, "reported": 1.5},
    instrument.MicroscopeState: {
        "instrument": "i", "simulated": True, "stage": {"x_um": {"commanded": 0, "reported": 0}},
        "optics": {"fov_nm": 8},
        "blanked": True,
    },
    instrument.StageMove: {"x_um": 5},
    instrument.OpticsChange: {"fov_nm": 8},
    instrument.Scan: {"fov_nm": 8, "dwell_us": 2},
    instrument.Frame: {"id": "f", "sha256": "0" * 64, "detector": "haadf", "shape": (4, 4), "dtype": "float32"},
    instrument.Located: {
        "frame": "f-2", "in_frame": "f-1", "x_um": 1, "y_um": 2, "uncertainty_um": 0.1, "confidence": 0.9,
    },
    instrument.PatternShot: {},
    instrument.Outlook: {},
    calls.ToolCall: {"id": "r-0001/s1", "step": "s1", "tool": "move_stage", "args": {"x_um": 5}},
    calls.ToolResult: {"call_id": "r-0001/s1", "ok": True},
    calls.Cost: {},
    calls.Envelope: {
        "tools": ("acquire_image",), "max_frames": 1, "max_dose_e_per_a2": 1e4, "x_um": (-1, 1), "y_um": (-1, 1),
        "max_probe_current_pa": 30, "max_seconds": 60,
    },
    calls.Binding: {
        "plan": "p", "limits_version": "1", "instrument": "i", "holder": "h", "loading": "l", "voltage_kv": 60,
        "epoch": 0,
    },
    calls.Approval: {"gate": "g1", "outcome": "approved", "by": "me"},
    calls.Interval: {"value": None, "low": 0, "high": 1},
    calls.Finding: {"id": "1", "what": "w", "unit": "1/nm^2", "interval": {"value": 1, "low": 0, "high": 2}},
    plan.Step: {"id": "s1", "tool": "get_state"},
    plan.Plan: {"title": "t", "steps": ({"id": "s1", "tool": "get_state"},)},
    plan.Proposal: {"outcome": "answer", "say": "so"},
    request.SpecimenCard: {"name": "n", "material": "Ti3C2"},
    request.Like: {"run": "r-0001", "plan_sha256": "ab"},
    request.Request: {"text": "t", "who": "me", "instrument": "twin://mxene"},
    event.Clocks: {"boot": "0123abcd", "mono_s": 1.5},
    event.Event: {
        "seq": 1, "ts": "t", "run_id": "r", "kind": "found", "actor": "a", "summary": "s", "prev": "p", "hash": "h",
    },
    settings.ModelSettings: {},
    settings.Settings: {},
}  # fmt: skip
EACH = pytest.mark.parametrize(
    ("kind", "data"), MINIMAL.items(), ids=lambda one: getattr(one, "__name__", "")
)


def test_the_table_has_every_model_of_the_core() -> None:
    modules = (calls, event, instrument, plan, request, settings)
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Model) and value is not Model
    }
    assert found == set(MINIMAL)


@EACH
def test_json_and_back(kind: type[Model], data: dict) -> None:
    made = kind.model_validate(data)
    assert kind.model_validate_json(made.model_dump_json()) == made
    assert kind.model_validate(made.model_dump(mode="json")) == made


@EACH
def test_a_misspelt_field_and_an_assignment_are_refused(kind: type[Model], data: dict) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate({**data, "misspelt": 1})
    made = kind.model_validate(data)
    with pytest.raises(ValidationError):
        setattr(made, next(iter(kind.model_fields)), 0)


@EACH
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_no_number_field_takes_nan(kind: type[Model], data: dict, bad: float) -> None:
    numbers = [name for name, field in kind.model_fields.items() if "float" in str(field.annotation)]
    for name in numbers:
        with pytest.raises(ValidationError):
            kind.model_validate({**data, name: bad})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (calls.Envelope, {"max_frames": -1}), (calls.Envelope, {"max_seconds": 0}), (calls.Envelope, {"x_um": (1,)}),
        (calls.Approval, {"outcome": "yes"}), (plan.Step, {"id": "../x"}), (plan.Step, {"id": "X"}),
        (plan.Step, {"times": 0}), (plan.Step, {"at_most": 10_001}), (plan.Step, {"every_s": 0}),
        (plan.Proposal, {"outcome": "maybe"}), (request.SpecimenCard, {"name": ""}),
        (request.SpecimenCard, {"dose_budget_e_per_a2": 0}), (request.SpecimenCard, {"dose_budget_e_per_a2": "5 nm"}),
        (request.Request, {"text": ""}), (request.Request, {"text": "x" * 4001}), (instrument.Scan, {"width_px": 15}),
        (instrument.Scan, {"width_px": 512.0}), (instrument.Scan, {"width_px": True}), (instrument.Scan, {"fov_nm": 0}),
        (instrument.Scan, {"fov_nm": "8"}), (instrument.Scan, {"dwell_us": -1}), (instrument.Scan, {"detectors": ()}),
        (instrument.OpticsChange, {"probe_current_pa": 0}), (event.Event, {"kind": "invented"}),
        (event.Event, {"seq": 0}),
    ],
)  # fmt: skip
def test_a_value_outside_its_bounds(kind: type[Model], change: dict) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate({**MINIMAL[kind], **change})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False,
    allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(args=st.dictionaries(st.text(max_size=5), _JSON, max_size=4), other=st.text(min_size=1, max_size=5))
def test_a_call_is_its_tool_and_arguments(args: dict, other: str) -> None:
    call = calls.ToolCall(id="a", step="s", tool="t", args=args)
    shuffled = calls.ToolCall(id="b", step="x", tool="t", args=dict(reversed(args.items())))
    assert call.args_sha256 == shuffled.args_sha256
    assert call.args_sha256 != calls.ToolCall(id="a", step="s", tool="t" + other, args=args).args_sha256
    assert (
        call.args_sha256
        != calls.ToolCall(id="a", step="s", tool="t", args={**args, "extra " + other: 1}).args_sha256
    )


@pytest.mark.parametrize("field", calls.Binding.model_fields)
def test_an_approval_is_bound_to_every_part(field: str) -> None:
    base = calls.Binding.model_validate(MINIMAL[calls.Binding])
    value = getattr(base, field)
    changed = base.model_copy(update={field: value + ("x" if isinstance(value, str) else 1)})
    assert changed.sha256 != base.sha256
    assert base.sha256 == calls.Binding.model_validate(MINIMAL[calls.Binding]).sha256
