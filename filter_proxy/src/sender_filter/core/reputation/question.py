"""What a block list is asked: the name of an address (RFC 5782 sections 2.1 and 2.4)."""

from collections.abc import Sequence

from sender_filter.core import networks
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network

_NEVER_ASKED = tuple(
    network
    for text in (
        "0.0.0.0/8",  # "this network", RFC 791 section 3.2
        "127.0.0.0/8",  # loopback, RFC 1122 section 3.2.1.3
        "169.254.0.0/16",  # link-local, RFC 3927
        "224.0.0.0/3",  # multicast and reserved, RFC 1112: no source of a connection
        "::/127",  # unspecified and loopback, RFC 4291 section 2.5
        "fe80::/10",  # link-local, RFC 4291 section 2.5.6
        "ff00::/8",  # multicast, RFC 4291 section 2.7
    )
    for network in networks.parse(text)
)


def has_a_name(address: Address) -> bool:
    """Whether any list can know anything about an address.

    Private addresses are asked about: an operator's own list may well name them. Whoever does not
    want that has Known Hosts, for which they are known hosts.
    """
    return not within(address, _NEVER_ASKED)


def within(address: Address, among: Sequence[Network]) -> bool:
    """Whether an address lies in one of a few networks."""
    version, value = address
    for network in among:
        if network.version == version:
            host_bits = BITS[version] - network.prefix
            if value >> host_bits == network.value >> host_bits:
                return True
    return False


def name(address: Address, zone: str) -> str:
    """The name to ask a zone for: octets (IPv4) or nibbles (IPv6) backwards, then the zone."""
    parts = str(address).split(".") if address.version == 4 else f"{address.value:032x}"
    return f"{'.'.join(reversed(parts))}.{zone}"
