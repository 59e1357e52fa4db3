"""What is said before the first MAIL, as a machine of bytes in and bytes out.

Until then the filter is the SMTP server: there is nobody to be asked yet whether this client may
be served. With MAIL it knows whom it is about, and somebody else goes on, with all that is unread.
"""

from typing import NamedTuple

from sender_filter.core import replies
from sender_filter.core.inline import xforward
from sender_filter.core.inline.xforward import Attributes
from sender_filter.core.replies import Reply
from sender_filter.core.smtp import commands
from sender_filter.core.smtp.commands import Verb
from sender_filter.core.smtp.lines import MOST_LINE, LineBuffer

MOST_COMMANDS = 50

KEYWORDS = (
    f"{xforward.COMMAND} {' '.join(xforward.NAMES)}",
    "8BITMIME",  # these five are asked for with MAIL and RCPT, and are the next Postfix's to grant
    "SMTPUTF8",
    "DSN",
    "SIZE",
    "ENHANCEDSTATUSCODES",
)
"""What EHLO is answered with. Not STARTTLS and not CHUNKING, for the content is read here; and not
PIPELINING, which Postfix has no use for here."""

OK = Reply(250, "2.0.0", "Ok")
_NO_MAIL_YET = Reply(503, "5.5.1", "Error: need MAIL command")
_NO_HELLO_YET = Reply(503, "5.5.1", "Error: send HELO/EHLO first")
_NO_NAME = Reply(501, "5.5.4", "Syntax: EHLO hostname")
_UNKNOWN = Reply(502, "5.5.2", "Error: command not recognized")
_TOO_MUCH = Reply(421, "4.7.0", "Too many commands before MAIL, or too long a one")
_TOO_LONG = Reply(421, "4.4.2", "Timeout waiting for MAIL")


class Announced(NamedTuple):
    """A transaction that is about to begin.

    Attributes:
        helo: The name that Postfix has given with EHLO or HELO.
        attributes: What it has told with XFORWARD.
        unread: The MAIL command, and what came behind it.
    """

    helo: bytes
    attributes: Attributes
    unread: bytes


class Prologue:
    """One connection up to its first MAIL.

    Feeding the same bytes whole or in pieces gives the same answers. It is bounded in memory; how
    long it may take is the shell's matter.

    Attributes:
        closed: Whether the last answer is the last one: send it, then a FIN.
        announced: What is to follow, once MAIL has come; nothing is to be fed any more.
    """

    __slots__ = (
        "_attributes", "_commands_left", "_helo", "_lines", "_name", "announced", "closed",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        """Be the server of this name."""
        self._name = name
        self._helo = b""
        self._attributes: Attributes = {}
        self._commands_left = MOST_COMMANDS
        self._lines = LineBuffer()
        self.closed = False
        self.announced: Announced | None = None

    def greeting(self) -> bytes:
        """What is said first (RFC 5321 section 3.1)."""
        return _line(f"220 {self._name} ESMTP")

    def expire(self) -> bytes:
        """Take notice that the time is up and return the last answer."""
        return b"" if self.closed else self._close(_TOO_LONG)

    def receive(self, data: bytes) -> bytes:
        """Take bytes and return the answers, which may be none."""
        answers = []
        position = 0
        while position < len(data) and not self.closed:
            line, position = self._lines.take(data, position)
            if line is None:
                break
            verb = commands.parse(line).verb
            if verb == "MAIL" and self._helo:
                self.announced = Announced(self._helo, self._attributes, line + data[position:])
                break
            answers.append(self._answer(verb, line))
        return b"".join(answers)

    def _answer(self, verb: Verb, line: bytes) -> bytes:
        self._commands_left -= 1
        if verb == "QUIT":
            return self._close(replies.GOODBYE)
        if not self._commands_left or len(line) >= MOST_LINE:
            return self._close(_TOO_MUCH)
        if verb in ("EHLO", "HELO"):
            return self._hello(verb, line)
        return self._plain(verb, line).line()

    def _plain(self, verb: Verb, line: bytes) -> Reply:
        match verb:
            case "RSET" | "NOOP":
                return OK
            case "XFORWARD":
                return self._xforward(line)
            case "MAIL":
                return _NO_HELLO_YET
            case "RCPT" | "DATA":
                return _NO_MAIL_YET
            case _:
                return _UNKNOWN

    def _hello(self, verb: Verb, line: bytes) -> bytes:
        name = _arguments(line)
        if not name:
            return _NO_NAME.line()
        self._helo = name
        if verb == "HELO":
            return _line(f"250 {self._name}")
        *first, last = (self._name, *KEYWORDS)
        return b"".join([*(_line(f"250-{text}") for text in first), _line(f"250 {last}")])

    def _xforward(self, line: bytes) -> Reply:
        try:
            self._attributes |= xforward.parse(_arguments(line))
        except ValueError as error:
            return Reply(501, "5.5.4", str(error))
        return OK

    def _close(self, reply: Reply) -> bytes:
        self.closed = True
        return reply.line()


def _line(text: str) -> bytes:
    return text.encode("ascii", "replace") + b"\r\n"


def _arguments(line: bytes) -> bytes:
    """What stands behind the verb."""
    words = line.split(None, 1)
    return words[1].strip() if len(words) > 1 else b""
