"""Stopping, helping and verifying must not wait for the heavy libraries."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from eucentric.core.store import Store

HEAVY = ("torch", "langgraph", "textual", "pint", "numpy", "skimage", "scipy", "matplotlib", "httpx", "gemmi")
MEDIUM = ("pydantic", "sqlite_utils")


def loaded(code: str, names: tuple[str, ...], **env: str) -> list[str]:
    """Which of the modules a fresh Python has after `code`."""
    script = f"{code}\nimport sys\nprint('LOADED', *[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "module", ["eucentric", "eucentric.cli", "eucentric.core.stop", "eucentric.core.chain", "eucentric.core.anchors",
               "eucentric.core.operators", "eucentric.core.settings_file", "eucentric.core.unit_spelling",
               "eucentric.cli.stop", "eucentric.cli.audit.verify"],
)  # fmt: skip
def test_importing_is_light(module: str) -> None:
    assert loaded(f"import {module}", HEAVY + MEDIUM) == []


@pytest.mark.parametrize(
    "module", ["eucentric.core.units", "eucentric.core.store", "eucentric.core.settings"]
)
def test_models_and_ledger_do_without_the_heavy_ones(module: str) -> None:
    found = loaded(f"import {module}", HEAVY)
    assert set(found) <= ({"numpy"} if module.endswith("store") else set())  # sqlite_utils takes it along


def test_pint_comes_with_the_first_text_and_not_before() -> None:
    code = "from eucentric.core.units import Unit\n"
    code += "Unit('nm').read(5)\ntry: Unit('nm').read('5')\nexcept ValueError: pass"
    assert loaded(code, ("pint",)) == []
    assert loaded(code + "\nUnit('nm').read('5 um')", ("pint",)) == ["pint"]


_MAIN = "from eucentric.cli import main\ntry: main({args!r})\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    "args", [["--help"], ["stop"], ["audit", "verify", "--store", "{store}"], ["audit", "--help"]]
)
def test_commands_that_must_be_there_at_once(tmp_path: Path, args: list[str]) -> None:
    store = Store(tmp_path / "store")
    store.anchor()
    store.close()
    filled = [part.format(store=store.folder) for part in args]
    assert loaded(_MAIN.format(args=filled), HEAVY + MEDIUM) == []


@pytest.mark.parametrize("args", [["--help"], ["stop"], ["audit", "verify"]])
def test_they_cost_less_than_half_a_second_of_cpu(tmp_path: Path, args: list[str]) -> None:
    Store(tmp_path / "eucentric-store").close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "eucentric", *args], capture_output=True, cwd=tmp_path, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
