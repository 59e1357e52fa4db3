"""Lists of networks, as Postfix reads `mynetworks` and its like (postconf(5))."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..postfix.main_cf import split_list

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

THIS_HOST = ("127.0.0.1", "::1")
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def holds(text: str, address: str) -> bool:
    """Whether an address is in the list: the first pattern that matches decides.

    What names a file, a table or a host is passed over.
    """
    wanted = ipaddress.ip_address(address)
    return next((inside for network, inside in _patterns(text) if wanted in network), False)


def holds_this_host(text: str) -> bool:
    """Whether what runs on this host is in the list."""
    return any(holds(text, address) for address in THIS_HOST)


def holds_everybody(text: str) -> bool:
    """Whether a whole address family is in the list."""
    return any(inside and network.prefixlen == 0 for network, inside in _patterns(text))


def others(text: str) -> list[str]:
    """The networks in the list that are not this host alone."""
    return [str(network) for network, inside in _patterns(text) if inside and _is_other(network)]


def _is_other(network: Network) -> bool:
    first = network.network_address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped and network.prefixlen >= 96:
        network = ipaddress.ip_network(f"{first.ipv4_mapped}/{network.prefixlen - 96}")
    ends = network.network_address, network.broadcast_address
    return not any(all(end in one for end in ends) for one in _LOOPBACK)


def _patterns(text: str) -> Iterator[tuple[Network, bool]]:
    """Each network in the list, and whether what is in it is inside."""
    for word in split_list(text):
        bare = word.lstrip("!")
        try:
            network = ipaddress.ip_network(bare.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue
        yield network, (len(word) - len(bare)) % 2 == 0
