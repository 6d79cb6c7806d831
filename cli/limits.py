"""`eucentric limits`: what is allowed on an instrument, by whose measurement; check and draft files; clear a touch."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.cli.operator import require_terminal
from eucentric.core.text import named, quoted, visible

if TYPE_CHECKING:
    from eucentric.instruments.allowance import Allowance
    from eucentric.instruments.capabilities import Capabilities
    from eucentric.instruments.client import HostClient
    from eucentric.instruments.driver import DriverState
    from eucentric.instruments.limits import Limits


class _WithAddress(click.Group):
    """A group in which anything that is no command is an instrument's address: `eucentric limits URI`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`show` is what is meant by an address alone."""
        if args and args[0] not in self.commands:
            return super().resolve_command(ctx, ["show", *args])
        return super().resolve_command(ctx, args)


@click.group(cls=_WithAddress, invoke_without_command=True)
@click.pass_context
def limits(ctx: click.Context) -> None:
    """The limits in force: `eucentric limits [URI]`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, uri=None, as_json=False)


@limits.command()
@click.argument("uri", required=False)
@options.json_option
def show(uri: str | None, as_json: bool) -> None:
    """The limits in force at URI, with who measured them and what can't be steered."""
    from eucentric.instruments.allowance import allowances

    name, instrument = options.open_by_uri(uri)
    try:
        able, rules, state = instrument.capabilities(), instrument.limits(), instrument.state()
    finally:
        instrument.close()
    room = _room(able, rules, state)
    if as_json:
        body: dict[str, Any] = {"uri": name, "instrument": able.identity, "label": able.limits_version}
        body |= {"measured_by": able.measured_by, "limits": rules.model_dump(mode="json")}
        body |= {"not_steerable": _locked(able), "travel_um_by_alpha_deg": room}
        click.echo(json.dumps({"ok": True, **body}, ensure_ascii=False))
        return
    click.echo(f"{named(name)}   {quoted(able.identity)}")
    click.echo(f"limits {visible(able.limits_version)}   {visible(able.measured_by)}")
    for line in [*_rows(rules, allowances(able, rules)), *_detectors(rules), *_times(rules)]:
        click.echo(line)
    click.echo(f"not steerable   {', '.join(map(named, _locked(able))) or 'nothing'}")
    for line in _room_lines(state, rules, room):
        click.echo(line)


@limits.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.json_option
def check(file: Path, as_json: bool) -> None:
    """Read FILE as limits and say what is wrong with it."""
    from eucentric.instruments.limits_file import load_limits

    rules = load_limits(file)
    unmeasured = [name for name, row in rules.axes.items() if not row.measured]
    if as_json:
        click.echo(json.dumps({"ok": True, "label": rules.label, "unmeasured": unmeasured}))
        return
    click.echo(f"file {quoted(str(file))}: limits {visible(rules.label)} for {quoted(rules.instrument)}")
    axes, optics = (", ".join(map(named, found)) or "none" for found in (rules.axes, rules.optics))
    click.echo(f"  axes {axes}; optics {optics}")
    if unmeasured:
        click.echo(
            f"  measured by nobody: {', '.join(map(named, unmeasured))}; on a real instrument only small travel"
        )
    if rules.clearance is None:
        click.echo("  no clearance: a real stage is not tilted")


@limits.command()
@click.argument("uri", required=False)
@options.json_option
def draft(uri: str | None, as_json: bool) -> None:
    """A TOML file to start from, with what the driver at URI declares. Staff measure, correct and sign it."""
    from eucentric.instruments.allowance import declared
    from eucentric.instruments.limits_draft import draft_text

    client = _host_of(uri)
    try:
        text = draft_text(declared(client.declaration()))
    finally:
        client.close()
    click.echo(json.dumps({"ok": True, "toml": text}) if as_json else text, nl=as_json)


