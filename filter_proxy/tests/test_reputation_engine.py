"""Block lists over real DNS: a true rbldnsd, and a server that lies."""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from lying_dns import LyingDns, name_of
from rbldnsd import PROGRAM, Rbldnsd

from sender_filter.core import addresses
from sender_filter.core.lists import AddressList
from sender_filter.core.policy import Policy
from sender_filter.core.reputation import canary
from sender_filter.core.reputation.breaker import FAILURES
from sender_filter.core.reputation.settings import Reputation as Settings
from sender_filter.core.reputation.source import SUSPICIOUS_ROW
from sender_filter.core.reputation.zone import Zone
from sender_filter.io import dns, reputation_zone
from sender_filter.io.domains import Domains
from sender_filter.io.reputation import Reputation

DEADLINE = 0.8
LATE = 1.0  # what a busy machine may add
BAD, GOOD = addresses.parse("192.0.2.1"), addresses.parse("192.0.2.2")


class Engine:
    """A running engine that takes addresses as text and watches its deadline."""

    def __init__(self, server, *zones, **settings):
        settings = {"deadline_seconds": DEADLINE, "servers": (server.address,), **settings}
        self.settings = Settings(zones=zones or (Zone("bl.test"),), **settings)

    async def __aenter__(self):
        self.resolver = dns.CaresResolver(self.settings.servers, self.settings.deadline_seconds)
        self.reputation = Reputation(self.settings, self.resolver)
        self.reputation.start()
        return self

    async def __aexit__(self, *_):
        await self.reputation.close()

    async def judge(self, address):
        if isinstance(address, str):
            address = addresses.parse(address)
        start = time.monotonic()
        verdict = await self.reputation.judge(address)
        assert time.monotonic() - start < self.settings.deadline_seconds + LATE
        return verdict

    async def zone(self, address):
        return (await self.judge(address)).zones[0]


@pytest.fixture
def liar():
    server = LyingDns()
    server.is_a_list("bl.test")
    server.lists("bl.test", "192.0.2.1", text="see https://example.test/")
    yield server
    server.close()


@pytest.fixture
def rbldnsd():
    if PROGRAM is None:
        pytest.skip("rbldnsd is not installed")
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to the user it runs as
        folder = Path(name)
        folder.chmod(0o755)
        server = Rbldnsd(folder)
        yield server
        server.stop()


# --- a true list ---


async def test_a_true_list_says_who_and_why(rbldnsd):
    async with Engine(rbldnsd, Zone("ip4.test")) as engine:
        verdict = await engine.judge("192.0.2.99")
        [said] = verdict.zones
        assert (verdict.result, verdict.action, verdict.score) == ("listed", "permanent", 1)
        assert (said.result, said.codes, said.cache) == ("listed", ("127.0.0.2",), "miss")
        assert said.reason == "Listed, see https://example.test/?192.0.2.99"
        assert said.micros > 0
        assert (await engine.zone("192.0.2.99"))._replace(micros=0, cache="miss") == said._replace(
            micros=0
        )
        assert (await engine.zone("198.51.100.7")).reason == "An open relay"
        clean = await engine.judge("198.51.100.8")
        assert (clean.result, clean.action) == ("not_listed", "pass")
        assert (await engine.zone("198.51.100.8")).cache == "hit"


async def test_a_true_list_that_refuses_us_lists_nobody(rbldnsd):
    async with Engine(rbldnsd, Zone("ip4.test")) as engine:
        verdict = await engine.judge("203.0.113.5")
        assert (verdict.result, verdict.action) == ("failed", "pass")
        assert "refuses to answer us: 127.255.255.254" in verdict.zones[0].reason


async def test_a_true_list_of_ipv6_addresses(rbldnsd):
    async with Engine(rbldnsd, Zone("ip6.test", ipv6=True), Zone("ip4.test")) as engine:
        verdict = await engine.judge("2001:db8:bad::25")
        assert [each.result for each in verdict.zones] == ["listed", "skipped"]
        assert verdict.zones[0].codes == ("127.0.0.3",)
        assert verdict.zones[0].reason == "Bad neighbourhood"
        assert (await engine.judge("2001:db8:900d::25")).action == "pass"
        # It has no test points for IPv4, so there it may not be asked.
        four = await engine.judge("192.0.2.1")
        assert [each.result for each in four.zones] == ["skipped", "listed"]


