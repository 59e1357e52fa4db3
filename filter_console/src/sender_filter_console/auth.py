"""Who may use the console.

Placeholder: until there is a login nobody may.
"""

from dataclasses import dataclass
from typing import Literal

from fastapi import HTTPException, Request

Role = Literal["viewer", "operator"]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has logged in."""

    name: str
    role: Role


def current_user(request: Request) -> User:  # noqa: ARG001
    """Who asks.

    Raises:
        HTTPException: Nobody who has logged in (401).
    """
    raise HTTPException(401, "log in first")


def current_operator(request: Request) -> User:
    """Who asks, if that is an operator and the request is not forged.

    Raises:
        HTTPException: Nobody has logged in (401), or a viewer, or another site asks (403).
    """
    return current_user(request)
