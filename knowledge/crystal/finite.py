"""Numbers that were read or typed: a NaN is named before anything is computed with it."""

import math
from typing import Any

from eucentric.core.errors import BadInput
from eucentric.core.text import visible


def all_finite(data: Any, what: str, remedy: str) -> Any:
    """`data` as it is, if no field of it is NaN, infinite or no number.

    Raises
    ------
    BadInput
        Naming the first field that is.
    """
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadInput(
                f"{what}: {visible(str(name))} is {visible(str(value), limit=40)}",
                "finite numbers only",
                remedy,
            )
    return data
