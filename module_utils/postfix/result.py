"""What a module returns after a change of a file."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from .lines import decode

if TYPE_CHECKING:
    from .change import Change
    from .errors import PostfixError


def of_change(change: Change, *, diff: bool) -> dict[str, Any]:
    """Return the common part of a result; before and after only if a diff is asked for."""
    result: dict[str, Any] = {"changed": change.changed, "path": str(change.path)}
    if change.backup is not None:
        result["backup_file"] = str(change.backup)
    if diff:
        result["diff"] = {
            "before_header": str(change.path),
            "after_header": str(change.path),
            "before": decode(change.before),
            "after": decode(change.after),
        }
    return result


def failure(path: str, error: PostfixError) -> str:
    """Return the message of an error, naming the host and the file."""
    text = str(error)
    return f"{platform.node()}: {text}" if path in text else f"{platform.node()}: {path}: {text}"
