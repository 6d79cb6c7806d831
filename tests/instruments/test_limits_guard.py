"""The interlock under the guard: what is refused is never sent, in one piece or in many."""

import contextlib
import importlib
import math
import random
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eucentric.core.errors import (
    Busy,
    CommandTimeout,
    EucentricError,
    InstrumentFault,
    LimitRefused,
    MoveNotReached,
)
from eucentric.instruments import interlock as interlock_module
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.limits import Limits

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
rig = importlib.import_module("rig")

UM, NM, DEG, PA = 1e-6, 1e-9, math.pi / 180, 1e-12
SIGNED = {"measured_by": "staff", "measured_on": "2026-10-02"}
GAP = {
    "pole_piece": {"gap_um": 5400},
    "outside_gap": ["haadf", "bf"],
    "holders": [
        {"name": "double-tilt A", "half_width_um": 3500, "half_length_um": 1500, "thickness_um": 2000,
         "margin_um": 50, "measured_by": "staff", "measured_on": "2026-10-02"},
    ],
}  # fmt: skip
CLEAR_OF_ALL = {**GAP, "outside_gap": ["haadf", "bf", "camera"]}


def table(**more):
    """Limits of a rig, wide but for x: step 100, excursion 100, 250 a minute, path 1000 µm."""
    fields = {
        "version": 3,
        "instrument": "*",
        "axes": {
            "x_um": {"lower": -1000, "upper": 1000, "max_step": 100, "max_per_minute": 250, "max_path": 1000},
            "y_um": {"lower": -1000, "upper": 1000, "max_step": 500, "max_excursion": 900},
            "z_um": {"lower": -300, "upper": 300},
            "alpha_deg": {"lower": -60, "upper": 60, "max_path": 300},
            "beta_deg": {"lower": -30, "upper": 30},
        },
        "optics": {
            "defocus_nm": {
                "lower": -1000,
                "upper": 1000,
                "max_step": 100,
                "max_excursion": 300,
                "max_path": 800,
            },
            "probe_current_pa": {"lower": 1, "upper": 500},
            "camera_length_mm": {"lower": 20, "upper": 400},
            "fov_nm": {"lower": 1, "upper": 10000},
        },
        "detectors": {
            "haadf": {"max_probe_current_pa": 100, "max_charge_pc": 10.0},
            "bf": {"max_probe_current_pa": 50, "max_charge_pc": 5.0},
        },
    }
    for row in fields["axes"].values():
        row.update(SIGNED)
    return Limits.model_validate(fields | more)


def leased(limits=None, driver=None, **options):
    driver = driver or rig.Rig(**options)
    guard = Guard(driver, limits or table())
    guard.lease("test")
    return guard, driver


def moves(driver):
    return [what for verb, what, _ in driver.sent if verb == "move"]


def refused_and_unsent(guard, driver, call, match=None):
    """The refusal; nothing reached the driver, the beam is dark and nothing has moved."""
    before = (len(driver.sent), dict(driver.position), dict(driver.optics), dict(driver.inserted))
    with pytest.raises(LimitRefused, match=match) as refused:
        call()
    assert (len(driver.sent), driver.position, driver.optics, driver.inserted) == before
    assert driver.blanked
    assert "Nothing was sent" in str(refused.value) or "nothing was exposed" in str(refused.value)
    return str(refused.value)


# --- single values ------------------------------------------------------------------------------------------------

BAD_MOVES = [
    ({"x": 1001 * UM}, "limit -1000 µm … 1000 µm"),
    ({"x": -1001 * UM}, "limit -1000 µm … 1000 µm"),
    ({"x": 101 * UM}, "largest step 100 µm"),
    ({"y": 501 * UM}, "largest step 500 µm"),
    ({"alpha": 61 * DEG}, "limit -60 deg … 60 deg"),
    ({"y": 1 * UM, "x": 101 * UM}, "largest step"),
    ({"x": math.nan}, "finite"),
    ({"x": math.inf}, "finite"),
    ({"x": "1"}, "number"),
    ({"x": True}, "number"),
    ({"x": 10**400}, "finite"),
]


@pytest.mark.parametrize(("targets", "said"), BAD_MOVES)
def test_a_move_beyond_a_limit_is_refused(targets, said):
    guard, driver = leased()
    text = refused_and_unsent(guard, driver, lambda: guard.move(targets))
    assert said in text


