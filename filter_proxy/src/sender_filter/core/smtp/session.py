"""A session that is followed from both sides (RFC 5321).

Each byte is passed on unaltered. Only Postfix says what became of a command: this class matches
its replies to what the client sent, and where only a reply tells how bytes are to be read, they
are read when it has come. What cannot be followed is passed on unseen (``Lost``).

With ``judge_headers`` three things are different. The content of a message waits from its first
byte until its headers were judged. With BDAT, which a client may send together with MAIL and RCPT
(RFC 3030), that is when Postfix has answered these. Bytes behind a command whose reply decides
about them (``commands.UNCERTAIN``) wait for the reply; Postfix answers such a command without
them. And a client that cannot be followed is sent away with 421 (550 if its message ends in doubt)
instead of being passed on, since that would be a way around the judgement. No client is lost by it
that does not break RFC 5321: those commands are longer than Postfix reads, BDAT was not offered or
was refused as unknown, or a line with a lone dot is within content after or before a bare LF,
which Postfix drops or takes for the end. Other bare LFs and CRs pass.

With ``ends_tls`` the session is the one within the encryption as well: ``BeginTls`` asks for the
handshake, and ``tls_begun`` says that it was made. A client's command is then passed on when its
line is whole, and Postfix's reply to EHLO with another offer (``tls_here``).
"""

from typing import Literal

from sender_filter.core.replies import Reply
from sender_filter.core.smtp.answers import Answers, message_answered
from sender_filter.core.smtp.client_stream import GO_AHEAD, MORE_SASL, ClientStream, DoubtfulEnd
from sender_filter.core.smtp.commands import Command
from sender_filter.core.smtp.events import (
    BeginTls,
    CannotFollow,
    CloseClient,
    CloseServer,
    DataBegun,
    Event,
    Lost,
    SessionEnded,
    TlsBegun,
    ToClient,
    ToServer,
)
from sender_filter.core.smtp.refused_message import BARE_NEWLINE, RefusedMessage
from sender_filter.core.smtp.replies_parser import RepliesParser, ServerReply
from sender_filter.core.smtp.tls_here import READY, TlsHere

NOT_FOLLOWED = Reply(421, "4.7.0", "Session cannot be followed, closing")
"""To a client whose headers would be judged and whose session cannot be followed."""

_READY = 220
_ENDING = frozenset({221, 421, 521})
"""After them Postfix closes (``SMTPD_FLAG_HANGUP`` in smtpd.c)."""

_NOT_READ = frozenset({500, 502, 530})
_ACCESS_DENIED = "5.7.0"
"""To a BDAT that Postfix does not know, or does not look at: it reads the chunk as commands."""

Mode = Literal["following", "handshake", "pipe", "ended", "refusing", "closed"]
"""What is done with the bytes of both sides.

following: read and passed on; handshake: there are none; pipe: passed on; ended: Postfix's passed
on, and the client's if they are not read first; refusing: the client's read, Postfix's dropped;
closed: dropped.
"""


