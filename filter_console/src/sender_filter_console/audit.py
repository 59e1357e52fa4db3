"""The record of each change and each login: who, when, what, and what came of it.

One JSON object a line, only ever appended. It goes to the journal as well, so that whoever has the
file in his hands has not the only copy.
"""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from sender_filter_console.interface import UnavailableError

log = logging.getLogger(__name__)


class Audit:
    """Appends to a file."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: It cannot be opened.
        """
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def note(self, who: str, action: str, outcome: str, **what: str | float | None) -> None:
        """Record a change, or a login.

        Args:
            who: The operator's name.
            action: What was asked for.
            outcome: What came of it; ``asked``: that is still open.
            what: The rest of it.

        Raises:
            UnavailableError: It cannot be recorded.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        given = {key: value for key, value in what.items() if value not in (None, "")}
        line = json.dumps({"time": time, "who": who, "action": action, "outcome": outcome} | given)
        log.info("audit %s", line)
        try:
            os.write(self._file, line.encode() + b"\n")
        except OSError as error:
            msg = f"nothing is changed that cannot be recorded: {self._path}: {error.strerror}"
            raise UnavailableError(msg) from None

    def close(self) -> None:
        """Close it."""
        os.close(self._file)
