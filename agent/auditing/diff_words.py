"""Names and numbers of a comparison in a person's words, with their units. Texts of rows are escaped here."""

from typing import Any

from eucentric.core.text import visible
from eucentric.core.units import echo

_UNITS = ("um", "nm", "us", "pa", "pm", "deg", "kv", "mrad", "px", "a2", "s", "pc", "mbar", "ua")
_DIGESTS = ("sha256", "world", "limits")


def told(name: str, value: Any) -> str:
    """'dwell 2 µs', 'envelope x -3 µm, 7 µm', 'sha256 1f9c03aa11d2…'."""
    *path, last = name.split(".")
    where = [visible(part.replace("_", " "), limit=40) for part in path]
    values = value if isinstance(value, list) else [value]
    return " ".join([*where, _words(last, values), ", ".join(_scalar(last, one) for one in values)])


def _words(name: str, values: list[Any]) -> str:
    """The name, without the unit where that is told with the number."""
    stem, _, unit = _per_second(name).rpartition("_")
    if stem and unit in _UNITS and all(map(_is_number, values)):
        name = stem.removesuffix("_e_per").removesuffix("_nm_per")
    return visible(name.replace("_", " "), limit=60)


def _scalar(name: str, value: Any) -> str:
    if _is_number(value):
        has_unit = "_" in name and name.rpartition("_")[2] in _UNITS
        return echo(_per_second(name), value).split(" = ")[0] if has_unit else f"{value:.6g}"
    text = str(value)
    if name in _DIGESTS and len(text) == 64:
        return f"{visible(text[:12])}…"
    return visible(text, limit=160)


def _per_second(name: str) -> str:
    """Results say drift_nm_s for what is drift_nm_per_s elsewhere."""
    return f"{name[:-2]}_per_s" if name.endswith("_nm_s") else name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def headline(same: int, marks: list[str]) -> str:
    """'  3 the same, 1 changed, 2 only in the first'."""
    counts = [(same, "the same"), (marks.count("~"), "changed"), (marks.count("-"), "only in the first"),
              (marks.count("+"), "only in the second")]  # fmt: skip
    return "  " + ", ".join(f"{count} {words}" for count, words in counts if count)
