"""The rest of a session whose message was refused, for its headers or for an end in doubt.

The link to Postfix is closed. The client still sends content; it is dropped to its end, and then
the client hears the refusal in the place of Postfix's reply (RFC 5321 section 4.1.1.4). The session
is over with that: QUIT gets 221, anything else 421, and both are the last word. There is no new
link to Postfix for a second message, as Postfix would have to be told the client, its EHLO and its
AUTH again.

Either kind of end of data is taken, also the doubtful one. If the client meant to go on, it hears
the refusal early. Postfix has nothing of a message that is refused for its headers. One that is
refused for a doubtful end has gone to Postfix up to there: Postfix delivers so much of it if it
sees an end there, and drops it if not.
"""

from sender_filter.core import replies
from sender_filter.core.replies import Reply
from sender_filter.core.smtp import commands
from sender_filter.core.smtp.content import EndOfData
from sender_filter.core.smtp.events import CloseClient, Event, ToClient
from sender_filter.core.smtp.lines import LineBuffer

BARE_NEWLINE = Reply(550, "5.5.2", "Bare <LF> received")
"""To content with an end of data that can be understood in two ways; Postfix's own words."""

NO_MORE = Reply(421, "4.7.0", "Closing after a refused message")
"""To a command after a refused message (RFC 5321 section 3.8)."""

_CLOSING = 421


class RefusedMessage:
    """One refused message and what its client says afterwards.

    It is bounded in memory; how many bytes and seconds a client may take is the shell's matter.
    """

    __slots__ = ("_chunk", "_closed", "_end", "_in_chunks", "_lines", "_out", "_reply")

    def __init__(self, reply: Reply, *, chunk: int, last: bool) -> None:
        """Refuse the message that is being sent.

        Args:
            reply: What the client will hear.
            chunk: How many bytes of a BDAT chunk are to come; -1 if the message came with DATA.
            last: Whether the chunk ends the message.
        """
        self._reply = reply
        self._chunk = chunk
        self._in_chunks = chunk >= 0 and not last
        self._end: EndOfData | None = EndOfData() if chunk < 0 else None
        self._lines = LineBuffer()
        self._out: list[Event] = []
        self._closed = False

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes of the client and return what to answer."""
        self._out = []
        position = 0
        while position < len(data) and not self._closed:
            if self._end is not None:
                position = self._content(self._end, data, position)
            elif self._chunk > 0:
                position = self._chunk_bytes(data, position)
            else:
                position = self._command(data, position)
        return self._out

    def _content(self, end: EndOfData, data: bytes, position: int) -> int:
        found = end.find(data, position)
        if found is None:
            return len(data)
        self._end = None
        self._say(self._reply)
        return found.position

    def _chunk_bytes(self, data: bytes, position: int) -> int:
        taken = min(self._chunk, len(data) - position)
        self._chunk -= taken
        if not self._chunk:
            self._say(self._reply)
        return position + taken

    def _command(self, data: bytes, position: int) -> int:
        line, position = self._lines.take(data, position)
        if line is not None:
            command = commands.parse(line)
            if command.verb == "BDAT" and self._in_chunks:
                # Each chunk has its reply, also those of a message that was refused (RFC 3030).
                self._in_chunks = not command.last
                self._chunk = command.size
                if not command.size:
                    self._say(self._reply)
            else:
                quitting = command.verb == "QUIT"
                self._say(replies.GOODBYE if quitting else NO_MORE, last=True)
        return position

    def _say(self, reply: Reply, *, last: bool = False) -> None:
        self._out.append(ToClient(reply.line()))
        if last or reply.code == _CLOSING:
            self._closed = True
            self._out.append(CloseClient())