def test_a_refusal_has_value_limit_version_who_where_it_is_and_what_works():
    guard, _ = leased()
    guard.move({"x": 40 * UM})
    with pytest.raises(LimitRefused) as refused:
        guard.move({"x": 150 * UM})
    text = str(refused.value)
    parts = ["150 µm", "110 µm", "largest step 100 µm", "limits v3 (sha256 ", "measured by staff 2026-10-02"]
    parts += ["Nothing was sent to the instrument", "x is still 40 µm", "Works:", "may change the limit"]
    for part in parts:
        assert part in text, part


@pytest.mark.parametrize(
    ("values", "said"),
    [({"defocus": 1001 * NM}, "limit -1000 nm … 1000 nm"), ({"defocus": 101 * NM}, "largest step 100 nm"),
     ({"beam_shift_x": 1 * NM}, "no limit is declared"), ({"defocus": True}, "number")],
)  # fmt: skip
def test_optics_beyond_a_limit_are_refused(values, said):
    guard, driver = leased()
    assert said in refused_and_unsent(guard, driver, lambda: guard.set_optics(values))


def test_what_has_no_limit_cant_be_steered_exposed_or_inserted():
    guard, driver = leased(Limits(version=1, instrument="*"))
    scan = ScanSpec(detectors=("haadf",), rows=2, columns=2, fov_m=1e-7, dwell_s=1e-6)
    for call in (lambda: guard.move({"x": 0.0}), lambda: guard.set_optics({"defocus": 0.0}),
                 lambda: guard.acquire(scan), lambda: guard.insert("bf", True)):  # fmt: skip
        assert "no limit is declared" in refused_and_unsent(guard, driver, call)
    assert guard.capabilities().limits_version == guard.limits().label


def test_a_control_that_does_not_say_where_it_is_cant_be_changed_where_changes_are_limited():
    guard, driver = leased()
    del driver.optics["defocus"], driver.optics["fov"]
    assert "does not say where" in refused_and_unsent(
        guard, driver, lambda: guard.set_optics({"defocus": 0.0})
    )
    guard.set_optics({"fov": 1e-7})  # only its range is limited


# --- in parts -----------------------------------------------------------------------------------------------------


def until_refused(guard, commands, most=100_000):
    """Send until the first refusal; how many went through."""
    for number, command in enumerate(commands):
        assert number < most
        try:
            command()
        except LimitRefused as refused:
            return number, refused
    return None, None


def paced(guard, driver, targets, seconds=61.0):
    """Moves with more than a minute between them, so that only lease sums count."""
    for target in targets:
        yield lambda target=target: (driver.wait(seconds, None), guard.move(target))


SPLITS = [
    # name, targets, refused for
    ("a step of 150 in three", [{"x": n * 50 * UM} for n in (1, 2, 3)], "where this lease began"),
    ("in ten", [{"x": n * 15 * UM} for n in range(1, 11)], "where this lease began"),
    ("alternating with y", [{"x": 60 * UM}, {"y": 60 * UM}, {"x": 101 * UM}], "where this lease began"),
    ("both at once", [{"x": 60 * UM, "y": 1 * UM}, {"x": 120 * UM, "y": 2 * UM}], "where this lease began"),
    ("to the other side", [{"x": -60 * UM}, {"x": 40 * UM}, {"x": 101 * UM}], "where this lease began"),
    ("by going back and forth", [{"x": (n % 2) * 100 * UM} for n in range(1, 20)], "1000 µm a lease"),
    ("by tiny returns", [{"x": (n % 2) * 10 * UM} for n in range(1, 200)], "1000 µm a lease"),
    ("tilt back and forth", [{"alpha": (n % 2) * 20 * DEG} for n in range(1, 40)], "300 deg a lease"),
]


@pytest.mark.parametrize(("name", "targets", "why"), SPLITS, ids=[row[0] for row in SPLITS])
def test_a_refused_move_is_refused_in_parts(name, targets, why):
    guard, driver = leased(driver=rig.Rig())
    count, refused = until_refused(guard, paced(guard, driver, targets))
    assert count is not None, "every part went through"
    assert why in str(refused)
    way = sum(abs(b.get("x", a) - a) for a, b in way_of(driver))
    assert way <= 1000 * UM * (1 + 1e-9)
    assert abs(driver.position["x"]) <= 100 * UM * (1 + 1e-9)
    assert len(moves(driver)) == count


