"""The house stands as drawn: packages, floors, the light front door, the documents' links and commands."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = ("agent", "bench", "cli", "core", "instruments", "knowledge", "prompts", "tools", "tui")
SOURCES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def test_every_package_is_listed():
    found = {"eucentric"} | {
        "eucentric." + ".".join(path.parent.relative_to(ROOT).parts)
        for floor in FLOORS
        for path in (ROOT / floor).rglob("__init__.py")
    }
    assert found == set(CONFIG["tool"]["setuptools"]["packages"])


def test_no_other_module_at_the_root():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_absolute_and_nothing_is_executed_from_text(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert (node.module or "").split(".")[0] not in FLOORS
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & set(FLOORS)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec")


def test_floors_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_front_door_is_light():
    heavy = ("torch", "langgraph", "textual", "numpy", "pint", "pydantic", "skimage", "matplotlib", "httpx")
    code = (
        f"import sys, eucentric, eucentric.cli, eucentric.core.stop, eucentric.core.chain, eucentric.core.anchors; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


GUIDES = [ROOT / "README.md", ROOT / "docs/tutorial.md", ROOT / "docs/howto.md"]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def commands_in(path):
    text = path.read_text(encoding="utf-8")
    for block in re.findall(r"```[a-z]*\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("eucentric "):
                yield line


@pytest.mark.parametrize(
    "line",
    [
        line
        for path in [ROOT / "README.md", ROOT / "docs/tutorial.md", ROOT / "docs/howto.md"]
        for line in commands_in(path)
    ],
)
def test_documented_commands_parse(line):
    """Each documented command exists and takes its options (parsed, not run)."""
    import shlex

    import click

    from eucentric.cli import cli

    words = shlex.split(line.split("  #")[0], comments=False)[1:]
    words = [word.split("|")[0] for word in words if not word.startswith("[")]
    command, context = cli, click.Context(cli, info_name="eucentric")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_parser(context).parse_args([word for word in words if word != "…"])


def test_every_command_has_help_and_json():
    import click

    from eucentric.cli import COMMANDS, cli

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            assert leaf.help, name
            if (name, leaf.name) != ("operator", "add"):
                assert any("--json" in option.opts for option in leaf.params), (name, leaf.name)
