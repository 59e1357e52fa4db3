"""What the filter says to a client, and nothing else is ever said by it.

Codes are those of RFC 5321 section 4.2 with the enhanced status of RFC 3463.
"""

from typing import NamedTuple

from sender_filter.core.addresses import Address

_LONGEST_LINE = 512  # RFC 5321 section 4.5.3.1.5, with CRLF
_FIRST_PRINTABLE, _LAST_PRINTABLE = 0x20, 0x7E


class Reply(NamedTuple):
    """One line of reply."""

    code: int
    status: str
    text: str

    def __str__(self) -> str:
        """The line without its end, each character that is not printable ASCII as ``?``."""
        line = f"{self.code} {self.status} {self.text}"[: _LONGEST_LINE - 2]
        if line.isascii() and line.isprintable():
            return line
        return "".join(c if _FIRST_PRINTABLE <= ord(c) <= _LAST_PRINTABLE else "?" for c in line)

    def line(self) -> bytes:
        """The line as it goes over the wire."""
        return f"{self}\r\n".encode("ascii")


def blocked_for_good(address: Address) -> Reply:
    """To a client on the blocked list (RFC 5321 section 3.1; 5.7.1: delivery not authorized)."""
    return Reply(554, "5.7.1", f"Service unavailable; client [{address}] is blocked here")


def blocked_for_now(address: Address) -> Reply:
    """To a client whose entry says ``temporary`` (4.7.0: a security status, not for good)."""
    return Reply(
        421, "4.7.0", f"Service unavailable; client [{address}] is blocked here, try again later"
    )


def sender_blocked() -> Reply:
    """To a message whose envelope sender has sent too many (RFC 3463 section 3.8)."""
    return Reply(450, "4.7.1", "Too many messages from this sender, try again later")


def too_many_sessions() -> Reply:
    """To a client for whom there is no room (4.3.2: not accepting messages now)."""
    return Reply(421, "4.3.2", "Too many connections, try again later")


def too_many_of_one(address: Address) -> Reply:
    """To a client that has as many sessions as one may have (4.7.0: a security status)."""
    return Reply(421, "4.7.0", f"Too many connections from [{address}], try again later")


def upstream_away() -> Reply:
    """To a client while Postfix cannot be reached."""
    return Reply(421, "4.3.2", "Mail service is not available, try again later")


BAD_SEQUENCE = Reply(503, "5.5.1", "Service refused, only QUIT is accepted")
"""To whatever a refused client says but QUIT (RFC 5321 section 3.1)."""

GOODBYE = Reply(221, "2.0.0", "Bye")
"""To QUIT (RFC 5321 section 4.1.1.10)."""

TOO_MUCH = Reply(421, "4.7.0", "Too many commands after refusal")
"""To a refused client that goes on talking."""

TIMED_OUT = Reply(421, "4.4.2", "Timeout exceeded, closing")
"""To a client that is silent, or too slow under load, as Postfix says it (RFC 5321 section 3.8)."""

TOO_LONG = Reply(421, "4.4.2", "Timeout waiting for QUIT")
"""To a refused client that neither talks nor goes."""