def way_of(driver):
    at = 0.0
    for target in moves(driver):
        yield at, target
        at = target.get("x", at)


def test_a_minute_is_any_minute():
    guard, driver = leased()
    sent = []
    ahead = random.Random(5)
    for _ in range(2000):
        driver.now_s += ahead.choice([0.0, 0.5, 3.0, 20.0])
        target = ahead.uniform(-90, 90) * UM
        here = driver.position["x"]
        try:
            guard.move({"x": target})
            sent.append((driver.now_s, abs(target - here)))
        except LimitRefused:
            pass
        if len(sent) % 10 == 9 and sum(way for _, way in sent[-9:]) > 900 * UM:
            guard.release()  # a new lease does not begin a new minute
            guard.lease("again")
        elif "a lease" in guard_says(guard):
            guard.release()
            guard.lease("again")
    assert len(sent) > 100
    for start, _ in sent:
        window = [way for at, way in sent if start <= at < start + 60.0]
        assert math.fsum(window) <= 250 * UM * (1 + 1e-9)


def guard_says(guard):
    """Why a move of 1 µm would be refused now, from a twin of its sums."""
    state = guard.state()
    near = state.reported["x"] + (UM if state.reported["x"] < 0 else -UM)
    try:
        guard._interlock.move(state, {"x": near})
    except LimitRefused as refused:
        return str(refused)
    return ""


def test_a_new_lease_begins_path_and_excursion_anew_but_not_the_minute():
    guard, driver = leased()
    guard.move({"x": 100 * UM})
    guard.move({"x": 0.0})
    guard.release()
    guard.lease("again")
    text = refused_and_unsent(guard, driver, lambda: guard.move({"x": 60 * UM}))
    assert "in any 60 s, 200 µm used" in text
    assert "changes of up to 50 µm" in text
    assert "in 60 s of instrument time" in text
    driver.now_s += 60.0
    guard.move({"x": 100 * UM})
    driver.now_s += 61.0
    guard.release()
    guard.lease("third")
    guard.move({"x": 200 * UM})  # 200 from the first origin, 100 from this lease's


def test_a_clock_that_stands_still_or_goes_back_lets_no_minute_pass():
    guard, driver = leased()
    driver.now_s = 1000.0
    guard.move({"x": 100 * UM})
    guard.move({"x": 0.0})
    for now in (1000.0, 10.0, 1059.0):
        driver.now_s = now
        refused_and_unsent(guard, driver, lambda: guard.move({"x": 100 * UM}), "in any 60 s")
    driver.now_s = 1060.0
    guard.move({"x": 100 * UM})


DUST = [1e-9, 0.1 * NM * 1e-3, 1e-18, 5e-324]


@pytest.mark.parametrize("dust", DUST)
def test_dust_does_not_slip_through_the_sums(dust):
    """A million steps, each far below the rounding of the sum, against the sums themselves (a guard takes longer)."""
    from eucentric.instruments.allowance import Allowance
    from eucentric.instruments.travel import Change, Travel

    most = 500_000 * dust if dust > 1e-300 else 1e-25
    travel = Travel({"x": Allowance("x", "m", -1, 1, 1.0, math.inf, math.inf, most, "test")})
    travel.look({"x": 0.1}, 0.0)
    steps = 20_000
    travel.sent((Change("x", 0.1, 0.1, most * (1 - steps * dust / most) if dust > 1e-300 else 0.0),))
    passed = 0
    change = Change("x", 0.1, 0.1, dust)  # 0.1 + dust is 0.1 in floats
    for _ in range(steps * 20):
        try:
            travel.check(change)
        except LimitRefused:
            break
        travel.sent((change,))
        passed += 1
    else:
        raise AssertionError("dust was never refused")
    if dust > 1e-300:
        assert passed <= steps * (1 + 1e-4)


def test_optics_in_parts_are_refused():
    guard, driver = leased()
    ways = [(n * 90 * NM, "where this lease began") for n in range(1, 5)]
    count, refused = until_refused(guard, [lambda to=to: guard.set_optics({"defocus": to}) for to, _ in ways])
    assert (count, "from 0 nm, where this lease began" in str(refused)) == (3, True)
    back = [lambda n=n: guard.set_optics({"defocus": (180 + n % 2 * 90) * NM}) for n in range(30)]
    count, refused = until_refused(guard, back)
    assert "800 nm a lease" in str(refused)
    assert abs(driver.optics["defocus"]) <= 300 * NM


