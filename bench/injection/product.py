"""The command line and the live view, looked up by name: a bench looks at them from outside, as a person does."""

import importlib
from typing import Any


def part(name: str) -> Any:
    """A module of the product above this floor, such as 'cli.console'."""
    return importlib.import_module(f"eucentric.{name}")


def command_line(args: list[str]) -> None:
    """As `eucentric ARGS`; ends in SystemExit."""
    part("cli").main(args)
