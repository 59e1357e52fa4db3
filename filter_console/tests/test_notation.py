"""Lists as text: any notation in, three forms out, and nothing a stranger can break out of."""

from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import networks
from sender_filter_console.gateway import notation
from sender_filter_console.interface import Entry

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def made(network, **fields):
    return Entry(network, declared=False, maker="operator", **fields)


def test_each_line_is_an_entry_or_says_why_it_is_none():
    text = "192.0.2.1\r\n  # a comment alone\n\n192.0.2.0:255.255.255.0  # vendor\n192.0.2.1/24\n"
    found = list(notation.lines(text))
    assert [(line.number, line.entry, line.comment) for line in found] == [
        (1, "192.0.2.1", ""),
        (4, "192.0.2.0:255.255.255.0", "vendor"),
        (5, "192.0.2.1/24", ""),
    ]
    assert [line.problem is None for line in found] == [True, True, False]
    assert "write 192.0.2.0/24" in found[2].problem


@pytest.mark.parametrize(
    ("network", "cidr", "vendor"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.168.0.0/16", "192.168.0.0/16", "192.168.0.0:255.255.0.0"),
        ("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0:0.0.0.0"),
        ("192.0.2.4-192.0.2.6", "192.0.2.4/31\n192.0.2.6", "192.0.2.4:255.255.255.254\n192.0.2.6"),
        ("2001:db8::/32", "2001:db8::/32", "2001:db8::/32"),
        ("example.com", "example.com", "example.com"),
    ],
)
def test_both_forms_say_the_same(network, cidr, vendor):
    entries = [made(network)]
    assert notation.written(entries, "cidr", "") == f"{cidr}\n"
    assert notation.written(entries, "vendor", "") == f"{vendor}\n"


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_what_is_written_for_the_vendor_is_read_back(value, prefix):
    network = networks.Network(4, value >> (32 - prefix) << (32 - prefix), prefix)
    assert networks.parse(notation.vendor(network)) == [network]


@given(TEXTS, TEXTS)
def test_a_comment_never_becomes_an_entry(comment, who):
    entries = [made("192.0.2.0/24", comment=comment, who=who), made("192.0.2.9")]
    for form in ("cidr", "vendor"):
        text = notation.written(entries, form, "")
        assert [line.entry for line in notation.lines(text)][1:] == ["192.0.2.9"]
        assert len(text.splitlines()) == 2
    text = notation.written(entries, "yaml", "sender_filter_blocked")
    assert yaml.safe_load(text) == {"sender_filter_blocked": ["192.0.2.0/24", "192.0.2.9"]}


def test_what_ends_by_itself_is_shown_and_not_declared():
    until = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    entries = [made("192.0.2.1", until=until, who="alice"), made("192.0.2.2", who="bob")]
    text = notation.written(entries, "yaml", "sender_filter_approved")
    assert yaml.safe_load(text) == {"sender_filter_approved": ["192.0.2.2"]}
    assert '# - "192.0.2.1"  # alice, until 2026-12-01 08:30 UTC' in text


@pytest.mark.parametrize("entries", [[], [made("192.0.2.1", until=datetime.now(UTC))]])
def test_a_list_of_nothing_is_a_list(entries):
    text = notation.written(entries, "yaml", "sender_filter_blocked")
    assert yaml.safe_load(text) == {"sender_filter_blocked": []}