async def test_zones_written_by_hand_and_one_that_has_ended(rbldnsd):
    async with Engine(rbldnsd, Zone("generic.test"), Zone("world.test")) as engine:
        verdict = await engine.judge("192.0.2.9")
        assert [(z.result, z.reason) for z in verdict.zones] == [
            ("listed", "by hand"),
            ("skipped", "test point 127.0.0.1 is listed"),
        ]
        assert (await engine.judge("192.0.2.10")).action == "pass"


async def test_a_negative_answer_is_kept_as_long_as_the_soa_of_a_true_list_says(rbldnsd):
    async with Engine(rbldnsd, Zone("ip4.test")) as engine:
        assert await engine.resolver.negative_ttl("ip4.test") == 90
        assert (await engine.resolver.addresses(name_of("192.0.2.1", "ip4.test"))).ttl == 1800


@pytest.mark.parametrize("how", ["stop", "pause"])
async def test_a_true_list_that_stops_in_the_middle_and_comes_back(rbldnsd, how, monkeypatch):
    monkeypatch.setattr(canary, "RETRY_SECONDS", 0.3)
    async with Engine(rbldnsd, Zone("ip4.test"), deadline_seconds=0.4) as engine:
        assert (await engine.judge("192.0.2.1")).action == "permanent"
        getattr(rbldnsd, how)()
        assert (await engine.judge("192.0.2.1")).action == "permanent"  # kept
        verdicts = [await engine.judge(f"192.0.2.{n}") for n in range(10, 10 + FAILURES)]
        assert {each.action for each in verdicts} == {"pass"}
        # The last question fails a moment after its client has gone on without an answer.
        await until(lambda: engine.reputation.health()[0].held_back)
        said = await engine.zone("192.0.2.50")
        assert (said.result, said.micros) == ("failed", 0)
        rbldnsd.stop()
        rbldnsd.start()
        engine.reputation._zones["ip4.test", 4]._hurry.set()  # the next test, before its time
        await until(lambda: not engine.reputation.health()[0].held_back)
        assert (await engine.judge("192.0.2.50")).action == "permanent"


# --- lies ---


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("mode", "result", "reason"),
    [
        ("nxdomain", "not_listed", None),
        ("empty", "not_listed", None),
        ("everything", "listed", None),
        ("refusing_code", "failed", "refuses to answer us"),
        ("outside", "failed", "192.0.2.80 is outside 127.0.0.0/8"),
        ("many", "failed", "198 records"),
        ("servfail", "failed", "general failure"),
        ("refused", "failed", "refused query"),
        ("garbage", "failed", ""),
        ("dead", "failed", "no answer in 0.8 s"),
    ],
)
async def test_a_lie_after_the_test_was_passed(liar, mode, result, reason):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.mode = mode
        said = await engine.zone("192.0.2.77")
        assert said.result == result
        if reason is not None:
            assert reason in said.reason


@pytest.mark.parametrize(
    ("mode", "state", "result"),
    [
        ("nxdomain", "distrusted", "skipped"),
        ("empty", "distrusted", "skipped"),
        ("everything", "distrusted", "skipped"),
        ("refusing_code", "silent", "failed"),
        ("outside", "silent", "failed"),
        ("many", "silent", "failed"),
        ("servfail", "silent", "failed"),
        ("refused", "silent", "failed"),
        ("garbage", "silent", "failed"),
        ("dead", "silent", "failed"),
    ],
)
async def test_a_liar_is_never_asked_about_a_client(liar, mode, state, result):
    liar.mode = mode
    async with Engine(liar) as engine:
        await engine.judge(BAD)  # may run into the deadline before the test does
        await until(lambda: engine.reputation.health()[0].state == state)
        said = await engine.zone(BAD)
        assert (said.result, said.micros) == (result, 0)
        assert "test point 127.0.0." in said.reason
        assert name_of("192.0.2.1", "bl.test") not in liar.questions()


