"""`eucentric operator`: who may approve from another terminal."""

import json
import sys

import click

from eucentric.cli import options
from eucentric.core.text import visible


@click.group()
def operator() -> None:
    """Operators of this machine. Their secrets are typed at a terminal and kept only as digests."""


@operator.command()
@click.argument("name")
@options.json_option
def add(name: str, as_json: bool) -> None:
    """Register NAME; the secret is asked for twice, at a terminal."""
    from eucentric.core.operators import register

    require_terminal("register an operator")
    secret = click.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True)
    register(name, secret)
    click.echo(json.dumps({"registered": name}) if as_json else f"registered {name}")


@operator.command(name="list")
@options.json_option
def list_operators(as_json: bool) -> None:
    """Names of the registered operators."""
    from eucentric.core.operators import names

    if as_json:
        click.echo(json.dumps({"operators": names()}))
    else:
        click.echo(
            "\n".join(visible(name) for name in names())
            or "no operator is registered: `eucentric operator add NAME`"
        )


def require_terminal(what: str) -> None:
    """A person must be there.

    Raises
    ------
    Parked
        There is no terminal: nothing is approved and nothing denied.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        from eucentric.core.errors import Parked

        raise Parked(
            f"can't {what} without a terminal", "a person has to prove who they are", "run it at a terminal"
        )