def test_what_was_sent_counts_though_it_failed():
    guard, driver = leased(
        table(axes={"x_um": {"lower": -1000, "upper": 1000, "max_step": 100, "max_path": 250}})
    )
    for fault, error in (("timeout", CommandTimeout), ("half", MoveNotReached)):
        driver.fault = fault
        with pytest.raises(error):
            guard.move({"x": 100 * UM})
    assert driver.position["x"] == 50 * UM
    # 100 for the one that timed out, 100 for the other; from 50 it may still be on its way to 100
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 0.0}), "a lease, 200 µm used")
    guard.move({"x": 60 * UM})


def test_a_stage_that_goes_too_far_is_charged_for_it():
    guard, driver = leased(
        table(axes={"x_um": {"lower": -1000, "upper": 1000, "max_step": 100, "max_path": 190}})
    )
    driver.fault = "far"
    with pytest.raises(MoveNotReached):
        guard.move({"x": 100 * UM})
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 20 * UM}), "110 µm used")
    guard.move({"x": 40 * UM})


def test_a_step_counts_from_where_the_stage_is_said_to_be():
    guard, driver = leased()
    driver.position["x"] = 90 * UM  # a hand; the last command said 0
    refused_and_unsent(guard, driver, lambda: guard.move({"x": -20 * UM}), "largest step")


# --- the gap ------------------------------------------------------------------------------------------------------

ROOM = [
    # alpha, y, z, allowed (gap 5.4, half width 3.5, thickness 2 mm, margin 50 µm)
    (0, 900, 0, True),
    (20, 900, 0, True),
    (29, 0, 0, True),
    (29, 900, 0, False),
    (33, 0, 0, False),
    (29, 0, 300, False),
]


@pytest.mark.parametrize(("alpha", "y", "z", "allowed"), ROOM)
def test_the_whole_box_of_a_move_must_be_free(alpha, y, z, allowed):
    limits = table(clearance=GAP)
    guard, driver = leased(limits)
    target = {"alpha": alpha * DEG, "y": min(y, 500) * UM, "z": z * UM}
    first = {"y": y * UM / 2}
    guard.move(first)
    target["y"] = y * UM
    if allowed:
        guard.move(target)
        assert driver.position["alpha"] == alpha * DEG
    else:
        text = refused_and_unsent(guard, driver, lambda: guard.move(target), "holder|clearance")
        assert "limits v3" in text
        assert "still x at 0 µm" in text


def test_a_move_is_judged_with_the_axes_that_stay():
    guard, driver = leased(table(clearance=GAP))
    guard.move({"alpha": 29 * DEG})
    refused_and_unsent(guard, driver, lambda: guard.move({"y": 500 * UM}), "pole piece")


def test_a_measured_table_stands_in_for_the_model_and_axes_that_stay_stay():
    row = {"alpha_deg": [-5, 5], "beta_deg": [0, 0], "x_um": [-50, 50], "y_um": [300, 500], "z_um": [0, 0]}
    guard, driver = leased(table(clearance={**GAP, "holders": [{**GAP["holders"][0], "table": [row]}]}))
    driver.position["y"] = driver.commanded["y"] = 400 * UM
    guard.move({"x": 50 * UM, "alpha": 5 * DEG})
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 51 * UM}), "measured table")
    refused_and_unsent(guard, driver, lambda: guard.move({"alpha": 6 * DEG}), "measured table")


def test_a_stage_that_may_still_be_on_its_way_is_judged_from_both_ends():
    guard, driver = leased(table(clearance=GAP))
    driver.commanded["alpha"] = 33 * DEG  # a command of others that timed out
    refused_and_unsent(guard, driver, lambda: guard.move({"y": 10 * UM}), "pole piece")


@pytest.mark.parametrize("simulated", [True, False])
def test_an_unknown_holder_does_not_move(simulated):
    guard, driver = leased(table(clearance=GAP), simulated=simulated)
    driver.holder = "unknown"
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 1 * UM}), "holder is not in the limits")


