"""What an adversary does to an executor, scene by scene; each makes a few calls at a rig."""

import contextlib
import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.consent.permit import Terms
from eucentric.bench.fuzzing import calls
from eucentric.bench.fuzzing.bounds import BUDGET, NARROW, WIDE
from eucentric.bench.fuzzing.rig import Rig
from eucentric.bench.spying.account import Watch
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import EucentricError
from eucentric.core.instrument import OpticsChange, Scan, StageMove

Scene = Callable[[Rig, random.Random], None]


def work(rig: Rig, rng: random.Random) -> None:
    """What a run is for; now and then the other run gets its turn."""
    if rng.random() < 0.15:
        rig.sit(1 - rig.at)
    for _ in range(rng.randint(2, 6)):
        if rig.make(calls.good(rng)) in ("Stopped", "InDoubt", "Parked", "ApprovalRefused"):
            rig.renew()


def spoilt(rig: Rig, rng: random.Random) -> None:
    """Names, values and shapes that are wrong, limits and bounds that are passed."""
    for _ in range(rng.randint(1, 4)):
        rig.make(calls.bad(rng))


def look(rig: Rig, rng: random.Random) -> None:
    """Reading needs no approval, from any desk."""
    rig.make(calls.reading(rng), allowed=False)
    rig.make(calls.reading(rng), desk=rig.other, allowed=False)


def split_way(rig: Rig, rng: random.Random) -> None:
    """A refused move, then the same way in small steps."""
    tool, args = rng.choice((calls.long_step, calls.outside, calls.beyond))(rng)
    rig.make((tool, args))
    name, value = next(iter(args.items()))
    if tool != "move_stage" or not isinstance(value, float):
        return
    parts = rng.randint(2, 5)
    for part in range(1, parts + 1):
        if rng.random() < 0.5:
            rig.make((tool, {name: value * part / parts}))
        else:
            rig.make((tool, {"mode": "relative", f"d{name}": value / parts}))
    rig.make(calls.move(rng))


def overspend(rig: Rig, rng: random.Random) -> None:
    """Expose one place until it is refused, then in smaller parts, a little beside, or under another name."""
    rig.make(calls.move(rng))
    rig.make(calls.FIFTY)
    share = rng.choice((0.15, 0.3, 0.45))
    budget = min(rig.desk.grant.dose_e_per_a2 if rig.desk.grant else BUDGET, BUDGET)
    frame = calls.costly(rng, share, budget)
    for _ in range(int(1 / share) + 2):
        rig.make(frame)
    for part in (2, 4, 16):
        tool, args = frame
        rig.make((tool, {**args, "dwell_us": max(0.1, float(args["dwell_us"]) / part)}))
    sneak = rng.choice(
        (
            ("set_optics", {"beam_shift_x_nm": rng.uniform(-0.2, 0.2)}),
            ("move_stage", {"mode": "relative", "dx_um": rng.uniform(-1e-4, 1e-4)}),
            ("move_stage", {"mode": "relative", "dz_um": 0.1}),
            ("set_optics", {"probe_current_pa": 20.0}),
        )
    )
    rig.make(sneak)
    rig.make(calls.costly(rng, share, budget))
    rig.make(("set_optics", {"probe_current_pa": 50.0, "beam_shift_x_nm": 0.0}))
    rig.make(calls.move(rng))


def far(rig: Rig, rng: random.Random) -> None:
    """Sums over a lease and a minute, and what only shows when several quantities are taken together."""
    rig.sit(rng.randint(0, 1))
    maker = rng.choice((calls.tilt, calls.across, calls.soak, calls.bright))
    for _ in range(rng.randint(3, 9)):
        rig.make(maker(rng))
        if maker in (calls.soak, calls.bright):
            rig.make(rng.choice((calls.move, calls.detector, calls.image, calls.bright))(rng))
    rig.make(calls.FIFTY)
    rig.sit(rig.at)
    rig.make(("move_stage", {"x_um": 0.0, "z_um": 0.0, "alpha_deg": 0.0, "beta_deg": 0.0}))


_FORGERIES = (
    "other plan", "other binding", "no binding", "expired", "wider", "rejected", "no envelope", "not on record",
    "limits", "used up", "other run",
)  # fmt: skip


def forged(rig: Rig, rng: random.Random) -> None:
    """Approvals that nobody gave, or gave for something else."""
    desk, how = rig.desk, rng.choice(_FORGERIES)
    real = desk.executor.permit
    rig.watched(Watch(None, how), lambda: _forge(rig, how))
    for _ in range(2):
        rig.make(calls.good(rng), allowed=desk.executor.permit is real and real is not None)
    desk.executor.permit = real


