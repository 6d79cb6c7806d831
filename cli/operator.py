"""`eucentric operator`: who may approve from another terminal, as what, and with which key."""

import json
import sys
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.core.roles import ROLES, Role
from eucentric.core.text import visible

if TYPE_CHECKING:
    from eucentric.core.operators import Operator

by_option = click.option(
    "--as", "by", metavar="NAME", help="The staff member who says so; their secret is asked for."
)


@click.group()
def operator() -> None:
    """Operators of this machine: user, operator or staff.

    Their secrets are typed at a terminal and kept only as digests. While nobody is staff, anybody may change what is
    here, and so the first staff member registers themselves; from then on staff decide who is staff, what role
    somebody has, and who is removed.
    """


@operator.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="For a new name: operator; else the one they have.")
@by_option
@options.json_option
def add(name: str, role: Role | None, by: str | None, as_json: bool) -> None:
    """Register NAME, or give NAME a new secret; it is asked for twice, at a terminal."""
    from eucentric.core.operators import has_staff, names, register

    require_terminal("register an operator")
    first, again = not has_staff(), name in names()
    staff = _proved(by)
    secret = _typed(f"{'New secret' if again else 'Secret'} of {name}", twice=True)
    made = register(name, secret, role, by=staff)
    what = "has a new secret" if again else "was registered"
    if first and made.role == "staff":
        click.echo(
            f"{visible(name)} is the first staff member: from now on roles and removals take one", err=True
        )
    _told({"registered": name, "role": made.role}, f"{name} {what} as {made.role}", staff, as_json)


@operator.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@by_option
@options.json_option
def role(name: str, role: Role, by: str | None, as_json: bool) -> None:
    """Give NAME the ROLE user, operator or staff."""
    from eucentric.core.operators import set_role

    require_terminal("change a role")
    staff = _proved(by)
    made = set_role(name, role, by=staff)
    _told({"operator": name, "role": made.role}, f"{name} is {made.role} now", staff, as_json)


@operator.command()
@click.argument("name")
@by_option
@options.json_option
def remove(name: str, by: str | None, as_json: bool) -> None:
    """Forget NAME; what they decided stays in the ledgers."""
    from eucentric.core.operators import remove as forget

    require_terminal("remove an operator")
    staff = _proved(by)
    forget(name, by=staff)
    _told({"removed": name}, f"{name} was removed", staff, as_json)


@operator.command()
@click.argument("name")
@options.json_option
def key(name: str, as_json: bool) -> None:
    """Make a key pair with which NAME's decisions are signed from now on; the secret is asked for."""
    from eucentric.core.operators_file import fingerprint
    from eucentric.core.signing import make_key

    require_terminal("make a key")
    public = make_key(name, _typed(f"Secret of {name}"))
    told: dict[str, object] = {"operator": name, "key": fingerprint(public), "public": public}
    _told(told, f"{name} signs with key {fingerprint(public)}", None, as_json)
    if not as_json:
        click.echo("hand that to whoever will audit: only so do they know whose signatures they see")


@operator.command("anchor-key")
@options.json_option
def anchor_key(as_json: bool) -> None:
    """The public key with which this machine signs anchors (`sign_anchors = true`), made if there is none."""
    from eucentric.core.anchor_signing import make_key, wanted
    from eucentric.core.operators_file import fingerprint

    public = make_key()
    told = {"key": fingerprint(public), "public": public, "sign_anchors": wanted()}
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"{fingerprint(public)}  {public}")
    if not wanted():
        click.echo("anchors are not signed: `sign_anchors = true` in the settings turns it on")


@operator.command(name="list")
@options.json_option
def list_operators(as_json: bool) -> None:
    """Registered operators with their roles and the fingerprints of their keys, the newest last."""
    from eucentric.core.operators import public_keys, roles
    from eucentric.core.operators_file import fingerprint

    keys = public_keys()
    if as_json:
        found = [
            {"name": name, "role": role, "keys": list(keys.get(name, ()))} for name, role in roles().items()
        ]
        click.echo(json.dumps({"operators": found}, ensure_ascii=False))
        return
    for name, role in roles().items():
        signs = "".join(f"  key {fingerprint(one)}" for one in keys.get(name, ()))
        click.echo(f"{role:<9} {visible(name)}{signs}")
    if not roles():
        click.echo("no operator is registered: `eucentric operator add NAME`")


def _typed(prompt: str, *, twice: bool = False) -> str:
    typed: str = click.prompt(visible(prompt), hide_input=True, confirmation_prompt=twice, err=True)
    return typed


def _proved(by: str | None) -> "Operator | None":
    from eucentric.core.operators import prove

    return None if by is None else prove(by, _typed(f"Secret of {by}"))


def _told(body: dict[str, object], change: str, by: "Operator | None", as_json: bool) -> None:
    """Record a change in the ledger of the settings' store, if there is one, and say what became of it."""
    change += f", by {by.name}" if by else ""
    event, why = _recorded(change, by.name if by else options.who())
    body |= {"recorded": event, "not_recorded": why}
    click.echo(json.dumps(body, ensure_ascii=False) if as_json else visible(change))
    if not as_json:
        click.echo(f"recorded as event {event}" if event else f"not recorded: {visible(why)}", err=True)


def _recorded(change: str, actor: str) -> tuple[int | None, str]:
    """(event, '') or (None, why not); the change itself is done, whatever becomes of its record."""
    from eucentric.core.errors import EucentricError
    from eucentric.core.settings_file import default_store

    try:
        folder = default_store()
        if not (folder / "audit.db").is_file():
            return None, f"there is no store at {folder}; the next run of a store notes it there"
        from eucentric.core.role_record import note_roles
        from eucentric.core.store import Store

        store = Store.existing(folder)
        try:
            row = note_roles(store.ledger, actor, change)
        finally:
            store.close()
    except EucentricError as error:
        return None, f"{error}; the next run of a store notes it there"
    return (row.seq, "") if row else (None, "nothing changed")


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