def test_without_a_clearance_a_real_stage_is_not_tilted():
    guard, driver = leased(simulated=False)
    refused_and_unsent(guard, driver, lambda: guard.move({"alpha": 1 * DEG}), "can't be steered")
    guard.move({"x": 1 * UM})
    guard, driver = leased(simulated=True)
    guard.move({"alpha": 1 * DEG})


def test_a_real_instrument_without_a_file_creeps():
    driver = rig.Rig(simulated=False)
    guard = Guard(driver)
    guard.lease("t")
    guard.move({"x": 20 * UM})
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 21 * UM}), "nobody measured it")
    refused_and_unsent(guard, driver, lambda: guard.move({"z": 6 * UM}), "nobody measured it")
    refused_and_unsent(guard, driver, lambda: guard.move({"alpha": 0.01 * DEG}), "can't be steered")
    count, refused = until_refused(
        guard, [lambda n=n: guard.move({"x": (n % 2) * 20 * UM}) for n in range(30)]
    )
    assert (count, "a lease" in str(refused)) == (9, True)


def test_what_is_in_counts_and_what_is_unknown_counts_as_in():
    blade = {"name": "camera", "side": "below", "z_um": -1100, "when_inserted": True}
    limits = table(
        clearance={**GAP, "devices": [blade]},
        detectors={"haadf": {"max_probe_current_pa": 100}, "camera": {"max_probe_current_pa": 100}},
    )
    guard, driver = leased(limits)
    guard.move({"alpha": 5 * DEG})
    refused_and_unsent(guard, driver, lambda: guard.insert("camera", True), "camera")
    guard.move({"alpha": 0.0})
    guard.insert("camera", True)
    refused_and_unsent(guard, driver, lambda: guard.move({"alpha": 5 * DEG}), "camera")
    guard.insert("camera", False)
    guard.move({"alpha": 5 * DEG})
    guard.move({"alpha": 0.0})
    del driver.inserted["camera"]  # nobody can tell
    refused_and_unsent(guard, driver, lambda: guard.move({"alpha": 5 * DEG}), "camera")


def test_something_undescribed_that_is_in_stops_motion():
    guard, driver = leased(table(clearance=GAP))
    driver.inserted["a new toy"] = True
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 1 * UM}), "a new toy")


# --- touch --------------------------------------------------------------------------------------------------------


def test_a_touch_stops_everything_and_locks_motion_until_staff_clear_it():
    guard, driver = leased(driver=rig.TouchRig())
    driver.fault = "touch"
    with pytest.raises(InstrumentFault, match="touched something"):
        guard.move({"x": 50 * UM}, token="t1")
    assert driver.sent[-1] == ("stop", None, True)
    assert guard.held() == "touch alarm"
    assert "touch" in guard.touched
    assert guard.outcome("t1")[0].error["code"] == "E-INST-TOUCH"
    driver.touch = False  # an alarm that goes off by itself unlocks nothing
    guard.clear_hold("j.doe")
    for call in (lambda: guard.move({"x": 0.0}), lambda: guard.insert("bf", True)):
        refused_and_unsent(guard, driver, call, "locked by the touch alarm")
    guard.release()
    guard.lease("another run")
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 0.0}), "clear-touch")
    guard.clear_touch("staff")
    guard.move({"x": 0.0})


def test_an_alarm_that_is_still_on_is_not_cleared():
    guard, driver = leased(driver=rig.TouchRig())
    driver.touch = driver.stuck = True
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 0.0}), "locked")
    with pytest.raises(LimitRefused, match="still on"):
        guard.clear_touch("staff")
    driver.stuck = False
    guard.clear_touch("staff")
    guard.move({"x": 0.0})


def test_a_touch_that_only_a_bystander_saw_locks_as_well():
    guard, driver = leased()
    driver.touch = True
    guard.state()
    driver.touch = False
    assert guard.held() is None  # nothing moved: the beam is nobody's business
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 0.0}), "locked")


def test_a_touch_during_a_long_move_stops_it_on_the_way():
    guard, driver = leased()

    def slow(targets, stop):
        driver.sent.append(("move", dict(targets), driver.blanked))
        driver.position["x"], driver.touch = 1 * UM, True
        assert stop.wait(5), "nobody looked"

    driver.move = slow
    with pytest.raises(InstrumentFault, match="touched something"):
        guard.move({"x": 50 * UM})
    assert guard.held() == "touch alarm"