async def test_a_list_that_ends_stops_no_mail(liar):
    async with Engine(liar, canary_seconds=3600) as engine:
        assert (await engine.judge(GOOD)).action == "pass"
        liar.mode = "everything"
        engine.reputation._zones["bl.test", 4]._tested_at -= canary.RETRY_SECONDS
        engine.reputation._zones["bl.test", 4]._tested_at -= dns.CHANNEL_SECONDS
        engine.resolver._replace_at = 0  # as if the seconds had passed
        for n in range(SUSPICIOUS_ROW):  # so many are hit before it is noticed
            assert (await engine.judge(f"198.51.100.{n + 1}")).action == "permanent"
        await until(lambda: engine.reputation.health()[0].state == "distrusted")
        assert (await engine.judge("198.51.100.1")).action == "pass"  # what it said is forgotten
        assert (await engine.judge("198.51.100.99")).action == "pass"


async def test_a_zone_is_tested_again_in_its_time_and_trusted_again(liar, monkeypatch):
    monkeypatch.setattr(dns, "CHANNEL_SECONDS", 0.2)
    async with Engine(liar, canary_seconds=1, deadline_seconds=0.2) as engine:
        assert (await engine.judge(BAD)).action == "permanent"
        liar.mode = "everything"
        await until(lambda: engine.reputation.health()[0].state == "distrusted")
        assert (await engine.judge(BAD)).action == "pass"
        liar.mode = "true"
        await until(lambda: engine.reputation.health()[0].state == "trusted")
        assert (await engine.judge(BAD)).action == "permanent"


async def test_a_truncated_answer_is_asked_for_over_tcp(liar):
    liar.mode = "truncated"
    async with Engine(liar) as engine:
        verdict = await engine.judge(BAD)
    assert verdict.action == "permanent"
    assert verdict.zones[0].reason == "see https://example.test/"
    name = name_of("192.0.2.1", "bl.test")
    assert liar.over_tcp.count((name, "A")) == 1
    assert liar.over_tcp.count((name, "TXT")) == 1


async def test_a_missing_text_is_no_failure_and_is_not_waited_for_twice(liar):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.text_mode = "dead"
        verdict = await engine.judge(BAD)
        assert (verdict.action, verdict.zones[0].reason) == ("permanent", None)
        assert verdict.zones[0].micros >= (DEADLINE - 0.1) * 1e6
        await until(lambda: not engine.reputation._zones["bl.test", 4]._inquiries)
        again = await engine.zone(BAD)
        assert (again.result, again.cache, again.micros) == ("listed", "hit", 0)


async def test_text_cannot_break_out_of_a_line(liar):
    liar.lists("bl.test", "192.0.2.3", text=r"one\013\010250 ok\000\027[2J\255")
    async with Engine(liar) as engine:
        assert (await engine.zone("192.0.2.3")).reason == "one??250 ok??[2J?"


async def test_a_slow_list_is_used_up_to_the_deadline(liar):
    async with Engine(liar, deadline_seconds=2.0) as engine:
        for n in range(20):  # c-ares shortens its patience with a server that was fast
            await engine.judge(f"198.51.100.{n + 1}")
        liar.delay = 1.5
        assert (await engine.judge("192.0.2.1")).result == "listed"


async def test_all_zones_share_one_deadline(liar):
    zones = [Zone(f"bl{n}.test") for n in range(12)]
    for each in zones:
        liar.is_a_list(each.name)
        liar.lists(each.name, "192.0.2.1")
    async with Engine(liar, *zones, threshold=12) as engine:
        await until(lambda: all(h.state == "trusted" for h in engine.reputation.health()))
        liar.delay = DEADLINE / 2.5
        liar.text_mode = "nxdomain"
        assert (await engine.judge(BAD)).score == 12
        liar.mode = "dead"
        verdict = await engine.judge(GOOD)  # Engine.judge has the clock
        assert [each.result for each in verdict.zones] == ["failed"] * 12


