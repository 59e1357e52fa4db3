"""Who asks the block lists, and what counts when settings change meanwhile."""

import asyncio
import time
from pathlib import Path

import pytest

from sender_filter.core import addresses, networks
from sender_filter.core.lists import AddressList
from sender_filter.core.policy import Policy
from sender_filter.core.reputation.breaker import FAILURES
from sender_filter.core.reputation.zone import Zone
from sender_filter.core.runtime_lists import Entry, RuntimeLists
from sender_filter.io import judge
from sender_filter.io.dns import Answer, DnsError
from sender_filter.io.judge import Judge
from sender_filter.settings.loading import Settings
from sender_filter.settings.schema import Config, EmailReputation

RELAY = addresses.parse("203.0.113.1")
LISTED = addresses.parse("192.0.2.1")
OTHERS = [addresses.parse(f"198.51.100.{n}") for n in range(1, 20)]
POINT = "2.0.0.127."
"""How the name of the test point begins that each list has (RFC 5782)."""


class Resolver:
    """Lists ``LISTED`` in each zone, fails while it is ``dead``, waits while it is ``held``."""

    def __init__(self):
        self.asked = []
        self.dead = False
        self.held = asyncio.Event()
        self.held.set()

    async def addresses(self, name):
        if name.startswith((POINT, "1.0.0.127.")):
            return Answer(("127.0.0.2",) if name.startswith(POINT) else (), 300)
        self.asked.append(name)
        await self.held.wait()
        if self.dead:
            raise DnsError("dead on purpose")
        return Answer(("127.0.0.2",) if name.startswith("1.2.0.192.") else (), 300)

    async def text(self, _name):
        return None

    async def negative_ttl(self, _zone):
        return 300

    async def close(self):
        pass


@pytest.fixture
def resolver(monkeypatch):
    made = Resolver()
    monkeypatch.setattr(judge, "_resolver", lambda _settings: made)
    return made


def settings(*zones):
    config = Config(reputation=EmailReputation(zones=tuple(Zone(name) for name in zones)))
    policy = Policy(AddressList(), AddressList())
    return Settings(Path("config.toml"), config, policy, None, {}, 0, 0)


def judging(*zones):
    return Judge(settings(*zones), RuntimeLists(), RuntimeLists(removal="known removal"))


def block(to, address):
    """An operator blocks an address, for good."""
    [network] = networks.parse(str(address))
    to._runtime.put(Entry(network, "operator", time.time(), "block"), time.time())


async def of_message(to, address):
    """A message from an address, by way of a known host."""
    field = f"Received: from h.test (h.test [{address}])\r\n\tby mx.example.test\r\n"
    return (await to.of_message(RELAY, field.encode(), behind_postfix=False)).decision


async def connect(to, address):
    """A client, asked about in the order in which the front door asks."""
    decision = to.by_lists(address)
    judged = to.at_once(decision, address)
    return await to.of_client(decision, address) if judged is None else judged


async def test_the_breakers_trial_is_a_question_and_only_one(resolver):
    to = judging("bl.test")
    resolver.dead = True
    for each in OTHERS[:FAILURES]:
        await connect(to, each)
    [zone] = to._reputation._zones.values()
    assert to.health()[0].held_back
    asked = len(resolver.asked)
    await connect(to, OTHERS[FAILURES])
    assert len(resolver.asked) == asked
    zone._source.breaker._trial_at = 0  # as if its time had passed
    resolver.dead = False
    resolver.held.clear()
    both = [asyncio.ensure_future(connect(to, each)) for each in (LISTED, OTHERS[-1])]
    await asyncio.sleep(0.05)
    assert len(resolver.asked) == asked + 1
    resolver.held.set()
    first, second = await asyncio.gather(*both)
    assert first.action == "permanent"
    assert "failed too often" in second.checks[-1].detail
    assert not to.health()[0].held_back
    await to.close()


@pytest.mark.parametrize("after", [("other.test",), ()])
async def test_a_zone_that_goes_while_it_is_asked_still_counts(resolver, after):
    to = judging("bl.test")
    await connect(to, OTHERS[0])
    resolver.held.clear()
    client = asyncio.ensure_future(connect(to, LISTED))
    while len(resolver.asked) < 2:
        await asyncio.sleep(0.01)
    to.change(settings(*after))
    resolver.held.set()
    decision = await client
    assert decision.action == "permanent"
    assert "blocked using bl.test" in str(decision.reply)
    await to.close()


@pytest.mark.parametrize("asking", [connect, of_message])
async def test_who_is_blocked_while_the_lists_are_asked_is_refused(resolver, asking):
    to = judging("bl.test")
    resolver.held.clear()
    waiting = asyncio.ensure_future(asking(to, OTHERS[0]))
    while len(resolver.asked) < 1:
        await asyncio.sleep(0.01)
    block(to, OTHERS[0])
    resolver.held.set()
    decision = await waiting
    assert (decision.function, decision.reply.code) == ("blocked", 554)
    assert [(each.function, each.result) for each in decision.checks][-4:] == [
        ("blocked", "no_match"), ("reputation", "not_listed"),
        ("approved", "no_match"), ("blocked", "match"),
    ]  # fmt: skip
    await to.close()


async def test_who_is_listed_and_blocked_meanwhile_hears_of_the_list(resolver):
    to = judging("bl.test")
    resolver.held.clear()
    waiting = asyncio.ensure_future(connect(to, LISTED))
    while len(resolver.asked) < 1:
        await asyncio.sleep(0.01)
    block(to, LISTED)
    resolver.held.set()
    assert (await waiting).function == "reputation"
    await to.close()
