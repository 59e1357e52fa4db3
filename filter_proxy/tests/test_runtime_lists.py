"""Blocks and approvals made at run time: who is blocked, until when, and what is recorded."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses, networks
from sender_filter.core.runtime_lists import (
    FOR_EVER,
    BlockStarted,
    BlockStopped,
    Entry,
    FullError,
    RuntimeLists,
)
from sender_filter.core.subject import Sender

NOW = 1_700_000_000.0


def net(text):
    [network] = networks.parse(text)
    return network


def entry(text, who="operator", since=NOW, kind="block", until=FOR_EVER, comment=""):
    return Entry(net(text), who, since, kind, until, comment)


def blocked(lists, text, now=NOW):
    found = next(lists.blocks(addresses.parse(text), now), None)
    return None if found is None else str(found.network)


def test_a_block_starts_holds_and_stops_by_itself():
    lists = RuntimeLists()
    made = entry("192.0.2.1", "profiler", until=NOW + 60)
    assert lists.put(made, NOW) == [BlockStarted(made)]
    assert blocked(lists, "192.0.2.1", NOW + 59) == "192.0.2.1"
    assert blocked(lists, "192.0.2.1", NOW + 60) is None
    assert lists.expire(NOW + 59) == ([], [])
    assert lists.expire(NOW + 61) == ([made], [BlockStopped(made, NOW + 60, "over")])
    assert (len(lists), list(lists)) == (0, [])


def test_a_block_for_good_does_not_stop():
    lists = RuntimeLists()
    lists.put(entry("192.0.2.1"), NOW)
    assert lists.expire(NOW + 1e9) == ([], [])
    assert next(lists.blocks(addresses.parse("192.0.2.1"), NOW + 1e9)).permanent


@pytest.mark.parametrize(
    "makers", [*itertools.permutations(["operator", "profiler", "throttling"])]
)
def test_an_operators_word_goes_before_what_a_rule_has_made(makers):
    lists = RuntimeLists()
    for who in makers:
        lists.put(entry("192.0.2.1", who, until=FOR_EVER if who == "operator" else NOW + 60), NOW)
    assert next(lists.blocks(addresses.parse("192.0.2.1"), NOW)).who == "operator"


def test_the_narrowest_decides_and_the_64_holds_its_addresses():
    lists = RuntimeLists()
    for text in ("192.0.2.0/24", "192.0.2.1", "2001:db8::/64"):
        lists.put(entry(text), NOW)
    assert blocked(lists, "192.0.2.1") == "192.0.2.1"
    assert blocked(lists, "192.0.2.2") == "192.0.2.0/24"
    assert blocked(lists, "2001:db8::1:1") == "2001:db8::/64"
    assert blocked(lists, "2001:db8:0:1::1") is None


def test_an_approval_stands_beside_the_blocks_and_ends():
    lists = RuntimeLists()
    lists.put(entry("192.0.2.0/24"), NOW)
    lists.put(entry("192.0.2.7", kind="approval", until=NOW + 60), NOW)
    client = addresses.parse("192.0.2.7")
    assert lists.approval(client, NOW).network == net("192.0.2.7")
    assert lists.approval(client, NOW + 60) is None
    assert blocked(lists, "192.0.2.7") == "192.0.2.0/24"


@pytest.mark.parametrize("unblocked", ["2001:db8::5", "2001:db8::/64", "2001:db8::/32"])
def test_unblocking_an_address_means_the_block_that_it_is_refused_by(unblocked):
    lists = RuntimeLists()
    made = entry("2001:db8::/64", "profiler", until=NOW + 3600)
    lists.put(made, NOW)
    events = [e for r in lists.removals(net(unblocked), NOW + 1) for e in lists.put(r, NOW + 1)]
    assert events == [BlockStopped(made, NOW + 1, "removed")]
    assert blocked(lists, "2001:db8::5", NOW + 1) is None
    assert lists.cleared(net("2001:db8::/64")) == NOW + 1


def test_unblocking_an_address_leaves_an_operators_wider_block_alone():
    lists = RuntimeLists()
    lists.put(entry("192.0.2.0/24"), NOW)
    for removal in lists.removals(net("192.0.2.1"), NOW + 1):
        lists.put(removal, NOW + 1)
    assert blocked(lists, "192.0.2.1", NOW + 1) == "192.0.2.0/24"


def test_an_unblocked_address_can_be_blocked_again_but_not_by_an_older_block():
    lists = RuntimeLists()
    for removal in lists.removals(net("192.0.2.1"), NOW):
        lists.put(removal, NOW)
    lists.put(entry("192.0.2.1", "profiler", NOW - 9), NOW - 9)
    for removal in lists.removals(net("192.0.2.1"), NOW):
        lists.put(removal, NOW)
    assert lists.put(entry("192.0.2.1", "profiler", NOW - 5), NOW + 1) is None
    assert blocked(lists, "192.0.2.1", NOW + 1) is None
    assert lists.put(entry("192.0.2.1", "profiler", NOW + 2), NOW + 2)
    assert blocked(lists, "192.0.2.1", NOW + 2) == "192.0.2.1"


def test_a_rules_block_does_not_shorten_an_operators():
    lists = RuntimeLists()
    lists.put(entry("192.0.2.1"), NOW)
    lists.put(entry("192.0.2.1", "profiler", NOW + 1, until=NOW + 60), NOW + 1)
    lists.expire(NOW + 61)
    assert blocked(lists, "192.0.2.1", NOW + 61) == "192.0.2.1"


def test_a_block_that_takes_the_place_of_another_stops_it():
    lists = RuntimeLists()
    short, long = entry("192.0.2.1", until=NOW + 60), entry("192.0.2.1", since=NOW + 1)
    lists.put(short, NOW)
    assert lists.put(long, NOW + 1) == [
        BlockStopped(short, NOW + 1, "replaced"), BlockStarted(long),
    ]  # fmt: skip
    assert lists.expire(NOW + 100) == ([], [])


def test_rules_blocks_give_way_to_each_other_and_never_an_operators():
    lists = RuntimeLists(most=3)
    lists.put(entry("192.0.2.1", until=NOW + 1), NOW)
    soon = entry("198.51.100.1", "profiler", until=NOW + 10)
    lists.put(soon, NOW)
    lists.put(entry("198.51.100.2", "profiler", until=NOW + 20), NOW)
    new = entry("198.51.100.3", "profiler", until=NOW + 30)
    assert lists.put(new, NOW) == [BlockStopped(soon, NOW, "displaced"), BlockStarted(new)]
    assert len(lists) == 3
    lists.put(entry("192.0.2.2"), NOW)
    lists.put(entry("192.0.2.3"), NOW)
    assert lists.put(new._replace(network=net("198.51.100.4")), NOW) is None
    with pytest.raises(FullError, match="list files"):
        lists.put(entry("192.0.2.4"), NOW)


ENTRIES = st.builds(
    Entry,
    network=st.sampled_from([net("192.0.2.1"), net("192.0.2.0/24"), net("2001:db8::/64")]),
    who=st.sampled_from(["operator", "profiler", "throttling"]),
    since=st.integers(0, 4).map(lambda n: NOW + n),
    kind=st.sampled_from(["block", "approval", "removal"]),
    until=st.sampled_from([NOW + 10, NOW + 50, FOR_EVER]),
    comment=st.sampled_from(["", "x"]),
)


@given(st.lists(ENTRIES, max_size=6), st.data())
def test_gateways_agree_in_whatever_order_they_learn_of_entries(made, data):
    one, two = RuntimeLists(), RuntimeLists()
    for lists, order in ((one, made), (two, data.draw(st.permutations(made + made)))):
        for each in order:
            lists.put(each, NOW + 5)
    assert sorted(one) == sorted(two)


@given(st.lists(st.tuples(ENTRIES, st.integers(0, 20)), max_size=30))
def test_each_block_that_starts_stops_once_and_is_in_force_between(steps):
    lists, running, now = RuntimeLists(most=4), [], NOW
    for made, gap in steps:
        now += gap
        try:
            events = lists.expire(now)[1] + (lists.put(made, now) or [])
        except FullError:
            continue
        for event in events:
            if isinstance(event, BlockStarted):
                running.append(event.entry)
            else:
                running.remove(event.entry)
        assert sorted(running) == sorted(e for e in lists if e.kind == "block")
        assert len(lists) <= 4
        for each in lists:
            if each.kind == "block":
                assert any(lists.blocks(addresses.Address(*each.network[:2]), now))


def test_a_block_renewed_a_million_times_does_not_grow_the_memory():
    lists = RuntimeLists()
    for n in range(2000):
        lists.put(entry("192.0.2.1", "profiler", NOW + n, until=NOW + n + 60), NOW + n)
    assert len(lists) == 1
    assert len(lists._ends._heap) <= 66


def test_many_prefix_lengths_come_and_go():
    lists = RuntimeLists()
    for prefix, step in itertools.product(range(33), (0, 1)):
        lists.put(
            Entry(networks.Network(4, 0, prefix), "operator", NOW + step, "block", NOW + 9), NOW
        )
    assert blocked(lists, "0.0.0.0") == "0.0.0.0"
    assert blocked(lists, "128.0.0.0") == "0.0.0.0/0"
    lists.expire(NOW + 9)
    assert lists._search == {4: [], 6: []}


def test_an_entry_that_is_there_already_is_not_news():
    lists = RuntimeLists()
    assert lists.put(entry("192.0.2.1"), NOW) is not None
    assert lists.put(entry("192.0.2.1"), NOW) is None


def test_unblocking_works_though_the_blocks_maker_had_a_clock_that_was_ahead():
    lists = RuntimeLists()
    lists.put(entry("192.0.2.1", "profiler", NOW + 5), NOW)
    for removal in lists.removals(net("192.0.2.1"), NOW):
        lists.put(removal, NOW)
    assert blocked(lists, "192.0.2.1") is None


def test_a_senders_block_stands_beside_those_of_addresses():
    """The same end, no order between the two; whoever unblocks all addresses means no sender."""
    lists, sender = RuntimeLists(most=2), Sender.of("news@example.com")
    block = Entry(sender, "throttling", NOW, "block", NOW + 60, "")
    assert lists.put(block, NOW) == [BlockStarted(block)]
    lists.put(entry("192.0.2.1", "throttling", until=NOW + 60), NOW)
    assert lists.sender_block(sender, NOW + 59) == block
    assert lists.sender_block(sender, NOW + 60) is None
    assert lists.sender_block(Sender.of("other@example.com"), NOW) is None
    assert {each.network for each in lists.removals(net("0.0.0.0/0"), NOW)} == {
        net("0.0.0.0/0"), net("192.0.2.1"),
    }  # fmt: skip
    third = entry("192.0.2.2", "throttling", until=NOW + 90)
    assert BlockStopped(block, NOW + 1, "displaced") in lists.put(third, NOW + 1)


def test_a_senders_block_can_be_taken_back():
    lists, sender = RuntimeLists(), Sender.of("news@example.com")
    block = Entry(sender, "throttling", NOW, "block", NOW + 60, "")
    lists.put(block, NOW)
    [removal] = lists.removals(sender, NOW + 1)
    assert lists.put(removal, NOW + 1) == [BlockStopped(block, NOW + 1, "removed")]
    assert lists.sender_block(sender, NOW + 2) is None
    assert lists.put(block, NOW + 2) is None
