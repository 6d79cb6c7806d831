"""Words on pictures: what the font lacks is written as an escape, not as an empty box with a warning."""

from functools import lru_cache

from eucentric.core.text import visible

_FONT = "DejaVu Sans"


def lettered(text: str, *, limit: int = 80) -> str:
    """One line for a picture: escaped as for a person, and only letters that its font has."""
    letters = _letters()
    return "".join(
        char if ord(char) in letters else char.encode("unicode_escape").decode("ascii")
        for char in visible(text, limit=limit)
    )


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(_FONT))
    return frozenset(font.get_charmap())
