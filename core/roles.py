"""Who may decide what: three roles, each may do what the ones before it may. Standard library only."""

from typing import Literal, get_args

Role = Literal["user", "operator", "staff"]
"""user: whoever sits at the terminal. operator: proved a secret. staff: answers for the instrument."""
ROLES: tuple[str, ...] = get_args(Role)


def at_least(role: str, needed: str) -> bool:
    """Whether `role` may do what needs `needed`; an unknown role may nothing."""
    return role in ROLES and needed in ROLES and ROLES.index(role) >= ROLES.index(needed)


def higher(one: Role, other: Role) -> Role:
    """The higher of two."""
    return one if at_least(one, other) else other
