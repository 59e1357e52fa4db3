"""Whether an address is one of this host's own."""

import socket

from sender_filter.core import addresses
from sender_filter.core.addresses import Address

_ANY_PORT = 9


def is_own(address: Address) -> bool:
    """Ask the kernel, which talks to an address of its own from that very address.

    Nothing is sent. Trying to bind the address would not tell: with ``ip_nonlocal_bind``, which
    gateways that share an address have set, every address can be bound.
    """
    if addresses.is_loopback(address):
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))
            name: str = probe.getsockname()[0]
    except OSError:
        return False  # no way leads there, so it is not here
    return addresses.parse(name) == address
