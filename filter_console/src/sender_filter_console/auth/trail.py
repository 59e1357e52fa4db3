"""Writes down who comes and goes: each login, each attempt that fails, each log-out.

What was typed as a name is not written unless somebody has it: sooner or later it is a password.
And no stranger fills the disk with lines: an address that is held back is named once in a wait, and
of those that come from everywhere at once some a minute.
"""

import logging
import math
from typing import Protocol

from sender_filter_console.interface import UnavailableError

MOST_A_MINUTE = 30

log = logging.getLogger(__name__)


class Note(Protocol):
    """Writes a line of the audit record."""

    def __call__(self, who: str, action: str, outcome: str, **what: str | float | None) -> None:
        """Write it, or raise ``UnavailableError``."""


class Trail:
    """Those lines of the audit record that are about logins."""

    def __init__(self, note: Note) -> None:
        """Write with ``note``."""
        self._note = note
        self._held_back: dict[str, float] = {}
        self._minute = 0
        self._lines = 0

    def came(self, name: str, address: str, how: str) -> None:
        """Somebody has logged in.

        Args:
            name: Who.
            address: From where.
            how: ``session``, or ``basic``: with a request.
        """
        self._write(name, "login", "done", address=address, how=how)

    def failed(self, name: str | None, address: str) -> None:
        """Somebody has not; None: nobody has the name that was given."""
        why = "nobody has this name" if name is None else "the password is wrong"
        self._write(name or "", "login", f"failed: {why}", address=address)

    def held_back(self, name: str | None, address: str, wait: float, now: float) -> None:
        """An attempt was not looked at."""
        if now < self._held_back.get(address, 0.0) or not self._has_room(now):
            return
        self._held_back = {key: end for key, end in self._held_back.items() if now < end}
        self._held_back[address] = now + wait
        outcome = f"held back for {math.ceil(wait)} s: too many attempts"
        self._write(name or "", "login", outcome, address=address)

    def left(self, name: str, address: str) -> None:
        """Somebody has logged out."""
        self._write(name, "logout", "done", address=address)

    def _has_room(self, now: float) -> bool:
        minute = int(now // 60)
        self._lines = self._lines + 1 if minute == self._minute else 1
        self._minute = minute
        return self._lines <= MOST_A_MINUTE

    def _write(self, who: str, action: str, outcome: str, **what: str) -> None:
        """A login changes nothing: a full disk must not keep out who would see that it is full."""
        try:
            self._note(who, action, outcome, **what)
        except UnavailableError as error:
            log.error("this is in the journal alone: %s", error)
