"""Symbols and names of the elements, as requests write them."""

from typing import Final

_SYMBOL_TEXT: Final = """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se
Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os
Ir Pt Au Hg Tl Pb Bi Th U"""
SYMBOLS: Final = frozenset(_SYMBOL_TEXT.split())
ELEMENT_NAMES: Final = {
    "titanium": "Ti", "titan": "Ti", "molybdenum": "Mo", "molybdaen": "Mo", "niobium": "Nb", "niob": "Nb",
    "strontium": "Sr", "tantalum": "Ta", "tantal": "Ta", "zirconium": "Zr", "zirkonium": "Zr", "selenium": "Se",
    "selen": "Se", "chromium": "Cr", "chrom": "Cr", "scandium": "Sc", "hafnium": "Hf",
}  # fmt: skip
"""Names of elements, folded, for those whose symbol is read too."""
