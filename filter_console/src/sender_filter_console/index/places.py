"""Addresses and networks as bytes that sort as the numbers do."""

from sender_filter.core import networks
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network

_SENDER = b"\x00"


def of_address(address: Address) -> bytes:
    """An address: its IP version, then its bytes."""
    return bytes([address.version]) + address.packed()


def text(place: bytes) -> str:
    """The address of such bytes."""
    return str(Address(place[0], int.from_bytes(place[1:], "big")))


def span(text: str) -> tuple[bytes, bytes]:
    """The first and the last address of an address, a network or a range.

    Raises:
        ValueError: It is none of them.
    """
    pieces = networks.parse(text)
    last = pieces[-1]
    size = 1 << (BITS[last.version] - last.prefix)
    return (
        of_address(Address(last.version, pieces[0].value)),
        of_address(Address(last.version, last.value + size - 1)),
    )


def of_subject(text: str) -> bytes:
    """Whom a block is about: a network, or else an envelope sender."""
    try:
        [network] = networks.parse(text)
    except ValueError:
        return _SENDER + text.encode(errors="replace")
    return _of_network(network)


def around(address: Address) -> list[bytes]:
    """Each network that holds an address, as ``of_subject`` writes it."""
    bits = BITS[address.version]
    return [
        _of_network(Network(address.version, address.value >> free << free, bits - free))
        for free in range(bits + 1)
    ]


def _of_network(network: Network) -> bytes:
    address = Address(network.version, network.value)
    return of_address(address) + bytes([network.prefix])
