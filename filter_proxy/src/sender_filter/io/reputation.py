"""Asking all block lists at once, under one deadline.

``judge`` never takes longer than the deadline and never raises for what the DNS does. What a zone
was asked goes on after its client went away: the next client profits, and the circuit breaker
learns.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from sender_filter.core.addresses import Address
from sender_filter.core.reputation import question, verdict
from sender_filter.core.reputation.settings import Reputation as Settings
from sender_filter.core.reputation.source import ZoneHealth
from sender_filter.core.reputation.verdict import Verdict, ZoneResult
from sender_filter.io.dns import Resolver
from sender_filter.io.reputation_zone import AskedZone, Recalled

_Open = tuple[AskedZone, Recalled | None]


class Reputation:
    """The block lists in force. Make it, and call everything, inside the running loop."""

    def __init__(self, settings: Settings, resolver: Resolver) -> None:
        """Judge by these settings, asking through this resolver, which is closed with it."""
        self._settings = settings
        self._resolver = resolver
        self._zones: dict[tuple[str, int], AskedZone] = {}
        self._retired: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to test the zones; a client that comes before the first test waits for it."""
        self.change(self._settings)

    def change(self, settings: Settings, resolver: Resolver | None = None) -> None:
        """Take other settings, and another resolver if there is one; what zones said is kept."""
        if resolver is not None:
            self._retire(self._close_later(self._resolver, self._settings.deadline_seconds))
            self._resolver = resolver
        self._settings = settings
        former, self._zones = self._zones, {}
        for each in settings.zones:
            for version in (4, 6) if each.ipv6 else (4,):
                known = former.pop((each.name, version), None)
                if known is None:
                    known = AskedZone(settings, each, version, self._resolver)
                else:
                    known.change(settings, each, self._resolver)
                self._zones[each.name, version] = known
        for gone in former.values():
            gone.stop()
            self._retire(gone.finished())

    async def close(self) -> None:
        """Stop testing and asking."""
        zones = [*self._zones.values()]
        self._zones = {}
        for each in zones:
            each.stop()
        await self._resolver.close()
        for task in self._retired:
            task.cancel()
        endings = (*self._retired, *(each.finished() for each in zones))
        await asyncio.gather(*endings, return_exceptions=True)

    async def judge(self, address: Address) -> Verdict:
        """Judge a client, within the deadline."""
        settings = self._settings
        results, open_ones = self._known(address)
        for said in [zone.ask(address, known) for zone, known in open_ones]:
            result = await said
            results[result.zone] = result
        return verdict.decide(settings, [results[each.name] for each in settings.zones])

    def recall(self, address: Address) -> Verdict | None:
        """The verdict that needs no waiting; None if a zone has to be asked."""
        results, open_ones = self._known(address)
        return None if open_ones else verdict.decide(self._settings, list(results.values()))

    def _known(self, address: Address) -> tuple[dict[str, ZoneResult], list[_Open]]:
        """What each zone says without being asked, and the zones that have to be."""
        results: dict[str, ZoneResult] = {}
        open_ones: list[_Open] = []
        named = question.has_a_name(address)
        for each in self._settings.zones:
            found = self._zones.get((each.name, address.version))
            if not named:
                reason = "no list knows such an address"
                results[each.name] = ZoneResult(each.name, "skipped", reason=reason)
            elif found is None:
                reason = f"not asked about IPv{address.version} addresses"
                results[each.name] = ZoneResult(each.name, "skipped", reason=reason)
            elif (known := found.recall(address)) is not None and known.complete:
                results[each.name] = known.result
            else:
                open_ones.append((found, known))
        return results, open_ones

    def health(self) -> list[ZoneHealth]:
        """How each zone is doing."""
        return [each.health() for each in self._zones.values()]

    def _retire(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    @staticmethod
    async def _close_later(resolver: Resolver, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            await resolver.close()
