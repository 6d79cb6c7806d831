"""A planted key never reaches a row, a blob, a sidecar or a report, whichever way it came."""

import base64
from urllib.parse import quote

import pytest
from workbench import IMAGE, URI, Person, image, step

from eucentric.agent.conduct import new_run
from eucentric.agent.consent.asked import Answer
from eucentric.agent.report import write_report
from eucentric.agent.session import Observer
from eucentric.core.data_check import check_data
from eucentric.core.errors import EucentricError, Refused
from eucentric.core.plan import Step
from eucentric.core.request import Request

KEY = "plantedKey/0123+456789"
TRACES = (
    KEY.encode(), KEY[:12].encode(), KEY[-12:].encode(), base64.b64encode(KEY.encode())[:-4],
    quote(KEY, safe="").encode(), KEY.encode().hex().encode(),
)  # fmt: skip


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setenv("EUCENTRIC_API_KEY", KEY)


def traces_in(folder):
    """Files in which the key is, in any spelling or cut in half."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    return [
        (path.name, trace)
        for path in files
        for trace in TRACES
        if trace in path.read_bytes() or trace in str(path).encode()
    ]


def breaking(text):
    def act(*args):
        raise RuntimeError(text)

    return act


@pytest.mark.parametrize(
    "text",
    [
        f"401: Authorization: Bearer {KEY}", f"sent {KEY}", f"{'x' * 380}{KEY}{'y' * 400}", f"{'x' * 365}{KEY}",
        f"Basic {base64.b64encode(b'kim:' + KEY.encode()).decode()}", f"GET /?key={quote(KEY, safe='')}",
        "\n".join(f"line {n} {KEY}" for n in range(400)),
    ],
    ids=["header", "plain", "cut", "cut early", "base64", "url", "long trace"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["acquire", "move"])
def test_an_exception_of_the_driver(bench, where, text):
    bench.spy.before[where] = breaking(text)
    outcome = bench.carry(step("go", "move_stage", mode="relative", dx_um=1.0), image())
    assert outcome.outcome != "done"
    write_report(bench.store, bench.run.id)
    assert traces_in(bench.folder) == []
    assert text.startswith("x") or any("[secret " in str(row.body) + row.summary for row in bench.rows())


def test_the_request_the_card_a_name_and_an_answer(bench):
    bench.card = bench.card.model_copy(update={"name": f"flake {KEY}", "notes": f"key is {KEY}"})
    outcome = bench.carry(
        Step(id="keep", tool="save_position", args={"name": f"at {KEY}"}), image(), text=f"use {KEY} for it",
        say=f"I took {KEY}", title=f"an image with {KEY}",
        person=Person(Answer("rejected", f"kim {KEY}", f"because {KEY}")),
    )  # fmt: skip
    assert outcome.outcome == "refused"
    write_report(bench.store, bench.run.id)
    assert traces_in(bench.folder) == []


def test_frames_rows_and_sidecars_still_agree(bench):
    """What is taken out of a row is taken out of its sidecar, and digests are left alone."""
    bench.spy.declared = {"detectors": bench.spy.driver.capabilities().detectors}
    outcome = bench.carry(image(**IMAGE), text=f"with {KEY}")
    assert outcome.outcome == "done"
    assert check_data(bench.store.folder) == (1, [])
    assert outcome.verified
    bench.store.write_sidecar("r-0001", "f-extra", {"note": f"see {KEY}", "sha256": "0" * 64})
    assert bench.store.read_sidecar("r-0001", "f-extra") == {
        "note": "see [secret EUCENTRIC_API_KEY]", "sha256": "0" * 64,
    }  # fmt: skip
    assert traces_in(bench.folder) == []


def test_a_text_is_kept_without_it_and_pixels_are_not_touched(bench):
    sha = bench.store.put_text(f'{{"say": "{KEY}"}}'.encode())
    assert bench.store.get_blob(sha) == b'{"say": "[secret EUCENTRIC_API_KEY]"}'
    raw = bytes(range(256)) * 40
    assert bench.store.get_blob(bench.store.put_blob(raw)) == raw


@pytest.mark.parametrize("named", ["loading", "holder", "vendor"])
def test_an_instrument_that_is_called_like_a_secret_is_refused(bench, named):
    """Dose is accounted by these names: a row without the name would count for nothing."""
    if named == "vendor":
        bench.spy.declared = {"vendor": KEY}
    else:
        bench.spy.override = {named: f"no. {KEY}"}
    bench.new_guard()
    with pytest.raises(Refused, match="secret"):
        new_run(bench.store, bench.guard, bench.card, Request(text="x", who="t", instrument=URI), Observer())


def test_an_error_of_the_tree_in_a_row(bench):
    bench.spy.before["move"] = lambda *args: (_ for _ in ()).throw(EucentricError(f"no {KEY}", KEY, KEY))
    bench.carry(step("go", "move_stage", mode="relative", dx_um=1.0))
    assert traces_in(bench.folder) == []
