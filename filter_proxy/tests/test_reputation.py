"""Block lists without a network: questions, answers, trust, memory and verdicts."""

import ipaddress
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.reputation import canary, question, verdict, zone
from sender_filter.core.reputation.breaker import FAILURES, OPEN_SECONDS, Breaker
from sender_filter.core.reputation.cache import LONGEST, Cache, Hit, negative_seconds
from sender_filter.core.reputation.settings import Reputation
from sender_filter.core.reputation.source import SUSPICIOUS_ROW, Source
from sender_filter.core.reputation.verdict import ZoneResult
from sender_filter.core.reputation.zone import Reading, Zone

BAD = addresses.parse("192.0.2.1")
OTHER = addresses.parse("192.0.2.2")
LIST = Zone("bl.test")
LISTED, NOT_LISTED = Reading("listed", ("127.0.0.2",)), Reading("not_listed")


@given(st.one_of(st.integers(0, 2**32 - 1).map(lambda n: Address(4, n)),
                 st.integers(0, 2**128 - 1).map(lambda n: Address(6, n))))  # fmt: skip
def test_the_question_is_the_reverse_pointer_in_the_zone(address):
    packed = ipaddress.ip_address(address.packed())
    expected = packed.reverse_pointer.replace(".in-addr.arpa", "").replace(".ip6.arpa", "")
    assert question.name(address, "bl.test") == f"{expected}.bl.test"


def test_the_longest_question_fits_into_a_name():
    name = ".".join(["z" * 63, "z" * 62, "z" * 62])
    assert len(question.name(Address(6, 0), Zone(name).name)) == 253


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("10.0.0.1", True), ("172.16.0.1", True), ("172.32.0.1", True), ("192.168.9.9", True),
        ("127.0.0.2", False), ("169.254.1.1", False), ("100.64.0.1", True), ("0.0.0.0", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("192.0.2.1", True), ("11.0.0.1", True),
        ("::1", False), ("::", False), ("fe80::1", False), ("fd00::1", True), ("ff02::1", False),
        ("::ffff:10.0.0.1", True), ("2001:db8::1", True), ("2000::1", True),
    ],
)  # fmt: skip
def test_addresses_that_are_no_client_s_are_not_asked_about(address, asked):
    assert question.has_a_name(addresses.parse(address)) is asked


@pytest.mark.parametrize(
    ("codes", "result"),
    [
        ([], "not_listed"),
        (["127.0.0.2"], "listed"),
        (["127.0.0.254"], "listed"),
        (["127.0.0.1"], "not_listed"),
        (["127.0.1.2"], "not_listed"),
        (["127.0.1.2", "127.0.0.11"], "listed"),
        (["127.255.255.254"], "failed"),
        (["127.0.0.2", "127.255.255.255"], "failed"),
        (["192.0.2.80"], "failed"),
        (["127.0.0.2", "192.0.2.80"], "failed"),
        (["127.0.0.2"] * (zone.MOST_CODES + 1), "failed"),
    ],
)
def test_what_an_answer_means(codes, result):
    reading = zone.read(LIST, codes)
    assert reading.result == result
    assert (reading.reason is not None) == (result == "failed")


def test_an_operator_chooses_the_codes_but_a_refusal_stays_one():
    own = Zone("bl.test", codes=("127.0.0.4", "127.0.3.0/24", "127.255.0.0/16"))
    assert zone.read(own, ["127.0.0.2"]) == Reading("not_listed", ("127.0.0.2",))
    assert zone.read(own, ["127.0.0.4"]).result == "listed"
    assert zone.read(own, ["127.0.3.99"]).result == "listed"
    assert zone.read(own, ["127.255.255.252"]).result == "failed"