class Session:
    """One client's session with Postfix.

    ``from_client`` and ``from_server`` take what was received and return what to do, in order.
    """

    __slots__ = (
        "_answers", "_client", "_events", "_hello", "_judge", "_mode", "_refused", "_replies",
        "_tls",
    )  # fmt: skip

    def __init__(
        self, *, judge_headers: bool, greeted: bool = False, ends_tls: bool = False
    ) -> None:
        """Begin a session.

        Args:
            judge_headers: Whether each header section shall wait for a judgement.
            greeted: Whether greeting and EHLO are over, as in topology ``inline``; BDAT is then
                taken not to be offered.
            ends_tls: Whether STARTTLS is answered here, whatever Postfix offers.
        """
        self._events: list[Event] = []
        self._tls = TlsHere() if ends_tls else None
        self._hello = b""  # what has come of a reply to EHLO that will be changed
        self._client = ClientStream(judge_headers=judge_headers, greeted=greeted, tls=self._tls)
        self._replies = RepliesParser()
        self._answers = Answers()
        self._judge = judge_headers
        self._mode: Mode = "following"
        self._refused: RefusedMessage

    @property
    def wants_client_data(self) -> bool:
        """Whether the client may go on sending; false while enough of it waits for a reply."""
        return self._mode != "following" or not self._client.crowded

    @property
    def withholds(self) -> bool:
        """Whether bytes of the client wait here until a reply says how to read them."""
        return self._mode == "following" and self._client.withholds

    def from_client(self, data: bytes) -> list[Event]:
        """Take bytes of the client."""
        events = self._collect()
        mode = self._mode
        if mode == "refusing":
            return self._refused.receive(data)
        if mode == "pipe" or (mode in ("following", "ended") and not self._client.holds):
            events.append(ToServer(data))
        if mode == "following":
            try:
                self._client.feed(data)
                self._speak()
            except CannotFollow as why:
                self._lose(why)
        return events

    def from_server(self, data: bytes) -> list[Event]:
        """Take bytes of Postfix."""
        events = self._collect()
        # Where replies are changed or added, each line has to be seen before the next one.
        for part in [data] if self._tls is None else data.splitlines(keepends=True):
            self._take_replies(part)
        if self._mode == "following":
            try:
                self._speak()
            except CannotFollow as why:
                self._lose(why)
        return events

    def tls_begun(self) -> None:
        """The handshake that ``BeginTls`` has asked for is over: go on with what was encrypted."""
        if self._mode == "handshake":
            self._mode = "following"

    def judge_pass(self) -> list[Event]:
        """Let the message pass whose ``HeadersComplete`` came last."""
        events = self._collect()
        if self._judging():
            try:
                self._client.passed()
                self._speak()
            except CannotFollow as why:
                self._lose(why)
        return events

    def judge_refuse(self, reply: Reply) -> list[Event]:
        """Refuse the message whose ``HeadersComplete`` came last."""
        events = self._collect()
        if self._judging():
            client = self._client
            self._refuse(RefusedMessage(reply, chunk=client.chunk, last=client.last))
        return events

    def _judging(self) -> bool:
        """Whether a judgement is awaited; not if the session was lost or over meanwhile."""
        return self._mode == "following" and self._client.judging

    def _collect(self) -> list[Event]:
        """Make the list of the events of one call."""
        self._events = []
        self._client.emit = self._events.append
        return self._events

    def _take_replies(self, data: bytes) -> None:
        if self._mode == "following" and self._awaits_hello():
            self._hello += data
        elif self._mode in ("following", "pipe", "ended"):
            self._events.append(ToClient(data))
        if self._mode == "following":
            try:
                self._read_replies(data)
            except CannotFollow as why:
                self._lose(why)

    def _awaits_hello(self) -> bool:
        """Whether the next reply is one to EHLO, and will be changed."""
        pending = self._client.pending
        return self._tls is not None and bool(pending) and pending[0].verb == "EHLO"

    def _speak(self) -> None:
        """Answer what Postfix does not get, when its turn has come."""
        pending = self._client.pending
        while self._mode == "following" and pending and (own := pending[0].own) is not None:
            command = pending.popleft()
            self._events.append(ToClient(own.line()))
            if self._tls is not None and own is READY:
                self._tls.begin()
                self._client.begin_tls()
                self._mode = "handshake"
                self._events.append(BeginTls())
            else:
                self._client.answered(command, own.code)

    def _read_replies(self, data: bytes) -> None:
        for reply in self._replies.feed(data):
            if self._client.pending:
                self._answer(self._client.pending.popleft(), reply)
            elif reply.code in _ENDING:
                self._end(reply)
            else:
                self._client.content_answered()
                self._events.append(message_answered(reply))
                self._client.run()
            if self._mode != "following":
                return

    def _answer(self, command: Command, reply: ServerReply) -> None:
        """Match a command with its reply."""
        if self._tls is not None:
            self._tls.answered(command, reply.code)
            if self._hello:
                self._events.append(ToClient(self._tls.hello(self._hello)))
                self._hello = b""
        event = self._answers.event(command, reply)
        if event is not None:
            self._events.append(event)
        if reply.code in _ENDING:
            self._end(reply)
        elif command.verb == "STARTTLS" and reply.code == _READY:
            self._events.append(TlsBegun())
            self._pipe()
        else:
            self._follow(command, reply)
            self._client.answered(command, reply.code)

    def _follow(self, command: Command, reply: ServerReply) -> None:
        """Take notice of what a reply says about the bytes to come."""
        code, verb = reply.code, command.verb
        if verb == "BDAT":
            self._check_chunk(command, reply)
        elif verb == "EHLO":
            self._client.chunking = any(line.upper() == b"CHUNKING" for line in reply.lines)
        if code == GO_AHEAD:
            if verb not in ("DATA", "other"):
                raise CannotFollow("354 to another command than DATA")
            self._events.append(DataBegun())
        elif code == MORE_SASL and verb != "AUTH":
            raise CannotFollow("334 to another command than AUTH")
        elif code == _READY and verb == "other":
            raise CannotFollow("220 to an unknown command")

    def _check_chunk(self, command: Command, reply: ServerReply) -> None:
        """See whether Postfix has read a chunk as a chunk (``bdat_cmd`` in smtpd.c)."""
        if self._client.chunk >= 0 and not self._client.pending:
            raise CannotFollow("BDAT answered before its end")
        denied = reply.code in _NOT_READ or reply.enhanced_code == _ACCESS_DENIED
        if command.size and denied:
            raise CannotFollow("BDAT not known to Postfix")

    def _refuse(self, refused: RefusedMessage) -> None:
        self._refused = refused
        self._events += (CloseServer(), *refused.receive(self._leave("refusing")))

    def _end(self, reply: ServerReply) -> None:
        """Postfix closes. What waits for it is dropped, for nobody reads it."""
        self._events.append(SessionEnded(reply.code))
        self._leave("ended")

    def _pipe(self) -> None:
        """Pass everything on from here, first what waits."""
        unread = self._leave("pipe")
        if self._client.holds and unread:
            self._events.append(ToServer(unread))
        if self._hello:
            self._events.append(ToClient(self._hello))

    def _leave(self, mode: Mode) -> bytes:
        """Stop following; return what was not read, and keep nothing of it."""
        unread = self._client.unread()
        self._client.drop()
        self._mode = mode
        return unread

    def _lose(self, why: CannotFollow) -> None:
        self._events.append(Lost(why.reason))
        if not (self._judge and why.by_client):
            self._pipe()
        elif isinstance(why, DoubtfulEnd):
            self._refuse(RefusedMessage(BARE_NEWLINE, chunk=-1, last=True))
        else:
            self._leave("closed")
            self._events += (CloseServer(), ToClient(NOT_FOLLOWED.line()), CloseClient())
