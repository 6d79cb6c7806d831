"""The report of a run in every state it can be in, from rows shaped like the executor's."""

import io
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from eucentric.agent.report import write_report
from eucentric.agent.reporting.gather import gather
from eucentric.core.canonical import sha256_text
from eucentric.core.errors import BadInput
from eucentric.core.store import Store

RUN = "r-0001"
IDENTITY = "SIMULATED Eucentric twin test 7"
REQUEST = "find two flakes & tell me the Ti vacancy density"
CAPABILITIES = {
    "vendor": "Eucentric", "model": "twin test", "serial": "7", "simulated": True, "axes": [], "optics": [],
    "detectors": [{"name": "haadf", "collection_mrad": [60, 140]}], "min_dwell_s": 1e-7, "max_pixels": 4096,
    "line_flyback_s": 2e-5, "frame_overhead_s": 0.01, "abort": "mid_frame",
}  # fmt: skip
CARD = {"name": "Ti3C2Tx on carbon", "material": "Ti3C2", "dose_budget_e_per_a2": 1e5}
STEPS = [
    {"id": "s1", "tool": "survey", "args": {"tiles_x": 1}, "reason": "flakes first"},
    {"id": "s2", "tool": "select_targets", "inputs": {"frames": "s1.frames"}},
    {"id": "s3", "for_each": "s2.targets", "at_most": 2, "do": [
        {"id": "s3_goto", "tool": "go_to_target", "inputs": {"target": "item"}},
        {"id": "s3_image", "tool": "acquire_series", "args": {"frames": 2}},
        {"id": "s3_detect", "tool": "detect_defects", "inputs": {"frame": "s3_image.sum"}},
    ]},
    {"id": "s4", "tool": "estimate_density"},
]  # fmt: skip
TARGETS = [
    {"id": f"t{n}", "x_um": x, "y_um": 1.0, "size_nm": 500, "layers": 1.0, "score": 0.9, "frame": "tile"}
    for n, x in ((1, -3.0), (2, 4.0))
]


def finding(name, frames, value, low, high, count, of, **more):
    interval = {"value": value, "low": low, "high": high, **more.pop("interval", {})}
    return {
        "id": name, "what": "Ti vacancy density", "unit": "%", "interval": interval, "count": count, "of": of,
        "evidence": frames, "method": "lattice-mixture v1", **more,
    }  # fmt: skip


