"""The reference pages are what the code says."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "generate.py"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_current():
    """In a process of its own: click keeps the help option of a command that another test has run."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"run `python docs/generate.py`: {done.stdout}{done.stderr}"


def test_a_changed_page_is_noticed(generate, monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["generate.py"])
    assert generate.stale() == list(generate.PAGES)
    assert generate.main() == 0
    assert generate.stale() == []
    (tmp_path / "errors.md").write_text("old", "utf-8")
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 1


def test_every_command_kind_error_and_tool_has_its_place(generate):
    pages = {name: page() for name, page in generate.PAGES.items()}
    assert all(f"\n## eucentric {name}\n" in pages["cli.md"] for name in generate.COMMANDS)
    assert all(f"\n## {tool.name}\n" in pages["tools.md"] for tool in generate.CATALOGUE)
    assert all(f"`{kind}`" in pages["events.md"] for kind in generate.KINDS)
    assert "| |" not in pages["events.md"].replace("|  |", "| |")  # every kind has a meaning
    assert "eucentric audit verify" in pages["cli.md"]  # sub-commands too
    assert "`DoseRefused` | `E-DOSE-03` | operator | 3 |" in pages["errors.md"]
