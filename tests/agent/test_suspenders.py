"""A signal out of its range: nothing is sent, the beam is dark, and it goes on by rule or by a person."""

import threading
import time

import pytest
from workbench import image, in_thread, step

from eucentric.agent.custody.control import Control, ask, release, standing
from eucentric.agent.custody.suspenders import (
    DOSE_RATE,
    DRIFT,
    Suspenders,
    dose_rate_e_per_a2_s,
)
from eucentric.core.instrument import MicroscopeState
from eucentric.core.store import Store
from eucentric.instruments.limits import Suspender
from eucentric.knowledge.dose import scan_dose

LONG_S = 20.0
OPTICS = {"probe_current_pa": 50.0, "voltage_kv": 60.0, "convergence_mrad": 30.0}


def state(signals=None, **optics):
    return MicroscopeState(
        instrument="x",
        simulated=True,
        stage={},
        optics={**OPTICS, **optics},
        blanked=True,
        signals=signals or {},
    )


# --- what a rule compares ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "now", "trips"),
    [
        ({"signal": "vacuum_mbar", "high": 1e-6}, state({"vacuum_mbar": 9e-7}), False),
        ({"signal": "vacuum_mbar", "high": 1e-6}, state({"vacuum_mbar": 1e-6}), False),
        ({"signal": "vacuum_mbar", "high": 1e-6}, state({"vacuum_mbar": 2e-6}), True),
        ({"signal": "vacuum_mbar", "high": 1e-6}, state(), True),
        ({"signal": "emission_ua", "low": 8.0}, state({"emission_ua": 8.5}), False),
        ({"signal": "emission_ua", "low": 8.0}, state({"emission_ua": 7.9}), True),
        ({"signal": "emission_ua", "low": 8.0, "high": 12.0}, state({"emission_ua": 12.5}), True),
        ({"signal": "probe_current_pa", "drop_fraction": 0.2}, state(probe_current_pa=41.0), False),
        ({"signal": "probe_current_pa", "drop_fraction": 0.2}, state(probe_current_pa=39.0), True),
        ({"signal": "probe_current_pa", "drop_fraction": 0.2}, state(probe_current_pa=90.0), False),
        ({"signal": DOSE_RATE, "high": 1e9}, state(), False),
        ({"signal": DOSE_RATE, "high": 1e5}, state(), True),
        ({"signal": DRIFT, "high": 0.5}, state(), False),
    ],
)
def test_rules(rule, now, trips):
    made = Suspenders((Suspender(**rule, words="because"),))
    made.refer(state({"vacuum_mbar": 1e-7, "emission_ua": 10.0}))
    trip = made.tripped(now)
    assert (trip is not None) == trips
    if trip is not None:
        assert rule["signal"] in trip.why
        assert "(because)" in trip.why
        assert trip.body()["rule"]["signal"] == rule["signal"]


def test_the_dose_rate_is_that_of_the_dose_arithmetic():
    more = {"dwell_us": 1.0, "pixel_nm": 0.1, "columns": 64}
    expected = scan_dose(current_pa=50.0, voltage_kv=60.0, convergence_mrad=30.0, **more).rate_e_per_a2_s
    assert dose_rate_e_per_a2_s(state()) == pytest.approx(expected)
    blind = state().model_copy(update={"optics": {"probe_current_pa": 50.0}})
    assert dose_rate_e_per_a2_s(blind) is None


@pytest.mark.parametrize(
    ("values", "trips"),
    [
        (({"drift_nm_s": 0.9},), True),
        (({"drift_nm_s": 0.9}, {"drift_nm_s": 0.1}), False),
        (({"drift_nm_s": 0.9}, {"other": 1}), True),
        (({"drift_nm_s": 0.9}, {"drift_nm_s": None}), True),
        (({"drift_nm_s": True},), False),
    ],
)
def test_the_newest_drift_that_was_measured_counts(values, trips):
    made = Suspenders((Suspender(signal=DRIFT, high=0.5),))
    for value in values:
        made.measured(value)
    trip = made.tripped(state())
    assert (trip is not None) == trips
    if trip is not None:
        made.waited(trip)
        assert made.tripped(state()) is None, "after a wait nobody knows it"


