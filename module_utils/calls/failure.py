"""How a call says that it cannot do what is wanted."""

from __future__ import annotations

from typing import Any

from ..postfix.result import readable


class CallError(Exception):
    """Why not, and what is returned beside that."""

    def __init__(self, message: object, **facts: Any) -> None:
        super().__init__(str(message))
        self._facts = facts

    def result(self) -> dict[str, Any]:
        """What the module returns."""
        return readable({"failed": True, "msg": str(self), **self._facts})
