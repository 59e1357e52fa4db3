"""How wide an entry of Known Hosts may be.

Whoever has an address of a known host is not judged, and what its messages say of their way is
believed. An entry that holds half of the Internet, by a slip or by somebody's ruse, would turn the
filter off without a word. No site has more than these networks, but for the private ranges.
"""

from sender_filter.core import networks
from sender_filter.core.lists import AddressList
from sender_filter.core.networks import Network
from sender_filter.core.received.source import KNOWN_BY_DEFAULT
from sender_filter.core.subject import holds

SHORTEST = {4: 8, 6: 16}
"""The shortest prefix length for each IP version."""

_PRIVATE = [network for text in KNOWN_BY_DEFAULT for network in networks.parse(text)]


class KnownHosts(AddressList):
    """A list of known hosts; an entry that is too wide is an error."""

    def _set(self, network: Network, origin: int) -> None:
        check(network)
        super()._set(network, origin)


def check(network: Network) -> None:
    """See to it that a network may be one of known hosts.

    Raises:
        ValueError: It is too wide.
    """
    shortest = SHORTEST[network.version]
    if network.prefix < shortest and not any(holds(each, network) for each in _PRIVATE):
        msg = f"{network} is too wide for known hosts: /{shortest} is the widest, name your relays"
        raise ValueError(msg)
