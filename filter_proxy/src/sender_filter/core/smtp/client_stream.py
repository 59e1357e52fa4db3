"""The client's side of a session: where commands and content begin and end.

What the next bytes are can depend on a reply. Then reading stops at that point until the reply
is there (``answered``). With headers to judge, what is not read is not passed on either, so
nothing reaches Postfix under a reading that was a guess.
"""

from collections import deque
from collections.abc import Callable

from sender_filter.core.smtp import commands
from sender_filter.core.smtp.commands import RESTARTING, UNCERTAIN, Command
from sender_filter.core.smtp.content import EndOfData, HeaderEnd
from sender_filter.core.smtp.events import (
    CannotFollow,
    Event,
    HeadersComplete,
    ToServer,
)
from sender_filter.core.smtp.lines import MOST_LINE, LineBuffer
from sender_filter.core.smtp.tls_here import TlsHere

WINDOW = 64 * 1024
"""So many unread bytes may wait; then the client should wait too."""

MOST_HEADER_BYTES = WINDOW
"""A header section that has not ended by then is cut, since its client waits from there on."""

MOST_HEADER_LINES = 1000
"""A section of more lines is cut as well."""

MOST_UNREAD = 1024 * 1024
"""How many may wait at all."""

MOST_PENDING = 1000
"""After so many commands without a reply reading stops until all are answered."""

GO_AHEAD = 354
MORE_SASL = 334

_Step = Callable[["ClientStream"], bool]


