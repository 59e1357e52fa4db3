"""Telling the next Postfix who the client is, as a machine of bytes in and bytes out.

It needs ``smtpd_authorized_xforward_hosts`` with this host in it. A Postfix that does not want to
be told gets no mail: its log, and what reads it, would blame the filter for all clients.
"""

from typing import Literal

from sender_filter.core.inline import xforward
from sender_filter.core.inline.prologue import Announced
from sender_filter.core.smtp.events import CannotFollow
from sender_filter.core.smtp.replies_parser import RepliesParser, ServerReply

_READY = 220
_OK = 250

Stage = Literal["greeting", "EHLO", "XFORWARD", "done", "failed"]
"""What is being answered, or how it has ended."""


class Introduction:
    """One introduction; each command waits for the reply to the one before.

    Feeding the same bytes whole or in pieces gives the same commands.

    Attributes:
        stage: How far it is; ``done`` and ``failed`` are the ends of it.
        reason: Why it has failed.
    """

    __slots__ = ("_announced", "_lines", "_replies", "reason", "stage")

    def __init__(self, announced: Announced) -> None:
        """Introduce who was announced; the next Postfix speaks first."""
        self._announced = announced
        self._lines: list[bytes] = []
        self._replies = RepliesParser()
        self.stage: Stage = "greeting"
        self.reason = ""

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.stage in ("done", "failed")

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the next Postfix and return the commands to send, which may be none."""
        said: list[bytes] = []
        if self.stage == "failed":
            return b""
        try:
            said.extend(self._go_on(reply) for reply in self._replies.feed(data))
        except CannotFollow as why:
            self._fail(why.reason)
        if self.stage == "done" and not data.endswith(b"\n"):
            self._fail("it goes on talking")
        return b"".join(said)

    def _go_on(self, reply: ServerReply) -> bytes:
        expected = _READY if self.stage == "greeting" else _OK
        if self.over:
            return self._fail("it goes on talking")
        if reply.code != expected:
            text, _, _ = reply.text.partition("\n")
            return self._fail(f"{self.stage} was answered with {reply.code} {text}")
        if self.stage == "greeting":
            self.stage = "EHLO"
            return b"EHLO " + self._announced.helo + b"\r\n"
        if self.stage == "EHLO":
            offered = _offered(reply)
            if "ADDR" not in offered:
                return self._fail("it offers no XFORWARD: see smtpd_authorized_xforward_hosts")
            self._lines = xforward.lines(self._announced.attributes, offered)
        return self._next_line()

    def _next_line(self) -> bytes:
        if not self._lines:
            self.stage = "done"
            return b""
        self.stage = "XFORWARD"
        return self._lines.pop(0) + b"\r\n"

    def _fail(self, reason: str) -> bytes:
        if self.stage != "failed":
            self.stage = "failed"
            self.reason = reason
        return b""


def _offered(reply: ServerReply) -> set[str]:
    """The attributes that the answer to EHLO names."""
    lines = (line.decode("latin-1").upper().split() for line in reply.lines)
    return {name for words in lines if words[:1] == [xforward.COMMAND] for name in words[1:]}
