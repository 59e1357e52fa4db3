"""The four rules: when they fire, when they do not, and what is forgotten."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses, networks
from sender_filter.core.profiler import CountRow, Profiler, Seen
from sender_filter.core.profiler.rules import HarvestRule, Rule, Rules
from sender_filter.core.profiler.window import BUCKETS, Window
from sender_filter.core.subject import Subjects, holds

HOST = addresses.parse("192.0.2.1")
[SUBJECT] = networks.parse("192.0.2.1")
NOW = 1_700_000_000.0
HOUR = 3600.0
ON = Rule(enabled="on")


def profiler(source="mx1", most=1000, **rules):
    return Profiler(Rules(**rules), source, most=most)


def feed(to, kind, times=1, at=NOW, host=HOST, first=True):
    return [f for _ in range(times) for f in to.seen(Seen(host, at, kind, first))]


@pytest.mark.parametrize(
    ("bad", "total", "standing"),
    [
        (21, 101, "violated"),  # 20.8 %
        (20, 100, None),  # at the rate is not above it
        (21, 100, "suspicious"),  # at the total is not above it
        (100, 100, "suspicious"),
        (1, 4, "suspicious"),
        (1, 5, None),
        (20, 101, None),
        (0, 500, None),
    ],
)
@pytest.mark.parametrize("kind", ["spam", "virus", "bounced"])
def test_a_rule_fires_above_the_rate_and_above_the_total(kind, bad, total, standing):
    subject = profiler(**{kind: ON})
    fired = feed(subject, kind, bad) + feed(subject, "message", total)
    assert [f.name for f in fired if f.total == total] == [kind] * (standing == "violated")
    looked = [f.violated for f in subject.look(HOST, NOW)]
    assert looked == ([] if standing is None else [standing == "violated"])
    assert len(list(subject.suspicious(subject.subjects(), NOW))) == (standing == "suspicious")


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 99), st.integers(0, 200))
def test_no_order_of_limits_and_counts_is_judged_otherwise_than_by_hand(bad, total, rate, least):
    rule = Rule(enabled="on", rate_percent=rate, total_messages=least)
    subject = profiler(spam=rule)
    feed(subject, "message", total)
    feed(subject, "spam", bad)
    expected = total > least and min(bad, total) / total * 100 > rate if total else False
    assert any(f.violated for f in subject.look(HOST, NOW)) == expected


def test_a_rule_fires_once_until_its_block_would_be_over():
    subject = profiler(spam=Rule(enabled="shadow", total_messages=1, block_hours=0.5))
    assert len(feed(subject, "spam", 5) + feed(subject, "message", 5)) == 1
    assert feed(subject, "message", at=NOW + 1799) == []
    [finding] = feed(subject, "message", at=NOW + 1800)
    assert (finding.rule.enabled, str(finding)) == ("shadow", "spam: 5 of 7 in 1 h, 71.4 %")
    assert finding.until(NOW) == NOW + 1800


def test_a_permanent_rule_fires_once():
    subject = profiler(
        spam=Rule(enabled="on", action="permanent", total_messages=1, rate_percent=1)
    )
    [finding] = feed(subject, "spam", 2) + feed(subject, "message", 5)
    assert finding.until(NOW) is None
    assert feed(subject, "spam", 5, at=NOW + 10) == []


def test_a_rule_that_is_off_counts_nothing():
    subject = profiler()
    assert feed(subject, "spam", 200) + feed(subject, "message", 200) == []
    assert len(subject) == 0
    only_spam = profiler(spam=ON)
    feed(only_spam, "virus", 200)
    feed(only_spam, "recipient_refused", 200)
    assert feed(only_spam, "message", 200) == []


def test_what_is_older_than_the_period_is_forgotten():
    subject = profiler(spam=Rule(enabled="on", total_messages=10))
    feed(subject, "message", 10)
    feed(subject, "spam", 10)
    assert list(subject.suspicious(subject.subjects(), NOW + HOUR * 10 / 12))
    assert not list(subject.suspicious(subject.subjects(), NOW + HOUR))
    assert feed(subject, "message", at=NOW + HOUR) == []


def test_each_rule_has_its_own_period():
    subject = profiler(spam=ON, virus=Rule(enabled="on", period_hours=24))
    feed(subject, "message", 10)
    feed(subject, "spam", 10)
    feed(subject, "virus", 10)
    assert [f.name for f in subject.suspicious(subject.subjects(), NOW)] == ["spam", "virus"]
    assert [f.name for f in subject.suspicious(subject.subjects(), NOW + 2 * HOUR)] == ["virus"]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 1)), max_size=60))
def test_a_window_counts_at_least_eleven_twelfths_of_the_period_and_nothing_older(steps):
    window, seen, now = Window(2), [], 10_000_000
    for gap, column in steps:
        now += gap
        window.add(now // 300, column)
        seen.append((now, column))
        for c in (0, 1):
            counted = window.sums(now // 300)[c]
            assert sum(x == c and now - t <= 3300 for t, x in seen) <= counted
            assert counted <= sum(x == c and now - t < 3600 for t, x in seen)
        assert len(list(window.rows())) <= BUCKETS + 1


def test_a_clock_that_was_set_back_does_not_blind_the_window():
    window = Window(1)
    window.add(2000, 0)
    for _ in range(3):
        window.add(1000, 0)
    assert window.sums(1000) == (3,)


def harvest(**settings):
    return profiler(harvest=HarvestRule(enabled="on", **settings))


@pytest.mark.parametrize(
    ("recipients", "unknown", "found"),
    [(11, 6, True), (10, 10, False), (11, 5, False), (12, 6, True), (100, 0, False)],
)
def test_a_harvest_is_more_than_n_recipients_of_whom_more_than_m_are_unknown(
    recipients, unknown, found
):
    subject = harvest(total_messages=0)
    fired = feed(subject, "recipient_refused", 1) if unknown else []
    fired += feed(subject, "recipient_refused", max(0, unknown - 1), first=False)
    fired += feed(subject, "recipient_accepted", recipients - unknown, first=not unknown)
    assert bool(fired) == found


def test_one_recipient_a_connection_is_a_harvest_too():
    subject = harvest()
    assert feed(subject, "recipient_refused", 100) == []
    [finding] = feed(subject, "recipient_refused")
    assert (finding.name, finding.bad, finding.total) == ("harvest", 99, 101)


def test_a_hundred_messages_to_eleven_unknown_are_not_enough_and_one_more_is():
    subject = harvest()
    for _ in range(100):
        feed(subject, "recipient_refused")
        assert feed(subject, "recipient_refused", 10, first=False) == []
    [finding] = feed(subject, "recipient_refused")
    assert (finding.bad, finding.total) == (100, 101)


def test_one_endless_message_is_a_harvest_too():
    subject = harvest()
    feed(subject, "recipient_refused")
    fired = feed(subject, "recipient_refused", 11 * 101, first=False)
    assert [(f.bad, f.total) for f in fired] == [(101, 101)]


def test_an_honest_sender_with_a_few_wrong_addresses_is_no_harvester():
    subject = harvest()
    for n in range(2000):
        kind = "recipient_refused" if n % 11 in (0, 3, 5, 7, 9) else "recipient_accepted"
        assert feed(subject, kind) == []
    assert subject.look(HOST, NOW) == []


def test_unknown_recipients_far_apart_are_no_harvest():
    subject = harvest(total_messages=0)
    for n in range(50):
        assert feed(subject, "recipient_refused", at=NOW + n * HOUR / 5) == []


@given(st.lists(st.booleans(), max_size=80), st.data())
def test_a_harvest_is_found_however_its_recipients_are_spread(unknown, data):
    """The same recipients, one a connection or in messages, hold the same number of harvests."""
    starts = data.draw(st.lists(st.booleans(), min_size=len(unknown), max_size=len(unknown)))
    found = []
    for firsts in (itertools.repeat(True), itertools.chain([True], starts)):
        subject = harvest(total_messages=0, rate_percent=0)
        for refused, first in zip(unknown, firsts, strict=False):
            kind = "recipient_refused" if refused else "recipient_accepted"
            subject.seen(Seen(HOST, NOW, kind, first))
        found.append(bool(subject.look(HOST, NOW)))
    batches = [sum(unknown[i : i + 11]) for i in range(0, len(unknown) - 10, 11)]
    assert found == [any(batch > 5 for batch in batches)] * 2


def test_addresses_are_bounded_and_the_one_seen_longest_ago_is_forgotten():
    subject = profiler(most=2, spam=ON)
    hosts = [addresses.parse(f"203.0.113.{n}") for n in range(3)]
    for host in (hosts[0], hosts[1], hosts[0], hosts[2]):
        feed(subject, "message", host=host)
        feed(subject, "spam", host=host)
    assert [bool(subject.look(host, NOW)) for host in hosts] == [True, False, True]
    assert len(subject) == 2


def test_an_ipv6_client_is_counted_with_its_64():
    subject = profiler(spam=ON)
    for n in range(60):
        feed(subject, "message", host=addresses.parse(f"2001:db8::{n:x}"))
        feed(subject, "spam", host=addresses.parse(f"2001:db8::ffff:{n:x}"))
    assert [str(f.subject) for f in subject.suspicious(subject.subjects(), NOW)] == [
        "2001:db8::/64"
    ]
    assert subject.look(addresses.parse("2001:db8:0:1::1"), NOW) == []


@given(st.integers(0, 2**128 - 1), st.integers(0, 128), st.integers(0, 128))
def test_a_subject_holds_its_address(value, outer, inner):
    address = addresses.Address(6, value)
    wide, narrow = Subjects(32, outer).of(address), Subjects(32, inner).of(address)
    assert holds(wide, narrow) == (outer <= inner or wide == narrow)
    assert not holds(networks.Network(4, 0, 0), narrow)


@pytest.mark.parametrize("network", ["192.0.2.1", "192.0.2.0/24"])
def test_a_forgotten_address_begins_anew(network):
    subject = profiler(spam=ON)
    feed(subject, "message", 90)
    feed(subject, "spam", 90)
    feed(subject, "spam", 1, host=addresses.parse("198.51.100.1"))
    subject.forget(*networks.parse(network))
    assert (subject.look(HOST, NOW), len(subject)) == ([], 1)
    assert feed(subject, "message", 50) == []


def test_gateways_add_up_and_nothing_is_counted_twice():
    one, two = profiler("mx1", spam=ON), profiler("mx2", spam=ON)
    for gateway in (one, two):
        feed(gateway, "message", 60)
        feed(gateway, "spam", 60)
    rows = one.changed()
    two.merge(rows, NOW)
    two.merge(rows, NOW)
    two.merge(two.rows(NOW), NOW)
    [finding] = two.look(HOST, NOW)
    assert (finding.bad, finding.total, finding.violated) == (120, 120, True)
    assert one.changed() == []


@pytest.mark.parametrize("kind", ["spam", "virus", "bounced"])
def test_what_another_gateway_has_found_counts_when_an_address_goes_on_here(kind):
    one, two = profiler("mx1", **{kind: ON}), profiler("mx2", **{kind: ON})
    feed(one, kind, 60)
    assert feed(two, "message", 50) == []
    two.merge(one.changed(), NOW)
    [finding] = feed(two, "message", 60)
    assert (finding.bad, finding.total, finding.violated) == (60, 101, True)


def test_rows_are_absolute_and_rows_of_other_periods_are_left_alone():
    subject = profiler(spam=ON)
    feed(subject, "message", 3)
    assert subject.changed() == [
        CountRow(SUBJECT, "mx1", 300, int(NOW) // 300, (3, 0, 0, 0, 0, 0)),
    ]
    feed(subject, "spam", 2)
    [row] = subject.changed()
    assert row.counts == (3, 2, 0, 0, 0, 0)
    other = profiler("mx2", virus=Rule(enabled="on", period_hours=2))
    other.merge([row], NOW)
    other.merge([row._replace(width=600, bucket=int(NOW) // 600 - BUCKETS)], NOW)
    assert len(other) == 0


def test_rows_that_are_out_of_their_period_are_not_told_again():
    subject = profiler(spam=ON)
    feed(subject, "message")
    assert len(list(subject.rows(NOW + HOUR - 300))) == 1
    assert list(subject.rows(NOW + HOUR)) == []


def test_changed_settings_keep_the_counters_of_periods_that_stay():
    subject = profiler(spam=ON)
    feed(subject, "message", 90)
    feed(subject, "spam", 90)
    subject.change(Rules(spam=Rule(enabled="on", total_messages=50)))
    [finding] = feed(subject, "message")
    assert finding.bad == 90


def test_who_was_found_in_shadow_is_found_again_once_the_rule_is_on():
    rule = Rule(enabled="shadow", action="permanent", total_messages=1)
    subject = profiler(spam=rule, virus=rule)
    assert len(feed(subject, "message", 5) + feed(subject, "spam", 5)) == 1
    assert len(feed(subject, "virus", 5)) == 1
    on = Rule(enabled="on", action="permanent", total_messages=1)
    subject.change(Rules(spam=on, virus=rule))
    [finding] = feed(subject, "message", 2)
    assert (finding.name, finding.rule.enabled) == ("spam", "on")
    subject.change(Rules(spam=on, virus=rule))
    assert feed(subject, "message", 2) == []


@pytest.mark.parametrize(
    "text", ['{"spam":{"rate_percent":100}}', '{"spam":{"enabled":"yes"}}', '{"dha":{}}']
)
def test_settings_that_mean_nothing_are_refused(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Rules)


def test_there_are_never_more_bad_messages_than_messages():
    subject = profiler(spam=ON)
    feed(subject, "spam", 5)
    assert subject.look(HOST, NOW) == []
    feed(subject, "message", 2)
    [finding] = subject.look(HOST, NOW)
    assert (finding.bad, finding.total, finding.percent) == (2, 2, 100)
