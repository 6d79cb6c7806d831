"""Runs with all that happens to runs: faults, edits, pauses, stops, refusals, doubts, deaths of the instrument."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eucentric.agent.channels import Nobody
from eucentric.agent.consent.asked import Answer, Asked, GrantWish
from eucentric.bench.audited.desk import YES, Answers, Desk, image, plan, series, step
from eucentric.bench.campaign import REQUEST
from eucentric.core.plan import Plan, Step

NO = Answer("rejected", "a person", "not today")
LATER = Answer("deferred", "a person", "after lunch")
ONE_FLAKE = REQUEST.replace("image three", "image 1")


@dataclass(frozen=True)
class Story:
    """Some runs on one instrument."""

    name: str
    tell: Callable[[Desk], None]
    runs: int
    """How many it makes."""
    faults: str = ""
    stage: str = "good"

    def uri(self, seed: int) -> str:
        """The instrument's address."""
        faults = f"&faults={self.faults}" if self.faults else ""
        return f"twin://mxene?seed={seed}&stage={self.stage}{faults}"

    def made(self, folder: Path, seed: int) -> Desk:
        """Make its runs; nothing is open any more when it returns."""
        desk = Desk(folder, self.uri(seed))
        try:
            self.tell(desk)
        finally:
            desk.close()
        return desk


def _tour(*extra: Step) -> Plan:
    """Here and there, with a change of focus and a reading."""
    return plan(
        image("a", detectors=("haadf", "bf")), step("m", "move_stage", x_um=4.0, y_um=-2.0), series("s"),
        step("o", "set_optics", defocus_nm=40.0), image("b", dwell_us=2.0), step("g", "get_state"), *extra,
    )  # fmt: skip


# --- runs in order ----------------------------------------------------------------------------------------


def _in_a_row(desk: Desk) -> None:
    desk.carry(_tour(step("w", "write_report")))
    desk.carry(_tour(step("t", "move_stage", alpha_deg=5.0), image("c"), step("d", "query_dose")))
    desk.say("where is the stage right now?")
    desk.carry(
        plan(
            step("q", "query_log", what="last_acquisition"),
            image("d"),
            step("p", "save_position", name="home"),
        )
    )


def _analysed(desk: Desk) -> None:
    """Images with atoms, a finding each, and one for all of them; the second run finds that it can't tell."""
    x, y, defocus = desk.monolayer()
    there = step("go", "move_stage", x_um=x, y_um=y), step("focus", "set_optics", defocus_nm=defocus)
    look = [_atoms("i1", 0.0), _found("d1", "i1"), _atoms("i2", 12.0), _found("d2", "i2")]
    desk.carry(plan(*there, *look, step("all", "estimate_density")))
    blurred = image("far", fov_nm=40.0, width_px=256, height_px=256)
    desk.carry(plan(blurred, _found("d1", "far"), step("all", "estimate_density")))


def _atoms(name: str, away_nm: float) -> Step:
    at = step(f"{name}_at", "set_optics", beam_shift_x_nm=away_nm)
    shot = image(f"{name}_shot", fov_nm=8.0, width_px=512, height_px=512, dwell_us=3.0)
    return Step(id=name, times=1, do=(at, shot))


def _found(name: str, source: str) -> Step:
    return step(name, "detect_defects", {"frame": f"{source if source == 'far' else source + '_shot'}.frame"})


def _sentence(text: str) -> Callable[[Desk], None]:
    def tell(desk: Desk) -> None:
        desk.say(text)

    return tell


def _loops(desk: Desk) -> None:
    places = step("grid", "grid_positions", nx=2, ny=2, pitch_um=3.0)
    go = step("go", "move_stage", {"x_um": "item.x_um", "y_um": "item.y_um"})
    visit = Step(id="each", for_each="grid.positions", at_most=3, do=(go, image("look")))
    timed = Step(id="watch", times=3, every_s=20.0, at_most=3, do=(image("frame"),))
    desk.carry(plan(places, visit, timed, step("f", "autofocus", range_nm=300.0)))
    desk.again(drop=("f",), change=("look.dwell_us=0.5",))


def _detector(desk: Desk) -> None:
    there, back = (
        step(name, "insert_detector", detector="bf", inside=name == "in") for name in ("in", "out")
    )
    desk.carry(plan(there, image("a"), back, image("b")))
    desk.when("insert", desk.count("insert") + 1, lambda: desk.guard.stop("somebody cried"), "after")
    desk.carry(plan(there, image("c")))
    desk.take_up()


