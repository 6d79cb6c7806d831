"""Commands run in this process, with a state, settings and a store of their own; hosts they start are ended."""

import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from eucentric.bench.own_state import end_hosts
from eucentric.cli import main

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "agent" / "llm"))  # the scripted model server


@contextlib.contextmanager
def own_folder():
    """A short path (Unix sockets) with a state, settings and modules of its own."""
    with tempfile.TemporaryDirectory(prefix="eu") as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EUCENTRIC_STATE", f"{name}/state")
        patch.setenv("EUCENTRIC_CONFIG", f"{name}/settings.toml")
        patch.setenv("PYTHONPATH", name, prepend=os.pathsep)
        yield Path(name)
        end_hosts(Path(name) / "state")


@pytest.fixture
def handlers_put_back():
    """A command may take signals over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def place(handlers_put_back, capsys):
    """Commands in a folder that is gone after the test."""
    with own_folder() as folder:
        yield Place(folder, capsys)


@pytest.fixture(scope="module")
def lasting():
    """A folder for all tests of a module: one host serves them."""
    with own_folder() as folder:
        yield folder


@pytest.fixture
def shared_place(lasting, handlers_put_back, capsys):
    """Commands in that folder."""
    return Place(lasting, capsys)


class Place:
    """A folder in which commands run; what they print is kept in the file `output`."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys
        self.store = ("--store", str(folder / "store"))

    def eucentric(self, *args):
        """Exit code, stdout and stderr of a command."""
        with pytest.raises(SystemExit) as end:
            main([*args])
            sys.exit(0)
        said = self.capsys.readouterr()
        with open(self.folder / "output", "a", encoding="utf-8") as file:
            file.write(f"{said.out}\n{said.err}\n")
        return end.value.code, said.out, said.err

    def policy(self, **words):
        """The example policy with more dose, and words of a stranger."""
        text = (ROOT / "examples/demo-envelope.toml").read_text().replace("2.0e4", "1e5")
        for field, value in words.items():
            text = text.replace(f'{field} = "', f'{field} = "{value} ')
        file = self.folder / "policy.planted"
        file.write_text(text, encoding="utf-8")
        return file


@pytest.fixture
def eucentric(capsys):
    """Run a command in this process: exit code, stdout, stderr."""

    def call(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(args)
            sys.exit(0)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call
