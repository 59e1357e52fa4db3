"""Searching the lists: by what is in force, and by what is written."""

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import networks
from sender_filter.core.lists import AddressList
from sender_filter.core.networks import Network
from sender_filter.core.runtime_lists import FOR_EVER, Entry
from sender_filter.core.subject import Sender, holds
from sender_filter.io import list_scan
from sender_filter.io.list_scan import Position
from sender_filter.io.list_search import Snapshot, search
from sender_filter.io.messages import Request
from sender_filter.settings import loading

LINES = st.lists(
    st.text("aB #\u00e9.1", max_size=8) | st.sampled_from(["192.0.2.1 # a B", "# only", ""]),
    max_size=20,
)


def parsed(text):
    entry, _, comment = text.partition("#")
    return " ".join(entry.split()), comment.strip()


@given(LINES, st.text("aB.1", max_size=2), st.integers(1, 5), st.integers(1, 40), st.booleans())
def test_a_scan_finds_each_line_with_the_text_once(lines, text, most, block, ended):
    content = "\n".join(lines) + ("\n" if ended else "")
    found, position = [], Position()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_scan, "BLOCK_BYTES", block)
        while position is not None:
            rows, position = list_scan.scan(io.BytesIO(content.encode()), text, position, most)
            assert len(rows) <= most
            found += rows
    assert found == [
        (number, *parsed(line))
        for number, line in enumerate(lines, 1)
        if text.lower() in line.lower() and parsed(line)[0]
    ]


NETWORKS = st.builds(
    lambda value, prefix: Network(4, value >> (32 - prefix) << (32 - prefix), prefix),
    st.integers(0, 15).map(lambda n: n << 28 | n),
    st.sampled_from([1, 2, 3, 31, 32]),
)


@given(st.lists(NETWORKS, unique=True, min_size=4), NETWORKS, st.integers(1, 3))
def test_touching_is_holding_or_lying_in(entries, asked, most):
    table = AddressList()
    table.read("x", map(str, entries), flags=False)
    found, place = [], -1
    while page := table.touching([asked], place, most):
        assert len(page) <= most
        found += [(match.line, match.network) for _, match in page]
        place = page[-1][0]
    assert found == [
        (number, str(entry))
        for number, entry in enumerate(entries, 1)
        if holds(entry, asked) or holds(asked, entry)
    ]


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "blocked").write_text(
        "# Managed\n192.0.2.0/24 temporary # ticket 4711\n192.0.2.7\nspam.example # a Domain\n"
        "203.0.113.1-203.0.113.3\n"
    )
    (tmp_path / "approved").write_text("\ufeff192.0.2.7 # \u30d1\u30fc\u30c8\u30ca\u30fc\n")
    (tmp_path / "config.toml").write_text(
        '[lists]\nblocked = ["blocked"]\napproved = ["approved"]\n'
        '[known_hosts]\nnetworks = ["198.51.100.0/24"]\n'
    )
    return loading.load(tmp_path / "config.toml")


def at_run_time(lists):
    now = time.time()
    [net] = networks.parse("192.0.2.7")
    entries = [
        Entry(net, "operator", now - 9, "block", FOR_EVER, "Ticket 9", "alice"),
        Entry(Sender.of("a@spam.example"), "throttling", now - 8, "block", now + 60, "too many"),
        Entry(networks.parse("192.0.2.9")[0], "operator", now - 7, "removal", now + 60),
        Entry(networks.parse("192.0.2.0/30")[0], "operator", now - 6, "approval", now - 1),
        Entry(networks.parse("198.51.100.1")[0], "profiler", now - 5, "block", now + 60, "spam: 9"),
    ]
    return Snapshot(lists, entries, now)


def rows(snapshot, **request):
    """All pages, as (list, origin, entry)."""
    found, cursor = [], ""
    while True:
        answer = search(snapshot, Request("search", cursor=cursor, **request))
        found += answer.entries
        if answer.cursor is None:
            return found
        assert len(answer.entries) == request.get("limit", 100)
        cursor = answer.cursor


def short(found):
    return [(each.list, each.origin, each.entry) for each in found]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_an_address_finds_what_holds_it(lists, limit):
    found = rows(at_run_time(lists), text="192.0.2.7", limit=limit)
    assert short(found) == [
        ("blocked", "run time", "192.0.2.7"),
        ("blocked", "declared", "192.0.2.0/24"),
        ("blocked", "declared", "192.0.2.7"),
        ("approved", "declared", "192.0.2.7"),
    ]
    first, second, _, last = found
    assert (first.author, first.comment, first.until) == ("alice", "Ticket 9", None)
    assert (second.temporary, second.comment, second.line) == (True, "ticket 4711", 2)
    assert last.comment == "\u30d1\u30fc\u30c8\u30ca\u30fc"


