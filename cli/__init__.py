"""The command line: a table of commands, each imported only when it is called."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from eucentric import __version__
from eucentric.cli.lazy_group import LazyGroup
from eucentric.cli.screen import guard_streams

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Do what a sentence asks: plan, preview, approval, work, report."),
    "plan": ("plan", "Plan and price a sentence; nothing is executed."),
    "approve": ("decide", "Approve a parked run's gate (terminal and operator secret needed)."),
    "deny": ("decide", "Reject a parked run's gate, with a reason."),
    "edit": ("decide", "Change one argument of a plan that waits at a gate; it is asked again."),
    "escalate": ("decide", "Say that a gate takes somebody higher; the question stays open."),
    "grants": ("grants", "Standing grants: who let what pass, what is left; revoke one."),
    "policy": ("policy", "The site's rules; which rule decides a call."),
    "resume": (
        "resume",
        "Release a paused run; explain a stopped, parked or crashed one and take it up again.",
    ),
    "pause": ("control", "Pause a run before its next act, beam blanked; resume releases it."),
    "finish": ("control", "End a run in order after its present step; what is done counts."),
    "abort": ("control", "End a run in order before its next act; settings are put back."),
    "stop": ("stop", "Blank the beam first, then stop scan and motion. From any terminal."),
    "blank": ("stop", "Blank the beam and hold it."),
    "status": ("status", "What runs, what waits for a decision, which beams are held."),
    "watch": ("watch", "Follow a run live in the terminal (read-only, with a stop key)."),
    "audit": ("audit", "List runs, show one, verify the ledger."),
    "dose": ("dose", "What dose a specimen, or one spot of it, has had; a map."),
    "detect": ("detect", "Find atoms and vacancies in image files."),
    "atoms": ("single_atoms", "Find single heavy atoms on a support without a lattice."),
    "defects": ("defects", "What detect found: over samples, compared, against dose, corrected by hand."),
    "train": ("train", "Train a small network for a material, from a CIF, from images."),
    "recommend": (
        "recommend",
        "Which dose, dwell, pixel size and fields finding vacancies takes.",
    ),
    "calc": ("calc", "Dose, frame time, counts per column, depth of focus, drift blur."),
    "tilt": ("tilt", "Where to tilt a crystal, from a few readings: tilts, errors, alternatives, a map."),
    "notebook": ("notebook", "A notebook of readings, calibrations and grains; solve, send, take in."),
    "limits": ("limits", "The limits in force on an instrument; check and draft files; clear a touch."),
    "twin": (
        "twin",
        "Fit the simulated microscope to a real one: stage from moves, noise and blur from an image.",
    ),
    "host": ("host", "Serve one instrument in the foreground."),
    "operator": ("operator", "Register an operator's secret on this machine."),
    "doctor": ("doctor", "Check this installation and say what is missing."),
    "bench": ("bench", "Run a benchmark and print its JSON."),
}

_EPILOG = """\b
Examples
  eucentric run "find monolayer Ti3C2 flakes, image three at atomic resolution below 2e4 e/Å2
                 and tell me the Ti vacancy density"
  eucentric plan "take a 512x512 HAADF at 20 nm field of view"
  eucentric detect image.tif --material Ti3C2
  eucentric stop                          # from any other terminal
  eucentric audit show r-0001

\b
Exit codes: 0 done or answered, 1 failed, 2 usage, 3 refused, 4 needs clarification, 5 stopped,
6 parked or needs an operator. Every command takes --json and then prints exactly one JSON object."""


@click.group(
    cls=LazyGroup, package="eucentric.cli", table=COMMANDS, epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
@click.version_option(__version__, prog_name="eucentric")
def cli() -> None:
    """Run an electron microscope in plain words, under human supervision, with every decision on record."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: errors of the tree become one readable message, or one JSON object, and an exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    guard_streams(fold=not (as_json or args[:1] == ["bench"] or args[:2] == ["limits", "draft"]))
    try:
        cli.main(args, prog_name="eucentric", standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _usage(error, as_json)
    except click.Abort:
        _fail({"type": "Stopped", "code": "E-STOP-01", "what": "interrupted", "exit_code": 5}, as_json)
    except BrokenPipeError:  # `… | head` closed the pipe: not an error of anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _known(error, as_json)


def _usage(error: click.ClickException, as_json: bool) -> None:
    if as_json:
        _fail(
            {"type": "BadInput", "code": "E-USAGE-01", "what": error.format_message(), "exit_code": 2}, True
        )
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        sys.exit(2)
    from eucentric.core.text import visible

    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        usage = f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n"
        print(usage, file=sys.stderr)
    print(f"Error: {_indented(visible(error.format_message(), one_line=False))}", file=sys.stderr)
    sys.exit(2)


def _known(error: Exception, as_json: bool) -> None:
    from eucentric.core.errors import Defect, EucentricError

    if not isinstance(error, EucentricError):
        if "--debug" in sys.argv:
            _print_trace(error)
        error = Defect(
            f"{type(error).__name__}: {error}", "this is a bug of ours", "run again with --debug, report it"
        )
    _fail({**error.as_dict(), "exit_code": error.exit_code}, as_json)


def _print_trace(error: Exception) -> None:
    """Indented: a message in it is a stranger's."""
    import traceback

    from eucentric.core.text import visible

    trace = "".join(traceback.format_exception(error))
    print(f"  {_indented(visible(trace, one_line=False, limit=100_000))}", file=sys.stderr)


def _fail(body: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": False, "error": body, "exit_code": body["exit_code"]}, ensure_ascii=False))
    else:
        from eucentric.core.text import visible

        print(f"{body['code']}  {_indented(visible(str(body['what']), one_line=False))}", file=sys.stderr)
        for key in ("why", "remedy"):
            if body.get(key):
                print(f"  {_indented(visible(str(body[key]), one_line=False))}", file=sys.stderr)
    sys.exit(body["exit_code"])


def _indented(text: str) -> str:
    """Lines after the first are set in, so that no text can pass for a line of ours."""
    return text.replace("\n", "\n  ")
