"""A finding can be made again from the raw frames; what was altered shows."""

import copy
import json

import pytest
from click.testing import CliRunner
from workbench import image, step

from eucentric.agent.auditing.recompute import findings_of, recompute
from eucentric.cli.audit import audit
from eucentric.core.errors import BadInput, LedgerError, NotAvailable


@pytest.fixture
def analysed(bench):
    """A run that took two images, looked for defects in each, and pooled them."""
    take = [image(f"i{n}", fov_nm=6.0, width_px=192, height_px=192) for n in (1, 2)]
    look = [
        step(f"d{n}", "detect_defects").model_copy(update={"inputs": {"frame": f"i{n}.frame"}})
        for n in (1, 2)
    ]
    out = bench.carry(take[0], look[0], take[1], look[1], step("all", "estimate_density"))
    assert out.exit_code == 0, out
    return bench


def test_every_finding_of_a_run_comes_out_the_same(analysed):
    rows = findings_of(analysed.store, analysed.run.id, None)
    assert len(rows) == 3
    answers = [recompute(analysed.store, row) for row in rows]
    assert [one.same for one in answers] == [True] * 3
    assert answers[0].frames
    assert answers[0].software.startswith("eucentric ")


def test_a_claim_that_the_frames_do_not_give_is_told(analysed):
    row = findings_of(analysed.store, analysed.run.id, None)[0]
    finding = copy.deepcopy(row.body["finding"])
    finding["interval"]["high"] = (finding["interval"]["high"] or 0.0) * 0.5 + 0.25
    analysed.store.ledger.append(
        row.run_id,
        "found",
        "eucentric",
        "forged",
        {"finding": finding},
        action_id=row.action_id,
        tool=row.tool,
    )
    forged = findings_of(analysed.store, analysed.run.id, None)[-1]
    answer = recompute(analysed.store, forged)
    assert not answer.same
    assert answer.differences[0].startswith("finding.interval.high")
    shown = CliRunner().invoke(audit, ["recompute", str(forged.seq), "--store", str(analysed.store.folder)])
    assert shown.exit_code == 1
    assert "DIFFERS" in shown.output


def test_an_altered_frame_is_no_evidence(analysed):
    row = findings_of(analysed.store, analysed.run.id, None)[0]
    name = row.body["finding"]["evidence"][0]
    frame = next(f for r in analysed.rows("returned") for f in r.body.get("frames", ()) if f["id"] == name)
    path = analysed.store.blob_path(frame["sha256"])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    with pytest.raises(LedgerError, match="altered"):
        recompute(analysed.store, row)


def test_later_findings_do_not_leak_into_the_past(analysed):
    """A third image after the pooled density must not change what it was computed from."""
    pooled = findings_of(analysed.store, analysed.run.id, None)[-1]
    analysed.store.ledger.append(
        pooled.run_id, "found", "eucentric", "later",
        {"finding": {**findings_of(analysed.store, analysed.run.id, None)[0].body["finding"], "evidence": ["f-9"]}},
    )  # fmt: skip
    assert recompute(analysed.store, pooled).same


def test_the_command_answers_in_json(analysed):
    shown = CliRunner().invoke(audit, ["recompute", "--store", str(analysed.store.folder), "--json"])
    body = json.loads(shown.output)
    assert body["ok"] is True
    assert len(body["findings"]) == 3


def test_nothing_to_recompute_is_said(bench):
    bench.carry(step("s", "get_state"))
    with pytest.raises(BadInput, match="no finding"):
        findings_of(bench.store, bench.run.id, None)


def test_a_claim_without_a_call_or_by_an_exposing_tool_is_refused(bench):
    bench.carry(image("i"))
    call = next(row for row in bench.rows("called") if row.tool == "acquire_image")
    body = {"finding": {"id": "x", "evidence": []}}
    ledger = bench.store.ledger
    ledger.append(bench.run.id, "found", "e", "x", body, action_id=call.action_id, tool=call.tool)
    ledger.append(bench.run.id, "found", "e", "y", body, action_id="none", tool="detect_defects")
    exposing, orphan = findings_of(bench.store, bench.run.id, None)
    with pytest.raises(NotAvailable):
        recompute(bench.store, exposing)
    with pytest.raises(BadInput):
        recompute(bench.store, orphan)
