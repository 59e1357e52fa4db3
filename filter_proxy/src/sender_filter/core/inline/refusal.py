"""A refused transaction, as a machine of bytes in and bytes out.

Postfix repeats its client's commands here, and passes the replies to RCPT on to the client as they
are (``rcpt_cmd`` in smtpd.c). A refusal of the greeting, of EHLO or of XFORWARD would become a 451
of its own, so it is told to each recipient; and there is never anybody to send content to.
"""

from sender_filter.core import replies
from sender_filter.core.inline.prologue import OK
from sender_filter.core.replies import Reply
from sender_filter.core.smtp import commands
from sender_filter.core.smtp.commands import Verb
from sender_filter.core.smtp.lines import MOST_LINE, LineBuffer

MOST_COMMANDS = 2000
"""More than Postfix takes recipients (``smtpd_recipient_limit`` is 1000)."""

_SENDER_OK = Reply(250, "2.1.0", "Ok")
_NO_MAIL_YET = Reply(503, "5.5.1", "Error: need MAIL command")
_NO_RECIPIENTS = Reply(503, "5.5.1", "Error: no valid recipients")
_UNKNOWN = Reply(502, "5.5.2", "Error: command not recognized")
_CLOSING, _NOT_NOW, _LOCAL_ERROR = 421, 450, 451
_NO_SERVICE, _NOT_TAKEN = 554, 550


def in_transaction(reply: Reply) -> Reply:
    """The reply to a command, in the place of one to the connection.

    With 421 Postfix would hang up on its client, and 554 to a connection means that there is no
    service at all (RFC 5321 sections 3.1 and 3.8). What is not for good stays so (RFC 3463: 4.3 is
    the state of the system, 4.7 its policy).
    """
    if reply.code == _CLOSING:
        local = reply.status.startswith("4.3.")
        return reply._replace(code=_LOCAL_ERROR if local else _NOT_NOW)
    return reply._replace(code=_NOT_TAKEN) if reply.code == _NO_SERVICE else reply


class RefusedTransaction:
    """One refused transaction.

    Feeding the same bytes whole or in pieces gives the same answer. When ``closed`` is true the
    last answer is the last one: send it, then a FIN.
    """

    __slots__ = ("_begun", "_commands_left", "_lines", "_reply", "_unread", "closed")

    def __init__(self, reply: Reply, unread: bytes) -> None:
        """Refuse with ``reply``; ``unread`` was said already."""
        self._reply = reply
        self._unread = unread
        self._begun = False
        self._commands_left = MOST_COMMANDS
        self._lines = LineBuffer()
        self.closed = False

    def greeting(self) -> bytes:
        """What was not answered yet."""
        return self.receive(self._unread)

    def receive(self, data: bytes) -> bytes:
        """Take bytes and return the answer, which may be empty."""
        answers = []
        position = 0
        while position < len(data) and not self.closed:
            line, position = self._lines.take(data, position)
            if line is not None:
                answers.append(self._answer(line))
        return b"".join(answers)

    def expire(self) -> bytes:
        """Take notice that the time is up and return the last answer."""
        return b"" if self.closed else self._close(replies.TOO_LONG)

    def _answer(self, line: bytes) -> bytes:
        self._commands_left -= 1
        verb = commands.parse(line).verb
        if verb == "QUIT":
            return self._close(replies.GOODBYE)
        if not self._commands_left or len(line) >= MOST_LINE:
            return self._close(replies.TOO_MUCH)
        return self._plain(verb).line()

    def _plain(self, verb: Verb) -> Reply:
        match verb:
            case "MAIL":
                self._begun = True
                return _SENDER_OK
            case "RCPT":
                return self._reply if self._begun else _NO_MAIL_YET
            case "DATA":
                return _NO_RECIPIENTS
            case "RSET":
                self._begun = False
                return OK
            case "NOOP":
                return OK
            case _:
                return _UNKNOWN

    def _close(self, reply: Reply) -> bytes:
        self.closed = True
        return reply.line()
