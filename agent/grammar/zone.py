"""Zone axes: tilting to one, listing those in reach, and which one a pattern shows."""

import re
from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause

_INDICES: Final = re.compile(r"[-−]?\d")
_SEVERAL: Final = frozenset({"axes", "reachable", "reach", "list", "achsen", "erreichbar", "zonenachsen"})


def zone(clause: Clause, draft: Draft) -> bool:
    """A clause about zone axes; true if it is dealt with. Spectra, series and images of an axis are left to others."""
    named = [token for token in clause.tokens if token.concept == "ZONE" and not token.used]
    if not named or clause.has("SPECTRUM", "TOMO", "DIFFRACTION", "VACANCY", "DEFECT"):
        return False
    indices = [token.text for token in named if _INDICES.search(token.text)]
    asking = clause.asked or clause.has("QUESTION")
    if len(indices) > 1:
        draft.ask(
            f"'{clause.swallow()}': which axis first?", *(f"tilt to {_written(one)}" for one in indices[:3])
        )
    elif indices and not asking:
        _tilt(clause, draft, indices[0])
    elif any(token.text.lower() in _SEVERAL for token in clause.tokens) or (asking and indices):
        clause.swallow()
        draft.add("list_zone_axes", "zone axes in reach, with their tilts and errors")
    elif asking:
        clause.swallow()
        draft.add(
            "index_diffraction",
            "which axis is on the beam, by the newest pattern and its age",
            {"frame": "last"},
        )
    elif clause.has("TILT", "MOVE"):
        draft.ask(f"'{clause.swallow()}': to which axis?", "tilt to [001]", "tilt to the nearest <110>")
    else:
        return False
    return True


def _tilt(clause: Clause, draft: Draft, indices: str) -> None:
    crystal = next((token.text for token in clause.tokens if token.concept == "MATERIAL"), "")
    target = _written(indices)
    clause.take("ZONE", "TILT", "MOVE", "SAMPLE", "IT", "FLAKE")
    clause.swallow_words()
    args = {"crystal": crystal, "target": target} if crystal else {"target": target}
    draft.add("tilt_to_zone_axis", f"bring {target} onto the beam, the feature kept in view", args)
    draft.new_place()


def _written(text: str) -> str:
    """'[1 -1 0]', '<1 1 2>'; bare digits are an axis."""
    left, right = ("<", ">") if text.strip().startswith("<") else ("[", "]")
    return left + " ".join(_INDICES.findall(text)).replace("−", "-") + right