# --- people -----------------------------------------------------------------------------------------------


def _paused(desk: Desk) -> None:
    for when, frame in (("now", 2), ("after_frame", 2), ("after_step", 3)):
        desk.when("acquire", desk.count("acquire") + frame, partial(desk.ask, "pause", when))
        desk.carry(_tour(), paused=desk.release)


def _ended(desk: Desk) -> None:
    """Aborted, finished, and both while paused."""
    for do in ("abort", "finish"):
        desk.when("acquire", desk.count("acquire") + 3, partial(desk.ask, do))
        desk.carry(_tour())
        desk.when("acquire", desk.count("acquire") + 2, partial(desk.ask, "pause"))
        desk.carry(_tour(), paused=partial(desk.ask, do))


def _edited(desk: Desk) -> None:
    texts = ("s.frames=2", "b.dwell_us=3.5", "x.y=1", "s.frames=many")
    edits = [Answer("edited", "a person", edit=text) for text in texts]
    desk.carry(_tour(), answers=(*edits, YES))
    desk.carry(_tour(), answers=(Answer("edited", "a person", edit="m.x_um=-3"), NO))


def _replanned(desk: Desk) -> None:
    """No, another plan; one step alone, then the rest; later; never."""
    desk.carry(_tour(), plan(image("a"), series("s", 2)), answers=(NO, YES))
    desk.carry(_tour(), answers=(Answer("stop_after_step", "a person"), YES))
    desk.carry(plan(image("a", dwell_us=3.0)), answers=(LATER,))
    desk.approve()
    desk.take_up()
    desk.carry(plan(image("a", dwell_us=5.0)), channel=Nobody())


def _granted(desk: Desk) -> None:
    wish = GrantWish(uses=2, hours=1.0)
    there, back = step("m", "move_stage", x_um=15.0), step("n", "move_stage", x_um=-2.0)
    yes = Answer("approved", "a person", grant=wish)
    desk.carry(plan(there, image("a", dwell_us=10.0), back), answers=(yes,))
    desk.carry(plan(image("b")), channel=Nobody())


class _WorksMeanwhile(Answers):
    """Somebody who lets another run pass first."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(YES)
        self._desk: Desk | None = desk

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """The other run, then yes."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.carry(_tour())
        return super().poll(asked, seconds)


def _meanwhile(desk: Desk) -> None:
    """A run waits at its gate while another one works on the same instrument."""
    desk.carry(plan(image("a"), series("s", 2)), channel=_WorksMeanwhile(desk))


def _stopped(desk: Desk) -> None:
    """Stopped before, in and after a command; taken up again."""
    for kind, number, moment in (("acquire", 2, "before"), ("acquire", 3, "after"), ("move", 1, "after")):
        desk.when(kind, desk.count(kind) + number, lambda: desk.guard.stop("somebody cried"), moment)
        desk.carry(_tour())
        desk.take_up()


def _stopped_otherwise(desk: Desk) -> None:
    """In a change of the optics, by a blank, while paused in a step and between two, by a sentence, by Ctrl-C."""
    desk.when("set_optics", desk.count("set_optics") + 1, lambda: desk.guard.stop("stop"))
    desk.carry(_tour())
    desk.take_up()
    desk.when("acquire", desk.count("acquire") + 3, lambda: desk.guard.blank("dark, please"))
    desk.carry(_tour())
    desk.when("acquire", desk.count("acquire") + 2, partial(desk.ask, "pause"))
    desk.carry(_tour(), paused=lambda: desk.guard.stop("enough"))
    desk.when("acquire", desk.count("acquire") + 1, partial(desk.ask, "pause", "after_step"))
    desk.carry(_tour(), paused=lambda: desk.guard.stop("enough of that"))
    desk.say("stop")
    desk.carry(_tour(), interrupt_after="m")
    desk.take_up()


def _refused(desk: Desk) -> None:
    """By the budget of a place, by a limit, for want of an argument; and what can't even be previewed."""
    desk.carry(plan(series("s", 3, fov_nm=8.0), image("b", fov_nm=8.0), budget=2500.0))
    desk.carry(plan(image("a"), step("m", "move_stage", x_um=900.0), step("n", "move_stage", x_um=-900.0)))
    desk.carry(plan(image("a"), step("x", "detect_defects", frame="f-99999")))
    desk.say("open the column valve")


# --- what goes wrong --------------------------------------------------------------------------------------


