"""What a followed session tells: bytes to pass on, and what happened.

The events of one call are in order: a shell carries them out one after the other.
"""

from msgspec import Struct


class ToServer(Struct, frozen=True, gc=False):
    """Send these bytes to Postfix."""

    data: bytes


class ToClient(Struct, frozen=True, gc=False):
    """Send these bytes to the client."""

    data: bytes


class CloseServer(Struct, frozen=True, gc=False):
    """Close the link to Postfix, which drops a message it has not got the end of."""


class CloseClient(Struct, frozen=True, gc=False):
    """Everything was said to the client: send a FIN, then drop what still comes."""


class MailAccepted(Struct, frozen=True, gc=False):
    """Postfix took a MAIL command; the null sender is the empty string."""

    sender: str


class MailRefused(Struct, frozen=True, gc=False):
    """Postfix refused a MAIL command."""

    sender: str
    code: int
    enhanced_code: str
    text: str


class RecipientAnswered(Struct, frozen=True, gc=False):
    """Postfix took or refused a recipient."""

    recipient: str
    code: int
    enhanced_code: str
    text: str


class DataBegun(Struct, frozen=True, gc=False):
    """Postfix said 354: what the client sends now is content."""


class HeadersComplete(Struct, frozen=True, gc=False):
    """A header section waits for ``judge_pass`` or ``judge_refuse``; Postfix has none of it.

    Attributes:
        section: The header lines as they came, without the empty line.
        cut: Whether the section goes on. Either the first BDAT chunk ended within it: Postfix
            answers a chunk only when it has all of it, and the client may wait for that, so there
            is no more to be had. Or it is longer than is held back: these are its first lines.
    """

    section: bytes
    cut: bool = False


class MessageAnswered(Struct, frozen=True, gc=False):
    """Postfix took or refused a message, at its end or at the BDAT chunk it did not like."""

    code: int
    enhanced_code: str
    text: str


class TlsBegun(Struct, frozen=True, gc=False):
    """Postfix agreed to STARTTLS: nothing is seen from here on (RFC 3207)."""


class BeginTls(Struct, frozen=True, gc=False):
    """The client was told to begin its TLS handshake, and nothing that it has sent is left.

    The session goes on with ``tls_begun``; what the client sends then, it has encrypted.
    """


class Lost(Struct, frozen=True, gc=False):
    """The session cannot be followed any further, and nothing is guessed."""

    reason: str


class SessionEnded(Struct, frozen=True, gc=False):
    """Postfix said 221, 421 or 521, after which it closes."""

    code: int


Event = (
    ToServer
    | ToClient
    | CloseServer
    | CloseClient
    | MailAccepted
    | MailRefused
    | RecipientAnswered
    | DataBegun
    | HeadersComplete
    | MessageAnswered
    | TlsBegun
    | BeginTls
    | Lost
    | SessionEnded
)


class CannotFollow(Exception):  # noqa: N818 - it is no error of ours
    """Raised within the parser where its knowledge of what Postfix does ends.

    Attributes:
        reason: Why.
        by_client: Whether the client can bring it about. If so, and headers are to be judged,
            passing on unseen would be a way around the judgement.
    """

    def __init__(self, reason: str, *, by_client: bool = True) -> None:
        """Stop following for ``reason``."""
        super().__init__(reason)
        self.reason = reason
        self.by_client = by_client
