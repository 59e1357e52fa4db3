"""Change files of a configuration directory: read, edit, check, write, as one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import atomic, staging
from .errors import InvalidConfig

Edit = Callable[[bytes], bytes]


@dataclass(slots=True)
class Change:
    """What became of a file.

    Attributes:
        path: the file.
        before: its bytes before.
        after: its bytes after, or what they would be.
        backup: the copy of the old file.
        warnings: what the operator should look at.
    """

    path: Path
    before: bytes
    after: bytes
    backup: Path | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether the edit changes anything."""
        return self.before != self.after


def change_file(
    path: str | Path,
    edit: Edit,
    *,
    check_only: bool = False,
    backup: bool = False,
    timeout: float = 30.0,
) -> Change:
    """Edit main.cf or master.cf under a lock, and put it in place once it is proven.

    Args:
        path: the file in its configuration directory.
        edit: makes the new bytes out of the old ones.
        check_only: check the new file, but write nothing.
        backup: keep a copy of the old file beside it.
        timeout: how many seconds to wait for another run.

    Raises:
        PostfixError: nothing was written.
    """
    path = Path(path)
    with atomic.lock(path.parent, timeout):
        change = _edited(path, edit)
        if change.changed:
            change.warnings = staging.validate(path.parent, {path.name: change.after})
        if change.changed and not check_only:
            change.backup = atomic.backup_name(path) if backup else None
            atomic.replace(path, change.after, backup=change.backup, expected=change.before)
    return change


def _edited(path: Path, edit: Edit) -> Change:
    try:
        before = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}; is Postfix installed, is config_dir right?"
        raise InvalidConfig(msg) from error
    return Change(path, before, edit(before))