class DoubtfulEnd(CannotFollow):
    """Content goes on after a place where some versions of Postfix end it."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("end of data in doubt")


class ClientStream:
    """Reads what the client sends.

    Attributes:
        pending: The commands whose replies are to come, in order (RFC 2920).
        chunking: Whether Postfix offered BDAT.
        judging: Whether a header section waits for its judgement.
        crowded: Whether so much waits that the client should too.
        chunk: How many bytes of a BDAT chunk are to come; -1 if this is no chunk.
        last: Whether that chunk ends its message.
        holds: Whether only what was read is passed on; if not, everything goes at once.
    """

    __slots__ = (
        "_begun", "_data", "_end", "_headers", "_judge", "_lines", "_looked", "_position", "_sent",
        "_step", "_tls", "chunk", "chunking", "crowded", "emit", "holds", "judging",
        "last", "pending",
    )  # fmt: skip

    def __init__(self, *, judge_headers: bool, greeted: bool, tls: TlsHere | None) -> None:
        """Begin before the greeting, or behind greeting and EHLO."""
        self.pending: deque[Command] = deque(() if greeted else (commands.CONNECT,))
        self.emit: Callable[[Event], None]
        self.chunking = False
        self.judging = False
        self.crowded = False
        self.chunk = -1
        self.last = False
        self.holds = judge_headers or tls is not None
        self._judge = judge_headers
        self._tls = tls
        self._begun = False  # whether a BDAT was seen of the message
        self._data = b""
        self._position = 0
        self._sent = 0
        self._lines = LineBuffer()
        self._end: EndOfData
        self._headers: HeaderEnd
        self._looked = 0  # how many of the unread bytes were looked at for a certain end
        # Not a method of this very object: it would hold itself when the session is over.
        self._step: _Step = ClientStream._command

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self._position < len(self._data):
            data = self.unread() + data
        self._data = data
        self._position = self._sent = 0
        self.run()
        if len(self._data) - self._position > MOST_UNREAD:
            raise CannotFollow("too much sent ahead of a reply")

    def unread(self) -> bytes:
        """What was fed and not read."""
        return self._data[self._position :]

    def drop(self) -> None:
        """Forget what was not read, as nothing will be read any more."""
        self._data = b""
        self.crowded = False

    def run(self) -> None:
        """Take as many steps as there are bytes for."""
        try:
            while self._position < len(self._data) and self._step(self):
                pass
        finally:
            self._flush()
            self.crowded = len(self._data) - self._position >= WINDOW

    def begin_tls(self) -> None:
        """Read anew; what came behind STARTTLS was not encrypted and is void (RFC 3207)."""
        self.drop()
        self.chunking = self._begun = False
        self._step = ClientStream._command

    def answered(self, command: Command, code: int) -> None:
        """A reply to a command: it says how to read on."""
        if command.verb in UNCERTAIN:
            if code == GO_AHEAD:
                self._end = EndOfData()
                self._step = self._begin_content(ClientStream._content)
            elif code == MORE_SASL:
                self._step = ClientStream._sasl_response
            else:
                self._step = ClientStream._command
        elif not self.pending and self._step is ClientStream._wait:
            self._step = ClientStream._command
        if self._position < len(self._data):
            self.run()

    def content_answered(self) -> None:
        """A reply to no command: Postfix has seen an end of data where it was doubtful."""
        if self._step is not ClientStream._doubt:
            raise CannotFollow("reply nobody has asked for")
        self._step = ClientStream._command

    @property
    def withholds(self) -> bool:
        """Whether bytes that are held wait until a reply says how to read them."""
        waits = self._step in (ClientStream._wait, ClientStream._turn) and not self.judging
        return self.holds and waits and self._position < len(self._data)

    def passed(self) -> None:
        """The headers were judged and may pass."""
        self.judging = False
        self._step = ClientStream._content if self.chunk < 0 else ClientStream._chunk
        self.run()

    def _flush(self, end: int | None = None) -> None:
        """Pass on what was read, if it did not go at once: all of it, or up to ``end``."""
        position = self._position if end is None else end
        if self.holds and self._sent < position:
            self.emit(ToServer(self._data[self._sent : position]))
            self._sent = position

    def _wait(self) -> bool:
        return False

    def _command(self) -> bool:
        if len(self.pending) >= MOST_PENDING:
            self._step = ClientStream._wait
            return False
        start = self._position
        if self._tls is not None and self._is_part_of_line(start):
            return False
        line, self._position = self._lines.take(self._data, start)
        if line is None:
            return False
        if len(line) >= MOST_LINE:
            raise CannotFollow("command line too long")
        command = commands.parse(line)
        if self._tls is not None and (own := self._tls.own_reply(command)) is not None:
            self._flush(start)
            self._sent = self._position
            command = Command("other", own=own)
        verb = command.verb
        self.pending.append(command)
        if verb in RESTARTING:
            self._begun = False
        if verb == "BDAT":
            self._begin_chunk(command)
        elif verb in UNCERTAIN:
            self._step = ClientStream._wait
        return True

    def _is_part_of_line(self, start: int) -> bool:
        """Whether a command's end is not there yet; it is not passed on before it is known."""
        return self._data.find(b"\n", start) < 0 and len(self._data) - start < MOST_LINE

    def _sasl_response(self) -> bool:
        """A line of SASL (RFC 4954 section 4): not looked at, and answered like a command."""
        end = self._data.find(b"\n", self._position) + 1
        self._position = end or len(self._data)
        if end:
            self.pending.append(commands.AUTH)
            self._step = ClientStream._wait
        return True

    def _begin_content(self, unjudged: _Step) -> _Step:
        """How to read content that has just begun."""
        if not self._judge:
            return unjudged
        self._headers = HeaderEnd()
        return ClientStream._turn

    def _begin_chunk(self, command: Command) -> None:
        if self._judge and not self.chunking:
            # Postfix might read the chunk as commands (before 3.4 it has no BDAT).
            raise CannotFollow("BDAT was not offered")
        if command.size:
            self.chunk, self.last = command.size, command.last
            self._step = (
                ClientStream._chunk if self._begun else self._begin_content(ClientStream._chunk)
            )
            self._begun = True
        if command.last:
            self._begun = False

    def _turn(self) -> bool:
        """Wait for the replies to the commands before a chunk: they say whose message it is."""
        if len(self.pending) > 1:
            return False
        self._step = ClientStream._header_section
        return True

    def _header_section(self) -> bool:
        """Look for its end without reading a byte, so that nothing is passed on.

        What is found must not depend on how many bytes have come by then.
        """
        content = self.unread()[:MOST_HEADER_BYTES]
        if self.chunk >= 0:
            content = content[: self.chunk]
        length = self._headers.find(content)
        held = content[:length]
        whole = length is not None or len(content) == self.chunk
        too_long = not whole and len(content) == MOST_HEADER_BYTES
        if too_long or held.count(b"\n") > MOST_HEADER_LINES:
            self._ask(_whole_lines(held), cut=True)
        elif whole:
            self._ask(held, cut=length is None and not self.last)
        return False

    def _ask(self, section: bytes, *, cut: bool) -> None:
        """Have the message judged by its headers."""
        self._flush()
        self.emit(HeadersComplete(section, cut))
        self.judging = True
        self._step = ClientStream._wait

    def _content(self) -> bool:
        end = self._end.find(self._data, self._position)
        if end is None:
            self._position = len(self._data)
            return False
        self._position = end.position
        if end.certain:
            self.pending.append(commands.END_OF_DATA)
            self._step = ClientStream._command
        else:
            self._looked = 0
            self._step = ClientStream._doubt
        return True

    def _doubt(self) -> bool:
        """Content, or commands, behind a doubtful end: keep it until the reply tells.

        If the certain end comes first, the reply will not tell to which of them it belongs.
        """
        kept = len(self._data) - self._position
        if kept >= WINDOW or self._end.certain(self._data, self._position + self._looked):
            raise DoubtfulEnd
        self._looked = kept
        return False

    def _chunk(self) -> bool:
        taken = min(self.chunk, len(self._data) - self._position)
        self._position += taken
        self.chunk -= taken
        if not self.chunk:
            self.chunk = -1
            self._step = ClientStream._command
        return True


def _whole_lines(held: bytes) -> bytes:
    """The first lines of a section, as many as are looked at, and none without its end."""
    rest = held.split(b"\n", MOST_HEADER_LINES)[-1]
    return held[: len(held) - len(rest)]
