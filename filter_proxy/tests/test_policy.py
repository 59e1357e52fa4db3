"""The order of the lists, and what a decision says about itself."""

import itertools
import json

import msgspec
import pytest

from sender_filter.core import addresses
from sender_filter.core.lists import AddressList
from sender_filter.core.networks import parse
from sender_filter.core.policy import Policy
from sender_filter.core.records import DecisionRecord, timestamp
from sender_filter.core.runtime_lists import Entry, RuntimeLists
from sender_filter.settings import loading

NOW = 1_700_000_000.0


def policy(approved=(), blocked=()):
    lists = AddressList(), AddressList()
    lists[0].read("approved.list", approved, flags=False)
    lists[1].read("blocked.list", blocked, flags=True)
    return Policy(*lists)


def decide(judge, text, runtime=None, **options):
    return judge.decide(addresses.parse(text), runtime or RuntimeLists(), NOW, **options)


def test_approved_goes_before_blocked():
    decision = decide(policy(["192.0.2.1"], ["192.0.2.0/24"]), "192.0.2.1")
    assert (decision.function, decision.action, decision.reply) == ("approved", "pass", None)
    assert [(c.function, c.result) for c in decision.checks] == [("approved", "match")]


def test_blocked_for_good_and_for_now():
    both = policy([], ["192.0.2.1", "192.0.2.2 temporary"])
    for_good = decide(both, "192.0.2.1")
    assert (for_good.function, for_good.action) == ("blocked", "permanent")
    assert for_good.reply.code == 554
    for_now = decide(both, "::ffff:192.0.2.2")
    assert (for_now.function, for_now.action) == ("blocked", "temporary")
    assert for_now.reply.code == 421
    assert for_now.checks[1].detail == "192.0.2.2 (blocked.list:2)"


def test_nobody_objects_and_each_check_has_its_time():
    clock = itertools.count(0, 3000).__next__
    decision = decide(policy(), "2001:db8::1", clock=clock)
    assert (decision.function, decision.action) == ("none", "pass")
    assert [(c.function, c.input, c.result, c.micros) for c in decision.checks] == [
        ("approved", "2001:db8::1", "no_match", 3),
        ("blocked", "2001:db8::1", "no_match", 3),
    ]


@pytest.mark.parametrize(
    ("who", "function", "until", "code"),
    [
        ("operator", "blocked", float("inf"), 554),
        ("operator", "blocked", NOW + 60, 421),
        ("profiler", "profiler", NOW + 60, 421),
        ("throttling", "throttling", NOW + 60, 421),
    ],
)
def test_a_block_made_at_run_time_names_its_maker(who, function, until, code):
    runtime = RuntimeLists()
    runtime.put(Entry(parse("192.0.2.0/24")[0], who, NOW - 1, "block", until, "why"), NOW)
    decision = decide(policy(), "192.0.2.9", runtime)
    assert (decision.function, decision.reply.code) == (function, code)
    assert decision.checks[1].detail == f"192.0.2.0/24 ({who}: why)"
    assert decide(policy(["192.0.2.9"]), "192.0.2.9", runtime).function == "approved"


@pytest.mark.parametrize("maker", ["profiler", "throttling"])
@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_block_counts_only_while_its_maker_is_on(maker, mode):
    runtime = RuntimeLists()
    narrow = Entry(parse("192.0.2.9")[0], maker, NOW - 1, "block", NOW + 60, "a rule")
    runtime.put(narrow, NOW)
    judge = policy()._replace(**{maker: mode})
    passed = decide(judge, "192.0.2.9", runtime)
    shown = [(maker, "match", str(narrow), True)] if mode == "shadow" else []
    assert (passed.function, passed.action, passed.reply) == ("none", "pass", None)
    assert [(c.function, c.result, c.detail, c.shadow) for c in passed.checks] == [
        ("approved", "no_match", None, False), ("blocked", "no_match", None, False), *shown,
    ]  # fmt: skip
    assert decide(policy(), "192.0.2.9", runtime).function == maker
    wide = Entry(parse("192.0.2.0/24")[0], "operator", NOW - 1, "block", NOW + 90, "by hand")
    runtime.put(wide, NOW)
    refused = decide(judge, "192.0.2.9", runtime)
    assert (refused.function, refused.action) == ("blocked", "temporary")
    assert [(c.function, c.result, c.detail, c.shadow) for c in refused.checks[1:]] == [
        ("blocked", "match", str(wide), False), *shown,
    ]  # fmt: skip


