"""List files: addresses, networks, ranges and domains, a line each."""

from sender_filter.core import networks
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.lists import AddressList, ListError
from sender_filter.core.networks import Network

SEEDS = [
    b"192.0.2.1\n192.0.2.0/24 temporary\n# comment\n\n2001:db8::/32 permanent\n",
    b"192.168.2.0:255.255.255.0\n192.0.2.10-192.0.2.20 # a range\n198.51.100.0/255.255.255.0\n",
    b"::ffff:192.0.2.0/120\nmail.example.test temporary\n2001:db8::1-2001:db8::ff\n0.0.0.0/0\n",
    "203.0.113.1\N{EN DASH}203.0.113.9\nxn--bcher-kva.example\n".encode(),
]
WORDS = [
    b"192.0.2.", b"2001:db8::", b"::ffff:", b"/24", b"/0", b"/128", b":255.255.255.0", b"-", b"#",
    b" temporary", b" permanent", b"example.test", b"\xe2\x80\x93", b"%eth0", b"\x00", b"\n",
]  # fmt: skip


def check(data: bytes) -> None:
    """Either one error, or a list that finds what it names as a plain search does."""
    lines = data.decode("utf-8-sig", "replace").split("\n")
    found = AddressList()
    try:
        found.read("list", lines, flags=True)
    except ListError as error:
        assert str(error).startswith("list:")
        return
    entries = [network for line in lines for network in _networks(line)]
    for network in entries[:16]:
        for address in _edges(network):
            narrowest = max((each for each in entries if _holds(each, address)), key=_prefix)
            match = found.find(address)
            assert match is not None, address
            assert match.network == str(narrowest), address
    for address in (Address(4, 0xCB00_71FF), Address(6, 0x2001_0DB8 << 96 | 0xFFFF)):
        listed = any(_holds(each, address) for each in entries)
        assert (found.find(address) is not None) == listed, address


def _networks(line: str) -> list[Network]:
    words = line.partition("#")[0].split()
    if words and words[-1] in ("temporary", "permanent"):
        words.pop()
    try:
        return networks.parse(" ".join(words))
    except ValueError:
        return []  # a blank line or a domain, since the list was read


def _edges(network: Network) -> tuple[Address, Address]:
    hosts = (1 << (BITS[network.version] - network.prefix)) - 1
    return Address(network.version, network.value), Address(network.version, network.value | hosts)


def _holds(network: Network, address: Address) -> bool:
    shift = BITS[network.version] - network.prefix
    same = network.version == address.version
    return same and network.value >> shift == address.value >> shift


def _prefix(network: Network) -> int:
    return network.prefix