class Story:
    """Writes rows as the agent does."""

    def __init__(self, store, *, simulated=True):
        self.store = store
        self.identity = IDENTITY if simulated else "Nion HERMES 07"
        self.capabilities = (
            CAPABILITIES
            if simulated
            else {**CAPABILITIES, "simulated": False, "vendor": "Nion", "model": "HERMES", "serial": "07"}
        )

    def row(self, kind, summary, body=None, **more):
        actor = more.pop("actor", "eucentric")
        return self.store.ledger.append(RUN, kind, actor, summary, body or {}, **more)

    def requested(self, text=REQUEST):
        request = {"text": text, "who": "j.doe (pts/1)", "instrument": "twin://test?seed=7"}
        self.row("requested", text, {"request": request, "specimen": CARD, "capabilities": self.capabilities})

    def planned(self, **more):
        plan = {
            "title": "survey → image 2",
            "steps": STEPS,
            "assumed": ["probe current 30 pA"],
            "planner": "grammar v1",
        }
        proposal = {"outcome": "run", "plan": plan, **more}
        self.row("planned", "run", {"proposal": proposal, "plan_sha256": "ab"})

    def previewed(self, problems=()):
        def line(step, what, times, **cost):
            return {"step": step, "what": what, "times": times, "each": cost}

        rows = [
            line("s1", "survey tiles_x 1", 1, seconds=3.0, frames=1, dose_e_per_a2=1000.0),
            line("s2", "select_targets", 1),
            line("s3_goto", "go_to_target", 2, seconds=10.0, frames=2, dose_e_per_a2=900.0),
            line("s3_image", "acquire_series frames 2", 2, seconds=1.0, frames=2, dose_e_per_a2=8000.0),
            line("s3_detect", "detect_defects", 2),
            line("s4", "estimate_density", 1),
        ]
        span = {key: [-10, 10] for key in ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")}
        preview = {
            "rows": rows, "seconds": 25.0, "frames": 9, "megabytes": 4, "dose_e_per_a2": 9900.0,
            "elsewhere_e_per_a2": 0, "probe_current_pa": 30, "budget_e_per_a2": 2e4, "problems": list(problems),
            "asks": True, **span,
        }  # fmt: skip
        self.row("previewed", "25 s", {"preview": preview, "plan_sha256": "ab"})

    def asked(self):
        card = "GATE g1  survey\nApproving    ≤ 9 frames"
        envelope = {
            "tools": ["survey"], "max_frames": 9, "max_dose_e_per_a2": 2e4, "x_um": [-10, 10], "y_um": [-10, 10],
            "max_probe_current_pa": 31, "max_seconds": 60,
        }  # fmt: skip
        body = {
            "gate": "g1",
            "card": card,
            "card_sha256": sha256_text(card),
            "binding": "b",
            "envelope": envelope,
        }
        self.row("asked", "gate g1", body)

    def decided(self, outcome="approved", by="j.doe (pts/1)", reason="looks right"):
        body = {"gate": "g1", "outcome": outcome, "by": by, "reason": reason, "seconds_on_screen": 9.3}
        self.row("decided", f"gate g1: {outcome}", body, actor=by)

    def opened(self, text=REQUEST):
        self.requested(text), self.planned(), self.previewed(), self.asked(), self.decided()

    def frame(self, name, *, fov_nm, purpose, x_um=0.0, y_um=0.0, dose=500.0, parents=(), seed=0):
        pixels = np.random.default_rng(seed).poisson(20, (64, 64)).astype(np.float32)
        return {
            "id": name, "sha256": self.store.put_array(pixels), "detector": "haadf", "shape": [64, 64],
            "dtype": "float32", "pixel_pm": fov_nm * 1e3 / 64, "dwell_us": 1.0, "probe_current_pa": 30.0,
            "voltage_kv": 60.0, "convergence_mrad": 30.0, "x_um": x_um, "y_um": y_um, "dose_e_per_a2": dose,
            "mean_dose_e_per_a2": dose / 2, "purpose": purpose, "simulated": self.capabilities["simulated"],
            "instrument": self.identity, "parents": list(parents),
        }  # fmt: skip

    def call(
        self, step, tool, args, acts=(), value=None, *, ok=True, end=True, seconds=2.0, findings=(), stay="a1"
    ):
        """A call with its acts: (frame, dose before) each; a frame with parents is stored, not exposed."""
        name = f"{RUN}/{step}"
        call = {"id": name, "step": step, "tool": tool, "args": args, "reason": "because"}
        self.row("called", tool, {"call": call}, action_id=name, tool=tool)
        for n, (frame, before) in enumerate(acts, 1):
            act = f"{name}#{n}"
            width = frame["pixel_pm"] * 64 * 1e-6
            charge = {
                "x_um": frame["x_um"], "y_um": frame["y_um"], "width_um": width, "height_um": width,
                "dose_e_per_a2": frame["dose_e_per_a2"], "stay": stay, "purpose": frame["purpose"],
            }  # fmt: skip
            extra = {} if frame["parents"] else {"charge": charge}
            where = {"act": "store" if frame["parents"] else "acquire", "instrument": self.identity, **extra}
            self.row("intended", "acquire", {**where, "before_e_per_a2": before}, action_id=act, tool=tool)
            self.row("returned", "acquire done", {**where, "frames": [frame]}, action_id=act, tool=tool)
        for one in findings:
            self.row("found", one["what"], {"finding": one, "call": name}, action_id=name, tool=tool)
        if end:
            body = {
                "call_id": name, "ok": ok, "value": value or {}, "summary": f"{tool} ended",
                "frames": [frame["id"] for frame, _ in acts], "seconds": seconds, "step": step, "args_sha256": "c",
            }  # fmt: skip
            self.row("concluded", f"{tool} ended", body, action_id=name, tool=tool)

    def survey(self):
        tile = self.frame("tile", fov_nm=20_000, purpose="survey", dose=1000.0)
        self.call("s1", "survey", {"tiles_x": 1}, [(tile, 0.0)], {"frames": ["tile"]}, seconds=2.5, stay="a0")
        self.call("s2", "select_targets", {"frames": ["tile"]}, value={"targets": TARGETS, "candidates": 5})
        for x, size in ((7, 120), (8, 130), (9, 140)):
            reason = f"({x:+.2f}, +1.00) µm in tile: only {size} nm wide, 200 needed"
            self.row("excluded", reason, {"call": f"{RUN}/s2"}, tool="select_targets")

    def place(self, n, *, dose=4000.0, cannot_tell=""):
        target, stay = TARGETS[n - 1], f"a{n}"
        x = target["x_um"]
        look = self.frame(f"look{n}", fov_nm=5000, purpose="tracking", x_um=x, y_um=1.0, dose=400.0)
        here = {"measured_x_um": x + 0.2, "measured_y_um": 1.0, "target": target["id"]}
        self.call(
            f"s3_goto.{n}", "go_to_target", {"target": target}, [(look, 1000.0)], here, seconds=9.0, stay=stay
        )
        shots = [
            self.frame(f"shot{n}{k}", fov_nm=8, purpose="image", x_um=x, y_um=1.0, dose=dose) for k in "ab"
        ]
        ids = [shot["id"] for shot in shots]
        total = self.frame(
            f"sum{n}", fov_nm=8, purpose="image", x_um=x, y_um=1.0, dose=2 * dose, parents=ids, seed=n
        )
        acts = [(shots[0], 1400.0), (shots[1], 1400.0 + dose), (total, 0.0)]
        self.call(f"s3_image.{n}", "acquire_series", {"frames": 2}, acts, {"sum": f"sum{n}"}, stay=stay)
        defects = [
            {"x_px": 10.0, "y_px": 20.0, "p_vacancy": 0.9},
            {"x_px": 30.0, "y_px": 40.0, "p_vacancy": 0.3},
        ]
        one = finding(f"sum{n}-v", [f"sum{n}"], 1.5, 1.0, 2.25, 15, 1000, cannot_tell=cannot_tell)
        value = {"frame": f"sum{n}", "defects": defects, "cannot_tell": cannot_tell, "flags": []}
        self.call(f"s3_detect.{n}", "detect_defects", {"frame": f"sum{n}"}, value=value, findings=[one])

    def combined(self):
        details = {"recall": 0.97, "called": 31, "expected_false_calls": 1.23, "overdispersion": 1.5}
        more = {"excluded": ["sum1: 88 sites at the edge of the image"], "details": details}
        one = finding("all", ["sum1", "sum2"], 1.5456, 1.2, 1.94, 30.4, 2000, **more)
        self.call("s4", "estimate_density", {}, findings=[one])

    def finished(self, outcome="done", error=None):
        self.row("finished", f"{outcome}: end", {"outcome": outcome, "error": error, "skipped": []})

    def campaign(self):
        self.opened(), self.survey(), self.place(1), self.place(2), self.combined(), self.finished()


@pytest.fixture
def story(tmp_path):
    store = Store(tmp_path / "store")
    yield Story(store)
    store.close()


class Checker(HTMLParser):
    """Balanced tags, nothing that runs, nothing from the network."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.images, self.columns, self.cells = [], [], [], 0, 0

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        assert tag not in ("script", "iframe", "object", "link", "a", "form"), tag
        assert not any(name.startswith("on") or name == "href" for name in named)
        if tag == "img":
            assert named["src"].startswith("data:image/png;base64,")
            assert named["alt"]
            self.images.append(named["src"])
        self.columns = 0 if tag == "table" else self.columns + (tag == "th")
        self.cells = 0 if tag == "tr" else self.cells + (tag == "td")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr":
            assert self.cells in (0, self.columns)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def read(story):
    """(Markdown, text of the HTML, number of pictures), both files checked."""
    markdown, html = write_report(story.store, RUN)
    source = html.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(source)
    checker.close()
    assert not checker.open
    assert "url(" not in source
    assert "@import" not in source
    return markdown.read_text(encoding="utf-8"), " ".join(" ".join(checker.text).split()), len(checker.images)


# --- every state --------------------------------------------------------------------------------------------


def only_requested(s):
    s.requested()


def clarify(s):
    s.requested()
    s.row(
        "planned",
        "clarify",
        {"proposal": {"outcome": "clarify", "say": "better how?", "options": ["less noise +4 s"]}},
    )
    s.finished("clarify")


def unpriceable(s):
    (
        s.requested(),
        s.planned(),
        s.previewed(["the stage would have to go to x +1500 µm"]),
        s.finished("refused"),
    )


def parked(s):
    (
        s.requested(),
        s.planned(),
        s.previewed(),
        s.asked(),
        s.decided("no_channel", "nobody", "no terminal"),
        s.finished("parked"),
    )


def rejected(s):
    (
        s.requested(),
        s.planned(),
        s.previewed(),
        s.asked(),
        s.decided("rejected", reason="wrong grid"),
        s.finished("refused"),
    )


def under_way(s):
    s.opened(), s.survey()
    s.call("s3_goto.1", "go_to_target", {"target": TARGETS[0]}, end=False)


def stopped(s):
    under_way(s)
    s.row("stopped", "stop by j.doe", actor="j.doe")
    s.finished("stopped", {"code": "E-STOP-01", "what": "acquire was not sent", "why": "the run was stopped"})


def resumed(s):
    stopped(s)
    s.row("resumed", "taken up again", actor="j.doe")


def in_doubt(s):
    under_way(s)
    charge = {
        "x_um": 0,
        "y_um": 0,
        "width_um": 1,
        "height_um": 1,
        "dose_e_per_a2": 700.0,
        "stay": "a9",
        "purpose": "focus",
    }
    s.row(
        "intended",
        "acquire",
        {"act": "acquire", "charge": charge, "before_e_per_a2": 300.0},
        action_id=f"{RUN}/s3_goto.1#9",
    )
    s.row(
        "in_doubt",
        "acquire in doubt: no answer",
        {"act": "acquire", "sent": True, "charge": charge},
        action_id=f"{RUN}/s3_goto.1#9",
    )


def failed(s):
    s.opened()
    s.row(
        "failed", "move_stage refused: Refused: x = 400", {"act": "move_stage", "sent": False}, tool="survey"
    )
    s.finished("failed", {"code": "E-MOVE-01", "what": "x was not reached"})


STATES = {
    only_requested: ("not finished", "No plan was made", "No image was recorded"),
    clarify: ("clarify", "better how?", "less noise +4 s"),
    unpriceable: ("refused", "x +1500 µm", "Why it could not be approved"),
    parked: ("parked", "no_channel", "no terminal"),
    rejected: ("refused", "wrong grid", "6 steps of the plan never begun"),
    under_way: ("not finished", "3 × candidate target not used", "3 steps of the plan never begun"),
    stopped: ("stopped", "E-STOP-01", "stop by j.doe", "(1 frame had been recorded.)"),
    resumed: ("not finished", "taken up again"),
    in_doubt: ("acquire in doubt", "it had been sent", "1,000"),
    failed: ("failed", "nothing was sent", "E-MOVE-01"),
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_every_state_has_a_report_that_says_what_it_is(story, state):
    state(story)
    markdown, text, _ = read(story)
    assert markdown.startswith("**SIMULATED")
    assert "\n# r-0001" in markdown
    for words in STATES[state]:
        assert words in text


def test_unknown_run_is_refused(story):
    story.requested()
    with pytest.raises(BadInput):
        write_report(story.store, "r-0099")


def test_report_writes_nothing_to_the_ledger(story):
    story.campaign()
    before = story.store.ledger.head()
    write_report(story.store, RUN)
    assert story.store.ledger.head() == before


# --- what it says ---------------------------------------------------------------------------------------------


def test_claim_comes_first_then_what_was_not_counted_then_pictures(story):
    story.campaign()
    _, text, images = read(story)
    order = [
        text.index(words)
        for words in ("SIMULATED", "1.55 %", "95 % interval 1.20 … 1.94 %", "30.4 of 2,000 sites examined, in 2 frames",
                      "Not counted", "sum1: 88 sites at the edge", "Pictures", "Predicted and actual")
    ]  # fmt: skip
    assert order == sorted(order)
    assert images == 3  # the dose map is one of them


def test_claim_names_the_events_of_finding_and_frames(story):
    story.campaign()
    record = gather(story.store, RUN)
    combined = next(one for one in record.findings if one.finding.id == "all")
    frames = [record.frame(name).seq for name in ("sum1", "sum2")]
    _, text, _ = read(story)
    shown = ", ".join(map(str, sorted([*frames, combined.seq])))
    assert f"events {shown}" in text


def test_cannot_tell_is_a_claim_and_is_not_a_number(story):
    story.opened(), story.survey(), story.place(1, cannot_tell="six-fold coherence 0.40 < 0.65")
    story.finished()
    _, text, _ = read(story)
    assert "cannot tell six-fold coherence 0.40 < 0.65" in text
    assert "1.50 %" not in text


def test_exclusions_of_one_kind_are_one_line_with_all_events(story):
    story.campaign()
    markdown, text, _ = read(story)
    assert "3 × candidate target not used, such as: only 120 nm wide, 200 needed" in text
    assert "Every one of the 3 exclusions" in text
    assert markdown.count("nm wide, 200 needed") == 4


def test_prediction_and_outcome_are_compared_and_excess_is_marked(story):
    story.opened(), story.survey(), story.place(1, dose=4000.0), story.place(2, dose=4500.0)
    story.finished()
    markdown, _, _ = read(story)
    rows = {
        line.split(" | ")[0].strip("| "): line for line in markdown.splitlines() if line.startswith("| s")
    }
    assert "9,000 ABOVE" in rows["s3\\_image"]
    assert "4 of ≤ 4" in rows["s3\\_image"]
    assert "ABOVE" not in rows["s1"]
    assert "18 s" in rows["s3\\_goto"]


def test_places_state_dose_so_far_as_the_book_bounds_it(story):
    story.campaign()
    _, text, _ = read(story)
    assert "t1 image -3.000 +1.000 8 nm 2 8,000 9,400 47 %" in text


def test_decision_is_told_with_person_time_on_screen_and_card(story):
    story.campaign()
    _, text, _ = read(story)
    for words in (
        "j.doe (pts/1)",
        "9.3 s",
        "looks right",
        "GATE g1 survey",
        "at most 9 frames",
        "20,000 e/Å² at any place",
    ):
        assert words in text


def test_methods_name_instrument_settings_and_interval(story):
    story.campaign()
    _, text, _ = read(story)
    methods = text[text.index("Methods") :]
    for words in ("SIMULATED scanning", "60 kV", "30 pA", "30 mrad", "HAADF 60–140 mrad", "8 nm (125 pm per pixel)",
                  "2 frames for each of 2 sums", "lattice-mixture v1", "Wilson"):  # fmt: skip
        assert words in methods


def test_ledger_head_and_commands_are_given(story):
    story.campaign()
    seq, head = story.store.ledger.head()
    markdown, _, _ = read(story)
    assert f"event {seq}, hash {head}" in markdown
    assert "eucentric audit verify --store" in markdown
    assert f"eucentric audit show {RUN}" in markdown


def test_real_instrument_is_named_and_nothing_says_simulated(tmp_path):
    store = Store(tmp_path / "store")
    story = Story(store, simulated=False)
    story.campaign()
    markdown, text, _ = read(story)
    store.close()
    assert "Nion HERMES 07" in text
    assert "SIMULATED" not in markdown + text


def test_rows_of_another_version_are_listed_not_fatal(story):
    story.campaign()
    event = story.row("found", "odd", {"finding": {"what": 3}}, tool="detect_defects")
    _, text, _ = read(story)
    assert f"Not understood by this version: event {event.seq}" in text


def test_missing_and_altered_pixels_do_not_stop_the_report(story):
    story.campaign()
    record = gather(story.store, RUN)
    story.store.blob_path(record.frame("sum1").frame.sha256).unlink()
    story.store.blob_path(record.frame("tile").frame.sha256).write_bytes(b"other")
    _, _, images = read(story)
    assert images == 3  # the dose map is one of them


def test_pictures_of_tools_are_taken_from_the_runs_folder_only(story, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (1500, 900), "#E69F00").save(picture, "PNG")
    (tmp_path / "outside.png").write_bytes(picture.getvalue())
    folder = story.store.run_folder(RUN) / "pictures"
    folder.mkdir()
    (folder / "good.png").write_bytes(picture.getvalue())
    (folder / "broken.png").write_bytes(b"no picture")
    story.opened()
    for n, name in enumerate(
        ("good.png", "broken.png", str(tmp_path / "outside.png"), "../../../../outside.png"), 1
    ):
        story.call(f"s{n}", "detect_defects", {}, value={"frame": f"f{n}", "overlay": name})
    (folder / "strain.png").write_bytes(picture.getvalue())
    story.call("s5", "measure_lattice", {}, value={"frame": "f5", "picture": "strain.png"})
    _, _, images = read(story)
    assert images == 2
    assert (folder / "report-strain.png").is_file()
    with Image.open(folder / "report-good.png") as shown:
        assert shown.width == 760


# --- hostile text -----------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script> [x](http://evil.example) ![i](http://evil.example/i.png) `code` | "
    "```\n# Approved\x1b[2J\u202e & www.evil.com //evil.com evil.com"
)


def test_hostile_text_is_shown_and_never_obeyed(story):
    story.requested(HOSTILE)
    story.planned(say=HOSTILE)
    story.previewed([HOSTILE])
    story.row("excluded", HOSTILE, {"call": "x"}, tool="select_targets")
    story.row("judged", "stop", {"step": HOSTILE, "verdict": "stop", "why": HOSTILE, "rule": HOSTILE})
    one = finding("h", ["f"], 1.0, 0.5, 1.5, 1, 10, excluded=[HOSTILE], method=HOSTILE)
    one["what"] = HOSTILE
    story.call("s1", "survey", {"tiles_x": HOSTILE}, findings=[one])
    story.finished("failed", {"what": HOSTILE})
    markdown, text, _ = read(story)
    html = (story.store.run_folder(RUN) / "report.html").read_text(encoding="utf-8")
    for raw in ("\x1b", "\u202e"):
        assert raw not in markdown
        assert raw not in html
    assert "<script" not in html
    assert "<script>alert(1)</script>" in text
    rendered = MarkdownIt("gfm-like").render(markdown)
    for tag in ("<script", "<a ", 'src="http', "<h1>Approved"):
        assert tag not in rendered
    assert rendered.count("<h1>") == 1


# --- size ---------------------------------------------------------------------------------------------------


def test_a_single_image_is_shown(story):
    story.opened()
    story.call("s1", "acquire_image", {}, [(story.frame("f-1", fov_nm=20, purpose="image"), 0.0)])
    story.finished()
    _, text, images = read(story)
    assert images == 2  # and the dose map
    assert "acquire_image: acquire_image ended" in text


def test_thousands_of_frames_keep_the_report_small_and_quick(story):
    story.opened()
    frame = story.frame("f", fov_nm=8, purpose="image")
    frames = [{**frame, "id": f"f-{n}", "x_um": 0.02 * n} for n in range(3000)]
    story.row(
        "called",
        "x",
        {"call": {"id": f"{RUN}/s1", "step": "s1", "tool": "acquire_series"}},
        action_id=f"{RUN}/s1",
    )
    rows = [
        {"frames": [one], "charge": {"x_um": one["x_um"], "y_um": 0, "width_um": 0.008, "height_um": 0.008,
                                     "dose_e_per_a2": 500.0, "stay": "a", "purpose": "image"}}
        for one in frames
    ]  # fmt: skip
    with story.store.ledger.transaction():
        for n, body in enumerate(rows):
            story.store.ledger.append_in_transaction(
                RUN,
                "returned",
                "eucentric",
                "acquire done",
                body,
                action_id=f"{RUN}/s1#{n}",
                tool="acquire_series",
            )
    story.finished()
    started = time.process_time()
    _, text, _ = read(story)
    assert time.process_time() - started < 12
    assert "3,000 frames of 64×64 px" in text
    assert (story.store.run_folder(RUN) / "report.html").stat().st_size < 4e6
