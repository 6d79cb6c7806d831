"""The arguments of a call, held against the tool's own model: one wording for what is wrong with them."""

from typing import Any

from pydantic import ValidationError

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.base import Tool


def validated(tool: Tool[Any, Any], args: dict[str, Any]) -> Model:
    """Arguments as the tool's model.

    Raises
    ------
    BadInput
        Naming the first wrong argument, its bounds, and that nothing was sent.
    """
    try:
        checked: Model = tool.args.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        got = visible(repr(first["input"]), limit=80)
        raise BadInput(
            f"{tool.name}: {visible(where, limit=80)}: {visible(str(first['msg']), limit=300)} (got {got})",
            "nothing was sent to the instrument",
            "see `eucentric plan --tools` for every argument with its unit and bounds",
        ) from error
    return checked
