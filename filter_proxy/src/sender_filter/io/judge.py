"""The functions in their order: what the lists leave open is asked of the others (spec F2 to F4).

The judge holds what needs a connection of its own, the block lists in the DNS. Who is judged is
not always who has connected: behind a known host it is the host that a message came from.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from sender_filter.core.addresses import Address
from sender_filter.core.lists import Match
from sender_filter.core.policy import Decision
from sender_filter.core.received import fields, source
from sender_filter.core.received.source import Source, Step
from sender_filter.core.records import Check
from sender_filter.core.reputation import verdict
from sender_filter.core.reputation.source import ZoneHealth
from sender_filter.core.reputation.verdict import Verdict, ZoneResult
from sender_filter.core.runtime_lists import Entry, RuntimeLists
from sender_filter.io.dns import CaresResolver
from sender_filter.io.reputation import Reputation
from sender_filter.settings import schema
from sender_filter.settings.loading import Settings


class Judgement(NamedTuple):
    """What becomes of a message, and whose doing it is.

    Attributes:
        origin: Where it comes from.
        decision: What happens to it.
        walk: How the origin was found.
    """

    origin: Source
    decision: Decision
    walk: Sequence[Step]


CatchUp = Callable[[Address], Awaitable[None]]
"""Waits until what is known of an address elsewhere is known here."""


async def _at_once(_address: Address) -> None:
    """Nothing is known elsewhere."""


class Judge:
    """Asks each function. Make it, and call everything, inside the running loop."""

    def __init__(
        self,
        settings: Settings,
        runtime: RuntimeLists,
        known: RuntimeLists,
        catch_up: CatchUp = _at_once,
    ) -> None:
        """Judge by settings and by what is made at run time.

        Args:
            settings: What is declared.
            runtime: Blocks and approvals.
            known: Known hosts.
            catch_up: Waits for what other workers know of an address.
        """
        self._runtime = runtime
        self._known = known
        self._catch_up = catch_up
        self._settings = settings
        self._reputation: Reputation | None = None
        self._begin()

    def change(self, settings: Settings) -> None:
        """Judge by other settings from now on."""
        former, self._settings = _asked(self._settings), settings
        now = _asked(settings)
        if self._reputation is None:
            self._begin()
        elif former != now:
            same = (former.servers, former.deadline_seconds) == (now.servers, now.deadline_seconds)
            self._reputation.change(now, None if same else _resolver(now))

    async def close(self) -> None:
        """Ask nobody any more."""
        if self._reputation is not None:
            await self._reputation.close()

    def by_lists(self, address: Address) -> Decision:
        """What can be said without waiting."""
        return self._settings.policy.decide(address, self._runtime, time.time())

    def approves(self, address: Address) -> bool:
        """Whether an address is on an approved list now."""
        return self._settings.policy.approves(address, self._runtime, time.time())

    def is_known(self, address: Address) -> bool:
        """Whether an address is a known host now."""
        return self._known_by(address) is not None

    async def of_client(self, decision: Decision, address: Address) -> Decision:
        """Judge a client at connect, on top of what the lists have said."""
        known = self.at_once(decision, address)
        return await self.by_asking(decision, address) if known is None else known

    def at_once(self, decision: Decision, address: Address) -> Decision | None:
        """What ``of_client`` will say, if nobody has to be waited for."""
        if decision.settled:
            return decision
        if (entry := self._known_by(address)) is not None:
            why = f"a known host, {entry}: its messages are judged by their headers"
            check = Check("known_hosts", str(address), "match", 0, why)
            return decision._replace(checks=(*decision.checks, check))
        if self._reputation is None:
            return decision
        found = self._reputation.recall(address)
        if found is None:
            return None
        return _with(self._settings.config.reputation, decision, found, address)

    async def by_asking(self, decision: Decision, address: Address) -> Decision:
        """What ``of_client`` says where ``at_once`` says nothing."""
        if decision.settled or self._reputation is None:
            return decision
        # A reload may come while the lists are asked: a verdict goes with its own settings.
        settings = self._settings.config.reputation
        found = await self._reputation.judge(address)
        return self._by_lists_again(_with(settings, decision, found, address), address)

    def _by_lists_again(self, decision: Decision, address: Address) -> Decision:
        """A decision that had to be waited for, unless an address was blocked in that time.

        Those who come at once wait at once: the first of them may have had the others blocked.
        """
        if decision.reply is not None:
            return decision
        now = self.by_lists(address)
        if now.reply is None:
            return decision
        return now._replace(checks=(*decision.checks, *now.checks))

    async def of_message(self, peer: Address, section: bytes, *, behind_postfix: bool) -> Judgement:
        """Judge a message of a known host by its header section.

        Args:
            peer: The host.
            section: The header section.
            behind_postfix: Whether this host's Postfix has had it before.
        """
        start = time.perf_counter_ns()
        hops: Sequence[bytes] = fields.received(section)
        if behind_postfix:
            hops = source.behind_own(peer, hops)
        walk = list(source.walk(hops, self.is_known))
        origin = source.end_of(peer, walk)
        micros = (time.perf_counter_ns() - start) // 1000
        if origin.found == "none":
            why = origin.doubt or "every host on its way is known"
            check = Check("known_hosts", str(peer), "match", micros, why)
            return Judgement(origin, Decision("none", "pass", (check,)), walk)
        check = Check("known_hosts", str(origin.address), "no_match", micros, f"hop {origin.hop}")
        decision = await self.of_unjudged(origin.address)
        return Judgement(origin, decision._replace(checks=(check, *decision.checks)), walk)

    async def of_unjudged(self, address: Address) -> Decision:
        """Judge an address that nothing was decided about when its client connected."""
        await self._catch_up(address)
        return await self.of_client(self.by_lists(address), address)

    def health(self) -> list[ZoneHealth]:
        """How each block list is doing."""
        return [] if self._reputation is None else self._reputation.health()

    def _known_by(self, address: Address) -> Match | Entry | None:
        return self._settings.policy.known_by(address, self._known, time.time())

    def _begin(self) -> None:
        settings = _asked(self._settings)
        if settings.zones:
            self._reputation = Reputation(settings, _resolver(settings))
            self._reputation.start()


def _with(
    settings: schema.EmailReputation, decision: Decision, found: Verdict, address: Address
) -> Decision:
    """A decision on top of which the block lists have spoken, asked by these settings."""
    shadow = settings.mode == "shadow" and found.action != "pass"
    checks = (*decision.checks, *(_zone_check(each, shadow=shadow) for each in found.zones))
    if shadow or found.action == "pass":
        return decision._replace(checks=checks)
    return Decision("reputation", found.action, checks, verdict.reply(settings, found, address))


def _zone_check(zone: ZoneResult, *, shadow: bool) -> Check:
    parts = (", ".join(zone.codes), zone.reason)
    detail = ": ".join(part for part in parts if part) or None
    asked = zone.result != "skipped"
    cache = zone.cache if asked else None
    shown = shadow and zone.result in ("listed", "failed")
    return Check("reputation", zone.zone, zone.result, zone.micros, detail, cache, shown)


def _asked(settings: Settings) -> schema.EmailReputation:
    """The settings of Email Reputation, without a zone if it is off."""
    reputation = settings.config.reputation
    return reputation if reputation.mode != "off" else msgspec.structs.replace(reputation, zones=())


def _resolver(settings: schema.EmailReputation) -> CaresResolver:
    return CaresResolver(settings.servers, settings.deadline_seconds)
