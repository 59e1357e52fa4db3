"""Follows the scan service's log in the journal, and forgets nothing over a restart.

Only what systemd itself vouches for is read: entries of Amavis's own unit (``_SYSTEMD_UNIT``, a
trusted field, systemd.journal-fields(7)). The place up to which all was handed over is kept in a
file, so that a report may be handed over twice, but not never.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

UNIT = "amavis.service"


class Line(NamedTuple):
    """A line of the log, and the place behind it."""

    text: str
    cursor: str


class _Entry(Struct, rename=str.upper):
    message: str | list[int] = ""
    cursor: str = msgspec.field(default="", name="__CURSOR")


def follow(cursor: str) -> Iterator[Line]:
    """Each line from a place on, the present ones and those to come.

    Without a place it begins with the last one, without its text: there is a place from then on.

    Raises:
        OSError: There is no journal to be read.
    """
    since = ["--after-cursor", cursor] if cursor else ["--lines=1"]
    command = ["journalctl", "--follow", "--output=json", "--no-pager", f"--unit={UNIT}", *since]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 - of a pipe that was asked for
        known = bool(cursor)
        for line in process.stdout:
            entry = msgspec.json.decode(line, type=_Entry)
            # What is no text is written as numbers; no report is.
            text = entry.message if isinstance(entry.message, str) else ""
            yield Line(text if known else "", entry.cursor)
            known = True
    msg = f"journalctl has ended with code {process.returncode}"
    raise OSError(msg)


class Place:
    """The place up to which the log was read, in a file."""

    def __init__(self, file: Path) -> None:
        """Keep it there."""
        self._file = file

    def load(self) -> str:
        """The place; empty before the first time."""
        try:
            return self._file.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""

    def save(self, cursor: str) -> None:
        """Keep the place, whole or not at all."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{cursor}\n", encoding="ascii")
        new.replace(self._file)