def test_a_touch_seen_after_a_failed_move_locks_too():
    guard, driver = leased()

    def failing(targets, stop):
        driver.touch = True
        raise CommandTimeout("no answer")

    driver.move = failing
    with pytest.raises(CommandTimeout):
        guard.move({"x": 50 * UM})
    assert guard.touched
    assert guard.held() == "touch alarm"


def test_a_lock_of_an_earlier_process_locks():
    driver = rig.Rig()
    guard = Guard(driver, table(), touched="yesterday")
    guard.lease("t")
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 0.0}), "yesterday")


def test_a_touch_is_not_cleared_while_a_command_runs():
    guard, driver = leased(driver=rig.TouchRig())
    seen = []

    def clearing(seconds, stop):
        with pytest.raises(Busy):
            guard.clear_touch("too early")
        seen.append(True)

    driver.wait = clearing
    guard.wait(1.0)
    assert seen == [True]


# --- in the beam --------------------------------------------------------------------------------------------------

SCAN = ScanSpec(detectors=("haadf",), rows=100, columns=100, fov_m=1e-7, dwell_s=1e-5)  # 0.1 s, 3 pC at 30 pA


def part(rows, columns=100):
    return SCAN.model_copy(update={"rows": rows, "columns": columns})


@pytest.mark.parametrize(
    ("scans", "count"),
    [
        ([part(400)], 0),  # 12 pC at once
        ([part(100)] * 4, 3),
        ([part(10)] * 40, 33),
        ([part(1)] * 400, 333),
        ([part(1, 1), part(332)] + [part(1)] * 10, 3),
        ([SCAN.model_copy(update={"dwell_s": 1e-6})] * 40, 33),
        ([SCAN.model_copy(update={"fov_m": 1e-9 * (n + 1)}) for n in range(5)], 3),
    ],
)
def test_a_charge_cant_be_split(scans, count):
    guard, driver = leased()
    passed, refused = until_refused(guard, [lambda scan=scan: guard.acquire(scan) for scan in scans])
    assert passed == count
    assert "10 pC a lease" in str(refused)
    lit = math.fsum(s.rows * s.columns * s.dwell_s for verb, s, _ in driver.sent if verb == "acquire")
    assert lit * 30 * PA <= 10 * PA * (1 + 1e-9)
    guard.release()
    guard.lease("a person approved again")
    guard.acquire(part(1))


def test_a_scan_that_took_longer_or_failed_is_charged():
    guard, driver = leased()
    driver.lit_s = 0.3
    guard.acquire(SCAN)  # 9 pC instead of 3
    refused_and_unsent(guard, driver, lambda: guard.acquire(SCAN), "9 pC used")
    guard, driver = leased()
    driver.acquire = lambda *_: (_ for _ in ()).throw(RuntimeError("lost"))
    for _ in range(3):
        with pytest.raises(InstrumentFault):
            guard.acquire(SCAN)
    refused_and_unsent(guard, driver, lambda: guard.acquire(SCAN), "9 pC used")


def test_the_current_is_limited_for_all_the_beam_may_fall_on():
    guard, driver = leased()
    guard.set_optics({"probe_current": 101 * PA})
    refused_and_unsent(guard, driver, lambda: guard.acquire(part(1)), "haadf under a probe of 101 pA")
    guard.set_optics({"probe_current": 60 * PA})
    guard.acquire(part(1))
    guard.insert("bf", True)  # it takes 50 pA, and is in the beam though it is not read
    refused_and_unsent(guard, driver, lambda: guard.acquire(part(1)), "bf under a probe of 60 pA")
    guard.insert("bf", False)
    guard.acquire(part(1))
    del driver.inserted["bf"]
    refused_and_unsent(guard, driver, lambda: guard.acquire(part(1)), "bf under")
    driver.inserted["bf"] = False
    driver.inserted["camera"] = True  # a hand put it in; it has no limit
    refused_and_unsent(guard, driver, lambda: guard.acquire(part(1)), "camera is in the beam")
    driver.inserted["camera"] = False
    del driver.optics["probe_current"]
    refused_and_unsent(guard, driver, lambda: guard.acquire(part(1)), "does not say its probe current")


