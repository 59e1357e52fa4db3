"""What a host answers to an order of `action_plugins/host_call.py`."""

from __future__ import annotations

import importlib
from typing import Any

from .failure import CallError


def answer(name: str, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """What the module of this name returns."""
    call = importlib.import_module(f"{__package__}.{name}")
    try:
        result: dict[str, Any] = call.run(params, check=check)
    except CallError as error:
        return error.result()
    return result
