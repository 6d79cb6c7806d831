"""Rows carry the instrument's own count of commands: before and after each act, and where the lease changes hands."""

from workbench import image, in_thread, step

from eucentric.agent.acting.counting import count_of, reading
from eucentric.agent.custody.control import Control, ask, release
from eucentric.core.errors import ConnectionLost
from eucentric.core.store import Store

ACTS = {
    "move_stage": 1,
    "set_optics": 1,
    "insert_detector": 1,
    "acquire": 3,  # unblank, scan, blank
    "wait": 0,
}


def pairs(bench):
    """(act, count before, count after) of each act, in order."""
    rows = bench.rows("intended", "returned", "failed", "in_doubt")
    begun = {row.action_id: row for row in rows if row.kind == "intended"}
    return [
        (row.body["act"], begun[row.action_id].body["commands"], row.body["commands"])
        for row in rows
        if row.kind != "intended" and begun[row.action_id].body.get("incarnation")
    ]


def test_every_act_has_the_count_before_and_after_it_and_nothing_is_between(bench):
    bench.carry(
        step("m", "move_stage", x_um=3.0),
        step("o", "set_optics", defocus_nm=5.0),
        step("i", "insert_detector", detector="bf", inside=False),
        step("i2", "insert_detector", detector="bf", inside=True),
        image("a"),
        step("s", "acquire_series", width_px=32, height_px=32, fov_nm=10.0, dwell_us=1.0, frames=3),
        step("w", "survey", tiles_x=2, tiles_y=1, fov_um=1.0, width_px=64, dwell_us=1.0),
    )
    found = pairs(bench)
    assert {name for name, _, _ in found} >= {"move_stage", "acquire", "set_optics"}
    for name, before, after in found:
        assert after - before == ACTS[name], name
    assert [after for _, _, after in found[:-1]] == [before for _, before, _ in found[1:]]
    assert found[0][1] == 0
    assert bench.rows("finished")[0].body["commands"] == found[-1][2]


def test_question_lease_and_end_tell_what_they_blanked(bench):
    bench.spy.driver.set_blank(False)  # a hand
    bench.carry(image("a"))
    (asked,), (leased,), (finished,) = (bench.rows(kind) for kind in ("asked", "leased", "finished"))
    assert (asked.body["commands_before"], asked.body["commands"]) == (
        1,
        2,
    )  # nobody knows how long a person takes
    assert (leased.body["commands_before"], leased.body["commands"]) == (2, 2)
    assert finished.body["commands"] == 5
    assert leased.body["incarnation"] == finished.body["incarnation"] == bench.guard.incarnation()


def test_a_run_that_took_nothing_tells_no_count(bench):
    bench.carry(step("g", "get_state"))
    assert bench.rows("leased") == []
    assert "commands" not in bench.rows("finished")[0].body


def test_a_failed_act_that_was_sent_has_its_count_and_one_that_was_not_has_none(bench):
    bench.spy.before["acquire"] = lambda *_: bench.guard.stop("enough")
    bench.carry(image("a"))
    (failed,) = bench.rows("failed")
    assert (failed.body["sent"], failed.body["commands"]) == (True, 3)
    bench.spy.before.clear()
    bench.carry(image("b"), step("m", "move_stage", x_um=1e6))
    assert not any("commands" in row.body for row in bench.rows("failed") if not row.body["sent"])


def test_an_act_that_is_in_doubt_for_a_lost_connection_waits_for_no_count(bench):
    """Its row must not wait for an instrument that does not answer."""
    real, written = bench.guard.state, []

    def state():
        written.append(len(bench.rows("in_doubt")))
        return real()

    def lost(*_, **__):
        bench.guard.state = state
        raise ConnectionLost("gone")

    bench.guard.move = lost
    bench.carry(step("m", "move_stage", x_um=1.0))
    (doubt,) = bench.rows("in_doubt")
    assert "commands" not in doubt.body
    assert written[0] == 1


def test_a_pause_has_the_count(bench):
    other = Store(bench.folder / "store")
    bench.spy.before["move"] = lambda *_: ask(other, bench.run.id, Control(do="pause", by="kim"))

    def let_go():
        while not other.ledger.events(run="r-0001", kinds=("paused",)):
            pass
        release(other, "r-0001", by="kim")

    thread = in_thread(let_go)
    bench.carry(step("m", "move_stage", x_um=1.0), image("a"))
    thread.join()
    other.close()
    (paused,) = bench.rows("paused")
    assert (paused.body["commands"], paused.body["incarnation"]) == (1, bench.guard.incarnation())


def test_a_count_that_can_not_be_read_is_left_out():
    class Gone:
        def incarnation(self):
            return "life"

        def state(self):
            raise ConnectionLost("gone")

    assert count_of(Gone()) is None
    assert reading(Gone(), 4) == {"incarnation": "life", "commands_before": 4}
    Gone.incarnation = Gone.state
    assert reading(Gone()) == {}
