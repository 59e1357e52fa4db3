"""STARTTLS for a session whose TLS ends here and not in Postfix (RFC 3207).

Postfix never hears of it: it gets no STARTTLS, and its own offer is taken out of its reply to EHLO.
After the handshake the client has to introduce itself anew before anything else, and with that
Postfix forgets a transaction that was begun before (RFC 5321 section 4.1.4). A login it would not
forget, so behind one there is no STARTTLS.
"""

from sender_filter.core.replies import Reply
from sender_filter.core.smtp.commands import Command

READY = Reply(220, "2.0.0", "Ready to start TLS")
ALREADY_ACTIVE = Reply(554, "5.5.1", "Error: TLS already active")
NOT_AFTER_AUTH = Reply(503, "5.5.1", "Error: STARTTLS after AUTH")
HELLO_FIRST = Reply(503, "5.5.1", "Error: send HELO/EHLO first")
"""The words of Postfix (``smtpd.c``), where it has any for the case."""

_OFFER = b"STARTTLS"
_HELLO = frozenset({"HELO", "EHLO"})
_BEFORE_HELLO = frozenset({"NOOP", "RSET", "QUIT", "HELP"})
_AUTHENTICATED = 235  # RFC 4954 section 6


class TlsHere:
    """Knows which commands Postfix must not get, and what is offered in its place."""

    __slots__ = ("_authenticated", "_greeted", "active")

    def __init__(self) -> None:
        """Begin in clear."""
        self.active = False
        self._authenticated = False
        self._greeted = True

    def begin(self) -> None:
        """What the client sends from now on is encrypted, and what it has said is void."""
        self.active = True
        self._greeted = False

    def answered(self, command: Command, code: int) -> None:
        """Postfix has answered a command."""
        if command.verb == "AUTH" and code == _AUTHENTICATED:
            self._authenticated = True

    def own_reply(self, command: Command) -> Reply | None:
        """The reply to a command that Postfix does not get; None if it gets it."""
        verb = command.verb
        if verb == "STARTTLS":
            if self.active:
                return ALREADY_ACTIVE
            return NOT_AFTER_AUTH if self._authenticated else READY
        self._greeted = self._greeted or verb in _HELLO
        return None if self._greeted or verb in _BEFORE_HELLO else HELLO_FIRST

    def hello(self, reply: bytes) -> bytes:
        """Postfix's reply to EHLO, with our offer in the place of its own.

        Args:
            reply: The whole reply, each line with its end.
        """
        if not reply.startswith(b"250"):
            return reply
        texts = [line[4:].rstrip(b"\r") for line in reply.removesuffix(b"\n").split(b"\n")]
        texts = [texts[0], *(text for text in texts[1:] if text.strip().upper() != _OFFER)]
        if not self.active:
            texts.append(_OFFER)
        *lines, last = texts
        return b"".join(b"250-%b\r\n" % line for line in lines) + b"250 %b\r\n" % last