async def test_a_client_before_the_first_test_waits_for_it_and_not_longer_than_the_deadline(liar):
    liar.delay = 0.1
    async with Engine(liar) as engine:
        assert (await engine.judge(BAD)).action == "permanent"
    liar.mode = "dead"
    async with Engine(liar, on_failure="temporary") as engine:
        verdict = await engine.judge(BAD)
        assert (verdict.result, verdict.action) == ("failed", "temporary")
    assert liar.questions().count(name_of("192.0.2.1", "bl.test")) == 1


async def test_the_first_test_and_the_question_share_the_clients_deadline(liar):
    liar.delay = DEADLINE * 0.8
    async with Engine(liar) as engine:
        said = await engine.zone(BAD)
        assert (said.result, said.reason) == ("failed", "no answer in 0.8 s")


async def test_the_soa_is_asked_for_with_the_test(liar):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        assert engine.reputation._zones["bl.test", 4]._source.minimum == liar.minimum
        assert "bl.test" in liar.questions("SOA")


async def test_a_new_channel_cuts_off_no_question_before_its_deadline(liar, monkeypatch):
    monkeypatch.setattr(dns, "CHANNEL_SECONDS", 0.05)
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.delay = 0.3
        waiting = asyncio.ensure_future(engine.judge(BAD))
        others = []
        for n in range(4):
            await asyncio.sleep(0.06)
            others.append(asyncio.ensure_future(engine.judge(f"198.51.100.{n + 1}")))
        assert (await waiting).action == "permanent"
        assert {each.result for each in await asyncio.gather(*others)} == {"not_listed"}


async def test_stale_answers_stand_in_for_a_dead_list(liar):
    liar.ttl = 1
    async with Engine(liar) as engine:
        assert (await engine.judge(BAD)).action == "permanent"
        liar.mode = "dead"
        await asyncio.sleep(1.1)
        said = await engine.zone(BAD)
        assert (said.result, said.cache) == ("listed", "stale")
        assert said.reason == "see https://example.test/"


async def test_an_open_breaker_costs_no_time_and_no_question(liar):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.mode = "dead"
        await asyncio.gather(*(engine.judge(f"198.51.100.{n + 1}") for n in range(FAILURES)))
        await until(lambda: engine.reputation.health()[0].held_back)
        asked = len(liar.asked)
        said = await engine.zone("198.51.100.99")
        assert (said.result, said.micros) == ("failed", 0)
        assert len(liar.asked) == asked


async def test_a_hundred_clients_of_one_address_are_one_question(liar):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.delay = 0.1
        verdicts = await asyncio.gather(*(engine.judge(BAD) for _ in range(100)))
        assert {each.zones[0].reason for each in verdicts} == {"see https://example.test/"}
        name = name_of("192.0.2.1", "bl.test")
        assert [asked for asked in liar.asked if asked[0] == name] == [(name, "A"), (name, "TXT")]


async def test_a_client_that_goes_away_leaves_the_question_to_the_next(liar):
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.delay = 0.2
        gone = asyncio.ensure_future(engine.judge(BAD))
        await asyncio.sleep(0.05)
        gone.cancel()
        assert (await engine.judge(BAD)).action == "permanent"
        assert liar.questions().count(name_of("192.0.2.1", "bl.test")) == 1


async def test_questions_under_way_are_bounded(liar, monkeypatch):
    monkeypatch.setattr(reputation_zone, "MOST_INQUIRIES", 10)
    async with Engine(liar) as engine:
        await engine.judge(GOOD)
        liar.delay = 0.2
        clients = [engine.judge(f"198.51.100.{n + 1}") for n in range(30)]
        verdicts = await asyncio.gather(*clients)
        reasons = [each.zones[0].reason for each in verdicts]
        assert reasons == [None] * 10 + ["10 questions are under way"] * 20


async def test_addresses_of_this_host_and_link_are_not_asked_about(liar):
    async with Engine(liar) as engine:
        for address in ("127.0.0.2", "169.254.1.1", "::1", "fe80::1"):
            verdict = await engine.judge(address)
            assert (verdict.action, verdict.zones[0].result) == ("pass", "skipped")
        await until(lambda: engine.reputation.health()[0].state == "trusted")
        assert set(liar.questions()) == set(canary.names(Zone("bl.test"), 4))


