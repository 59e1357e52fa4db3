"""From the events of a followed session to its mail transactions (RFC 5321 section 3.3)."""

import re
from typing import Literal, NamedTuple

from sender_filter.core.smtp.events import (
    Event,
    MailAccepted,
    MessageAnswered,
    RecipientAnswered,
    SessionEnded,
)

_NO_SUCH_MAILBOX = "5.1.1"
"""RFC 3463 section 3.2; Postfix says it for each recipient that it knows not to exist."""

_QUEUED = re.compile(r"queued as (\w{1,64})\Z", re.ASCII)
"""Postfix's answer to a message that it took (``smtpd.c``, ``data_cmd``)."""


class Transaction(NamedTuple):
    """One mail transaction that is over.

    Attributes:
        sender: The envelope sender; empty for a bounce.
        unknown: For each recipient that was answered for good: whether it does not exist.
        outcome: Whether Postfix took the message, refused it or all its recipients for good, or
            neither: refused for now, given up, or lost.
        queue_id: Postfix's name for a message that it took, if it said one.
    """

    sender: str
    unknown: tuple[bool, ...]
    outcome: Literal["taken", "refused", "neither"]
    queue_id: str | None = None


class Transactions:
    """Puts together what belongs together."""

    __slots__ = ("_accepted", "_refused", "_unknown", "sender")

    def __init__(self) -> None:
        """Begin a session."""
        self.sender = ""
        self._start("")

    def _start(self, sender: str) -> None:
        self.sender = sender
        self._accepted = self._refused = 0
        self._unknown: list[bool] = []

    def take(self, event: Event) -> Transaction | None:
        """Take an event; return the transaction that it has ended, if it has ended one."""
        match event:
            case MailAccepted():
                left = self.leave()
                self._start(event.sender)
                return left
            case RecipientAnswered():
                self._recipient(event)
            case MessageAnswered():
                return self._answered(event)
            case SessionEnded():
                return self.leave()
        return None

    def leave(self) -> Transaction | None:
        """The transaction that was begun and not finished, if any recipient was named in it."""
        if not (self._accepted or self._refused):
            return None
        outcome: Literal["refused", "neither"] = "neither" if self._accepted else "refused"
        found = Transaction(self.sender, tuple(self._unknown), outcome)
        self._start("")
        return found

    def _recipient(self, event: RecipientAnswered) -> None:
        if 200 <= event.code < 300:
            self._accepted += 1
            self._unknown.append(False)
        elif event.code >= 500:
            self._refused += 1
            if event.enhanced_code == _NO_SUCH_MAILBOX:
                self._unknown.append(True)

    def _answered(self, event: MessageAnswered) -> Transaction:
        taken, refused = 200 <= event.code < 300, event.code >= 500
        queued = _QUEUED.search(event.text) if taken else None
        found = Transaction(
            self.sender,
            tuple(self._unknown),
            "taken" if taken else "refused" if refused else "neither",
            queued[1] if queued else None,
        )
        self._start("")
        return found
