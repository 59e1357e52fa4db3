"""What an operator says over the control socket about who may pass.

Mail does not wait for an answer about a hundred thousand addresses: it is made in parts, and
between two of them the loop turns.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from sender_filter.core import addresses, networks
from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter.core.profiler.judgement import Finding
from sender_filter.core.received import width
from sender_filter.core.records import Order, OrderRecord, timestamp
from sender_filter.core.runtime_lists import FOR_EVER, Entry
from sender_filter.core.subject import parse_sender
from sender_filter.io import list_search
from sender_filter.io.list_search import Snapshot
from sender_filter.io.messages import (
    Answer,
    Done,
    ProfileRow,
    Profiles,
    Request,
    RuleFigures,
)
from sender_filter.io.messages.lists import Entries, Found, RuntimeEntry
from sender_filter.settings.loading import Settings
from sender_filter.state import Keeper

PART = 100
"""So many addresses or entries are looked at in one go, a few milliseconds' work."""

Item = TypeVar("Item")
_Put = Callable[[Network, float, str, str], None]

_DONE: dict[Order, str] = {
    "block": "blocked",
    "approve": "approved",
    "release": "released",
    "know": "a known host",
    "forget": "no known host of an operator's",
}


class Operator:
    """Carries out orders, and answers what the functions have found."""

    def __init__(
        self,
        keeper: Keeper,
        settings: Callable[[], Settings],
        record: Callable[[OrderRecord], None],
    ) -> None:
        """Work on these lists and profiles, and record each order."""
        self._keeper = keeper
        self._settings = settings
        self._record = record

    async def answer(self, request: Request) -> Answer:
        """Answer a request that is an order, or about what the functions have found.

        Raises:
            ValueError: The request names no network where it should, or one that is too wide
                for known hosts, or there is no room.
        """
        match request.command:
            case "entries":
                return await self._entries()
            case "search":
                return await self._search(request)
            case "profile" if request.address:
                return self._profile(addresses.parse(request.address))
            case "profile":
                return await self._suspicious(request.limit)
            case _:
                return self._obey(request)

    def _obey(self, request: Request) -> Done:
        match request.command:
            case "block":
                return self._add("block", self._keeper.block, request)
            case "approve":
                return self._add("approve", self._keeper.approve, request)
            case "release":
                return self._release(request)
            case "know":
                return self._know(request)
            case "forget":
                return self._forget(request)
            case _:
                msg = f"{request.command!r} is no order"
                raise ValueError(msg)

    def _add(self, order: Order, put: _Put, request: Request) -> Done:
        until = FOR_EVER if request.seconds is None else time.time() + request.seconds
        for network in networks.parse(request.address):
            put(network, until, request.comment, request.author)
        self._note(order, request, None if request.seconds is None else timestamp(until))
        return Done(f"{request.address} is {_DONE[order]}")

    def _release(self, request: Request) -> Done:
        sender = parse_sender(request.address)
        for whom in networks.parse(request.address) if sender is None else [sender]:
            self._keeper.unblock(whom, request.author)
        self._note("release", request, None)
        return Done(f"{sender or request.address} is released")

    def _know(self, request: Request) -> Done:
        """Add known hosts; where that has no effect it is said."""
        for network in networks.parse(request.address):
            width.check(network)
        done = self._add("know", self._keeper.know, request)
        if self._settings().policy.known is not None:
            return done
        return Done(f"{done.text}; the function Known Hosts is off here, so nobody minds it")

    def _forget(self, request: Request) -> Done:
        """Take known hosts back; what is declared is no matter of run time, and goes on."""
        asked = networks.parse(request.address)
        for network in asked:
            self._keeper.forget(network, request.author)
        self._note("forget", request, None)
        done = f"{request.address} is {_DONE['forget']}"
        declared = self._settings().policy.known
        still = declared.touching(asked, -1, 1) if declared is not None else []
        return Done(f"{done}, but declared as one: {still[0][1]}" if still else done)

    def _note(self, order: Order, request: Request, until: str | None) -> None:
        """Record who has said what: of an approval nothing else would tell."""
        now = timestamp(time.time())
        words = request.address, order, request.author, until, request.comment
        self._record(OrderRecord(now, *words))

    async def _search(self, request: Request) -> Found:
        """In a thread: a hundred thousand entries and long files must not hold up the sessions."""
        snapshot = Snapshot(self._settings(), self._keeper.own_entries(), time.time())
        try:
            return await asyncio.to_thread(list_search.search, snapshot, request)
        except OSError as error:
            msg = f"{error.filename}: {error.strerror}"
            raise ValueError(msg) from None

    async def _entries(self) -> Entries:
        found: list[RuntimeEntry] = []
        async for part in _parts(self._keeper.own_entries()):
            found += [_entry(each) for each in part if _counts(each)]
        return Entries(found)

    def _profile(self, address: Address) -> Profiles:
        profiler, now = self._keeper.profiler, time.time()
        findings = profiler.look(address, now)
        rules = self._settings().config.profiler.enabled()
        figures = [
            RuleFigures(
                name, rules[name].enabled, *counts,
                rules[name].period_hours, rules[name].rate_percent, rules[name].total_messages,
            )
            for name, counts in profiler.figures(address, now).items()
            if name in rules
        ]  # fmt: skip
        return Profiles([_row(each) for each in findings], len(findings), figures)

    async def _suspicious(self, most: int) -> Profiles:
        """Those with the most bad messages first, for they are nearest to a block."""
        profiler = self._keeper.profiler
        numbers = itertools.count()  # of two that are equal, neither is compared further
        worst: list[tuple[int, float, int, Finding]] = []
        found = 0
        async for part in _parts(profiler.subjects()):
            for each in profiler.suspicious(part, time.time()):
                found += 1
                push = heapq.heappush if len(worst) < most else heapq.heappushpop
                push(worst, (each.bad, each.percent, -next(numbers), each))
        return Profiles([_row(finding) for *_, finding in sorted(worst, reverse=True)], found)


async def _parts(items: Sequence[Item]) -> AsyncIterator[Sequence[Item]]:
    """The items, some at a time; in between the loop turns."""
    for start in range(0, len(items), PART):
        yield items[start : start + PART]
        await asyncio.sleep(0)


def _counts(entry: Entry) -> bool:
    return not entry.is_removal and entry.until > time.time()


def _entry(entry: Entry) -> RuntimeEntry:
    return RuntimeEntry(
        network=str(entry.network),
        kind=entry.kind,
        who=entry.who,
        since=timestamp(entry.since),
        until=None if entry.permanent else timestamp(entry.until),
        comment=entry.comment,
        author=entry.author,
    )


def _row(finding: Finding) -> ProfileRow:
    return ProfileRow(
        address=str(finding.subject),
        rule=finding.name,
        bad=finding.bad,
        total=finding.total,
        percent=round(finding.percent, 1),
        violated=finding.violated,
    )
