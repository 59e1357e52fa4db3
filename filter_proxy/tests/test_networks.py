"""Entries of lists, with the standard library's ipaddress as the oracle."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses, networks
from sender_filter.core.addresses import BITS

IPV4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address).filter(lambda a: not a.ipv4_mapped)


def as_ipaddress(network: networks.Network) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    kind = ipaddress.IPv4Network if network.version == 4 else ipaddress.IPv6Network
    return kind((network.value, network.prefix))


@given(st.one_of(IPV4, IPV6))
def test_an_address_reads_and_prints_as_ipaddress_does(address):
    ours = addresses.parse(str(address))
    assert (ours.version, ours.value) == (address.version, int(address))
    assert addresses.parse_literal(str(ours)) == ours
    if address.version == 4 or ours.value >> 32:  # below, the C library prints ::192.0.2.1
        assert str(ours) == str(address)
    assert ours.packed() == address.packed


@given(IPV4)
def test_a_mapped_address_is_ipv4(address):
    assert addresses.parse(f"::ffff:{address}") == addresses.parse(str(address))
    assert networks.parse(f"::ffff:{address}") == networks.parse(str(address))
    assert networks.parse(f"::ffff:{address}/128") == networks.parse(str(address))


@given(st.text(max_size=20))
def test_nothing_else_is_an_address(text):
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        with pytest.raises(ValueError, match="is not an IP address"):
            addresses.parse_literal(text)
    else:
        assert addresses.parse_literal(text).value == int(expected)


@given(st.one_of(IPV4, IPV6), st.data())
def test_cidr_and_masks(address, data):
    prefix = data.draw(st.integers(0, address.max_prefixlen))
    whole = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
    [ours] = networks.parse(str(whole))
    assert as_ipaddress(ours) == whole
    if address.version == 4:
        assert networks.parse(f"{whole.network_address}/{whole.netmask}") == [ours]
        assert networks.parse(f"{whole.network_address}:{whole.netmask}") == [ours]


@given(
    st.one_of(st.tuples(IPV4, IPV4), st.tuples(IPV6, IPV6)), st.sampled_from(["-", "\N{EN DASH}"])
)
def test_ranges(ends, dash):
    first, last = sorted(ends)
    ours = networks.parse(f"{first}{dash}{last}")
    expected = list(ipaddress.summarize_address_range(first, last))
    mapped = ipaddress.ip_network("::ffff:0:0/96")
    if first.version == 4 or not any(n.overlaps(mapped) for n in expected):
        assert [as_ipaddress(n) for n in ours] == expected


def test_a_range_of_everything_is_one_network():
    assert networks.parse("0.0.0.0-255.255.255.255") == [networks.Network(4, 0, 0)]
    everything = "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    assert networks.parse(everything) == [networks.Network(6, 0, 0)]
    assert BITS == {4: 32, 6: 128}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("192.0.2.1/24", "write 192.0.2.0/24 or 192.0.2.1"),
        ("2001:db8::1/32", "write 2001:db8::/32 or 2001:db8::1"),
        ("192.0.2.0/33", "/33 does not fit"),
        ("192.0.2.0/-1", "is not an IP address"),
        ("192.0.2.0/٣", "neither a prefix length nor a mask"),
        ("192.0.2.0/255.0.255.0", "is not a network mask"),
        ("192.0.2.0/0.0.0.255", "is not a network mask"),
        ("2001:db8::/255.255.0.0", "does not fit an IPv6"),
        ("192.0.2.9-192.0.2.1", "write 192.0.2.1-192.0.2.9"),
        ("192.0.2.9-2001:db8::1", "of one IP version"),
        ("192.0.2.1-9", "is not an IP address"),
        ("010.0.0.1", "is not an IP address"),
        ("192.0.2", "is not an IP address"),
        ("example.com", "is not an IP address"),
        ("fe80::1%eth0", "is not an IP address"),
        ("", "is not an IP address"),
    ],
)
def test_what_cannot_be_read_is_explained(entry, message):
    with pytest.raises(ValueError, match=message):
        networks.parse(entry)