RULES = [
    {"detectors": ["bf"], "when": {"camera_length_mm": [0, 80]}, "reason": "direct beam"},
    {"detectors": ["camera"], "with_inserted": ["bf"], "reason": "one hides the other"},
    {"detectors": ["haadf"], "when": {"vacuum_mbar": [1e-5, 1]}, "reason": "poor vacuum"},
    {"detectors": ["camera"], "with_retracted": ["beam_stop"], "reason": "no beam stop"},
]
ALL_LIMITED = {name: {"max_probe_current_pa": 100} for name in ("haadf", "bf", "camera")}
OPEN = {"vacuum_mbar": 1e-7}


def excluding(rules, **signals):
    guard, driver = leased(table(exclusions=rules, detectors=ALL_LIMITED, clearance=CLEAR_OF_ALL))
    driver.signals = signals
    return guard, driver


def test_what_is_excluded_is_refused_whichever_comes_first():
    guard, driver = excluding(RULES[:1])
    guard.set_optics({"camera_length": 0.08})
    assert "direct beam" in refused_and_unsent(guard, driver, lambda: guard.insert("bf", True))
    guard.set_optics({"camera_length": 0.081})
    guard.insert("bf", True)
    refused_and_unsent(guard, driver, lambda: guard.set_optics({"camera_length": 0.05}), "direct beam")
    driver.optics["camera_length"] = 0.05  # a hand
    refused_and_unsent(guard, driver, lambda: guard.acquire(SCAN), "direct beam")
    guard.set_optics({"defocus": 50 * NM})  # no new case of it
    guard.insert("bf", False)
    guard.acquire(SCAN)


def test_reading_a_detector_counts_as_having_it_in_the_beam():
    guard, driver = excluding(RULES[:1])
    guard.set_optics({"camera_length": 0.05})
    scan = SCAN.model_copy(update={"detectors": ("bf",)})
    refused_and_unsent(guard, driver, lambda: guard.acquire(scan), "direct beam")


def test_an_unknown_control_or_device_counts_as_if_it_were_so():
    guard, driver = excluding(RULES[:1])
    del driver.optics["camera_length"]
    refused_and_unsent(guard, driver, lambda: guard.insert("bf", True), "direct beam")
    guard, driver = excluding(RULES[2:3])  # no gauge
    refused_and_unsent(guard, driver, lambda: guard.acquire(SCAN), "poor vacuum")
    driver.signals = {"vacuum_mbar": 1e-7}
    guard.acquire(SCAN)
    guard, driver = excluding(RULES[3:])
    refused_and_unsent(guard, driver, lambda: guard.insert("camera", True), "no beam stop")
    driver.inserted["beam_stop"] = True
    guard, driver = excluding(RULES[1:2])
    del driver.inserted["bf"]
    refused_and_unsent(guard, driver, lambda: guard.insert("camera", True), "hides")


def test_two_devices_that_exclude_each_other():
    guard, driver = excluding(RULES[1:2])
    guard.insert("bf", True)
    refused_and_unsent(guard, driver, lambda: guard.insert("camera", True), "hides the other")
    guard.insert("bf", False)
    guard.insert("camera", True)
    refused_and_unsent(guard, driver, lambda: guard.insert("bf", True), "hides the other")
    driver.inserted["bf"] = True  # a hand: now both are in, and taking one out is allowed
    guard.insert("bf", False)


def test_the_field_of_the_scan_is_the_field_that_counts():
    rule = {"detectors": ["haadf"], "when": {"fov_nm": [0, 10]}, "reason": "too much on one place"}
    guard, driver = excluding([rule])
    driver.optics["fov"] = 1e-7
    refused_and_unsent(
        guard, driver, lambda: guard.acquire(SCAN.model_copy(update={"fov_m": 5e-9})), "one place"
    )
    driver.optics["fov"] = 5e-9
    guard.acquire(SCAN)


def test_insertion_and_camera_length_are_sent_in_the_dark():
    guard, driver = leased(table(clearance=GAP))
    driver.blanked = False  # a hand
    guard.set_optics({"camera_length": 0.2})
    driver.blanked = False
    guard.insert("bf", True)
    driver.blanked = False
    guard.move({"x": 1 * UM})
    assert [dark for _, _, dark in driver.sent] == [True, True, True]
    driver.blanked, driver.set_blank = False, lambda on: None  # it sticks
    for call in (lambda: guard.set_optics({"camera_length": 0.3}), lambda: guard.insert("bf", False),
                 lambda: guard.move({"x": 2 * UM})):  # fmt: skip
        with pytest.raises(InstrumentFault, match="could not be blanked"):
            call()
    assert len(driver.sent) == 3


