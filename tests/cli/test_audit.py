"""The commands that read back and calculate: one JSON object, the right exit code, nothing forged."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from eucentric.cli.story import lines
from eucentric.core.operators import register
from eucentric.core.store import Store

CARD = {"name": "flake 7", "dose_budget_e_per_a2": 1e5}
ENVELOPE = {
    "tools": ["acquire_image"], "max_frames": 1, "max_dose_e_per_a2": 1e4, "x_um": [-1, 1], "y_um": [-1, 1],
    "max_probe_current_pa": 30, "max_seconds": 60,
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def as_json(eucentric):
    """Run a command with --json: exit code and the one object on stdout."""

    def call(*args: str) -> tuple[int, dict[str, Any]]:
        code, out, err = eucentric(*args, "--json")
        assert len(out.splitlines()) == 1, (out, err)
        body = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(body, dict)
        return code, body

    return call


@pytest.fixture
def store(place: Path) -> Path:
    """Three runs: one done, one taken up again and open, one whose gate waits."""
    made = Store(place / "eucentric-store")
    log = made.ledger.append
    for number in (1, 2, 3):
        log(f"r-000{number}", "requested", "j.doe (pts/1)", f"image flake {number}",
            {"request": {"instrument": "twin://mxene"}, "specimen": CARD})  # fmt: skip
    plan = {"planner": "grammar v1", "revision": 1, "steps": [
        {"id": "s1", "tool": "survey", "args": {"fov_nm": 500}},
        {"id": "s2", "for_each": "s1.flakes", "at_most": 3, "do": [{"id": "a", "tool": "acquire_image", "args": {}}]},
    ]}  # fmt: skip
    log("r-0001", "planned", "grammar v1", "a plan", {"proposal": {"plan": plan}, "plan_sha256": "ab" * 32})
    log("r-0001", "intended", "executor", "move to 5 µm", {}, action_id="r-0001/s1", tool="move_stage")
    log(
        "r-0001",
        "concluded",
        "executor",
        "done",
        {"frames": ["f-1", "f-2"], "dose_e_per_a2": 1.5e4, "seconds": 2.0},
    )
    log("r-0001", "found", "executor", "density", {"finding": {"evidence": ["f-1"], "method": "sites v1"}})
    log("r-0001", "finished", "eucentric", "done", {"outcome": "done"})
    log("r-0002", "finished", "eucentric", "parked", {"outcome": "parked"})
    log("r-0002", "resumed", "j.doe", "again", {})
    log("r-0003", "asked", "eucentric", "gate g1", {
        "gate": "g1", "card": "CARD: 1 frame\n\u202eforged", "card_sha256": "", "binding": "b",
        "envelope": ENVELOPE, "plan": {},
    })  # fmt: skip
    made.anchor()
    made.close()
    return made.folder


# -- verify -----------------------------------------------------------------------------------------


def tamper(store: Path, *statements: str) -> None:
    connection = sqlite3.connect(store / "audit.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()


def test_verify_says_how_far_it_is_proven(store: Path, eucentric, as_json) -> None:
    code, body = as_json("audit", "verify")
    assert (code, body["ok"], body["problems"], body["notes"]) == (0, True, [], [])
    assert body["events"] == body["proven_to"] == 12
    assert body["unanchored"] == 0
    code, out, _ = eucentric("audit", "verify", "--store", str(store))
    assert code == 0
    assert out.startswith("verified: 12 events, head ")
    assert "proven to event 12" in out
    assert "unanchored" not in out


def test_verify_without_anchors_says_so(store: Path, place: Path, eucentric, as_json) -> None:
    shutil.rmtree(place / "state")
    code, out, _ = eucentric("audit", "verify")
    assert code == 0
    assert "unanchored: the last 12 events" in out
    assert as_json("audit", "verify")[1]["unanchored"] == 12


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE event SET summary='never said' WHERE seq=4", "event 4 was edited"),
        ("DELETE FROM event WHERE seq=4", "event 4 is missing"),
        ("DELETE FROM event WHERE seq > 9", "events after 9 are missing"),
        ("DELETE FROM event", "there is no event"),
        ("DROP TABLE event_fts; ", None),
    ],
)
def test_verify_fails_with_exit_code_1(
    store: Path, eucentric, as_json, statement: str, words: str | None
) -> None:
    if words is None:
        (store / "audit.db").write_bytes(b"x" * 5000)
        words = "can't be read as a ledger"
    else:
        tamper(store, statement)
    code, out, _ = eucentric("audit", "verify")
    assert code == 1
    assert words in out
    assert "VERIFICATION FAILED" in out
    code, body = as_json("audit", "verify")
    assert (code, body["ok"]) == (1, False)
    assert any(words in problem for problem in body["problems"])


def test_verify_notes_a_ledger_that_was_replaced(store: Path, eucentric) -> None:
    for file in store.glob("audit.db*"):
        file.unlink()
    Store(store).close()
    _, out, _ = eucentric("audit", "verify")
    assert "another ledger" in out
    assert "ask who did" in out


def test_names_of_files_do_not_act_on_the_screen(store: Path, eucentric) -> None:
    frames = store / "runs" / "r-0001" / "frames"
    frames.mkdir(parents=True)
    (frames / "\x1b[2J\u202ef.json").write_text('{"anchor": {"seq": 99, "hash": "x"}}')
    code, out, _ = eucentric("audit", "verify")
    assert code == 1
    assert "\\x1b[2J\\u202ef.json" in out  # click itself takes escape sequences away, but not this one


@pytest.mark.parametrize("command", [("verify",), ("list",), ("show", "r-0001")])
def test_no_store_is_a_usage_error(place: Path, eucentric, as_json, command: tuple[str, ...]) -> None:
    code, body = as_json("audit", *command)
    assert (code, body["exit_code"], body["error"]["code"]) == (2, 2, "E-INPUT-01")
    assert not (place / "eucentric-store").exists()
    code, out, err = eucentric("audit", *command, "--store", "elsewhere")
    assert (code, out) == (2, "")
    assert "no store at elsewhere" in err


@pytest.mark.parametrize("command", [("verify",), ("list",), ("show", "r-0001")])
def test_the_store_of_the_settings_is_read(
    store: Path, place: Path, eucentric, command: tuple[str, ...]
) -> None:
    store.rename(place / "mine")
    (place / "config").mkdir()
    (place / "config" / "settings.toml").write_text(f'store = "{place / "mine"}"')
    assert eucentric("audit", *command)[0] == 0
    (place / "config" / "settings.toml").write_text("store = ")
    assert eucentric("audit", *command)[0] == 2


# -- list and show ----------------------------------------------------------------------------------


def test_list_has_the_newest_run_first_with_its_latest_outcome(store: Path, eucentric, as_json) -> None:
    _, body = as_json("audit", "list")
    assert [(run["run"], run["outcome"]) for run in body["runs"]] == [
        ("r-0003", "open"), ("r-0002", "open"), ("r-0001", "done"),
    ]  # fmt: skip
    _, out, _ = eucentric("audit", "list")
    assert [line.split()[0] for line in out.splitlines()] == ["r-0003", "r-0002", "r-0001"]
    assert "image flake 1" in out


def test_an_empty_ledger_lists_no_run(place: Path, eucentric, as_json) -> None:
    Store(place / "eucentric-store").close()
    assert eucentric("audit", "list")[1] == "no run yet\n"
    assert as_json("audit", "list")[1] == {"runs": []}


def test_show_follows_a_run_from_request_to_data(store: Path, eucentric, as_json) -> None:
    _, out, _ = eucentric("audit", "show", "r-0001")
    for words in (
        "by j.doe (pts/1) on twin://mxene", "specimen flake 7, budget 100000 e/Å²",
        "planner grammar v1, plan r1 sha abab",
        "s1  survey", "for each of s1.flakes (at most 3)", "a  acquire_image",
        "frames f-1, f-2; 1.5e+04 e/Å² summed over its frames, 2.0 s",
        "from f-1; sites v1",
    ):  # fmt: skip
        assert words in out
    assert "move to 5 µm" not in out
    assert "move to 5 µm" in eucentric("audit", "show", "r-0001", "--acts")[1]
    _, body = as_json("audit", "show", "r-0001")
    assert [row["kind"] for row in body["events"]] == [
        "requested", "planned", "intended", "concluded", "found", "finished",
    ]  # fmt: skip


def test_show_of_a_run_that_is_not_there(store: Path, as_json) -> None:
    code, body = as_json("audit", "show", "r-9999")
    assert (code, body["error"]["remedy"]) == (2, "see `eucentric audit list`")


@pytest.mark.parametrize("kind", ["requested", "planned", "decided", "concluded", "found"])
@pytest.mark.parametrize(
    "body", [{}, {"frames": 5, "proposal": {"plan": 5}}, {"finding": [], "specimen": "x"}]
)
def test_a_row_with_another_body_does_not_hide_the_others(place: Path, kind: str, body: dict) -> None:
    made = Store(place / "odd")
    made.ledger.append("r", kind, "me", "first \x1b[2J", body, tool="t\n")
    made.ledger.append("r", "finished", "me", "last", {"outcome": 5})
    told = "\n".join(lines(made.ledger.events(run="r"), acts=True))
    made.close()
    assert "first" in told
    assert "last" in told
    assert told.replace("\n", "").isprintable()


def test_odd_text_prints_in_any_locale(place: Path, eucentric, as_json) -> None:
    made = Store(place / "eucentric-store")
    made.ledger.append("r-0001", "requested", "me\u202e", "half \ud800 \x1b[2J", {"x": "\ud800\u202e"})
    made.close()
    _, out, _ = eucentric("audit", "list")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert as_json("audit", "show", "r-0001")[1]["events"][0]["body"] == {"x": "\ud800\u202e"}
    assert as_json("audit", "list")[1]["runs"][0]["who"] == "me\u202e"


# -- decide and operator ----------------------------------------------------------------------------


def test_approving_without_a_terminal_parks(store: Path, as_json) -> None:
    register("j.doe", "correct horse")
    code, body = as_json("approve", "r-0003", "--as", "j.doe")
    assert (code, body["error"]["type"]) == (6, "Parked")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    """Pretend that a person is there and types `secret`."""

    def at(secret: str, meanwhile=lambda: None) -> None:
        def typed(*args: object, **kwargs: object) -> str:
            meanwhile()
            return secret

        monkeypatch.setattr("eucentric.cli.decide.require_terminal", lambda what: None)
        monkeypatch.setattr("eucentric.cli.operator.require_terminal", lambda what: None)
        monkeypatch.setattr("click.prompt", typed)

    return at


def decided(store: Path) -> list[dict[str, Any]]:
    made = Store(store)
    rows = [row.body for row in made.ledger.events(run="r-0003", kinds=("decided",))]
    made.close()
    return rows


def test_an_operator_approves_once_with_the_card_on_the_screen(
    store: Path, eucentric, as_json, terminal
) -> None:
    terminal("correct horse")
    code, out, _ = eucentric("operator", "add", "j.doe")
    assert (code, out) == (0, "j.doe was registered as operator\n")
    told = {"operators": [{"name": "j.doe", "role": "operator", "keys": []}]}
    assert as_json("operator", "list") == (0, told)
    code, out, err = eucentric("approve", "r-0003", "--as", "j.doe", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "approved")
    assert "CARD: 1 frame\n" in err
    assert "\\u202eforged" in err
    code, body = as_json("approve", "r-0003", "--as", "j.doe")
    assert code == 2
    assert "already approved" in body["error"]["what"]
    assert [row["outcome"] for row in decided(store)] == ["approved"]
    assert eucentric("audit", "verify")[0] == 0


@pytest.mark.parametrize("name", ["j.doe", "nobody"])
def test_a_wrong_secret_approves_nothing(store: Path, as_json, terminal, name: str) -> None:
    register("j.doe", "correct horse")
    terminal("wrong horse")
    code, body = as_json("approve", "r-0003", "--as", name)
    assert (code, body["error"]["type"]) == (3, "ApprovalRefused")
    assert decided(store) == []


def test_a_denial_needs_a_reason_and_nothing_else(store: Path, eucentric, as_json) -> None:
    assert eucentric("deny", "r-0003", "--as", "anybody")[0] == 2
    code, body = as_json("deny", "r-0003", "--as", "anybody", "--reason", "too much dose\x1b")
    assert (code, body["outcome"], body["reason"]) == (0, "rejected", "too much dose\\x1b")
    assert eucentric("audit", "show", "r-0003")[1].count("because too much dose") == 1


def test_an_approval_that_came_second_says_that_it_does_not_count(store: Path, as_json, terminal) -> None:
    from eucentric.agent.consent.asked import Answer
    from eucentric.agent.consent.deciding import decide
    from eucentric.agent.gate import question

    def somebody_denies() -> None:
        other = Store(store)
        decide(other, "r-0003", question(other, "r-0003"), Answer("rejected", "another"))
        other.close()

    register("j.doe", "correct horse")
    terminal("correct horse", somebody_denies)
    code, body = as_json("approve", "r-0003", "--as", "j.doe")
    assert (code, body["error"]["type"]) == (3, "ApprovalRefused")
    assert "rejected by another" in body["error"]["what"]
    assert [row["outcome"] for row in decided(store)] == ["rejected"]


# -- calc -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "figures"),
    [
        # 30 pA × 2 µs / 1.602176634e-19 C = 374.49 e a pixel of 80/512 = 0.15625 Å: 374.49/0.024414 = 1.534e4 e/Å²
        ("dose --fov 8", {"pixel_pm": 15.625, "electrons_per_pixel": 374.49, "mean_e_per_a2": 15339.1,
        "bound_e_per_a2": 15799.3}),
        ("dose --fov 80Å --current 0.03nA --dwell 0.002ms --voltage 60keV --frames 2", {"mean_e_per_a2": 30678.3}),
        # 512 lines of 512 × 2 µs + 20 µs
        ("time", {"frame_s": 0.534528, "total_s": 0.534528}),
        ("time --pixels 1024 --dwell 1 --flyback 0 --frames 10", {"frame_s": 1.048576, "total_s": 10.48576}),
        # λ = 12.2643 Å/√(V + 0.978476e-6 V²) with V in volts
        ("focus", {"wavelength_a": 0.04866, "depth_of_focus_nm": 1.77 * 0.04866 / 0.03**2 / 10, "blur_nm": 0.0}),
        ("focus --voltage 300 --defocus -10nm", {"wavelength_a": 0.019687, "blur_nm": 0.6}),
        ("focus --voltage 100", {"wavelength_a": 0.037014}),
        ("focus --voltage 200kV", {"wavelength_a": 0.025079}),
        # 1 nm/s over 512² × 2 µs = 0.524288 s; a pixel is 8/512 nm
        ("drift --rate 1", {"frame_s": 0.524288, "shear_pm": 524.288, "pixels": 33.5544, "longest_frame_s": 0.015625}),
        ("drift --rate 600Å/min --fov 16", {"shear_pm": 524.288, "pixels": 16.7772}),
    ],
)  # fmt: skip
def test_calc_gives_the_numbers_of_a_calculation_by_hand(
    as_json, eucentric, args: str, figures: dict[str, float]
) -> None:
    code, body = as_json("calc", *args.split())
    assert code == 0
    for name, value in figures.items():
        assert body[name] == pytest.approx(value, rel=2e-4), name
    code, out, _ = eucentric("calc", *args.split())
    assert code == 0
    assert len([line for line in out.splitlines() if line.strip()]) >= len(figures) - 1


def test_counts_scale_with_dose_and_give_back_the_dose(as_json) -> None:
    _, one = as_json("calc", "counts", "--dose", "1e4")
    _, two = as_json("calc", "counts", "--dose", "2e4 e/Å2")
    assert two["counts"] == pytest.approx(2 * one["counts"])
    assert one["counts"] == pytest.approx(1e4 * one["cross_section_a2"])
    assert one["dose_for_95"] * one["cross_section_a2"] == pytest.approx(95)


@pytest.mark.parametrize("pixels", [16, 64])
def test_an_undersampled_scan_says_so(as_json, pixels: int) -> None:
    _, body = as_json("calc", "dose", "--fov", "100", "--pixels", str(pixels))
    assert "undersampled" in body["note"]
    assert body["bound_e_per_a2"] > 2 * body["mean_e_per_a2"]


@pytest.mark.parametrize(
    "args",
    [
        ("dose",), ("dose", "--fov", "8 s"), ("dose", "--fov", "8 bananas"), ("dose", "--fov", "nan"),
        ("dose", "--fov", "inf"),
        ("dose", "--fov", "-8"), ("dose", "--fov", "0"), ("dose", "--fov", "1,5 nm"), ("dose", "--fov", "1e-300"),
        ("dose", "--fov", "1e300"), ("dose", "--fov", "1e999"), ("dose", "--fov", ""),
        ("dose", "--fov", "8", "--pixels", "0"),
        ("dose", "--fov", "8", "--pixels", "1.5"), ("dose", "--fov", "8", "--frames", "-1"),
        ("dose", "--fov", "8", "--current", "5 kV"),
        ("time", "--flyback", "-20"), ("time", "--dwell", "0"), ("focus", "--voltage", "-60"),
        ("focus", "--defocus", "nan"),
        ("focus", "--defocus", "1e300"), ("focus", "--convergence", "0"), ("drift",),
        ("drift", "--rate", "5 nm"), ("drift", "--rate", "0"),
        ("counts", "--dose", "5 e/nm"), ("counts", "--dose", "1e4", "--element", "Xx"),
        ("counts", "--dose", "1e4", "--inner", "200"),
        ("nothing",), ("dose", "--fov", "8", "--unknown"),
    ],
)  # fmt: skip
def test_what_is_not_a_quantity_is_a_usage_error(as_json, eucentric, args: tuple[str, ...]) -> None:
    code, body = as_json("calc", *args)
    assert (code, body["ok"], body["exit_code"]) == (2, False, 2)
    code, out, err = eucentric("calc", *args)
    assert (code, out) == (2, "")
    assert err.strip()