def test_a_network_finds_what_lies_in_it_too(lists):
    snapshot = at_run_time(lists)
    found = short(rows(snapshot, text="198.51.100.0/23"))
    assert found == [
        ("blocked", "run time", "198.51.100.1"),
        ("known_hosts", "declared", "198.51.100.0/24"),
    ]
    assert short(rows(snapshot, text="203.0.113.2", list="blocked")) == [
        ("blocked", "declared", "203.0.113.1-203.0.113.3")
    ]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_text_finds_entries_and_comments(lists, limit):
    snapshot = at_run_time(lists)
    assert short(rows(snapshot, text="TICKET", limit=limit)) == [
        ("blocked", "run time", "192.0.2.7"),
        ("blocked", "declared", "192.0.2.0/24"),
    ]
    assert short(rows(snapshot, text="spam.ex", limit=limit)) == [
        ("blocked", "run time", "<a@spam.example>"),
        ("blocked", "declared", "spam.example"),
    ]
    assert short(rows(snapshot, text="192.0.2.", list="approved", limit=limit)) == [
        ("approved", "declared", "192.0.2.7")
    ]
    assert short(rows(snapshot, text="alice", limit=limit)) == [
        ("blocked", "run time", "192.0.2.7")
    ]


def test_nothing_asked_for_is_everything(lists):
    snapshot = at_run_time(lists)
    assert len(rows(snapshot, limit=2)) == 3 + 4 + 1 + 9 + 1
    assert len(rows(snapshot, origin="run time")) == 3
    assert len(rows(snapshot, origin="declared", list="known_hosts")) == 10


def test_known_hosts_that_nobody_has_minded_are_searched_as_they_are(lists):
    config = lists.path.read_text().replace('"198.51.100.0/24"', '"nonsense"')
    lists.path.write_text(config)
    snapshot = at_run_time(loading.load(lists.path))
    assert rows(snapshot, text="10.0.0.1") == []
    assert short(rows(snapshot, text="nonsense")) == [("known_hosts", "declared", "nonsense")]


def test_a_list_that_has_changed_is_searched_anew(lists):
    snapshot = at_run_time(lists)
    answer = search(snapshot, Request("search", origin="declared", limit=1))
    blocked = lists.path.with_name("blocked")
    blocked.write_text("192.0.2.1\n")
    with pytest.raises(ValueError, match="search again"):
        search(snapshot, Request("search", origin="declared", limit=1, cursor=answer.cursor))
    # What is in force is found all the same, though it is written nowhere any more.
    assert ("blocked", "declared", "192.0.2.0/24") in short(rows(snapshot, text="192.0.2.8"))


@pytest.mark.parametrize("cursor", ["x", "99/", "0/x", "1/1:2", "1/1:2:x", "-1/"])
def test_what_is_no_cursor_is_refused(lists, cursor):
    with pytest.raises(ValueError, match=r"no cursor|no place"):
        search(at_run_time(lists), Request("search", cursor=cursor))


async def test_orders_are_recorded_with_their_author(proxy):
    proxy.write_lists(blocked="192.0.2.0/24 # ticket 4711\n")
    proxy.configure(1)
    await proxy.start()
    proxy.run("approve", "add", "192.0.2.7", "--for", "1h", "--comment", "a partner")
    proxy.run("approve", "remove", "192.0.2.7")
    proxy.run("block", "add", "192.0.2.8", "--comment", "no")
    orders = [each for each in await proxy.written(4) if each["event"] == "order"]
    assert [(each["order"], each["address"]) for each in orders] == [
        ("approve", "192.0.2.7"),
        ("release", "192.0.2.7"),
        ("block", "192.0.2.8"),
    ]
    author = orders[0]["author"]
    assert author
    assert orders[0]["until"] > orders[0]["time"]
    [entry] = await proxy.ask("block", "list")
    assert (entry["author"], entry["who"]) == (author, "operator")
    text = proxy.run("log", "--ip", "192.0.2.7").stdout
    assert f"192.0.2.7 approved by {author} until {orders[0]['until']} (a partner)" in text
    assert f"192.0.2.7 released by {author}" in text
