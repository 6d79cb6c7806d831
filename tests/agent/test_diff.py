"""Two runs beside each other: what is the same is counted, what is not is told with its unit, nothing else."""

import pytest

from eucentric.agent.auditing.diff import diff, lines
from eucentric.agent.auditing.diff_words import told
from eucentric.agent.consent.asked import Answer
from eucentric.bench.audited.desk import YES, Desk, image, plan, series, step
from eucentric.core.errors import BadInput
from eucentric.core.rows import open_rows


@pytest.fixture
def desk(own_places):
    made = Desk(own_places / "store", "twin://mxene?seed=7&stage=ideal")
    yield made
    made.close()


@pytest.fixture
def compare(desk):
    ledger = open_rows(desk.folder / "audit.db")
    yield lambda a, b: diff(ledger, a, ledger, b)
    ledger.close()


def changes(found, part):
    (one,) = [one for one in found.parts if one.name == part]
    return [
        (each.mark, each.what, {value.name: (value.a, value.b) for value in each.values})
        for each in one.changes
    ]


def test_a_run_is_the_same_as_itself(desk, compare):
    desk.carry(plan(image("a"), series("s", 3)))
    found = compare("r-0001", "r-0001")
    assert found.same
    shown = list(lines(found))
    assert shown[0].startswith("--- r-0001  2")
    assert shown[2].startswith("The same: ")
    assert "frames (5)" in shown[2]
    assert len(shown) == 3


def test_steps_arguments_calls_frames_and_approvals(desk, compare):
    desk.carry(plan(image("a"), series("s", 3), image("z")))
    desk.carry(plan(image("a", dwell_us=2.0), step("m", "move_stage", x_um=1.5), image("z")))
    found = compare("r-0001", "r-0002")
    assert not found.same
    steps = changes(found, "plan")
    assert ("~", "a acquire_image", {"dwell_us": (1.0, 2.0)}) in steps
    alone = [("-", "s acquire_series"), ("+", "m move_stage")]
    assert [(mark, what) for mark, what, _ in steps if mark != "~"] == alone
    assert [(mark, what) for mark, what, _ in changes(found, "calls") if mark != "~"] == alone
    frames = {what: values for mark, what, values in changes(found, "frames") if mark == "~"}
    assert frames["frame 1 of a"]["dwell_us"] == (1.0, 2.0)
    assert frames["frame 1 of z"]["x_um"] == (0.0, 1.5)
    assert "sha256" in frames["frame 1 of z"]
    ((_, gate, envelope),) = changes(found, "approvals")
    assert gate == "gate g1"
    assert envelope["envelope.max_frames"] == (6, 3)
    assert envelope["envelope.x_um"][1] != envelope["envelope.x_um"][0]


def test_a_person_reads_units_and_groups(desk, compare):
    desk.carry(plan(image("a"), series("s", 3)))
    desk.carry(plan(image("a", fov_nm=80.0)))
    shown = list(lines(compare("r-0001", "r-0002")))
    assert "-     fov 60 nm" in shown
    assert "+     fov 80 nm" in shown
    assert "- frame 1 of s … frame 4 of s" in shown
    assert any(line.startswith("@@ plan  1 the same, 1 changed, 1 only in the first") for line in shown)


def test_ids_and_times_are_no_difference(desk, compare):
    """The same plan in a new run: other frame ids, other event numbers, and on this stage other pixels."""
    for _ in range(2):
        desk.carry(plan(image("a"), step("q", "detect_defects", {"frame": "a.frame"}, kind="vacancy")))
    found = compare("r-0001", "r-0002")
    assert not [one.name for one in found.parts if one.changes and one.name in ("plan", "request", "ending")]
    calls = changes(found, "calls")
    assert not any("f-000" in str(values) for _, _, values in calls)


def test_endings_errors_pauses_and_edits(desk, compare):
    desk.carry(plan(image("a"), series("s", 3)))
    desk.when("acquire", desk.count("acquire") + 2, lambda: desk.ask("abort"))
    edit = Answer("edited", "a person", edit="s.frames=2")
    desk.carry(plan(image("a"), series("s", 3)), answers=(edit, YES))
    found = compare("r-0001", "r-0002")
    assert changes(found, "plan")[1] == ("~", "s acquire_series", {"frames": (3, 2)})
    assert [what for mark, what, _ in changes(found, "approvals") if mark == "+"] == ["gate g2"]
    ((_, _, end),) = changes(found, "ending")
    assert end["outcome"] == ("done", "aborted")
    assert end["error.what"][1] == "aborted by somebody"
    assert any(what == "control" for _, what, _ in changes(found, "interruptions"))


def test_two_ledgers(desk, own_places):
    desk.carry(plan(image("a")))
    other = Desk(own_places / "other", "twin://mxene?seed=8&stage=ideal")
    other.carry(plan(image("a")))
    other.close()
    one, two = (open_rows(folder / "audit.db") for folder in (desk.folder, other.folder))
    found = diff(one, "r-0001", two, "r-0001")
    one.close()
    two.close()
    assert ("~", "address", {"uri": (desk.uri, other.uri)}) in changes(found, "instrument")
    assert set(changes(found, "frames")[0][2]) == {"sha256"}


def test_a_run_that_is_not_there(desk, compare):
    desk.carry(plan(image("a")))
    with pytest.raises(BadInput, match="r-0007"):
        compare("r-0001", "r-0007")


def test_a_strangers_rows_do_not_break_it(desk, compare):
    log = desk.store.ledger.append
    for kind in (
        "requested",
        "planned",
        "decided",
        "called",
        "concluded",
        "returned",
        "restored",
        "finished",
    ):
        log("r-0009", kind, "t", "\x1b[31mred", {})
    desk.carry(plan(image("a")))
    assert not compare("r-0009", "r-0010").same


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("dwell_us", 2.0, "dwell 2 µs"),
        ("envelope.x_um", [-3.0, 7.5], "envelope x -3 µm, 7.5 µm"),
        ("dose_e_per_a2", 1.234e4, "dose 12340 e/Å²"),
        ("result.drift_nm_s", 0.12, "result drift 0.12 nm/s"),
        ("frames", 4, "frames 4"),
        ("sha256", "ab" * 32, "sha256 abababababab…"),
        ("fov_nm", "30 nm", "fov nm 30 nm"),
        ("error.what", "a\x1b[31m\nb", r"error what a\x1b[31m\nb"),
    ],
)
def test_words(name, value, text):
    assert told(name, value) == text
