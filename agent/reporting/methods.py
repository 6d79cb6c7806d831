"""A methods paragraph that can go into a paper as it is; what the ledger does not say is left out."""

from collections.abc import Iterator, Sequence

from eucentric import __version__
from eucentric.agent.reporting.quantities import dose, length, plural
from eucentric.agent.reporting.record import FrameRecord, RunRecord

_INTERVAL = (
    "The called share of the examined sites was corrected for the expected recall and false calls (Rogan and Gladen, "
    "Am. J. Epidemiol. 107 (1978) 71); the 95 % interval is Wilson's score interval of the called share with the "
    "effective number of sites reduced for clustering and for scatter between frames, and includes the uncertainty of "
    "the correction."
)


def methods(record: RunRecord) -> str:
    """One paragraph."""
    return " ".join(sentence for sentence in _sentences(record) if sentence)


def _sentences(record: RunRecord) -> Iterator[str]:
    yield _instrument(record)
    for purpose, words in (("survey", "Overview images"), ("tracking", "Images for finding each place again"),
                           ("focus", "Images for focusing")):  # fmt: skip
        frames = [one for one in record.frames if one.frame.purpose == purpose]
        yield _set(words, frames)
    images = [one for one in record.frames if one.frame.purpose == "image"]
    sums = [one for one in images if one.frame.parents]
    for group in _alike([one for one in images if not one.frame.parents]):
        yield _set("Images", group)
    yield _sums(sums)
    yield from _analysis(record)
    version = record.software or f"{__version__} (version that wrote this report)"
    yield (
        f"The experiment was planned, executed under an approved envelope of dose, frames and stage travel, and "
        f"recorded by Eucentric {version}, run {record.run}."
    )


def _instrument(record: RunRecord) -> str:
    frame = record.frames[0].frame if record.frames else None
    specimen = f" of {record.specimen.name} ({record.specimen.material})" if record.specimen else ""
    if frame is None:
        return f"Instrument: {record.instrument}{specimen and f'; specimen{specimen[3:]}'}. No image was recorded."
    lead, name = "Scanning transmission electron microscopy", record.instrument.removeprefix("SIMULATED ")
    if record.simulated:
        lead = "SIMULATED scanning transmission electron microscopy"
    at = f" at {frame.voltage_kv:g} kV" if frame.voltage_kv else ""
    optics = [_span([one.frame.probe_current_pa for one in record.frames], "a probe current of {} pA")]
    optics.append(
        f"a convergence semi-angle of {frame.convergence_mrad:g} mrad" if frame.convergence_mrad else ""
    )
    shown = " and ".join(text for text in optics if text)
    angles = _detectors(record)
    return f"{lead}{specimen} was carried out on {name}{at}{', with ' + shown if shown else ''}.{angles}"


def _detectors(record: RunRecord) -> str:
    if record.capabilities is None:
        return ""
    used = dict.fromkeys(one.frame.detector for one in record.frames)
    specs = [spec for name in used if (spec := record.capabilities.detector(name))]
    parts = [
        f"{one.name.upper()} {one.collection_mrad[0]:g}–{one.collection_mrad[1]:g} mrad" for one in specs
    ]
    return f" Collection semi-angles: {', '.join(parts)}." if parts else ""


def _span(values: Sequence[float | None], words: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return words.format(dose(low) if high - low < 0.005 * abs(high) else f"{dose(low)}–{dose(high)}")


def _alike(frames: list[FrameRecord]) -> list[list[FrameRecord]]:
    """Frames with the same size, field and dwell, together."""
    groups: dict[tuple[object, ...], list[FrameRecord]] = {}
    for one in frames:
        key = (one.frame.shape, one.frame.pixel_pm, one.frame.dwell_us, one.frame.detector)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _set(words: str, frames: list[FrameRecord]) -> str:
    if not frames:
        return ""
    parts = []
    for group in _alike(frames):
        frame = group[0].frame
        size = f"{frame.shape[1]}×{frame.shape[0]} px"
        if group[0].fov_nm and frame.pixel_pm:
            size += f" over {length(group[0].fov_nm)} ({length(frame.pixel_pm * 1e-3)} per pixel)"
        if frame.dwell_us:
            size += f", {frame.dwell_us:g} µs dwell"
        if frame.mean_dose_e_per_a2:
            size += f", {dose(frame.mean_dose_e_per_a2)} e/Å² mean"
        parts.append(f"{plural(len(group), 'frame')} of {size}")
    return f"{words} ({frames[0].frame.detector.upper()}): {'; '.join(parts)}."


def _sums(sums: list[FrameRecord]) -> str:
    if not sums:
        return ""
    counts = sorted({len(one.frame.parents) for one in sums})
    totals = [one.frame.mean_dose_e_per_a2 for one in sums]
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    return (
        f"Frames of a place were aligned by cross-correlation (rigid, whole pixels) and added: {number} frames for "
        f"each of {plural(len(sums), 'sum')}{_span(totals, ', {} e/Å² mean in all')}."
    )


def _analysis(record: RunRecord) -> Iterator[str]:
    names = dict.fromkeys(one.finding.method for one in record.findings if one.finding.method)
    if names:
        yield f"Analysis: {'; '.join(names)}."
    stated = dict.fromkeys(
        str(one.finding.details["interval_method"])
        for one in record.findings
        if one.finding.details.get("interval_method")
    )
    if stated:
        yield f"{' '.join(stated)}"
    elif any({"recall", "overdispersion"} <= set(one.finding.details) for one in record.findings):
        yield _INTERVAL