@given(st.lists(st.ip_addresses(v=4).map(str), max_size=40))
def test_no_answer_from_outside_the_loopback_network_lists_anybody(codes):
    reading = zone.read(LIST, codes)
    assert len(reading.codes) <= zone.MOST_CODES
    if reading.result == "listed":
        assert all(code.startswith("127.") for code in codes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "bl..test"}, "is no name of a zone"),
        ({"name": "bl.test."}, "without a last dot"),
        ({"name": "BL.test"}, "small letters"),
        ({"name": "bl.test\n"}, "is no name"),
        ({"name": "b\xfccher.test"}, "is no name"),
        ({"name": "-a.test"}, "is no name"),
        ({"name": ".".join(["z" * 60] * 4)}, "is no name"),
        ({"name": "bl.test", "codes": ["192.0.2.1"]}, "192.0.2.1 is outside 127.0.0.0/8"),
        ({"name": "bl.test", "codes": ["0.0.0.0/0"]}, "outside 127.0.0.0/8"),
        ({"name": "bl.test", "codes": ["127.0.0.2/24"]}, "write 127.0.0.0/24 or 127.0.0.2"),
        ({"name": "bl.test", "codes": []}, "length >= 1"),
        ({"name": "bl.test", "weight": -1}, ">= 0"),
        ({"name": "bl.test", "action": "pass"}, "Invalid enum"),
        ({"name": "bl.test", "wait": 1}, "unknown field"),
    ],
)
def test_a_zone_that_cannot_be_asked_is_refused(fields, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"zones": [fields]}, Reputation)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zones": [{"name": "bl.test"}, {"name": "bl.test"}]}, "bl.test is named twice"),
        ({"negative_seconds": [90, 60]}, "the shortest time comes first"),
        ({"reply_text": "no\r\n250 ok"}, "matching regex"),
        ({"reply_text": "no\n"}, "matching regex"),
        ({"reply_code": 250}, ">= 400"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(fields, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(fields, Reputation)


@given(st.binary(max_size=400))
def test_text_from_outside_is_one_short_printable_line(text):
    cleaned = zone.clean(text)
    assert cleaned.isascii()
    assert all(c.isprintable() for c in cleaned)
    assert len(cleaned) == min(len(text), zone.MOST_TEXT)


def test_text_keeps_what_is_harmless():
    assert zone.clean(b"see https://example.test/?ip=1\r\n250 ok\xff") == (
        "see https://example.test/?ip=1??250 ok?"
    )


# --- trust ---


@pytest.mark.parametrize(
    ("listed", "unlisted", "state", "reason"),
    [
        (LISTED, NOT_LISTED, "trusted", None),
        (LISTED, LISTED, "distrusted", "test point 127.0.0.1 is listed"),
        (LISTED, Reading("not_listed", ("127.0.1.9",)), "distrusted", "127.0.0.1 is listed"),
        (NOT_LISTED, NOT_LISTED, "distrusted", "test point 127.0.0.2 is not listed"),
        (Reading("not_listed", ("127.0.1.9",)), NOT_LISTED, "distrusted", "not allowed, 127.0.1.9"),
        (Reading("failed", (), "no answer"), NOT_LISTED, "silent", "127.0.0.2: no answer"),
        (LISTED, Reading("failed", (), "no answer"), "silent", "127.0.0.1: no answer"),
    ],
)
def test_a_zone_is_trusted_by_its_test_points(listed, unlisted, state, reason):
    trust = canary.judge(4, listed, unlisted)
    assert trust.state == state
    assert trust.reason is None if reason is None else reason in trust.reason


def test_the_test_points_of_ipv6():
    listed, unlisted = canary.names(LIST, 6)
    assert listed.startswith("2.0.0.0.0.0.f.7.f.f.f.f.0.")
    assert unlisted.startswith("1.0.0.0.0.0.f.7.f.f.f.f.0.")
    assert canary.names(LIST, 4) == ("2.0.0.127.bl.test", "1.0.0.127.bl.test")


def test_a_silent_zone_is_tested_again_sooner():
    assert canary.pause(canary.Trust("silent"), 300) == canary.RETRY_SECONDS
    assert canary.pause(canary.Trust("distrusted"), 300) == 300
    assert canary.pause(canary.Trust("silent"), 5) == 5


# --- breaker ---


def test_the_breaker_opens_tries_once_and_closes():
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(0)
    assert breaker.allows(0)
    breaker.failed(10)
    assert not breaker.allows(10)
    assert not breaker.allows(10 + OPEN_SECONDS - 0.001)
    assert breaker.allows(10 + OPEN_SECONDS)
    assert not breaker.allows(10 + OPEN_SECONDS)  # one trial, not two
    breaker.succeeded()
    assert breaker.allows(11 + OPEN_SECONDS)
    assert not breaker.open


def test_a_trial_that_fails_or_never_reports_leaves_the_breaker_open():
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(0)
    assert breaker.allows(OPEN_SECONDS)
    breaker.failed(OPEN_SECONDS + 3)
    assert not breaker.allows(2 * OPEN_SECONDS - 0.001)
    assert breaker.allows(2 * OPEN_SECONDS)


def test_failures_count_only_in_a_row():
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed(0)
        breaker.succeeded()
    assert breaker.allows(0)


# --- cache ---


def test_a_value_holds_then_stands_in_then_is_gone():
    cache = Cache(10, stale_seconds=60)
    cache.put("a", 1, 30, now=0)
    assert cache.get("a", 29.9) == Hit(1, stale=False)
    assert cache.get("a", 30) == Hit(1, stale=True)
    assert cache.get("a", 89.9) == Hit(1, stale=True)
    assert cache.get("a", 90) is None
    assert len(cache) == 0


def test_the_value_put_longest_ago_makes_room():
    cache = Cache(3, 0)
    for value, key in enumerate("abacd"):
        cache.put(key, value, 100, now=value)
    assert [cache.get(key, 5) for key in "abcd"] == [
        Hit(2, False), None, Hit(3, False), Hit(4, False),
    ]  # fmt: skip
    cache.resize(1, 0)
    assert [cache.get(key, 5) for key in "acd"] == [None, None, Hit(4, False)]


def test_a_cache_of_many_values_shrinks_in_no_time():
    """Time that grew with the square of the number would be minutes."""
    cache = Cache(200_000, 0)
    for n in range(200_000):
        cache.put(n, n, 60, now=0)
    start = time.process_time()
    cache.resize(1000, 0)
    assert time.process_time() - start < 2
    assert len(cache) == 1000
    assert cache.get(199_000, 0) == Hit(199_000, stale=False)


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1e9), st.floats(0, 100))))
def test_the_cache_is_bounded_whatever_is_put(puts):
    cache = Cache(5, 10)
    for key, seconds, now in puts:
        cache.put(key, key, seconds, now)
        assert len(cache) <= 5
        assert cache.get(key, now).value == key
        assert not (hit := cache.get(key, now + LONGEST)) or hit.stale


