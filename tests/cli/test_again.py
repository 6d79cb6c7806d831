"""A run, the same plan again, both replayed and compared: as somebody at a shell does it, with a host process."""

import json

import pytest

URI = "twin://mxene?seed=3"


@pytest.fixture
def made(place):
    """One run on a host, with a policy that approves it."""
    place.yes = ("--approve", str(place.policy()), *place.store)
    code, _, err = place.eucentric(
        "run", "take a 64x64 HAADF at 20 nm field of view, 1 us dwell, then move the stage 2 um in x",
        "--instrument", URI, *place.yes,
    )  # fmt: skip
    assert code == 0, err
    return place


def test_again_replayed_and_compared(made):
    code, out, err = made.eucentric("run", "--like", "r-0001", "--set", "s1.dwell_us=3", *made.yes)
    assert code == 0, (out, err)
    assert "the plan of r-0001 again: s1.dwell_us 1 → 3" in out
    for run in ("r-0001", "r-0002"):
        code, out, err = made.eucentric("audit", "replay", run, *made.store)
        assert (code, out.splitlines()[-1]) == (0, "IDENTICAL"), (out, err)
        assert "frames       1 of 1 the same" in out
    assert "2 acts of r-0001 sent again" in out
    code, out, _ = made.eucentric("audit", "diff", "r-0001", "r-0002", *made.store)
    assert code == 1
    assert "-     dwell 1 µs\n+     dwell 3 µs" in out
    assert "like run r-0001" in out
    code, out, _ = made.eucentric("audit", "show", "r-0002", *made.store)
    assert "the plan of r-0001 again" in out
    code, out, _ = made.eucentric("audit", "diff", "r-0002", "r-0002", *made.store)
    assert (code, "The same: " in out) == (0, True)
    code, out, _ = made.eucentric("audit", "replay", "r-0002", *made.store, "--json")
    said = json.loads(out)
    assert (code, said["verdict"], said["run"]) == (0, "identical", "r-0002")
    assert {one["part"] for one in said["compared"]} == {"call", "act", "frame", "row"}
    code, out, _ = made.eucentric(
        "audit", "diff", f"{made.store[1]}:r-0001", f"{made.store[1]}:r-0002", "--json"
    )
    assert (code, json.loads(out)["same"]) == (1, False)
    refused(made)


def refused(made):
    """What can't be done is said, and nothing is begun."""
    for words, args in (
        ("give a REQUEST, or --like RUN", ("run", *made.store)),
        ("give a REQUEST, or --like RUN", ("run", "x", "--like", "r-0001", *made.store)),
        ("--drop and --set change the plan of --like RUN", ("run", "x", "--drop", "s1", *made.store)),
        ("the plan has no step 's9'", ("run", "--like", "r-0001", "--drop", "s9", *made.yes)),
        ("there is no run 'r-0042'", ("run", "--like", "r-0042", *made.yes)),
        ("no run 'r-0042'", ("audit", "replay", "r-0042", *made.store)),
        ("no run 'r-0042'", ("audit", "diff", "r-0001", "r-0042", *made.store)),
        ("names a store", ("audit", "diff", "x:r-0001", "r-0001", *made.store)),
    ):
        found, out, err = made.eucentric(*args)
        assert (found, words in err) == (2, True), (args, out, err)
    code, out, _ = made.eucentric("run", "--like", "r-0001", "--set", "s2.x_um=5000", *made.yes)
    assert (code, "Nothing was sent" in out or "5000" in out) == (3, True), "the preview refuses it"