def test_a_person_accepts_a_drop_but_no_absolute_bound():
    rules = (Suspender(signal="probe_current_pa", drop_fraction=0.2, low=30.0),)
    made = Suspenders(rules)
    made.refer(state())
    fallen = made.tripped(state(probe_current_pa=39.0))
    made.accepted(fallen)
    assert made.tripped(state(probe_current_pa=39.0)) is None
    assert made.tripped(state(probe_current_pa=31.0)) is not None, "measured from there"
    low = made.tripped(state(probe_current_pa=29.0))
    made.accepted(low)
    assert made.tripped(state(probe_current_pa=29.0)) is not None


# --- in a run ---------------------------------------------------------------------------------------------


class Gauge:
    """The vacuum as the instrument reports it, burst at a frame and, if told, good again later."""

    def __init__(self, bench, monkeypatch):
        self.bench, self.store, self.value, self.good_at_s = bench, None, 1e-7, None
        read = bench.spy.read
        monkeypatch.setattr(bench.spy, "read", lambda: self._read(read()))
        self.count = 0
        bench.spy.before["acquire"] = self._frame
        self.burst_at, self.back_after_s = 2, None

    def _read(self, state):
        if self.good_at_s is not None and state.time_s >= self.good_at_s:
            self.value = 1e-7
        return state.model_copy(update={"signals": {"vacuum_mbar": self.value}})

    def _frame(self, *_):
        self.count += 1
        if self.count == self.burst_at:
            self.value = 5e-6
            if self.back_after_s is not None:
                self.good_at_s = self.bench.spy.driver.read().time_s + self.back_after_s


@pytest.fixture
def gauge(bench, monkeypatch):
    return Gauge(bench, monkeypatch)


@pytest.fixture
def ruled(bench, monkeypatch):
    """Rules for the bench's instrument."""

    def rule(**fields):
        rules = (Suspender(**{"signal": "vacuum_mbar", "high": 1e-6, **fields}),)
        limits = bench.guard.limits().model_copy(update={"suspenders": rules})
        monkeypatch.setattr(bench.guard, "limits", lambda: limits)

    return rule


@pytest.fixture
def person(bench):
    """When the run stands, look and say something to it, from a store of one's own."""
    store, seen = Store(bench.store.folder), []

    def act(say, times=1):
        def work():
            end, last = time.monotonic() + LONG_S, 0
            for _ in range(times):
                while time.monotonic() < end:
                    row = standing(store.ledger, bench.run.id) if bench.run else None
                    if row is not None and row.kind == "paused" and row.seq > last:
                        break
                    time.sleep(0.01)
                last = row.seq
                seen.append((row, bench.spy.names().count("acquire"), bench.spy.driver.is_blanked()))
                say(store, row.run_id)

        return in_thread(work)

    act.seen = seen
    late = threading.Timer(LONG_S, lambda: ask(store, bench.run.id, Control(do="abort", by="too slow")))
    late.start()
    yield act
    late.cancel()
    late.join()
    store.close()


SERIES = step("ser", "acquire_series", frames=4, width_px=16, height_px=16, fov_nm=50.0, dwell_us=1.0)


def test_it_waits_by_rule_with_the_beam_dark_and_goes_on_by_itself(bench, gauge, ruled):
    ruled(then="resume", hold_s=20.0, at_most_s=600.0)
    gauge.back_after_s = 100.0
    waits = []
    bench.spy.before["wait"] = lambda *_: waits.append(bench.spy.driver.is_blanked())
    outcome = bench.carry(SERIES)
    assert (outcome.outcome, bench.spy.names().count("acquire")) == ("done", 4), outcome.error
    (row,), (released,) = bench.rows("suspended"), bench.rows("released")
    assert (row.body["signal"], row.body["value"], row.body["bound"]) == ("vacuum_mbar", 5e-6, 1e-6)
    assert row.body["rule"]["then"] == "resume"
    assert row.body["limits_version"] == bench.run.capabilities.limits_version
    assert (row.body["beam"], released.actor) == ("blanked", "rule")
    assert released.body["instrument_s"] == pytest.approx(120.0, abs=3.0)
    assert len(waits) > 50
    assert all(waits)
    between = bench.rows("intended")
    assert not [one for one in between if row.seq < one.seq < released.seq], "nothing was sent meanwhile"
    assert bench.rows("paused") == []


