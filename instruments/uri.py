"""From an instrument's address to an instrument."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from eucentric.core.errors import BadInput, EucentricError, InstrumentFault
from eucentric.core.places import URI_EXAMPLES, InstrumentUri, parse_uri
from eucentric.core.text import visible
from eucentric.instruments.driver import Driver
from eucentric.instruments.guard import Guard
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.launch import connect
from eucentric.instruments.limits_file import limits_of
from eucentric.instruments.operation import Hold

GROUP = "eucentric.drivers"
"""Entry points of drivers from outside: the name is the scheme, the object takes (path, query)."""


def open_instrument(uri: str, *, in_process: bool = False) -> Instrument:
    """The guarded instrument at `uri`, by its host (started if need be) or in this process.

    Parameters
    ----------
    uri
        ``twin://WORLD?seed=7``, ``twin:PATH.toml?seed=7``, ``py:module:factory?key=value`` or the
        scheme of an installed driver.
    in_process
        For tests and benchmarks: no process, no watchdog, no stop from outside.

    Raises
    ------
    BadInput
        The address is not one, or its driver refuses the options.
    InstrumentFault, ConnectionLost
        The host could not start or does not answer.
    """
    if in_process:
        return guarded(uri, load_driver(uri))
    check_scheme(parse_uri(uri))
    return connect(uri)


def guarded(uri: str, driver: Driver, hold: Hold | None = None, touched: str | None = None) -> Guard:
    """The driver behind a guard with the limits of its address; the driver is closed if they are wrong."""
    try:
        return Guard(driver, limits_of(uri, driver.capabilities()), hold, touched=touched)
    except BaseException:
        driver.close()
        raise


def load_driver(uri: str) -> Driver:
    """The bare driver at `uri`; only a host or an in-process guard may call this."""
    parsed = parse_uri(uri)
    check_scheme(parsed)
    if parsed.scheme == "twin":
        from eucentric.instruments.twin import twin_driver  # the twin's physics is not for every address

        return _called(uri, twin_driver, parsed.path, parsed.query)
    if parsed.scheme == "py":
        return _called(uri, _factory(parsed), **parsed.query)
    return _called(uri, _entry(parsed.scheme), parsed.path, parsed.query)


def check_scheme(parsed: InstrumentUri) -> None:
    """BadInput, with examples, unless somebody answers for the scheme and the path has its form."""
    known = {"twin", "py", *_entries()}
    if parsed.scheme not in known:
        raise BadInput(
            f"no driver for '{visible(parsed.scheme, limit=60)}:'",
            f"known schemes: {', '.join(sorted(known))}",
            f"Examples: {URI_EXAMPLES}",
        )
    if parsed.scheme == "twin" and not parsed.slashes and not parsed.path.endswith(".toml"):
        raise _bad(parsed, f"a world by name is twin://{parsed.path}, a file ends in .toml")
    module, colon, factory = parsed.path.partition(":")
    names = [*module.split("."), factory]
    if parsed.scheme == "py" and not (colon and all(name.isidentifier() for name in names)):
        raise _bad(parsed, "py: needs a module and a function of it")


def _factory(parsed: InstrumentUri) -> Callable[..., Any]:
    module, _, name = parsed.path.partition(":")
    found = getattr(_module(parsed, module), name, None)
    if not callable(found):
        raise _bad(parsed, f"module {module} has no function '{name}'")
    return found  # type: ignore[no-any-return]


def _module(parsed: InstrumentUri, module: str) -> ModuleType:
    """Import a driver module, but never because it happens to lie in the folder somebody stands in."""
    top = module.partition(".")[0]
    here = PathFinder.find_spec(top, _implicit_places())
    spec = importlib.util.find_spec(top) if top not in sys.modules else sys.modules[top].__spec__
    if here is not None and spec is not None and spec.origin == here.origin:
        raise _bad(parsed, f"'{top}' is only found in the current folder; install it or set PYTHONPATH")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _bad(
            parsed, f"no module named {visible(str(error.name))}: install it or set PYTHONPATH"
        ) from error


def _implicit_places() -> list[str]:
    """Entries of sys.path that Python added for where it was started, not because anyone named them."""
    if sys.flags.safe_path:
        return []
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    here = os.getcwd()
    return [here] if (here in sys.path[:1] or "" in sys.path) and here not in named else []


def _entries() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def _entry(scheme: str) -> Callable[..., Any]:
    try:
        return _entries()[scheme].load()  # type: ignore[no-any-return]
    except Exception as error:
        raise InstrumentFault(f"the driver of '{scheme}:' can't be loaded", visible(repr(error))) from error


def _called(uri: str, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Driver:
    try:
        inspect.signature(factory).bind(*arguments, **options)
    except TypeError as error:
        raise _bad(parse_uri(uri), f"the driver does not take these options: {error}") from error
    try:
        driver = factory(*arguments, **options)
    except EucentricError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise _bad(parse_uri(uri), f"the driver refuses its options: {error}") from error
    if not all(callable(getattr(driver, name, None)) for name in _VERBS):
        raise InstrumentFault(f"what {visible(uri)} returns is no driver", f"it needs {', '.join(_VERBS)}")
    return driver  # type: ignore[no-any-return]


_VERBS = (
    "capabilities", "read", "move", "set_optics", "acquire", "wait", "set_blank", "is_blanked", "stop",
    "close",
)  # fmt: skip


def _bad(parsed: InstrumentUri, why: str) -> BadInput:
    return BadInput(
        f"no instrument at '{visible(str(parsed), limit=200)}'", visible(why), f"Examples: {URI_EXAMPLES}"
    )