@pytest.mark.parametrize(
    ("minimum", "seconds"), [(None, 60), (0, 60), (90, 90), (86_400, 3600), (3600, 3600)]
)
def test_negative_answers_hold_within_bounds(minimum, seconds):
    assert negative_seconds(minimum, (60, 3600)) == seconds


# --- one zone ---


def source(**settings):
    made = Source(Reputation(zones=(LIST,), **settings), LIST, 4)
    made.tested(LISTED, NOT_LISTED)
    return made


def test_an_answer_is_kept_for_its_ttl_and_stands_in_for_a_failure():
    made = source(stale_seconds=100)
    assert made.recall(BAD, 0) is None
    assert made.answered(BAD, ["127.0.0.2"], 50, now=0) == ZoneResult(
        "bl.test", "listed", ("127.0.0.2",)
    )
    assert made.recall(BAD, 49) == ZoneResult("bl.test", "listed", ("127.0.0.2",), 0, "hit")
    assert made.recall(BAD, 50) is None
    assert made.failed(BAD, "no answer", now=51).cache == "stale"
    assert made.failed(BAD, "no answer", now=151) == ZoneResult(
        "bl.test", "failed", reason="no answer"
    )


def test_a_negative_answer_is_kept_as_the_soa_says():
    made = source()
    made.answered(BAD, [], 0, now=0)
    assert made.recall(BAD, 59).result == "not_listed"
    assert made.recall(BAD, 60) is None
    made.minimum = 120
    made.answered(BAD, [], 0, now=0)
    assert made.recall(BAD, 119).result == "not_listed"


def test_a_refusal_is_a_failure_and_is_not_kept():
    made = source()
    result = made.answered(BAD, ["127.255.255.254"], 600, now=0)
    assert (result.result, result.cache) == ("failed", "miss")
    assert "refuses" in result.reason
    assert made.recall(BAD, 1) is None
    for _ in range(FAILURES):
        made.answered(BAD, ["127.255.255.254"], 600, now=0)
    assert made.recall(BAD, 1).result == "failed"  # and costs no question more


def test_a_zone_that_lists_the_world_is_skipped_and_what_it_said_forgotten():
    made = source()
    made.answered(BAD, ["127.0.0.2"], 600, now=0)
    made.tested(LISTED, LISTED)
    assert made.recall(BAD, 1) == ZoneResult(
        "bl.test", "skipped", reason="test point 127.0.0.1 is listed"
    )
    made.tested(LISTED, NOT_LISTED)
    assert made.recall(BAD, 1) is None


def test_a_silent_zone_answers_from_what_is_kept_only():
    made = source()
    made.answered(BAD, ["127.0.0.2"], 10, now=0)
    made.tested(Reading("failed", (), "no answer"), NOT_LISTED)
    assert made.recall(BAD, 5).cache == "hit"
    assert made.recall(BAD, 15).cache == "stale"
    assert made.recall(OTHER, 15) == ZoneResult(
        "bl.test", "failed", reason="test point 127.0.0.2: no answer"
    )


def test_a_passed_test_closes_the_breaker():
    made = source()
    for _ in range(FAILURES):
        made.failed(BAD, "no answer", now=0)
    assert "failed too often" in made.recall(BAD, 1).reason
    made.tested(LISTED, NOT_LISTED)
    assert made.recall(BAD, 1) is None


