"""The conversation with a refused client, as a machine of bytes in and bytes out.

RFC 5321 section 3.1: after a 554 greeting the server waits for QUIT and answers 503 to
everything else. RFC 5321 section 3.8: after a 421 it may close at once. No other reply exists
here, so that the filter can never be understood to have taken a message.
"""

from sender_filter.core import replies
from sender_filter.core.replies import Reply

MOST_LINES = 20
MOST_BYTES = 4096
_CLOSING = 421
_QUIT = b"QUIT\r\n"
_GOODBYE = replies.GOODBYE.line()


class Refusal:
    """One refused client.

    Feeding the same bytes whole or in pieces gives the same answer. When ``closed`` is true
    the last answer is the last one: send it, then a FIN.

    Attributes:
        closed: Whether nothing more is answered.
        goodbye: Whether that is because the client has taken leave, and has said nothing after it.
    """

    __slots__ = ("_bytes_left", "_line", "_lines_left", "_reply", "closed", "goodbye")

    def __init__(self, reply: Reply) -> None:
        """Refuse with ``reply`` (554 to stay for QUIT, 421 to close)."""
        self._reply = reply
        self._line = b""
        self._lines_left = MOST_LINES
        self._bytes_left = MOST_BYTES
        self.closed = reply.code == _CLOSING
        self.goodbye = False

    def greeting(self) -> bytes:
        """What the client is greeted with."""
        return self._reply.line()

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the client and return the answer, which may be empty."""
        if self.closed:
            return b""
        if data == _QUIT and not self._line and self._bytes_left > len(data):  # nearly everybody
            self.closed = self.goodbye = True
            return _GOODBYE
        exhausted = len(data) >= self._bytes_left
        *lines, self._line = (self._line + data[: self._bytes_left]).split(b"\n")
        self._bytes_left -= len(data)
        answers = []
        for number, line in enumerate(lines, 1):
            answers.append(self._answer(line))
            if self.closed:
                self.goodbye &= number == len(lines) and not self._line and not exhausted
                return b"".join(answers)
        if exhausted:
            answers.append(self._close(replies.TOO_MUCH))
        return b"".join(answers)

    def expire(self) -> bytes:
        """Take notice that the client's time is up and return the last answer."""
        return b"" if self.closed else self._close(replies.TOO_LONG)

    def _answer(self, line: bytes) -> bytes:
        if line.strip().upper() == b"QUIT":
            self.goodbye = True
            return self._close(replies.GOODBYE)
        self._lines_left -= 1
        if not self._lines_left:
            return self._close(replies.TOO_MUCH)
        return replies.BAD_SEQUENCE.line()

    def _close(self, reply: Reply) -> bytes:
        self.closed = True
        return reply.line()
