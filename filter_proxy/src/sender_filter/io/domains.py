"""Looks the domains on the lists up, on a schedule, and puts their addresses in force."""

import asyncio
from collections.abc import Callable, Sequence

from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.lists import AddressList, Domain
from sender_filter.core.policy import Policy
from sender_filter.io.dns import CaresResolver, DnsError
from sender_filter.io.journal import log

TURN_SECONDS = 300.0
_ANSWER_SECONDS = 10.0


class Domains:
    """Knows the addresses of the domains on the lists. Make it inside the running loop."""

    def __init__(self, servers: Sequence[str], changed: Callable[[], None]) -> None:
        """Ask these servers; ``changed`` is called when other addresses were found."""
        self._servers = tuple(servers)
        self._resolver = CaresResolver(servers, _ANSWER_SECONDS)
        self._changed = changed
        self._known: dict[str, tuple[Address, ...]] = {}
        self._wanted: set[str] = set()
        self._due = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._turn())

    def complete(self, policy: Policy) -> Policy:
        """A policy with the addresses that are known; those of new names come later."""
        wanted = {each.name for each in (*policy.approved.domains, *policy.blocked.domains)}
        if not wanted <= self._wanted:
            self._due.set()
        self._wanted = wanted
        return policy._replace(
            names_approved=self._list(policy.approved.domains),
            names_blocked=self._list(policy.blocked.domains),
        )

    async def change(self, servers: Sequence[str]) -> None:
        """Ask these servers from now on; if they are others, about every name at once."""
        if tuple(servers) == self._servers:
            return
        self._servers = tuple(servers)
        former, self._resolver = self._resolver, CaresResolver(servers, _ANSWER_SECONDS)
        self._due.set()
        await former.close()

    async def close(self) -> None:
        """Ask no more."""
        self._task.cancel()
        await self._resolver.close()

    def _list(self, domains: Sequence[Domain]) -> AddressList:
        found = AddressList()
        found.put({domain: self._known.get(domain.name, ()) for domain in domains})
        return found

    async def _turn(self) -> None:
        while True:
            self._due.clear()
            former = dict(self._known)
            self._known = {name: each for name, each in former.items() if name in self._wanted}
            for name in sorted(self._wanted):
                await self._look_up(name)
            if self._known != former:
                self._changed()
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def _look_up(self, name: str) -> None:
        """Learn the addresses of a name; if it cannot be asked, those from before stay."""
        resolver = self._resolver
        try:
            self._known[name] = tuple(map(addresses.parse, await resolver.hosts(name)))
        except DnsError as error:
            if resolver is not self._resolver:
                return  # closed meanwhile: the next turn asks the other servers
            log.warning("the addresses of %s on a list cannot be looked up: %s", name, error)
