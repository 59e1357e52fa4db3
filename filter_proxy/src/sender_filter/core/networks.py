"""The ways to write "these addresses" on one line of a list.

================================  =====================================
``192.0.2.1``, ``2001:db8::1``    one address
``192.0.2.0/24``, ``2001:db8::/32``  a network by prefix length (RFC 4632, RFC 4291)
``192.168.2.0/255.255.255.0``     a network by mask
``192.168.2.0:255.255.255.0``     the same, as the vendor's console writes it
``192.0.2.10-192.0.2.20``         first to last, both included; an en dash will do
================================  =====================================
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from sender_filter.core.addresses import BITS, MAPPED, Address, parse_literal

_EN_DASH = "\N{EN DASH}"


class Network(NamedTuple):
    """All addresses whose first ``prefix`` bits are those of ``value``."""

    version: int
    value: int
    prefix: int

    def __str__(self) -> str:
        """CIDR notation; a single address without its prefix length."""
        return _text(self)


@lru_cache(maxsize=1024)
def _text(network: Network) -> str:
    """The text of a network, of which one entry may refuse thousands of clients a second."""
    address = str(Address(network.version, network.value))
    return address if network.prefix == BITS[network.version] else f"{address}/{network.prefix}"


def parse(text: str) -> list[Network]:
    """Read one entry.

    Args:
        text: The entry, without comment and flag.

    Returns:
        The networks that together are the entry; more than one only for a range.

    Raises:
        ValueError: The entry cannot be read; the message says why and what to write instead.
    """
    dashed = text.replace(_EN_DASH, "-")
    if "-" in dashed:
        first, _, last = dashed.partition("-")
        return list(_range(parse_literal(first.strip()), parse_literal(last.strip())))
    if "/" in text:
        address, _, length = text.partition("/")
        return [_network(parse_literal(address), length)]
    if text.count(":") == 1:
        address, _, mask = text.partition(":")
        return [_network(parse_literal(address), mask)]
    address_alone = parse_literal(text)
    return [_normal(address_alone, BITS[address_alone.version])]


def _network(address: Address, length: str) -> Network:
    """A network from an address and its prefix length or mask.

    Raises:
        ValueError: The length fits no network, or the address lies inside of it.
    """
    prefix = _prefix_of_mask(length) if "." in length else _prefix_of_digits(length)
    bits = BITS[address.version]
    if prefix > bits or ("." in length and address.version == 6):
        msg = f"/{length} does not fit an IPv{address.version} address"
        raise ValueError(msg)
    host = address.value & ((1 << (bits - prefix)) - 1)
    if host:
        whole = Network(address.version, address.value - host, prefix)
        msg = f"{address} is an address inside a network: write {whole} or {address}"
        raise ValueError(msg)
    return _normal(address, prefix)


def _prefix_of_digits(text: str) -> int:
    """A prefix length in decimal digits; ASCII ones, for ``int()`` takes others too."""
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        msg = f"{text!r} is neither a prefix length nor a mask"
        raise ValueError(msg)
    return int(text)


def _prefix_of_mask(text: str) -> int:
    """The prefix length of a mask such as 255.255.255.0; the ones must be in one piece."""
    hosts = parse_literal(text).value ^ 0xFFFFFFFF
    if hosts & (hosts + 1):
        msg = f"{text!r} is not a network mask"
        raise ValueError(msg)
    return 32 - hosts.bit_length()


def _range(first: Address, last: Address) -> Iterator[Network]:
    """Cut a range into the fewest networks: the largest that starts here and ends in time.

    Raises:
        ValueError: The range runs backwards or from one IP version to the other.
    """
    if first.version != last.version:
        msg = f"a range needs two addresses of one IP version, not {first} and {last}"
        raise ValueError(msg)
    if first.value > last.value:
        msg = f"the range runs backwards: write {last}-{first}"
        raise ValueError(msg)
    bits = BITS[first.version]
    start = first.value
    while start <= last.value:
        aligned = (start & -start).bit_length() - 1 if start else bits
        fitting = (last.value - start + 1).bit_length() - 1
        free = min(aligned, fitting)
        yield _normal(Address(first.version, start), bits - free)
        start += 1 << free


def _normal(address: Address, prefix: int) -> Network:
    """The network with v4-mapped IPv6 turned into IPv4, as for single addresses."""
    if address.version == 6 and prefix >= 96 and address.value >> 32 == MAPPED >> 32:
        return Network(4, address.value & 0xFFFFFFFF, prefix - 96)
    return Network(address.version, address.value, prefix)
