"""Lists as text: what goes out comes in again, and the inventory takes what is meant for it."""

import ipaddress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import list_formats, networks
from sender_filter.core.list_formats import Item

ENTRIES = st.one_of(
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(
        lambda pair: str(ipaddress.ip_network(pair, strict=False))
    ),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(
        lambda pair: str(ipaddress.ip_network(pair, strict=False))
    ),
    st.just("192.0.2.1-192.0.2.6"),
)
ITEMS = st.lists(st.builds(Item, ENTRIES, st.booleans(), st.text(max_size=20), st.none()))


def meant(items):
    return [network for item in items for network in networks.parse(item.entry)]


@given(ITEMS)
@pytest.mark.parametrize("write", [list_formats.cidr, list_formats.vendor])
def test_what_is_written_is_read_again(write, items):
    lines = list(write(items))
    found, problems = list_formats.parse("\n".join(lines))
    assert problems == []
    assert len(lines) == len(found)
    assert meant(found) == meant(items)


@given(ITEMS)
def test_flags_and_comments_stay_in_cidr(items):
    found, _ = list_formats.parse("\r\n".join(list_formats.cidr(items)))
    again = [
        Item(str(network), item.temporary, " ".join(item.comment.split()))
        for item in items
        for network in networks.parse(item.entry)
        if item.comment.isprintable()
    ]
    assert [each for each in again if each not in found] == []


def test_the_vendors_form_has_masks_and_no_comments():
    items = [Item("192.168.2.0/24", comment="x"), Item("192.0.2.1", temporary=True)]
    items += [Item("2001:db8::/32"), Item("example.com"), Item("0.0.0.0/0")]
    assert list(list_formats.vendor(items)) == [
        "192.168.2.0:255.255.255.0",
        "192.0.2.1",
        "2001:db8::/32",
        "example.com",
        "0.0.0.0:0.0.0.0",
    ]


@given(st.lists(st.builds(Item, ENTRIES, st.booleans(), st.text(max_size=20), st.none())))
def test_yaml_is_a_list_of_items_that_the_filter_reads(items):
    [(name, values)] = yaml.safe_load("\n".join(list_formats.yaml("blocked", items))).items()
    assert name == "sender_filter_blocked"
    found, problems = list_formats.parse("\n".join(values))
    assert (problems, len(values)) == ([], len(items))
    assert [(each.entry, each.temporary) for each in found] == [
        (each.entry, each.temporary) for each in items
    ]
    assert "{" not in "".join(values)


def test_what_ends_by_itself_is_not_declared():
    items = [
        Item("192.0.2.1", True, 'mallory: "\n- 0.0.0.0/0', "2026-12-01T00:00:00.000Z"),
        Item("192.0.2.2", False, "alice 2026-11-27: a {{ partner }}"),
    ]
    assert list(list_formats.yaml("approved", items)) == [
        "sender_filter_approved:",
        '  - "192.0.2.2 # alice 2026-11-27: a (( partner ))"',
        '  # ends by itself at 2026-12-01T00:00:00.000Z: "192.0.2.1 # mallory: \\" - 0.0.0.0/0"',
    ]
    assert yaml.safe_load("\n".join(list_formats.yaml("approved", items[:1]))) == {
        "sender_filter_approved": []
    }


def test_what_is_no_entry_is_named_with_its_line():
    text = "\ufeff192.0.2.1\r\n\r\n# nothing\r\nexample.com\r\n10.0.0.1/8 # x\r\n::1 temporary\r\n"
    found, problems = list_formats.parse(text)
    assert [each.entry for each in found] == ["192.0.2.1", "::1"]
    assert [(each.line, each.text) for each in problems] == [
        (4, "example.com"),
        (5, "10.0.0.1/8 # x"),
    ]
    assert "write 10.0.0.0/8 or 10.0.0.1" in problems[1].why