async def test_a_second_server_answers_for_a_dead_first_one(liar):
    dead = LyingDns()
    dead.mode = "dead"
    servers = (dead.address, liar.address)
    async with Engine(liar, servers=servers, deadline_seconds=2.0) as engine:
        assert (await engine.judge(BAD)).action == "permanent"
    assert dead.asked
    dead.close()


# --- domains on lists, whose owners say what is found ---


@pytest.fixture
def domain():
    server = LyingDns()
    server.ttl = 0  # or c-ares would keep the answers
    server.exchanges["spam.test"] = ["a.spam.test", "b.spam.test"]
    server.codes["spam.test"] = ("203.0.113.1",)
    server.codes["a.spam.test"] = ("203.0.113.2", "203.0.113.1")
    server.codes["b.spam.test"] = ("203.0.113.3",)
    yield server
    server.close()


@contextlib.asynccontextmanager
async def resolver(server, seconds=5.0):
    made = dns.CaresResolver([server.address], seconds)
    yield made
    await made.close()


def numbered(count):
    return [f"198.18.{n // 200}.{n % 200}" for n in range(count)]


async def test_the_hosts_of_a_name_are_its_own_and_those_that_take_its_mail(domain):
    domain.delay = 0.3
    async with resolver(domain) as asked:
        start = time.monotonic()
        assert await asked.hosts("spam.test") == ("203.0.113.1", "203.0.113.2", "203.0.113.3")
        assert time.monotonic() - start < 0.6 + LATE  # all hosts at once, after the exchanges
    assert len(domain.questions("AAAA")) == 3


async def test_a_name_with_more_hosts_than_may_be_is_not_looked_up(domain):
    async with resolver(domain) as asked:
        domain.exchanges["spam.test"] = [f"{n}.spam.test" for n in range(dns.MOST_EXCHANGES)]
        assert await asked.hosts("spam.test") == ("203.0.113.1",)
        domain.exchanges["spam.test"] += ["one.more.test"]
        before = len(domain.asked)
        with pytest.raises(dns.DnsError, match="more than 20 hosts take its mail"):
            await asked.hosts("spam.test")
        assert {kind for _, kind in domain.asked[before:]} == {"MX"}


async def test_a_name_with_more_addresses_than_may_be_is_not_looked_up(domain):
    domain.codes["a.spam.test"] = numbered(dns.MOST_ADDRESSES - 2)
    async with resolver(domain) as asked:
        assert len(await asked.hosts("spam.test")) == dns.MOST_ADDRESSES
        domain.codes["a.spam.test"] = numbered(dns.MOST_ADDRESSES - 1)
        before = asyncio.all_tasks()
        with pytest.raises(dns.DnsError, match="more than 256 addresses"):
            await asked.hosts("spam.test")
        assert asyncio.all_tasks() == before


async def test_all_hosts_of_a_name_share_one_deadline(domain):
    domain.delay = 0.6
    async with resolver(domain, 0.8) as asked:
        start = time.monotonic()
        with pytest.raises(dns.DnsError, match="not all answers in"):
            await asked.hosts("spam.test")
        assert time.monotonic() - start < 0.8 + LATE


async def test_of_a_domain_that_has_grown_too_large_the_former_addresses_stay(domain, caplog):
    blocked, changes = AddressList(), []
    blocked.read("blocked", ["spam.test"], flags=True)
    domains = Domains([domain.address], lambda: changes.append(None))
    policy = domains.complete(Policy(AddressList(), blocked))
    await until(lambda: changes)
    domain.codes["a.spam.test"] = numbered(3000)
    domains._due.set()
    await until(lambda: "the addresses of spam.test on a list" in caplog.text)
    assert domains.complete(policy).names_blocked.entries == 3
    await domains.close()


async def test_domains_are_asked_of_other_servers_at_once(domain, caplog):
    other, changes = LyingDns(), []
    other.codes["spam.test"] = ("203.0.113.9",)
    blocked = AddressList()
    blocked.read("blocked", ["spam.test"], flags=True)
    domain.mode = "dead"
    domains = Domains([domain.address], lambda: changes.append(None))
    policy = domains.complete(Policy(AddressList(), blocked))
    await until(lambda: domain.asked)
    await domains.change([domain.address])
    assert not other.asked
    await domains.change([other.address])
    await until(lambda: changes)
    assert domains.complete(policy).names_blocked.find(addresses.parse("203.0.113.9"))
    assert not caplog.messages  # a question that was cut off by the change is no trouble
    await domains.close()
    other.close()


