"""The files of records, as several commands read them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from sender_filter.cli import options
from sender_filter.io import day_files

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def when(text: str) -> datetime:
    """A point in time: ``2026-11-24T10:00`` (UTC unless it says otherwise) or ``2h`` ago.

    Raises:
        ValueError: It is neither.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        msg = f"{text!r} is neither a time such as 2026-11-24T10:00 nor an age such as 2h or 7d"
        raise ValueError(msg) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def directory(path: Path | None) -> Path:
    """Where the records are.

    Args:
        path: The configuration that says so; None: the usual one.

    Raises:
        ClickException: The configuration cannot be used, or the directory not be read.
    """
    found = Path(options.read_config(path).log.directory)
    try:
        next(found.iterdir(), None)
    except OSError as error:
        msg = f"log.directory: {found}: {error.strerror}"
        raise click.ClickException(msg) from None
    return found


def lines(folder: Path, since: str, until: str = "9999") -> Iterator[bytes]:
    """The lines of the days from one time to another, both as records have them."""
    for day, file in day_files.days(folder):
        if since[:10] <= day.isoformat() <= until[:10]:
            with file.open("rb") as opened:
                yield from (line for line in opened if line != b"\n")
