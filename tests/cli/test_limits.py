"""`eucentric limits`: what is shown, checked and drafted, and who may clear a touch."""

import contextlib
import json
import os
import signal
import tomllib

import pytest

from eucentric.cli import main
from eucentric.core import operators
from eucentric.core import stop as stopping
from eucentric.instruments.launch import connect
from eucentric.instruments.limits_file import limits_path

URI = "twin://mxene?seed=5&stage=piezo"


@pytest.fixture(autouse=True)
def _rooms(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "settings.toml"))
    (tmp_path / "settings.toml").write_text(f'instrument = "{URI}"')
    yield
    for info in stopping.list_hosts():
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, signal.SIGKILL)


def said(capsys, *args):
    try:
        main(list(args))
        code = 0
    except SystemExit as end:
        code = end.code
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_limits_in_force_are_shown_as_a_table_and_as_json(capsys):
    code, out, _ = said(capsys, "limits", URI)
    assert code in (0, None)
    assert "limits v1 (sha256 " in out
    x = next(line for line in out.splitlines() if line.startswith("x_um"))
    assert x.split()[1:4] == ["-2", "2", "4"]  # the piezo stage's own travel is the tighter one
    assert "not steerable   convergence, voltage" in out
    assert "alpha  30 deg   x" in out
    assert "alpha  35 deg   none" in out
    _, out, _ = said(capsys, "limits", "show", URI, "--json")
    body = json.loads(out)
    assert body["limits"]["version"] == 1
    assert body["not_steerable"] == ["convergence", "voltage"]
    assert body["travel_um_by_alpha_deg"]["35"] is None
    low, high = body["travel_um_by_alpha_deg"]["30"]["y_um"]
    assert -2 <= low < 0 < high <= 2
    assert said(capsys, "limits")[1].splitlines()[0].startswith(URI)  # the settings' instrument


def test_a_file_is_checked(capsys, tmp_path):
    path = limits_path("twin://mxene")
    code, out, _ = said(capsys, "limits", "check", str(path))
    assert "limits v1 (sha256 " in out
    assert "measured by nobody: x_um" in out
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(path.read_text("utf-8").replace("upper = 1000", "upper = -2000", 1), "utf-8")
    code, _, err = said(capsys, "limits", "check", str(wrong))
    assert code == 2
    assert "axes.x_um" in err
    assert str(wrong) in err


def test_a_draft_has_what_the_driver_declares(capsys):
    _, out, _ = said(capsys, "limits", "draft", URI)
    draft = tomllib.loads(out)
    assert draft["axes"]["x_um"]["upper"] == pytest.approx(2)
    assert draft["instrument"] == "SIMULATED Eucentric twin mxene piezo-5"
    assert "[clearance]" in out
    assert tomllib.loads(json.loads(said(capsys, "limits", "draft", URI, "--json")[1])["toml"]) == draft


def test_a_touch_is_cleared_only_at_a_terminal_and_with_a_secret(capsys, monkeypatch):
    operators.register("jo", "correct horse")
    code, _, err = said(capsys, "limits", "clear-touch", URI, "--as", "jo")
    assert (code, "terminal" in err) == (6, True)
    cleared = []
    monkeypatch.setattr("eucentric.cli.limits.require_terminal", lambda what: None)
    monkeypatch.setattr(
        "eucentric.instruments.client.HostClient.clear_touch", lambda _, by: cleared.append(by)
    )
    monkeypatch.setattr("click.prompt", lambda *_, **__: "wrong horse")
    code, _, err = said(capsys, "limits", "clear-touch", URI, "--as", "jo")
    assert (code, cleared) == (3, [])
    monkeypatch.setattr("click.prompt", lambda *_, **__: "correct horse")
    code, out, err = said(capsys, "limits", "clear-touch", URI, "--as", "jo")
    assert "motion is allowed again" in out
    assert "touch alarm off" in err
    assert cleared[0].startswith("jo (")
    connect(URI).close()
