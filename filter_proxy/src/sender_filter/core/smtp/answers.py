"""What a reply to a command means for the message."""

from sender_filter.core.smtp.commands import Command
from sender_filter.core.smtp.events import (
    Event,
    MailAccepted,
    MailRefused,
    MessageAnswered,
    RecipientAnswered,
)
from sender_filter.core.smtp.replies_parser import ServerReply

_REFUSED = 400


class Answers:
    """Turns replies into events: for each message one ``MessageAnswered``, whatever was sent."""

    __slots__ = ("_discarding",)

    def __init__(self) -> None:
        """Begin with no message."""
        self._discarding = False

    def event(self, command: Command, reply: ServerReply) -> Event | None:
        """What happened, if it is worth telling."""
        verb = command.verb
        if verb == "RCPT":
            return RecipientAnswered(command.address, reply.code, reply.enhanced_code, reply.text)
        if verb == "MAIL":
            if reply.code < _REFUSED:
                return MailAccepted(command.address)
            return MailRefused(command.address, reply.code, reply.enhanced_code, reply.text)
        if verb == "end of data" or (verb == "DATA" and reply.code >= _REFUSED):
            return message_answered(reply)
        if verb == "BDAT":
            return self._chunk(command, reply)
        if verb in ("RSET", "EHLO", "HELO"):
            self._discarding = False
        return None

    def _chunk(self, command: Command, reply: ServerReply) -> Event | None:
        """After a refused chunk Postfix drops those that follow, to the last (RFC 3030)."""
        told = self._discarding
        refused = reply.code >= _REFUSED
        self._discarding = (told or refused) and not command.last
        return message_answered(reply) if not told and (refused or command.last) else None


def message_answered(reply: ServerReply) -> MessageAnswered:
    """The reply to a message."""
    return MessageAnswered(reply.code, reply.enhanced_code, reply.text)