def test_a_makers_wider_block_counts_behind_one_that_does_not():
    runtime = RuntimeLists()
    runtime.put(Entry(parse("192.0.2.9")[0], "profiler", NOW - 1, "block", NOW + 60), NOW)
    runtime.put(Entry(parse("192.0.2.0/24")[0], "throttling", NOW - 1, "block", NOW + 60), NOW)
    judge = policy()._replace(profiler="shadow")
    assert decide(judge, "192.0.2.9", runtime).function == "throttling"
    narrower_counts = policy()._replace(throttling="shadow")
    refused = decide(narrower_counts, "192.0.2.9", runtime)
    assert refused.function == "profiler"
    assert not any(check.shadow for check in refused.checks)


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ("", ("off", "off")),
        ('[profiler.spam]\nenabled = "shadow"\n', ("shadow", "off")),
        ('[profiler.spam]\nenabled = "shadow"\n[profiler.virus]\nenabled = "on"\n', ("on", "off")),
        ('[throttling]\nmode = "on"\n', ("off", "on")),
    ],
)
def test_the_modes_are_those_of_the_configuration(tmp_path, config, modes):
    path = tmp_path / "config.toml"
    path.write_text(f"[lists]\nblocked = []\napproved = []\n{config}")
    loaded = loading.load(path).policy
    assert (loaded.profiler, loaded.throttling) == modes


def test_an_approval_at_run_time_goes_before_the_blocked_list():
    runtime = RuntimeLists()
    runtime.put(Entry(parse("192.0.2.9")[0], "operator", NOW - 1, "approval", NOW + 60), NOW)
    both = policy([], ["192.0.2.0/24"])
    assert decide(both, "192.0.2.9", runtime).function == "approved"
    assert decide(both, "192.0.2.8", runtime).function == "blocked"


def known_by(judge, text, runtime=None):
    return judge.known_by(addresses.parse(text), runtime or RuntimeLists(), NOW)


def test_known_hosts_are_known_only_while_the_function_is_on():
    known = AddressList()
    known.read("known", ["10.0.0.0/8"], flags=False)
    on, off = policy()._replace(known=known), policy()
    runtime = RuntimeLists(removal="known removal")
    runtime.put(Entry(parse("192.0.2.0/24")[0], "operator", NOW - 1, "known", NOW + 1, "a"), NOW)
    assert str(known_by(on, "10.1.2.3")) == "10.0.0.0/8 (known:1)"
    assert known_by(on, "192.0.2.1") is None
    assert str(known_by(on, "192.0.2.1", runtime)) == "192.0.2.0/24 (operator: a)"
    assert known_by(on, "198.51.100.1", runtime) is None
    assert known_by(off, "10.1.2.3", runtime) is None
    assert known_by(off, "192.0.2.1", runtime) is None


def test_known_hosts_at_run_time_cost_nothing_where_there_are_none(monkeypatch):
    runtime = RuntimeLists(removal="known removal")
    monkeypatch.setattr(runtime, "known", None)  # to look there would be an error
    on = policy()._replace(known=AddressList())
    assert on.known_by(addresses.parse("192.0.2.1"), runtime, NOW) is None


def test_a_record_is_one_line_of_json():
    decision = decide(policy([], ["192.0.2.1"]), "192.0.2.1")
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
