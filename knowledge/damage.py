"""How much dose a material may have if nobody states it: defaults, each with where it is from.

They are starting points for a card, not thresholds of damage: what is destroyed depends on voltage, temperature,
thickness and on what is measured. A person who knows better states the budget on the specimen card.
"""

import re

from eucentric.core.base import Model
from eucentric.core.request import SpecimenCard

_PAPER = (
    "imaging takes some 1e3 and EELS some 1e5 e/Å² (Guinan et al., Mind the Gap: Bridging the Divide Between AI "
    "Aspirations and the Reality of Autonomous Characterization, with its ref. 16)"
)


class DamageDefault(Model):
    """A budget with its source."""

    material: str
    budget_e_per_a2: float
    source: str


_TITANIUM_CARBIDE = DamageDefault(
    material="Ti3C2",
    budget_e_per_a2=1e5,
    source="metal atoms of MXenes have displacement thresholds 'always too high to lead to significant sputtering' "
    f"(Ibragimova 2021, abstract); of the order of an EELS map: {_PAPER}. Terminations go first.",
)
_MOS2 = DamageDefault(
    material="MoS2",
    budget_e_per_a2=1e4,
    source="0.3 % of S lost at a removal cross-section of 3e-7 Å² (value used by the asyncroscopy AtomBlastTwin); S "
    "goes below the knock-on limit by electronic excitation (Speckmann, arXiv 2302.10529, abstract)",
)
_SRTIO3 = DamageDefault(
    material="SrTiO3",
    budget_e_per_a2=1e5,
    source="budget of the request set that this software is tested with, not a measurement",
)
KNOWN = (_TITANIUM_CARBIDE, _MOS2, _SRTIO3)
UNKNOWN_E_PER_A2 = 1e3
"""For a material that is not listed: one image of the order that the source paper calls low."""
_TERMINATIONS = re.compile(r"(?:\(?(?:OH|O|F|Cl|Br|T|H)\)?[0-9.xz]*)*")


def damage_default(material: str, form: tuple[str, ...] = ("ordinary",)) -> DamageDefault:
    """The budget of a material by its formula, terminations aside; a careful one for what nobody here knows.

    Parameters
    ----------
    material
        A formula such as Ti3C2Tx.
    form
        Of the specimen card: a volatile specimen gets the careful budget whatever it is made of.
    """
    name = material.strip()
    found = next(
        (one for one in KNOWN if name.startswith(one.material) and _ends(name[len(one.material) :])), None
    )
    if found is not None and "volatile" not in form:
        return found
    why = "volatile" if found is not None else "not in the list of materials"
    source = f"{why}, so a careful budget of one low-dose image is taken: {_PAPER}"
    return DamageDefault(material=name, budget_e_per_a2=UNKNOWN_E_PER_A2, source=source)


def _ends(rest: str) -> bool:
    return bool(_TERMINATIONS.fullmatch(rest))


def with_budget(card: SpecimenCard) -> SpecimenCard:
    """The card with a dose budget: its own, or the default of its material with the source disclosed."""
    if "dose_budget_e_per_a2" in card.model_fields_set:
        return card
    default = damage_default(card.material, card.form)
    source = f"default for {default.material} (source: {default.source})"
    update = {"dose_budget_e_per_a2": default.budget_e_per_a2, "dose_budget_source": source}
    return card.model_copy(update=update)