# --- reload and end ---


async def test_a_reload_keeps_what_unchanged_zones_said(liar):
    liar.is_a_list("new.test")
    async with Engine(liar, Zone("bl.test"), Zone("old.test")) as engine:
        await engine.judge(BAD)
        changed = msgspec.structs.replace(
            engine.settings, zones=(Zone("bl.test", action="temporary"), Zone("new.test"))
        )
        engine.reputation.change(changed)
        verdict = await engine.judge(BAD)
        assert verdict.action == "temporary"
        assert [(z.zone, z.cache) for z in verdict.zones] == [
            ("bl.test", "hit"),
            ("new.test", "miss"),
        ]
        assert [h.zone for h in engine.reputation.health()] == ["bl.test", "new.test"]


async def test_other_return_codes_are_tested_before_they_are_believed(liar):
    async with Engine(liar) as engine:
        assert (await engine.judge(BAD)).action == "permanent"
        changed = msgspec.structs.replace(
            engine.settings, zones=(Zone("bl.test", codes=("127.0.0.9",)),)
        )
        engine.reputation.change(changed)
        verdict = await engine.judge(BAD)
        assert verdict.action == "pass"
        assert "with a code that is not allowed, 127.0.0.2" in verdict.zones[0].reason


async def test_a_reload_with_questions_under_way_loses_no_client(liar):
    other = LyingDns()
    other.is_a_list("bl.test")
    async with Engine(liar, Zone("bl.test"), Zone("old.test")) as engine:
        liar.is_a_list("old.test")
        await until(lambda: engine.reputation.health()[0].state == "trusted")
        liar.delay = 0.3
        waiting = asyncio.ensure_future(engine.judge(BAD))
        await asyncio.sleep(0.05)
        changed = msgspec.structs.replace(engine.settings, zones=(Zone("bl.test"),))
        engine.reputation.change(changed, dns.CaresResolver([other.address], DEADLINE))
        assert (await waiting).action == "permanent"
        assert (await engine.judge(GOOD)).result == "not_listed"
        assert name_of("192.0.2.2", "bl.test") in other.questions()
    other.close()


async def test_who_waits_does_so_no_longer_when_a_reload_allows_more(liar):
    async with Engine(liar, deadline_seconds=0.4) as engine:
        await engine.judge(GOOD)
        liar.mode = "dead"
        waiting = asyncio.ensure_future(engine.judge(BAD))
        await asyncio.sleep(0.05)
        changed = msgspec.structs.replace(engine.settings, deadline_seconds=5.0)
        engine.reputation.change(changed, dns.CaresResolver([liar.address], 5.0))
        start = time.monotonic()
        assert (await waiting).result == "failed"
        assert time.monotonic() - start < 0.4 + LATE


async def test_the_end_waits_for_nobody_and_leaves_nothing_behind(liar):
    before = asyncio.all_tasks()
    engine = Engine(liar, Zone("bl.test"), Zone("old.test"))
    await engine.__aenter__()
    await engine.judge(GOOD)
    liar.mode = "dead"
    waiting = asyncio.ensure_future(engine.judge(BAD))
    await asyncio.sleep(0.05)
    start = time.monotonic()
    await engine.reputation.close()
    assert time.monotonic() - start < DEADLINE / 2
    assert (await waiting).result == "failed"
    assert asyncio.all_tasks() == before


class Broken:
    """A resolver with a defect."""

    async def addresses(self, name):
        raise KeyError(name)

    text = negative_ttl = addresses

    async def close(self):
        pass


async def test_a_defect_costs_an_answer_and_no_client():
    engine = Reputation(Settings(zones=(Zone("bl.test"),)), Broken())
    engine.start()
    verdict = await engine.judge(BAD)
    assert (verdict.result, verdict.action) == ("failed", "pass")
    assert "KeyError" in verdict.zones[0].reason
    await engine.close()
