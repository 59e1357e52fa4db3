"""Whose behaviour is counted: not always the single address, and of throttling a sender's.

Whoever has one IPv6 address has a whole /64 of them (RFC 6177, RFC 7934 section 4) and could send
each message from another one. So an IPv6 client is counted, and blocked, with its /64; an IPv4
client by its address alone.
"""

from typing import NamedTuple

from sender_filter.core import spelling
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network

LONGEST_SENDER = 254
"""RFC 5321 section 4.5.3.1.3, without the angle brackets."""


class Sender(NamedTuple):
    """An envelope sender.

    Attributes:
        mailbox: It in the form that is compared, at most ``LONGEST_SENDER`` characters.
    """

    mailbox: str

    @classmethod
    def of(cls, mailbox: str) -> "Sender":
        """The sender of a MAIL command, however it is spelt there.

        A sender must not get a second allowance by another spelling. RFC 5321 section 2.4 lets a
        host tell mailboxes apart by case, which hardly one does; domains have no case.
        """
        return cls(spelling.plainest(mailbox.casefold(), LONGEST_SENDER))

    def __str__(self) -> str:
        """It as a reverse-path (RFC 5321 section 4.1.2), which no address is written like."""
        return f"<{self.mailbox}>"


class Subjects(NamedTuple):
    """How many leading bits of an address tell one sender from another."""

    ipv4_prefix: int = 32
    ipv6_prefix: int = 64

    def of(self, address: Address) -> Network:
        """The network that the address is counted with."""
        prefix = self.ipv4_prefix if address.version == 4 else self.ipv6_prefix
        host_bits = BITS[address.version] - prefix
        return Network(address.version, address.value >> host_bits << host_bits, prefix)


def parse_sender(text: str) -> Sender | None:
    """A sender as it is written, ``<a@example.com>`` or ``a@example.com``; None: it is none."""
    if text.startswith("<") and text.endswith(">"):
        return Sender.of(text[1:-1])
    return Sender.of(text) if "@" in text else None


def holds(outer: Network, inner: Network) -> bool:
    """Whether every address of ``inner`` is one of ``outer``."""
    if outer.version != inner.version or outer.prefix > inner.prefix:
        return False
    host_bits = BITS[outer.version] - outer.prefix
    return outer.value >> host_bits == inner.value >> host_bits