def test_text_is_asked_for_once():
    made = source()
    listed = made.answered(BAD, ["127.0.0.2"], 600, now=0)
    assert made.needs_text(BAD, listed, 0)
    made.explained(BAD, b"bad\r\nguy", 0)
    assert not made.needs_text(BAD, listed, 0)
    assert made.recall(BAD, 1).reason == "bad??guy"
    other = made.answered(OTHER, ["127.0.0.2"], 600, now=0)
    made.explained(OTHER, None, 0)
    assert not made.needs_text(OTHER, other, 0)
    assert made.recall(OTHER, 1).reason is None
    assert not made.needs_text(OTHER, made.answered(OTHER, [], 0, now=0), 0)


def test_other_codes_are_applied_to_what_is_kept_and_want_a_new_test():
    made = source()
    made.answered(BAD, ["127.0.0.2"], 600, now=0)
    settings = Reputation(zones=(LIST,))
    assert not made.change(settings, Zone("bl.test", weight=5, action="temporary"))
    assert made.trust.state == "trusted"
    assert made.change(settings, Zone("bl.test", codes=("127.0.0.9",)))
    assert made.trust.state == "untested"
    assert made.recall(BAD, 1).result == "not_listed"


def test_many_listed_in_a_row_are_suspicious():
    made = source()
    for n in range(SUSPICIOUS_ROW):
        assert not made.suspicious
        made.answered(Address(4, BAD.value + n), ["127.0.0.2"], 600, now=0)
    assert made.suspicious
    made.answered(OTHER, [], 0, now=0)
    assert not made.suspicious


# --- verdict ---

THREE = Reputation(
    zones=(
        Zone("a.test", weight=2, action="temporary"),
        Zone("b.test", weight=1),
        Zone("dry.test", weight=0),
    ),
    threshold=2,
)


def results(*said):
    names = [each.name for each in THREE.zones]
    return [ZoneResult(name, result) for name, result in zip(names, said, strict=True)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("not_listed", "not_listed", "not_listed"), ("not_listed", "pass", 0)),
        (("listed", "not_listed", "not_listed"), ("listed", "temporary", 2)),
        (("listed", "listed", "not_listed"), ("listed", "permanent", 3)),
        (("listed", "not_listed", "listed"), ("listed", "temporary", 2)),
        (("not_listed", "listed", "listed"), ("not_listed", "pass", 1)),
        (("failed", "not_listed", "not_listed"), ("failed", "pass", 0)),
        (("not_listed", "failed", "failed"), ("not_listed", "pass", 0)),
        (("failed", "listed", "not_listed"), ("failed", "pass", 1)),
        (("skipped", "skipped", "skipped"), ("not_listed", "pass", 0)),
        (("skipped", "listed", "not_listed"), ("not_listed", "pass", 1)),
    ],
)
def test_weights_and_threshold(said, expected):
    made = verdict.decide(THREE, results(*said))
    assert (made.result, made.action, made.score) == expected
    assert [each.result for each in made.zones] == list(said)


def test_a_failure_defers_only_on_request_and_only_if_it_matters():
    closed = msgspec.structs.replace(THREE, on_failure="temporary")
    undecided = verdict.decide(closed, results("failed", "not_listed", "not_listed"))
    assert (undecided.result, undecided.action) == ("failed", "temporary")
    assert str(verdict.reply(closed, undecided, BAD)).startswith("451 4.4.3 ")
    harmless = verdict.decide(closed, results("not_listed", "failed", "not_listed"))
    assert harmless.action == "pass"
    distrusted = verdict.decide(closed, results("skipped", "not_listed", "not_listed"))
    assert distrusted.action == "pass"


def test_the_reply_names_the_zone_that_counts_and_its_reason():
    said = results("not_listed", "listed", "listed")
    said[1] = said[1]._replace(reason="see https://example.test/")
    once = msgspec.structs.replace(THREE, threshold=1, zones=THREE.zones[::-1])
    made = verdict.decide(once, said[::-1])
    assert str(verdict.reply(once, made, BAD)) == (
        "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using b.test; "
        "see https://example.test/"
    )
    for_now = verdict.decide(THREE, results("listed", "not_listed", "not_listed"))
    assert str(verdict.reply(THREE, for_now, BAD)) == (
        "450 4.7.1 Service unavailable; client [192.0.2.1] blocked using a.test"
    )
    assert verdict.reply(THREE, verdict.decide(THREE, results(*["not_listed"] * 3)), BAD) is None


@pytest.mark.parametrize(
    ("code", "action", "line"),
    [(554, "permanent", "554 5.7.1 go away"), (421, "temporary", "421 4.7.1 go away")],
)
def test_a_code_and_text_of_the_operators_own_replace_every_zones(code, action, line):
    own = msgspec.structs.replace(THREE, reply_code=code, reply_text="go away")
    for said in (("listed", "not_listed", "not_listed"), ("listed", "listed", "not_listed")):
        made = verdict.decide(own, results(*said))
        assert made.action == action
        assert str(verdict.reply(own, made, BAD)) == line
