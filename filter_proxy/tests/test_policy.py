"""The order of the lists, and what a decision says about itself."""

import itertools
import json

import msgspec

from sender_filter.core import addresses
from sender_filter.core.lists import AddressList
from sender_filter.core.policy import Policy
from sender_filter.core.records import DecisionRecord, timestamp


def policy(approved=(), blocked=()):
    lists = AddressList(), AddressList()
    lists[0].read("approved.list", approved, flags=False)
    lists[1].read("blocked.list", blocked, flags=True)
    return Policy(*lists)


def test_approved_goes_before_blocked():
    decision = policy(["192.0.2.1"], ["192.0.2.0/24"]).decide(addresses.parse("192.0.2.1"))
    assert (decision.function, decision.action, decision.reply) == ("approved", "pass", None)
    assert [(c.function, c.result) for c in decision.checks] == [("approved", "match")]


def test_blocked_for_good_and_for_now():
    both = policy([], ["192.0.2.1", "192.0.2.2 temporary"])
    for_good = both.decide(addresses.parse("192.0.2.1"))
    assert (for_good.function, for_good.action) == ("blocked", "permanent")
    assert for_good.reply.code == 554
    for_now = both.decide(addresses.parse("::ffff:192.0.2.2"))
    assert (for_now.function, for_now.action) == ("blocked", "temporary")
    assert for_now.reply.code == 421
    assert for_now.checks[1].detail == "192.0.2.2 (blocked.list:2)"


def test_nobody_objects_and_each_check_has_its_time():
    clock = itertools.count(0, 3000).__next__
    decision = policy().decide(addresses.parse("2001:db8::1"), clock)
    assert (decision.function, decision.action) == ("none", "pass")
    assert [(c.function, c.input, c.result, c.micros) for c in decision.checks] == [
        ("approved", "2001:db8::1", "no_match", 3),
        ("blocked", "2001:db8::1", "no_match", 3),
    ]


def test_a_record_is_one_line_of_json():
    decision = policy([], ["192.0.2.1"]).decide(addresses.parse("192.0.2.1"))
    record = DecisionRecord(
        timestamp(1_700_000_000.0004), "s-1", "192.0.2.1", 25, "peer",
        decision.function, decision.action, decision.checks, str(decision.reply),
    )  # fmt: skip
    line = msgspec.json.encode(record)
    assert b"\n" not in line
    fields = json.loads(line)
    assert fields["event"] == "decision"
    assert fields["time"] == "2023-11-14T22:13:20.000Z"
    assert fields["checks"][1]["detail"] == "192.0.2.1 (blocked.list:1)"
    assert fields["reply"].startswith("554 5.7.1 ")
