"""A model that keeps arrays it has computed: two are equal if their fields are, whatever each has kept so far."""

from typing import Any

from eucentric.core.base import Model


class Value(Model):
    """Compared and hashed by its fields alone."""

    def __eq__(self, other: Any) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in type(self).model_fields)))