def _forge(rig: Rig, how: str) -> None:
    desk = rig.desk
    wide = Envelope(**WIDE)
    fresh = rig.approval(desk, WIDE)
    plan, version = desk.plan, desk.run.capabilities.limits_version
    real = desk.approval or fresh
    forgeries: dict[str, tuple[Approval, str, str]] = {
        "other plan": (fresh, "another plan", version),
        "other binding": (fresh.model_copy(update={"binding": "0" * 64}), plan, version),
        "no binding": (fresh.model_copy(update={"binding": ""}), plan, version),
        "expired": (fresh.model_copy(update={"expires_utc": "2020-01-01T00:00:00.000Z"}), plan, version),
        "wider": (real.model_copy(update={"envelope": wide}), plan, version),
        "rejected": (fresh.model_copy(update={"outcome": "rejected"}), plan, version),
        "no envelope": (fresh.model_copy(update={"envelope": None}), plan, version),
        "not on record": (fresh, plan, version),
        "limits": (fresh, plan, "limits of my own"),
        "used up": (real, plan, version),
        "other run": (rig.other.approval or fresh, rig.other.plan, version),
    }
    approval, its_plan, its_version = forgeries[how]
    now = rig.guard.state().time_s
    desk.executor.permit = type(desk.executor.permit or rig.permit(desk, fresh))(
        approval, Terms(its_plan, its_version), now
    )


def nobody(rig: Rig, rng: random.Random) -> None:
    """Without any approval: at the executor, and past it at the microscope that tools get."""
    desk = rig.desk
    real, desk.executor.permit = desk.executor.permit, None
    rig.make(calls.good(rng), allowed=False)
    call = ToolCall(id=rig.new_id(), step="s1", tool=rng.choice(("move_stage", "acquire_image", "get_state")))
    microscope = GatedMicroscope(desk.run, call, None)
    acts: tuple[Callable[[], Any], ...] = (
        lambda: microscope.move_stage(StageMove(x_um=1.0)),
        lambda: microscope.set_optics(OpticsChange(defocus_nm=5.0)),
        lambda: microscope.acquire(Scan(width_px=16, height_px=16, fov_nm=100.0, dwell_us=0.5)),
    )
    rig.watched(Watch(None, call.tool), rng.choice(acts))
    desk.executor.permit = real


def again(rig: Rig, rng: random.Random) -> None:
    """The same call twice, and the same name with other arguments."""
    name = rig.new_id()
    draft = calls.good(rng)
    if rig.make(draft, call_id=name) != "done":
        return
    rig.make(draft, call_id=name, allowed=False)
    tool, args = calls.good(rng)
    if (tool, args) != draft:
        rig.make((tool, args), call_id=name, allowed=False)
    rig.make(calls.bad(rng), call_id=name, allowed=False)


def halted(rig: Rig, rng: random.Random) -> None:
    """After a stop nothing goes on until a person lets it; after a blank the stage may still move."""
    how = rng.choice(("stop", "abort", "blank", "blank_beam"))
    if how in ("stop", "blank"):
        getattr(rig.guard, how)("the bench")
    else:
        rig.make((how if how == "abort" else "blank_beam", {}), allowed=False)
    rig.spy.held = "all" if how in ("stop", "abort") else "beam"
    for _ in range(2):
        rig.make(calls.good(rng))
    rig.spy.held = ""
    rig.desk.seat.clear_hold("the bench")
    if rig.desk.run.stopping.is_set():
        rig.renew()
    rig.make(calls.good(rng))


def hand(rig: Rig, rng: random.Random) -> None:
    """Somebody changes holder, specimen, voltage or a knob between approval and act."""
    how = rng.choice(("holder", "loading", "epoch", "voltage"))
    if how == "voltage":
        rig.spy.voltage = 80e3
    else:
        rig.spy.overlay = {how: 3 if how == "epoch" else "another"}
    for _ in range(2):
        rig.make(calls.good(rng))
    rig.spy.overlay, rig.spy.voltage = {}, None
    rig.make(calls.good(rng))


def knob(rig: Rig, rng: random.Random) -> None:
    """A hand raises the current or drives the stage away, without the program being told."""
    before, desk = rig.guard.state(), rig.desk
    if rng.random() < 0.5:
        rig.by_hand(lambda inner, never: inner.set_optics({"probe_current": 9e-10}, never))
    else:
        rig.by_hand(lambda inner, never: inner.move({"x": 4e-4, "y": before.reported["y"]}, never))
    rig.make(calls.image(rng), desk=desk)
    current, back = before.optics["probe_current"], {name: before.commanded[name] for name in ("x", "y")}
    rig.by_hand(lambda inner, never: inner.set_optics({"probe_current": current}, never))
    rig.by_hand(lambda inner, never: inner.move(back, never))
    rig.make(calls.move(rng))


def lease(rig: Rig, rng: random.Random) -> None:
    """A run without the lease, then a handover: the other one's exposures count for this one, too."""
    rig.make(calls.good(rng), desk=rig.other, allowed=False)
    budget = BUDGET
    frame = calls.costly(rng, 0.6, budget)
    rig.make(calls.FIFTY)
    x, y = rng.uniform(-20, 20), rng.uniform(-20, 20)
    for _ in range(2):
        rig.make(("move_stage", {"x_um": x, "y_um": y}))
        rig.make(frame)
        rig.sit(1 - rig.at)


def over_time(rig: Rig, rng: random.Random) -> None:
    """The time that was approved runs out, by the instrument's clock or by the wall's."""
    desk, bounds = rig.desk, NARROW if rig.at == 0 else WIDE
    if rng.random() < 0.5:
        rig.approve(desk, bounds | {"max_seconds": 5.0})
        rig.make(calls.step(rng))
        rig.by_hand(lambda inner, never: inner.wait(6.0, never))
    else:
        rig.approve(desk, bounds, seconds_valid=-1.0)
    for _ in range(2):
        rig.make(calls.good(rng))
    rig.approve(desk, bounds)


def few_frames(rig: Rig, rng: random.Random) -> None:
    """More frames than were approved, and a tool that was not."""
    desk, bounds = rig.desk, NARROW if rig.at == 0 else WIDE
    tools = ("acquire_image", "move_stage")
    few: dict[str, Any] = {"max_frames": 2} if rng.random() < 0.5 else {"max_electrons": 2.5e5}
    rig.approve(desk, bounds | few | {"tools": tools})
    for _ in range(4):
        rig.make(calls.image(rng))
    rig.make(calls.optics(rng))
    rig.make(calls.several(rng))
    rig.approve(desk, bounds)


def together(rig: Rig, rng: random.Random) -> None:
    """Two to four threads at once, on the run that has the lease and on the one that has none."""
    desk, bounds = rig.desk, NARROW if rig.at == 0 else WIDE
    if rng.random() < 0.3:
        rig.approve(desk, bounds | {"max_frames": 2})
    makers = [random.Random(rng.random()) for _ in range(rng.randint(2, 4))]
    frame = calls.costly(rng, 0.4, BUDGET)
    rig.make(calls.FIFTY)
    common = rng.random() < 0.4

    def caller(its: random.Random, mine: bool) -> None:
        for _ in range(3):
            if its.random() < 0.1:
                rig.make(("get_state", {}), desk=desk, allowed=False)
            draft = frame if common else calls.good(its) if its.random() < 0.7 else calls.bad(its)
            rig.make(draft, desk=desk if mine else rig.other, allowed=mine)

    threads = [
        threading.Thread(target=caller, args=(its, n == 0 or its.random() < 0.8))
        for n, its in enumerate(makers)
    ]
    with _restless():
        for thread in threads:
            thread.start()
        if rng.random() < 0.2:
            rig.guard.stop("the bench")
            rig.spy.held = "all"
        for thread in threads:
            thread.join()
    _after_together(rig, bounds)


@contextlib.contextmanager
def _restless() -> Iterator[None]:
    """Threads take turns far more often than they would, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _after_together(rig: Rig, bounds: dict[str, Any]) -> None:
    rig.spy.held = ""
    try:
        rig.desk.seat.clear_hold("the bench")
    except EucentricError:
        rig.sit(rig.at)
    rig.approve(rig.desk, bounds)
    if rig.desk.run.stopping.is_set() or rig.desk.run.broken:
        rig.renew()


SCENES: tuple[tuple[Scene, int], ...] = (
    (work, 36), (spoilt, 26), (far, 7), (look, 3), (split_way, 3), (overspend, 3), (forged, 4), (nobody, 4), (again, 4),
    (halted, 4), (hand, 4), (knob, 2), (lease, 3), (over_time, 3), (few_frames, 3), (together, 6),
)  # fmt: skip
"""Each with its weight."""


def play(rig: Rig, rng: random.Random, only: tuple[Scene, ...] = ()) -> None:
    """One scene by weight, of all or of those named."""
    chosen = [row for row in SCENES if not only or row[0] in only]
    scene = rng.choices([one for one, _ in chosen], [weight for _, weight in chosen])[0]
    rig.kind = rig.spy.account.scene = scene.__name__
    if rig.desk.run.stopping.is_set() or rig.desk.run.broken is not None:
        rig.renew()
    scene(rig, rng)