# --- when ---------------------------------------------------------------------------------------------------------


CLOCKS = [("07:59:00", True), ("07:59:59.95", False), ("09:00:00", False), ("10:00:00", True), ("17:59:00", True),
          ("18:00:00", False)]  # fmt: skip


@pytest.mark.parametrize(("clock", "open_"), CLOCKS)
def test_nothing_is_sent_in_maintenance_or_after_the_booking(monkeypatch, clock, open_):
    now = datetime.fromisoformat(f"2026-12-01T{clock}").replace(tzinfo=UTC)
    monkeypatch.setattr(interlock_module, "utc_now", lambda: now)
    window = {"what": "cold trap", "begins": "2026-12-01T08:00:00Z", "ends": "2026-12-01T10:00:00Z"}
    limits = table(maintenance=[window], booking_end="2026-12-01T18:00:00Z", clearance=GAP)
    guard, driver = leased(limits)
    calls = [lambda: guard.acquire(SCAN), lambda: guard.move({"x": 80 * UM}),
             lambda: guard.set_optics({"camera_length": 0.2}), lambda: guard.insert("bf", True)]  # fmt: skip
    for call in calls:
        if open_:
            call()
        else:
            refused_and_unsent(guard, driver, call, "cold trap begins|the booking ends")


# --- all together -------------------------------------------------------------------------------------------------


def test_no_sequence_of_commands_passes_a_limit():
    """Random adversarial commands, judged by a spy at the driver with its own copy of the limits."""
    ahead = random.Random(11)
    guard, driver = leased()
    origin, spent, charge, sent = dict(driver.position), 0.0, 0.0, 0
    for _ in range(6000):
        driver.now_s += ahead.choice([0.0, 1.0, 30.0])
        x_before, count = driver.position["x"], len(driver.sent)
        command = ahead.choice([
            lambda: guard.move({"x": ahead.uniform(-300, 300) * UM}),
            lambda: guard.move({"x": driver.position["x"] + ahead.choice([-1, 1]) * 10 ** ahead.uniform(-9, 2) * UM}),
            lambda: guard.move({"y": ahead.uniform(-2000, 2000) * UM, "x": driver.position["x"]}),
            lambda: guard.set_optics({"defocus": ahead.uniform(-1500, 1500) * NM}),
            lambda: guard.acquire(part(ahead.choice([1, 10, 100, 400]))),
            lambda: guard.move({"x": ahead.choice([math.nan, math.inf, "0", None, True, 10**400])}),
        ])  # fmt: skip
        driver.fault = ahead.choice(["", "", "", "half", "far"])
        with contextlib.suppress(EucentricError):
            command()
        driver.fault = ""
        for verb, what, dark in driver.sent[count:]:
            sent += 1
            if verb == "move" and "x" in what:
                assert abs(what["x"] - x_before) <= 100 * UM * (1 + 1e-9)
                assert abs(what["x"] - origin["x"]) <= 100 * UM * (1 + 1e-9)
                spent += abs(what["x"] - x_before)
            if verb == "move" and "y" in what:
                assert abs(what["y"]) <= 1000 * UM * (1 + 1e-9)
            if verb == "acquire":
                charge += what.rows * what.columns * what.dwell_s * 30
            assert dark == (verb != "acquire")
        assert spent <= 1000 * UM * (1 + 1e-9)
        assert charge <= 10 * (1 + 1e-9)
        if ahead.random() < 0.02:
            guard.release()
            guard.lease("approved again")
            origin, spent, charge = dict(driver.position), 0.0, 0.0
    assert sent > 1500


def test_limits_can_be_written_by_hand():
    text = 'version = 1\ninstrument = "*"\n[axes.x_um]\nlower = -10\nupper = 10\n'
    guard, driver = leased(Limits.model_validate(tomllib.loads(text)))
    guard.move({"x": 10 * UM})
    refused_and_unsent(guard, driver, lambda: guard.move({"x": 10.1 * UM}), "limit -10 µm … 10 µm")
