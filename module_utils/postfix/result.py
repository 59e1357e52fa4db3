"""What a module returns: text for people, whatever bytes the files have."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .lines import encode

if TYPE_CHECKING:
    from .change import Change
    from .errors import PostfixError

T = TypeVar("T")


def of_change(change: Change, *, diff: bool, **facts: Any) -> dict[str, Any]:
    """Return a result.

    Args:
        change: what became of the file.
        diff: whether before and after are asked for.
        facts: what the module says beside that.
    """
    result: dict[str, Any] = {"changed": change.changed, "path": str(change.path), **facts}
    if change.backup is not None:
        result["backup_file"] = str(change.backup)
    if diff:
        result["diff"] = {
            "before_header": str(change.path),
            "after_header": str(change.path),
            "before": change.before.decode("utf-8", "replace"),
            "after": change.after.decode("utf-8", "replace"),
        }
    return readable(result)


def failure(path: str, error: PostfixError) -> str:
    """Return the message of an error, naming the host and the file."""
    text = readable(str(error))
    return f"{platform.node()}: {text}" if path in text else f"{platform.node()}: {path}: {text}"


def readable(answer: T) -> T:
    """Return an answer without the bytes that are no UTF-8, which Ansible refuses to read.

    It would do so after the file is written, and no handler would be notified.
    """
    told: Any = answer
    if isinstance(answer, str):
        told = encode(answer).decode("utf-8", "replace")
    elif isinstance(answer, dict):
        told = {readable(key): readable(value) for key, value in answer.items()}
    elif isinstance(answer, list | tuple):
        told = [readable(one) for one in answer]
    return cast("T", told)
