"""Reads the files of records on from a cursor, some at a time.

A cursor is a day and an offset in that day's file. Whoever follows the records keeps it, be it for
a week. A day is over, and the next one is read, a moment after midnight: until then another process
that lets its sessions end may still write to it.

A clock that was ahead leaves the file of a day that may be years away. Who waited there would hear
of nothing until then, so it is left out. Tomorrow's is not: at midnight a clock may be set back.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from sender_filter.core.records import Record
from sender_filter.io import day_files

START, NOW = "start", "now"

MOST_BYTES = 256 * 1024
"""So much of a file is read for one answer. A record is never as long."""

_CURSOR = re.compile(r"(\d{4}-\d{2}-\d{2}):(\d{1,15})", re.ASCII)
_LATE = timedelta(seconds=10)

_decoder = msgspec.json.Decoder(Record)


class Page(NamedTuple):
    """Some records.

    Attributes:
        records: The records.
        cursor: Where to go on.
        more: Whether there are more already.
        skipped: Lines that were no records.
    """

    records: list[Record]
    cursor: str
    more: bool
    skipped: int = 0


class _Place(NamedTuple):
    day: date
    offset: int

    def __str__(self) -> str:
        return f"{self.day}:{self.offset}"


def read(directory: Path, cursor: str, limit: int) -> Page:
    """Read on; it takes a few milliseconds, which the event loop should not spend.

    Args:
        directory: Where the files are.
        cursor: The cursor of the last page; or ``start``, ``now``.
        limit: Most records.

    Raises:
        ValueError: This is no cursor.
        OSError: The directory or a file cannot be read.
    """
    today = datetime.now(UTC).date()
    last = today + timedelta(days=1)
    files = {day: file for day, file in day_files.days(directory) if day <= last}
    place = _place(cursor, files, today)
    if place.day > last:
        place = _Place(today, 0)
    lines, end = _lines(files.get(place.day), place.offset, limit)
    later = [day for day in files if day > place.day]
    records, skipped = _decoded(lines)
    if later and not lines and datetime.now(UTC) > _midnight_after(place.day) + _LATE:
        return Page([], str(_Place(min(later), 0)), more=True)
    return Page(records, str(_Place(place.day, end)), bool(lines), skipped)


def _place(cursor: str, files: dict[date, Path], today: date) -> _Place:
    if cursor == START:
        return _Place(min(files, default=today), 0)
    if cursor == NOW:
        newest = max(files, default=today)
        return _Place(newest, files[newest].stat().st_size if newest in files else 0)
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        msg = f"{cursor!r} is no cursor: begin with {START} or {NOW}, go on with the last answer's"
        raise ValueError(msg)
    return _Place(date.fromisoformat(found[1]), int(found[2]))


def _lines(file: Path | None, offset: int, limit: int) -> tuple[list[bytes], int]:
    """Whole lines from an offset on, and the offset behind them."""
    if file is None:
        return [], offset
    with file.open("rb") as opened:
        opened.seek(offset)
        block = opened.read(MOST_BYTES)
    *lines, rest = block.split(b"\n")
    if not lines and len(block) == MOST_BYTES:
        return [rest], offset + len(rest)
    lines = lines[:limit]
    return lines, offset + sum(len(line) + 1 for line in lines)


def _decoded(lines: Sequence[bytes]) -> tuple[list[Record], int]:
    """The records, and how many lines are none; an empty one comes after a torn one."""
    records, skipped = [], 0
    for line in filter(None, lines):
        try:
            records.append(_decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            skipped += 1
    return records, skipped


def _midnight_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
