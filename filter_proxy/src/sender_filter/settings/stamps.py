"""Which very file something was read from: told apart from what lies under its name now."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple


class Stamp(NamedTuple):
    """One state of one file: it changes when the file is replaced or written to."""

    inode: int
    mtime_ns: int


def of(file: IO[Any]) -> Stamp:
    """The stamp of an open file. Taken before reading, so that a write meanwhile shows."""
    status = os.fstat(file.fileno())
    return Stamp(status.st_ino, status.st_mtime_ns)


def unchanged(files: Mapping[str, Stamp]) -> bool:
    """Whether each file on the disk is still the one that was read."""
    return all(_on_disk(path) == stamp for path, stamp in files.items())


def _on_disk(path: str) -> Stamp | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return Stamp(status.st_ino, status.st_mtime_ns)