def _in_spite(desk: Desk) -> None:
    """A tour whatever the faults are; if it stops, it is taken up as often as it helps."""
    more = (step("m2", "move_stage", x_um=-3.0), image("c"), step("f", "autofocus", range_nm=300.0))
    outcome = desk.carry(_tour(*more), paused=desk.release)
    for settle in ("adopt", "repeat"):
        if outcome.outcome in ("parked", "stopped", "failed"):
            desk.take_up(settle=settle, paused=desk.release)
    desk.carry(_tour(), paused=desk.release)


def _touched(desk: Desk) -> None:
    """A move is missed, and the tilt after it ends at a pole piece: motion is locked until staff clear the alarm."""
    up, down = step("up", "move_stage", z_um=250.0), step("down", "move_stage", z_um=0.0)
    desk.carry(plan(image("a"), up, down, step("t", "move_stage", alpha_deg=30.0), image("b")))
    desk.guard.clear_touch("staff")
    desk.carry(plan(step("t", "move_stage", alpha_deg=0.0), image("c")))


_SLOW = plan(image("a"), step("w", "move_stage", x_um=50.0), series("s", 6), image("z"))


def _bad_air(desk: Desk) -> None:
    """The vacuum is bad for minutes; it is waited for by rule."""
    desk.carry(_SLOW)
    desk.carry(_tour())


def _bad_air_and_people(desk: Desk) -> None:
    """A person pauses meanwhile, and releases it."""
    desk.when("wait", 4, partial(desk.ask, "pause"))
    desk.carry(_SLOW, paused=desk.release_second)


def _bad_air_and_out(desk: Desk) -> None:
    """A person aborts meanwhile."""
    desk.when("wait", 5, partial(desk.ask, "abort"))
    desk.carry(_SLOW)
    desk.carry(plan(image("a")))


def _host_died(desk: Desk) -> None:
    """The instrument's process dies in a scan; a new one is begun, another run comes first, then it is taken up."""
    desk.carry(plan(image("a")))
    desk.when("acquire", desk.count("acquire") + 2, desk.cut, "after")
    desk.carry(series_here())
    left = desk.run
    desk.begin_instrument()
    desk.carry(plan(image("z")))
    desk.run = left
    desk.take_up(settle="repeat")


def series_here() -> Plan:
    """A series that can be gone on with by a new instrument, which stands at its origin."""
    return plan(image("a"), series("s"), image("b"))


STORIES = (
    Story("in a row", _in_a_row, 4),
    Story("analysed", _analysed, 2, stage="ideal"),
    Story("loops, and again", _loops, 2),
    Story("detector", _detector, 2),
    Story("paused", _paused, 3, stage="worn"),
    Story("ended", _ended, 4),
    Story("edited", _edited, 2),
    Story("replanned", _replanned, 4),
    Story("granted", _granted, 2, stage="ideal"),
    Story("meanwhile", _meanwhile, 2),
    Story("stopped", _stopped, 3),
    Story("stopped otherwise", _stopped_otherwise, 6, stage="worn"),
    Story("refused", _refused, 4),
    Story("moves go wrong", _in_spite, 2, "missed_move@1,slow_settle@2,partial_move@3", "worn"),
    Story("a stage error", _in_spite, 2, "stage_error@2,backlash@1", "worn"),
    Story("no answer", _in_spite, 2, "time_out@1,drift_step@2", "worn"),
    Story("a line lost", _in_spite, 2, "lost_connection@4,lost_connection@11"),
    Story("frames go wrong", _in_spite, 2, "stale_frame@3,scan_glitch@4,focus_jump@5,drift_step@2"),
    Story("a detector fails", _in_spite, 2, "detector_saturation@2,detector_not_inserted@5"),
    Story("no beam", _in_spite, 2, "beam_trip@4"),
    Story("less current", _in_spite, 2, "current_drop@3,emission_decay@5"),
    Story("a read-back lies", _in_spite, 2, "readback_lies@1,door_interlock@60s"),
    Story("touched", _touched, 2, "missed_move@2"),
    Story("bad air", _bad_air, 2, "vacuum_burst@1s"),
    Story("bad air, paused", _bad_air_and_people, 1, "vacuum_burst@1s"),
    Story("bad air, aborted", _bad_air_and_out, 2, "vacuum_burst@1s"),
    Story("the host died", _host_died, 3),
    Story("one flake", _sentence(ONE_FLAKE), 1),
)
CAMPAIGNS = (
    Story("three flakes", _sentence(REQUEST), 1),
    Story("three flakes, worn", _sentence(REQUEST), 1, stage="worn"),
)
"""The whole request: long, with a finding for each flake and one for all."""