@limits.command("clear-touch")
@click.argument("uri", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The operator who looked at the holder.")
@options.json_option
def clear_touch(uri: str | None, name: str, as_json: bool) -> None:
    """Allow motion again after a touch. Needs a terminal and the operator's secret."""
    from eucentric.core.operators import prove

    require_terminal("clear a touch")
    client = _host_of(uri)
    try:
        click.echo(f"{named(client.info.uri)}: {_stands(client.state())}", err=True)
        click.echo("Has the holder been looked at, and brought back by hand where it must be?", err=True)
        prove(name, click.prompt(f"Secret of {name} to clear the touch", hide_input=True, err=True))
        client.clear_touch(f"{name} ({options.who()})")
    finally:
        client.close()
    click.echo(
        json.dumps({"ok": True, "cleared_by": name}) if as_json else "cleared; motion is allowed again"
    )


def _host_of(uri: str | None) -> "HostClient":
    from eucentric.core.places import canonical_uri
    from eucentric.instruments.launch import connect

    return connect(canonical_uri(uri or options.settings().instrument))


def _stands(state: "DriverState") -> str:
    from eucentric.instruments.checks import place

    return f"{place(state)}; touch alarm {'ON' if state.touch else 'off'}"


# --- the table ------------------------------------------------------------------------------------------------

_COLUMNS = ("", "lower", "upper", "step", "a minute", "excursion", "path a lease")


def _rows(rules: "Limits", binding: "Mapping[str, Allowance]") -> Iterator[str]:
    """What binds, the tighter of driver and limits, in the units of the file."""
    from eucentric.core.units import OPTICS, STAGE

    yield "".join(f"{text:>14}" if text else f"{text:<18}" for text in _COLUMNS) + "   measured"
    for field, row in (STAGE | OPTICS).items():
        one = binding.get(row.si)
        if one is None:
            continue
        numbers = (
            one.lower, one.upper, one.max_step, one.max_per_minute, one.max_excursion, one.max_path,
        )  # fmt: skip
        cells = "".join(f"{_number(value / row.factor):>14}" for value in numbers)
        yield f"{field:<18}{cells}   {_by(rules, field)}"


def _number(value: float) -> str:
    return "-" if value == float("inf") else f"{value:.6g}"


def _by(rules: "Limits", field: str) -> str:
    row = rules.axes.get(field) or rules.optics.get(field)
    if row is None or not row.measured:
        return "nobody"
    return f"{quoted(row.measured_by)} {row.measured_on}"


def _detectors(rules: "Limits") -> Iterator[str]:
    for name, row in rules.detectors.items():
        current = "" if row.max_probe_current_pa is None else f"up to {row.max_probe_current_pa:g} pA"
        charge = "" if row.max_charge_pc is None else f", {row.max_charge_pc:g} pC a lease"
        yield f"detector {named(name)}   {current or 'as declared'}{charge}"
    for rule in rules.exclusions:
        yield f"excluded   {', '.join(map(named, rule.detectors))}: {visible(rule.reason)}"


def _times(rules: "Limits") -> Iterator[str]:
    for row in rules.maintenance:
        yield f"closed   {quoted(row.what)}   {row.begins:%Y-%m-%d %H:%M} … {row.ends:%Y-%m-%d %H:%M %Z}"
    if rules.booking_end is not None:
        yield f"booked until   {rules.booking_end:%Y-%m-%d %H:%M %Z}"


def _locked(able: "Capabilities") -> list[str]:
    """What the driver has and nobody may steer."""
    names = [one.name for one in able.axes if not one.steerable]
    names += [one.name for one in able.optics if not one.settable]
    return names + [one.name for one in able.detectors if not one.exposable]


# --- travel left by tilt ----------------------------------------------------------------------------------------

_TILTS_DEG = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0)


def _room(
    able: "Capabilities", rules: "Limits", state: "DriverState"
) -> "dict[str, dict[str, tuple[float, float]] | None]":
    """x and y still open at beta = 0 and the present z, by alpha [µm]; None where the stage can't be tilted so far."""
    from eucentric.core.units import STAGE, from_si
    from eucentric.knowledge.clearance import travel_at

    if rules.clearance is None:
        return {}
    bounds = {
        field: (axis.lower / STAGE[field].factor, axis.upper / STAGE[field].factor)
        for field in ("x_um", "y_um")
        if (axis := able.axis(STAGE[field].si))
    }
    alpha, z_um = able.axis("alpha"), from_si(STAGE, state.reported).get("z_um", 0.0)
    if alpha is None or len(bounds) < 2:
        return {}
    most = alpha.upper / STAGE["alpha_deg"].factor
    inserted = [name for name, inside in state.inserted.items() if inside]
    return {
        f"{tilt:g}": travel_at(rules.clearance, state.holder, tilt, 0.0, z_um, bounds, inserted)
        for tilt in _TILTS_DEG
        if tilt <= most * (1 + 1e-9)
    }


def _room_lines(
    state: "DriverState", rules: "Limits", room: "dict[str, dict[str, tuple[float, float]] | None]"
) -> Iterator[str]:
    if rules.clearance is None:
        yield "clearance   not declared: a real stage is not tilted"
        return
    yield f"travel left by tilt   holder {quoted(state.holder)}, beta 0, z as it is"
    for tilt, spans in room.items():
        if spans is None:
            yield f"  alpha {tilt:>3} deg   none"
            continue
        parts = (f"{field[0]} {low:.0f} … {high:.0f} µm" for field, (low, high) in spans.items())
        yield f"  alpha {tilt:>3} deg   {'   '.join(parts)}"
