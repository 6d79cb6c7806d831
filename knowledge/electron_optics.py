"""Electron wavelength, probe size and depth of focus. Degrees and ångström at this API."""

import math

_REST_EV = 510_998.95
_HC_EV_A = 12_398.419843320
"""h·c [eV Å] (CODATA 2018)."""


def wavelength_a(voltage_kv: float) -> float:
    """Relativistic electron wavelength [Å]; 0.0487 at 60 kV (De Graef 2003, eq. 2.33)."""
    energy = voltage_kv * 1e3
    return _HC_EV_A / math.sqrt(energy * (energy + 2 * _REST_EV))


def probe_fwhm_a(voltage_kv: float, convergence_mrad: float, source_fwhm_a: float = 0.8) -> float:
    """FWHM of the focused probe [Å]: ideal probe (0.51 λ/α) and source image added in squares."""
    ideal = 0.51 * wavelength_a(voltage_kv) / (convergence_mrad * 1e-3)
    return math.hypot(ideal, source_fwhm_a)


def probe_area_a2(voltage_kv: float, convergence_mrad: float, source_fwhm_a: float = 0.8) -> float:
    """Area that carries the probe current at its peak density, 2πσ² of the FWHM [Å²]."""
    sigma = probe_fwhm_a(voltage_kv, convergence_mrad, source_fwhm_a) / 2.3548
    return 2 * math.pi * sigma**2


def depth_of_focus_nm(voltage_kv: float, convergence_mrad: float) -> float:
    """Range over which the on-axis intensity stays above 80 %, 1.77 λ/α² in all [nm] (Born & Wolf 8.8)."""
    return 1.77 * wavelength_a(voltage_kv) / (convergence_mrad * 1e-3) ** 2 / 10


def defocus_blur_nm(defocus_nm: float, convergence_mrad: float) -> float:
    """Diameter of the geometric blur disc, 2·α·|Δf| [nm]."""
    return 2 * convergence_mrad * 1e-3 * abs(defocus_nm)
