"""What a person asked, about which specimen."""

from typing import Annotated, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.units import Unit


class SpecimenCard(Model):
    """What is under the beam. No card, no beam."""

    name: str = Field(min_length=1, max_length=200)
    material: str = Field(min_length=1, max_length=80)
    """A phase the knowledge base has (Ti3C2, MoS2, …) or any formula."""
    form: tuple[Literal["magnetic", "powder", "volatile", "radioactive", "ordinary"], ...] = ("ordinary",)
    dose_budget_e_per_a2: Annotated[float, Field(gt=0), Unit("e/angstrom^2")] = 1e5
    """Most any place may receive [e/Å²]; left out: the default of the material, which is disclosed."""
    dose_budget_source: str = Field("", max_length=2000)
    """Where the budget is from, if no person stated it."""
    holder: str = "unknown"
    loading: str = "unknown"
    notes: str = Field("", max_length=2000)


class Like(Model):
    """An earlier run whose plan is made again."""

    run: str
    plan_sha256: str
    """Of that plan, as it was last."""
    changed: tuple[str, ...] = ()
    """What is not as it was, line by line."""


LONGEST = 4000
"""Characters of a request."""


class Request(Model):
    """One sentence of a person, kept as it was said."""

    text: str = Field(min_length=1, max_length=LONGEST)
    who: str
    """Login name and where from, such as 'j.doe pts/1'."""
    instrument: str
    """The instrument's URI."""
    planner: str = "grammar"
    like: Like | None = None
    """The run whose plan this is, if nobody planned it anew."""
