"""Whose behaviour is counted: not always the single address.

Whoever has one IPv6 address has a whole /64 of them (RFC 6177, RFC 7934 section 4) and could send
each message from another one. So an IPv6 client is counted, and blocked, with its /64; an IPv4
client by its address alone.
"""

from typing import NamedTuple

from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network


class Subjects(NamedTuple):
    """How many leading bits of an address tell one sender from another."""

    ipv4_prefix: int = 32
    ipv6_prefix: int = 64

    def of(self, address: Address) -> Network:
        """The network that the address is counted with."""
        prefix = self.ipv4_prefix if address.version == 4 else self.ipv6_prefix
        host_bits = BITS[address.version] - prefix
        return Network(address.version, address.value >> host_bits << host_bits, prefix)


def holds(outer: Network, inner: Network) -> bool:
    """Whether every address of ``inner`` is one of ``outer``."""
    if outer.version != inner.version or outer.prefix > inner.prefix:
        return False
    host_bits = BITS[outer.version] - outer.prefix
    return outer.value >> host_bits == inner.value >> host_bits
