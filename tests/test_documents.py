"""What the documents name exists: files, folders, modules, rooms. Read as text; nothing is imported or run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    "agent",
    "bench",
    "cli",
    "core",
    "docs",
    "examples",
    "instruments",
    "knowledge",
    "prompts",
    "tools",
    "tui",
)
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "transcripts" not in path.parts),
]
PLAN = ROOT / "docs/architecture.md"
ROOM = re.compile(rf"(?:{'|'.join(FLOORS)})/(?:\w+/)*")
PATH = re.compile(
    rf"(?<![\w./-])(?:{'|'.join(FLOORS)})/[\w./-]*\.(?:py|md|toml|sh|css|cif|npz|json|png|svg)\b"
)
DOTTED = re.compile(r"\beucentric(?:\.\w+)+")
MODULE = re.compile(r"`((?:[a-z]\w*/)*[a-z]\w*/?)`")


def source_of(path):
    """The file of a module or of a package; None if there is neither."""
    files = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def names_something(dotted):
    """Whether it is a module, or something that the longest module in it speaks of."""
    parts = dotted.split(".")[1:]
    for cut in range(len(parts), 0, -1):
        source = source_of(ROOT.joinpath(*parts[:cut]))
        if source:
            text = source.read_text(encoding="utf-8")
            return all(re.search(rf"\b{name}\b", text) for name in parts[cut : cut + 1])
    return dotted == "eucentric.drivers"  # the entry-point group


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_folders_and_modules_exist(path):
    text = path.read_text(encoding="utf-8")
    files = [
        name for name in PATH.findall(text) if not re.search(r"/[A-Z]+\.", name)
    ]  # NAME.py stands for many
    assert [name for name in files if not (ROOT / name).is_file()] == []
    rooms = {name for name in re.findall(r"`([\w/]+/)`", text) if ROOM.fullmatch(name)}
    assert [name for name in rooms if not (ROOT / name).is_dir()] == []
    assert [name for name in DOTTED.findall(text) if not names_something(name)] == []


def rows_of_the_plan():
    """(folder, text that names modules of it): rows that begin with a folder, or stand under a heading with one."""
    under = None
    for line in PLAN.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            folder = re.search(r"`([\w/]+/)`", line)
            under = folder[1] if folder else None
        if not line.startswith("| `"):
            continue
        first, rest = line.strip("| ").split(" | ", 1)
        own = re.fullmatch(r"`([\w/]+/)`", first)
        if own and ROOM.fullmatch(own[1]):
            yield own[1], rest
        elif under:
            yield under, first


@pytest.mark.parametrize(("folder", "text"), list(rows_of_the_plan()))
def test_the_floor_plan_names_modules_that_are_there(folder, text):
    named = [name for name in MODULE.findall(text) if not ROOM.fullmatch(name)]
    assert [name for name in named if not source_of(ROOT / folder / name.rstrip("/"))] == []


def test_the_floor_plan_names_every_room():
    text = PLAN.read_text(encoding="utf-8")
    floors = [ROOT / floor for floor in FLOORS if floor not in ("docs", "examples")]
    rooms = {found.parent for floor in floors for found in floor.rglob("__init__.py")}
    missing = [
        room.relative_to(ROOT).as_posix()
        for room in rooms
        if f"`{room.relative_to(ROOT).as_posix()}/`" not in text and f"`{room.name}/`" not in text
    ]
    assert missing == []
