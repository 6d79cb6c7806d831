"""The base of everything that crosses a folder: frozen, strict about names, no NaN and no infinity."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. A misspelt field or a non-finite number is an error, never ignored."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )
