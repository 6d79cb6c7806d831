"""Numbers as a microscopist writes them: a unit always, and no more digits than the interval allows."""

import math

from eucentric.core.calls import Finding, Interval

_PER_CENT = {"fraction", "1", ""}


def seconds(value: float) -> str:
    """A duration."""
    if value < 100:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def dose(value: float) -> str:
    """A dose in e/Å², without the unit."""
    if value == 0:
        return "0"
    return f"{value:.3g}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def length(nm: float) -> str:
    """A length given in nm."""
    return f"{nm / 1e3:.3g} µm" if nm >= 1000 else f"{nm:.3g} nm" if nm >= 1 else f"{nm * 1e3:.3g} pm"


def count(value: float) -> str:
    """A count, with thousands apart; one decimal if it is not whole."""
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-6 else f"{value:,.1f}"


def plural(number: int, noun: str) -> str:
    """'1 frame', '3 frames'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def unit_of(finding: Finding) -> tuple[float, str]:
    """(factor, unit) that the finding's numbers are shown in."""
    return (100.0, "%") if finding.unit in _PER_CENT else (1.0, finding.unit)


def _decimals(interval: Interval, scale: float) -> int:
    half = (interval.high - interval.low) / 2 * scale
    return max(0, min(6, 1 - math.floor(math.log10(half)))) if half > 0 else 2


def value_text(finding: Finding) -> str:
    """The number a reader takes home: the value, the upper bound, or that there is none."""
    interval = finding.interval
    scale, unit = unit_of(finding)
    if finding.cannot_tell:
        return "cannot tell"
    if interval.only_upper or interval.value is None:
        return f"below {interval.high * scale:.{_decimals(interval, scale)}f} {unit}"
    return f"{interval.value * scale:.{_decimals(interval, scale)}f} {unit}"


def interval_text(finding: Finding) -> str:
    """The interval in words, or the reason why there is no number."""
    interval = finding.interval
    scale, unit = unit_of(finding)
    if finding.cannot_tell:
        return finding.cannot_tell
    level = f"{interval.level * 100:g} %"
    if interval.only_upper or interval.value is None:
        return f"{level} upper bound: nothing above the expected false calls was seen"
    digits = _decimals(interval, scale)
    return f"{level} interval {interval.low * scale:.{digits}f} … {interval.high * scale:.{digits}f} {unit}"


def basis_text(finding: Finding) -> str:
    """Numerator, denominator and number of frames."""
    shown, counted = len(finding.evidence), finding.details.get("images")
    less = f"{counted} of " if isinstance(counted, int) and 0 < counted < shown else ""
    frames = less + plural(shown, "frame")
    if not finding.of:
        return f"0 sites examined in {frames}"
    return f"{count(finding.count)} of {finding.of:,} sites examined, in {frames}"


def calls_text(finding: Finding) -> str:
    """What a density was corrected for; empty if it does not say."""
    details = finding.details
    if not {"recall", "called", "expected_false_calls"} <= set(details):
        return ""
    spread = float(details.get("overdispersion", 1.0))
    widened = (
        f"; variance widened {spread:.3g}× for clustering and scatter between frames"
        if spread > 1.005
        else ""
    )
    hand = f"; {details['by_hand']} sites by hand" if details.get("by_hand") else ""
    return (
        f"{details['called']} called, {details['expected_false_calls']:.2g} of them expected to be false; recall "
        f"{details['recall']:.3g} at these counts is corrected for{widened}{hand}"
    )


def clustering_text(finding: Finding) -> str:
    """Whether vacancies sit together; empty if it does not say."""
    found = finding.details.get("clustering")
    if not isinstance(found, dict) or found.get("ratio") is None:
        return ""
    verdict = "more than chance" if found["p_value"] < 0.05 else "no more than chance explains"
    return (
        f"clustering: {found['pairs']} neighbouring pairs, {found['expected_pairs']:.2g} expected by chance "
        f"({found['ratio']:.2g}×, p = {found['p_value']:.2g}): {verdict}"
    )


def events_text(events: tuple[int, ...]) -> str:
    """'events 12, 15–17'."""
    runs: list[list[int]] = []
    for seq in sorted(set(events)):
        if runs and seq == runs[-1][1] + 1:
            runs[-1][1] = seq
        else:
            runs.append([seq, seq])
    parts = [str(a) if a == b else f"{a}–{b}" if b > a + 1 else f"{a}, {b}" for a, b in runs]
    return f"event{'s' if len(set(events)) != 1 else ''} {', '.join(parts)}" if parts else ""
