"""Limits as a TOML file for staff to start from: measured by nobody until they say so."""

from collections.abc import Iterator

from eucentric.instruments.limits import DetectorLimit, Limit, Limits

_HEAD = """\
# A draft, from what the driver declares. Drive each axis with the touch alarm on, write down how far it may go,
# who did it and when; an axis of a real instrument that nobody measured keeps a small travel and is not tilted.
# Check it with: eucentric limits check FILE. Name it in the settings: limits = { "ADDRESS" = "FILE" }
"""
_CLEARANCE = """\
# Without the gap and the holders a real stage is not tilted.
# [clearance]
# outside_gap = []                # what can be inserted and stays clear of the gap
# [clearance.pole_piece]
# gap_um = 5400
# [[clearance.holders]]
# name = "as the instrument reports it"
# half_width_um = 3500
# half_length_um = 3500
# thickness_um = 2000
# margin_um = 200
# measured_by = ""
"""


def draft_text(limits: Limits) -> str:
    """The rows of `limits` as TOML that `limits_file.load_limits` reads, once every current is filled in."""
    lines = [_HEAD, f"version = {limits.version}", f"instrument = {_quoted(limits.instrument)}"]
    lines += ['author = ""', ""]
    for table, rows in (("axes", limits.axes), ("optics", limits.optics)):
        for name, row in rows.items():
            lines += [f"[{table}.{name}]", *_limit(row), ""]
    for name, one in limits.detectors.items():
        lines += [f"[detectors.{_quoted(name)}]", *_detector(one), ""]
    return "\n".join([*lines, _CLEARANCE])


def _limit(row: Limit) -> Iterator[str]:
    for field, value in row.model_dump().items():
        if isinstance(value, float):
            yield f"{field} = {value:.9g}"
    yield '# measured_by = "who drove there"'
    yield "# measured_on = 2026-01-31"


def _detector(row: DetectorLimit) -> Iterator[str]:
    if row.max_probe_current_pa is None:
        yield "# max_probe_current_pa =       # of the whole beam; the detector can't be used without it"
    else:
        yield f"max_probe_current_pa = {row.max_probe_current_pa:.9g}"
    yield "# max_charge_pc =              # beam charge a lease"


def _quoted(text: str) -> str:
    """A basic TOML string: what is not a plain character is written as an escape."""
    plain = "".join(
        char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text
    )
    return f'"{plain}"'
