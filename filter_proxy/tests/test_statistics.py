"""Who was refused most, and what was decided when."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from test_records import NOON, decision, ended

from sender_filter.core import statistics
from sender_filter.core.records import timestamp
from sender_filter.io.day_files import DayFiles

START = 1_800_000_000.0
ACTIONS = st.sampled_from(["pass", "temporary", "permanent"])
DECISIONS = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 5), ACTIONS), max_size=50)


def line(second, host, action, function="blocked"):
    record = decision(timestamp(START + second), f"192.0.2.{host}")
    return msgspec.json.encode(msgspec.structs.replace(record, action=action, function=function))


def read(lines, since="", until="9999"):
    return list(statistics.decisions(lines, since, until))


@given(DECISIONS, st.integers(1, 12))
def test_each_decision_is_in_one_slot_of_its_time(made, slots):
    found = statistics.chart(read([line(*one) for one in made]), START, START + 100, slots)
    assert len(found) == slots
    assert sum(each.passed + each.refused for each in found) == len(made)
    for number, slot in enumerate(found):
        mine = [action for second, _, action in made if int(second / (100 / slots)) == number]
        assert (slot.passed, slot.temporary, slot.permanent) == (
            mine.count("pass"), mine.count("temporary"), mine.count("permanent"),
        )  # fmt: skip


@given(DECISIONS, st.integers(1, 3))
def test_the_top_are_those_refused_most(made, most):
    found = statistics.top(read([line(*one) for one in made]), most)
    refused = [host for _, host, action in made if action != "pass"]
    counts = sorted((-refused.count(host), f"192.0.2.{host}") for host in set(refused))
    assert [(-each.count, each.address) for each in found] == counts[:most]
    assert all(sum(each.functions.values()) == each.count for each in found)


def test_what_is_no_decision_does_not_count_and_neither_does_another_time():
    lines = [line(1, 1, "permanent"), b"{", msgspec.json.encode(ended(NOON)), b"\xff\n"]
    assert len(read(lines)) == 1
    assert read(lines, since=timestamp(START + 2)) == []
    assert read(lines, until=timestamp(START + 1)) == []


def test_top_and_chart(proxy):
    now = datetime.now(UTC)
    recent = timestamp((now - timedelta(minutes=1)).timestamp())
    old = timestamp((now - timedelta(days=9)).timestamp())
    passed = {"function": "none", "action": "pass", "reply": None}
    records = [decision(recent), decision(recent), decision(recent, "::1"), decision(old, "::2")]
    DayFiles(proxy.records, 14).append([*records, decision(recent, "::3", **passed)])
    proxy.configure(1)
    first, second = json.loads(proxy.run("top", "--json").stdout)
    assert (first["address"], first["count"], first["functions"]) == (
        "192.0.2.1",
        2,
        {"blocked": 2},
    )
    assert (second["address"], second["last"]) == ("::1", recent)
    assert "192.0.2.1  2        blocked 2" in proxy.run("top").stdout
    assert len(json.loads(proxy.run("top", "--since", "30d", "--json").stdout)) == 3
    slots = json.loads(proxy.run("chart", "--since", "1h", "--slots", "2", "--json").stdout)
    assert [(each["passed"], each["permanent"]) for each in slots] == [(0, 0), (1, 3)]
    shown = proxy.run("chart", "--since", "1h", "--slots", "2").stdout.splitlines()
    assert shown[2].endswith("#" * 30 + "-" * 10)
    assert proxy.run("chart", "--since", "2999-01-01", check=False).returncode == 2
