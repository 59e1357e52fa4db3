"""An IP address as a number, in one normal form.

A client on a dual-stack socket shows up as ``::ffff:192.0.2.1`` (RFC 4291 section 2.5.5.2).
Everything here turns that form into plain IPv4, so that no list can be walked around by it.
"""

import socket
from functools import lru_cache
from typing import NamedTuple

MAPPED = 0xFFFF << 32
"""The IPv6 prefix ``::ffff:0:0/96`` that carries IPv4 addresses."""

BITS = {4: 32, 6: 128}
"""Width of an address for each IP version."""


class Address(NamedTuple):
    """An IP address; ``version`` is 4 or 6, ``value`` the address as an integer."""

    version: int
    value: int

    def packed(self) -> bytes:
        """The address in network byte order, 4 or 16 bytes."""
        return self.value.to_bytes(BITS[self.version] // 8, "big")

    def __str__(self) -> str:
        """The address as text (RFC 5952 for IPv6)."""
        return _text(self)


@lru_cache(maxsize=1024)
def _text(address: Address) -> str:
    """The text of an address, which one connection needs several times in a row."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address.packed())


def parse(text: str) -> Address:
    """Read an address as people and the kernel write it.

    A zone (``fe80::1%eth0``) is dropped: lists know no interfaces.

    Args:
        text: IPv4 in four decimal parts, or any form of IPv6.

    Returns:
        The address, IPv4 where the text is a v4-mapped IPv6 address.

    Raises:
        ValueError: The text is no IP address.
    """
    address = parse_literal(text.partition("%")[0])
    if address.version == 6 and address.value >> 32 == MAPPED >> 32:
        return Address(4, address.value & 0xFFFFFFFF)
    return address


def parse_literal(text: str) -> Address:
    """Read an address as it is written, a v4-mapped one staying IPv6.

    Raises:
        ValueError: The text is no IP address.
    """
    try:
        if ":" in text:
            return Address(6, int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big"))
        return Address(4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big"))
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate inside
        msg = f"{text!r} is not an IP address"
        raise ValueError(msg) from None


def is_loopback(address: Address) -> bool:
    """Whether only this host can use it (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3)."""
    return address.value >> 24 == 127 if address.version == 4 else address.value == 1
