"""Files of records, one a day, the old ones removed."""

import contextlib
import itertools
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from sender_filter.core.records import Record

_MODE = 0o640
_START, _END = "decisions-", ".jsonl"


def days(directory: Path) -> list[tuple[date, Path]]:
    """The files in the directory with their day, oldest first.

    Raises:
        OSError: The directory cannot be read.
    """
    found = []
    for path in directory.glob(f"{_START}*{_END}"):
        with contextlib.suppress(ValueError):  # somebody's own file: none of ours
            found.append((date.fromisoformat(path.name[len(_START) : -len(_END)]), path))
    return sorted(found)


class DayFiles:
    """Appends batches of records, each record to the file of its day (UTC)."""

    def __init__(self, directory: Path, keep_days: int) -> None:
        """Write to the directory; nothing is opened yet."""
        self._directory = directory
        self._keep_days = keep_days
        self._encoder = msgspec.json.Encoder()
        self._day = ""
        self._file = -1
        self._torn = False

    def append(self, records: Sequence[Record]) -> tuple[int, str | None]:
        """Append records with one write (two around midnight).

        Returns:
            How many were lost, and why.
        """
        lost, problem = 0, None
        for day, batch in itertools.groupby(records, key=lambda record: record.time[:10]):
            lines = self._encoder.encode_lines(list(batch))
            try:
                self._open(day)
                missing = self._write(lines)
            except OSError as error:
                missing, problem = lines, error.strerror
            else:
                problem = "only a part could be written" if missing else problem
            lost += missing.count(b"\n")
        return lost, problem

    def close(self) -> None:
        """Close the file of the day."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, lines: bytes) -> bytes:
        """Write all in one call; return what did not fit.

        After a write that was cut short the next one starts on a new line, so that one torn
        line is all there is to skip for a reader.
        """
        data = b"\n" + lines if self._torn else lines
        written = os.write(self._file, data)
        missing = data[written:]
        self._torn = bool(missing) and not (written and data[written - 1 : written] == b"\n")
        return missing

    def _open(self, day: str) -> None:
        """Have the file of that day open, also if somebody has moved it away."""
        path = self._directory / f"{_START}{day}{_END}"
        if day == self._day and self._file >= 0 and path.exists():
            return
        self.close()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        os.fchmod(self._file, _MODE)  # whatever the umask says
        if day != self._day:
            self._day = day
            self._prune()

    def _prune(self) -> None:
        oldest = datetime.now(UTC).date() - timedelta(days=self._keep_days - 1)
        for day, path in days(self._directory):
            if day < oldest:
                path.unlink(missing_ok=True)