def test_a_signal_that_falls_back_starts_the_hold_again(bench, gauge, ruled, monkeypatch):
    ruled(then="resume", hold_s=20.0, at_most_s=600.0)
    gauge.burst_at = 2
    start = {}
    inner = bench.spy.driver.read

    def flutter(read_state):
        if gauge.value > 1e-6 and "s" not in start:
            start["s"] = read_state.time_s
        since = read_state.time_s - start.get("s", read_state.time_s)
        bad = "s" in start and (since < 5 or 15 < since < 25)
        return read_state.model_copy(update={"signals": {"vacuum_mbar": 5e-6 if bad else 1e-7}})

    monkeypatch.setattr(bench.spy, "read", lambda: flutter(inner()))
    assert bench.carry(SERIES).outcome == "done"
    (released,) = bench.rows("released")
    assert released.body["instrument_s"] > 44.0


def test_a_rule_that_waits_too_long_asks_a_person(bench, gauge, ruled, person):
    ruled(then="resume", hold_s=5.0, at_most_s=60.0)

    def say(store, run):
        gauge.value = 1e-7
        release(store, run, "j.doe")

    thread = person(say)
    outcome = bench.carry(SERIES)
    thread.join()
    ((row, frames, blanked),) = person.seen
    assert (outcome.outcome, frames, blanked, row.actor) == ("done", 2, True, "rule")
    assert "is above" in row.body["reason"]
    assert bench.rows("released")[-1].actor == "j.doe"


def test_asking_rules_pause_until_a_person_lets_it_go_on_and_a_bound_is_not_overridden(
    bench, gauge, ruled, person
):
    ruled(then="ask")
    said = iter([None, 1e-7])

    def say(store, run):
        gauge.value = next(said) or gauge.value
        release(store, run, "j.doe")

    thread = person(say, times=2)
    outcome = bench.carry(SERIES)
    thread.join()
    assert outcome.outcome == "done", outcome.error
    assert [frames for _, frames, _ in person.seen] == [2, 2], "nothing was sent while it was bad"
    assert len(bench.rows("suspended")) == 2


def test_an_abort_ends_a_suspension(bench, gauge, ruled):
    ruled(then="resume", hold_s=5.0, at_most_s=80_000.0)
    waits = iter(range(1000))
    store = Store(bench.store.folder)
    bench.spy.before["wait"] = lambda *_: (
        ask(store, bench.run.id, Control(do="abort", by="me")) if next(waits) == 5 else None
    )
    outcome = bench.carry(SERIES)
    store.close()
    assert (outcome.outcome, bench.spy.names().count("acquire")) == ("aborted", 2)


def test_a_stop_ends_a_suspension(bench, gauge, ruled):
    ruled(then="resume", hold_s=5.0, at_most_s=80_000.0)
    waits = iter(range(1000))
    bench.spy.after["wait"] = lambda *_: bench.guard.stop("by hand") if next(waits) == 5 else None
    outcome = bench.carry(SERIES)
    assert (outcome.outcome, bench.spy.names().count("acquire")) == ("stopped", 2)
    assert bench.guard.held() == "by hand"


def test_it_is_asked_before_the_first_act(bench, gauge, ruled):
    ruled(then="ask", words="column vacuum")
    gauge.value = 5e-6
    bench.carry(image(), prepare=_abort_when_paused)
    assert bench.spy.names() == []
    (row,) = bench.rows("suspended")
    assert "(column vacuum)" in row.summary


def _abort_when_paused(session):
    told = session.observer.told
    session.observer.told = lambda text: (
        ask(session.run.store, session.run.id, Control(do="abort", by="me"))
        if "Paused" in text
        else told(text)
    )


def test_a_measured_drift_suspends_the_next_step(bench, ruled, monkeypatch):
    """The rule waits: the stage settles, and what was measured before says nothing any more."""
    ruled(signal=DRIFT, high=1e-4, then="resume", hold_s=30.0)
    outcome = bench.carry(
        step("ser", "acquire_series", frames=3, width_px=64, height_px=64, fov_nm=8.0, dwell_us=20.0), image(),
        prepare=lambda session: monkeypatch.setattr(
            session.checkpoint.suspenders.__class__, "measured",
            lambda self, value: setattr(self, "_drift", 0.7) if "drift_nm_s" in value else None,
        ),
    )  # fmt: skip
    assert outcome.outcome == "done", outcome.error
    (row,) = bench.rows("suspended")
    assert (row.body["value"], row.body["before"]) == (0.7, "acquire")
    assert bench.rows("released")[0].body["instrument_s"] == pytest.approx(30.0)


def test_tools_that_measure_drift_return_it_under_that_name():
    from eucentric.tools.catalogue import tool_named

    for name in ("acquire_series", "go_to_target"):
        assert "drift_nm_s" in tool_named(name).result.model_fields
