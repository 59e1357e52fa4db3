"""Lists: the narrowest entry decides, errors name their line."""

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses
from sender_filter.core.lists import AddressList, Domain, ListError


def read(*lines, flags=True, file="x.list"):
    entries = AddressList()
    entries.read(file, lines, flags=flags)
    return entries


def test_comments_blanks_flags_and_line_ends():
    entries = read(
        "# a comment\n", "\n", "192.0.2.1\r\n", "  192.0.2.2   temporary # why\n",
        "192.0.2.3 permanent", "192.0.2.8 - 192.0.2.9 temporary",
    )  # fmt: skip
    assert entries.entries == 4
    found = {n: entries.find(addresses.parse(f"192.0.2.{n}")) for n in range(11)}
    assert {n: (m.line, m.temporary) for n, m in found.items() if m} == {
        1: (3, False), 2: (4, True), 3: (5, False), 8: (6, True), 9: (6, True),
    }  # fmt: skip
    assert str(found[2]) == "192.0.2.2 (x.list:4)"
    assert found[8].network == "192.0.2.8/31"


def test_the_narrowest_entry_wins_and_of_equal_ones_the_first():
    entries = read("10.0.0.0/8", "10.1.0.0/16 temporary", "10.1.2.3", "10.1.2.3 temporary")
    for address, line in (("10.9.9.9", 1), ("10.1.1.1", 2), ("10.1.2.3", 3)):
        assert entries.find(addresses.parse(address)).line == line
    assert not entries.find(addresses.parse("10.1.2.3")).temporary


def test_a_mapped_client_is_found_under_its_ipv4_entry_and_not_under_ipv6():
    assert read("192.0.2.0/24").find(addresses.parse("::ffff:192.0.2.1"))
    assert read("::/0").find(addresses.parse("::ffff:192.0.2.1")) is None


@pytest.mark.parametrize(
    ("line", "flags", "message"),
    [
        ("192.0.2.1 forever", True, "x.list:2: '192.0.2.1 forever' is not an IP address"),
        ("192.0.2.1 temporary", False, "x.list:2: 'temporary' has no meaning on an approved list"),
        ("temporary", True, "x.list:2: 'temporary' is not an IP address"),
        ("192.0.2.1, 192.0.2.2", True, "x.list:2: "),
    ],
)
def test_errors_name_file_and_line(line, flags, message):
    with pytest.raises(ListError, match=message):
        read("192.0.2.7", line, flags=flags)


NETWORKS = st.one_of(
    st.builds(lambda v, p: ipaddress.ip_network((v, p), strict=False),
              st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(lambda v, p: ipaddress.ip_network((ipaddress.IPv6Address(v), p), strict=False),
              st.integers(2**120, 2**128 - 1), st.integers(0, 128)),
)  # fmt: skip


@given(st.lists(NETWORKS, max_size=30), st.data())
def test_find_against_a_scan_with_ipaddress(nets, data):
    entries = read(*map(str, nets))
    probes = [n[0] for n in nets] + [n[-1] for n in nets]
    probes += [ipaddress.ip_address(data.draw(st.integers(0, 2**32 - 1)))]
    for probe in probes:
        holding = [n for n in nets if probe in n]
        match = entries.find(addresses.parse(str(probe)))
        if not holding:
            assert match is None
        else:
            best = max(holding, key=lambda n: n.prefixlen)
            assert ipaddress.ip_network(match.network) == best
            assert match.line == nets.index(best) + 1


def test_two_hundred_thousand_entries():
    dice = random.Random(1)
    values = dice.sample(range(2**32), 200_000)
    entries = AddressList()
    entries.read("big", (str(ipaddress.IPv4Address(v)) for v in values), flags=True)
    assert entries.entries == 200_000
    for line in dice.sample(range(200_000), 1000):
        assert entries.find(addresses.Address(4, values[line])).line == line + 1
    missing = set(dice.sample(range(2**32), 1000)) - set(values)
    assert not any(entries.find(addresses.Address(4, v)) for v in missing)


def test_matches_name_the_right_one_of_several_files():
    entries = AddressList()
    for index in range(256):
        entries.read(f"f{index}", [f"10.0.{index}.0/24"], flags=True)
    assert str(entries.find(addresses.parse("10.0.255.9"))) == "10.0.255.0/24 (f255:1)"


def test_a_domain_is_an_entry_and_stands_for_what_is_found_under_it():
    entries = read("192.0.2.9", "Mail.Example.org temporary", file="b.list")
    assert entries.entries == 2
    domain = Domain("mail.example.org", "b.list", 2, temporary=True)
    assert entries.domains == [domain]
    found = AddressList()
    found.put({domain: [addresses.parse("192.0.2.1"), addresses.parse("2001:db8::1")]})
    for text in ("192.0.2.1", "2001:db8::1"):
        match = found.find(addresses.parse(text))
        assert (str(match), match.temporary) == (f"{text} (b.list:2)", True)
    assert found.find(addresses.parse("192.0.2.2")) is None


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.300", "192.0.2", "1.2.3.4.5", "192.0.2.x", "example", "-a.example", "a..example",
        "a.example.", "*.example.org", "a" * 64 + ".example", "x_y.example", "a@example.org",
    ],
)  # fmt: skip
def test_what_is_neither_an_address_nor_a_domain_is_an_error(text):
    with pytest.raises(ListError, match=r"x\.list:1: "):
        read(text)


def test_a_large_list_is_read_and_thrown_away_in_pieces():
    """No line, and no piece when it goes, keeps the others waiting, as a large dict would."""
    entries = AddressList()
    entries.read(
        "list", (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(50_000)), flags=True
    )
    parts = entries.parts()
    assert sum(map(len, parts)) == 50_000
    assert max(map(len, parts)) < 1000
    networks = AddressList()
    networks.read("list", (f"10.{n >> 8}.{n & 255}.0/24\n" for n in range(10_000)), flags=True)
    assert max(map(len, networks.parts())) < 200
