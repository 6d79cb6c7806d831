"""Each row of a run says what the instrument's clock showed when it was last read, at no round trip more."""

from workbench import image, step


def test_rows_carry_the_instruments_clock_and_it_never_goes_back(bench):
    bench.carry(step("m", "move_stage", x_um=5.0), image())
    rows = [row for row in bench.rows() if row.kind != "decided"]  # an answer may come from another terminal
    seen = [row.clocks.instrument_s for row in rows]
    assert None not in seen
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    returned = bench.rows("returned")
    assert returned
    for row in returned:
        if "state" in row.body:
            assert row.clocks.instrument_s == round(row.body["state"]["time_s"], 6)


def test_a_row_costs_no_read_back(bench, monkeypatch):
    bench.carry(image())
    reads = []
    read = bench.guard.state
    monkeypatch.setattr(bench.guard, "state", lambda: reads.append(1) or read())
    before = bench.run.log("found", "one").clocks.instrument_s
    assert (reads, before) == ([], bench.rows()[-1].clocks.instrument_s)
    now = bench.run.now().time_s
    assert len(reads) == 1
    assert bench.run.log("found", "two").clocks.instrument_s == round(now, 6)


def test_the_log_is_folded_away_at_the_end_of_a_run(bench):
    log = bench.store.ledger.path.with_name("audit.db-wal")
    bench.carry(image())
    rows = bench.store.ledger.head()[0]
    assert rows > 8
    assert log.stat().st_size == 0
