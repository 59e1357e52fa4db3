"""``interface.Fleet`` as it is: the filter's control socket, the index, and the audit record."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from sender_filter.core import addresses
from sender_filter.io import messages
from sender_filter.io.messages import Failure, Profiles, Request
from sender_filter.io.messages.lists import Entries, Found
from sender_filter.io.messages.records import Gateways
from sender_filter.io.messages.status import Status
from sender_filter_console import interface
from sender_filter_console.audit import Audit
from sender_filter_console.gateway import health, notation, topology
from sender_filter_console.gateway.entries import entry
from sender_filter_console.gateway.follower import Follower
from sender_filter_console.gateway.link import Link
from sender_filter_console.index import places, rows
from sender_filter_console.index.index import Index
from sender_filter_console.index.reader import Filters
from sender_filter_console.interface import (
    AddressReport,
    ChartBucket,
    Decision,
    DecisionQuery,
    Entry,
    ExportFormat,
    FleetError,
    FullDecision,
    Imported,
    ListName,
    ListQuery,
    ListSummary,
    NotFoundError,
    Order,
    Overview,
    Page,
    RefusedError,
    TopAddress,
    Topology,
    UnavailableError,
)
from sender_filter_console.settings.schema import Config

Command = Literal["block", "approve", "know"]

HISTORY: Final = 20
MOST_PROBLEMS: Final = 100
COMMANDS: Final[dict[ListName, Command]] = {
    "blocked": "block",
    "approved": "approve",
    "known_hosts": "know",
}
"""What makes an entry of each list."""

VARIABLES: Final[dict[ListName, str]] = {
    "blocked": "sender_filter_blocked",
    "approved": "sender_filter_approved",
    "known_hosts": "sender_filter_known_hosts",
}


class FilterFleet:
    """The gateways that the filter of this one knows."""

    def __init__(self, config: Config, audit: Audit) -> None:
        """Open the index, and note each change in ``audit``. Make it inside the running loop.

        Raises:
            OSError: The index cannot be opened.
        """
        self._index = Index(
            Path(config.index.file), days=config.index.days, most=config.index.decisions
        )
        self._audit = audit
        self._link = Link(config.filter.sockets)
        self._topology = config.filter.topology
        self._follower = Follower(self._link, self._index)

    def start(self) -> None:
        """Begin to follow the filter."""
        self._follower.start()

    async def close(self) -> None:
        """End."""
        await self._follower.close()
        self._index.close()

    async def overview(self) -> Overview:
        """Functions, health and gateways."""
        heard = await self._index.read(lambda index: index.gateways())
        try:
            status = await self._link.ask(Request("status"), Status)
        except UnavailableError as error:
            name = socket.gethostname()
            here = health.silent(name, heard.get(name), str(error))
        else:
            name = status.gateway
            here = health.gateway(status, name, heard.get(name))
        others = {each: interface.Gateway(each, here=False, heard=heard[each]) for each in heard}
        others |= {each.name: each for each in await self._announced(heard)}
        others.pop(name, None)
        return Overview(
            gateways=[here, *(others[each] for each in sorted(others))],
            shared=bool(self._follower.shared),
            stored=self._index.stored,
            oldest=await self._index.read(lambda index: index.oldest()),
            behind=self._follower.problem,
        )

    async def chart(self, since: datetime, buckets: int, gateway: str | None) -> list[ChartBucket]:
        """Decisions from then until now in about so many columns."""
        now = datetime.now(UTC)
        if since >= now:
            return []
        return await self._index.read(lambda index: index.chart(since, now, buckets, gateway))

    async def top(self, limit: int) -> list[TopAddress]:
        """The addresses most often refused in the last seven days."""
        return await self._index.read(lambda index: index.top(limit))

    async def decisions(self, query: DecisionQuery) -> Page[Decision]:
        """Decisions, the latest first."""
        filters = _filters(query)
        return await self._index.read(lambda index: index.decisions(filters))

    async def decision(self, number: int) -> FullDecision:
        """One decision."""
        found = await self._index.read(lambda index: index.decision(number))
        if found is None:
            msg = f"decision {number} is not kept (any more)"
            raise NotFoundError(msg)
        return found

    async def address(self, text: str) -> AddressReport:
        """All about an address."""
        address = _address(text)
        explanation, profile, covering = await asyncio.gather(
            self._link.ask(Request("check", str(address)), messages.Explanation),
            self._link.ask(Request("profile", str(address)), Profiles),
            self._covering(str(address)),
        )
        filters = Filters(span=places.span(str(address)), limit=HISTORY)
        history, events, refused = await self._index.read(
            lambda index: (
                index.decisions(filters),
                index.events(address, HISTORY),
                index.refused(address),
            )
        )
        return AddressReport(
            address=str(address),
            explanation=interface.Explanation(
                explanation.function,
                explanation.action,
                [rows.check(each) for each in explanation.checks],
                explanation.reply,
            ),
            profile=[
                interface.ProfileRow(row.rule, row.bad, row.total, row.percent, row.violated)
                for row in profile.rows
            ],
            blocks=covering["blocked"],
            approvals=covering["approved"],
            known=covering["known_hosts"],
            history=history,
            events=events,
            refused_week=refused,
        )

    async def lists(self) -> list[ListSummary]:
        """The lists."""
        status, made, known = await asyncio.gather(
            self._link.ask(Request("status"), Status),
            self._link.ask(Request("entries"), Entries),
            self._count(Request("search", list="known_hosts", origin="declared")),
        )
        kinds = Counter(each.kind for each in made.entries)
        return [
            ListSummary("blocked", status.blocked.entries, kinds["block"]),
            ListSummary("approved", status.approved.entries, kinds["approval"]),
            ListSummary("known_hosts", known, kinds["known"]),
        ]

    async def entries(self, query: ListQuery) -> Page[Entry]:
        """Entries of a list."""
        request = Request(
            "search",
            text=query.search,
            list=query.name,
            origin="run time" if query.run_time else None,
            cursor=query.after or "",
            limit=query.limit,
        )
        found = await self._link.ask(request, Found)
        return Page([entry(each) for each in found.entries], found.cursor)

    async def block(self, order: Order) -> str:
        """Refuse clients from now on."""
        return await self._order("block", order)

    async def approve(self, order: Order) -> str:
        """Never refuse clients from now on."""
        return await self._order("approve", order)

    async def release(self, network: str, who: str) -> str:
        """Take back what was said at run time of clients."""
        return await self._take_back("release", network, who)

    async def know(self, order: Order) -> str:
        """Take hosts for known ones from now on."""
        return await self._order("know", order)

    async def forget(self, network: str, who: str) -> str:
        """Take back what was said at run time of known hosts."""
        return await self._take_back("forget", network, who)

    async def import_list(self, name: ListName, text: str, comment: str, who: str) -> Imported:
        """Make entries of the lines of a text."""
        lines = list(notation.lines(text))
        good = [line for line in lines if line.problem is None]
        requests = [
            Request(COMMANDS[name], line.entry, comment=(line.comment or comment)[:500], author=who)
            for line in good
        ]
        problems = {line.number: line.problem for line in lines if line.problem is not None}
        async with self._audited(who, "import", list=name, entries=len(requests)):
            answers = await self._link.ask_all(requests)
        for line, answer in zip(good, answers, strict=True):
            if isinstance(answer, Failure):
                problems[line.number] = answer.error
        added = len(lines) - len(problems)
        shown = [f"line {number}: {why}" for number, why in sorted(problems.items())]
        if len(shown) > MOST_PROBLEMS:
            shown = [*shown[:MOST_PROBLEMS], f"and {len(shown) - MOST_PROBLEMS} lines more"]
        return Imported(added, shown)

    async def export_list(self, name: ListName, form: ExportFormat, *, run_time: bool) -> str:
        """The list as text."""
        query = ListQuery(name, run_time=run_time or form == "yaml", limit=messages.MOST_ROWS)
        found = [each async for each in self._all(query)]
        if form == "yaml":
            found = [each for each in found if each.maker == "operator"]
        return await asyncio.to_thread(notation.written, found, form, VARIABLES[name])

    async def topology(self) -> Topology:
        """The mail path of the console's own gateway."""
        return await topology.ask(self._topology)

    async def _announced(self, heard: Mapping[str, datetime]) -> list[interface.Gateway]:
        """How each gateway does by its own words, where they are shared."""
        if not self._follower.shared:
            return []
        try:
            said = await self._link.ask(Request("gateways"), Gateways)
        except FleetError:
            return []  # the health of the state tells why
        now = datetime.now(UTC)
        return [health.elsewhere(each, heard.get(each.gateway), now) for each in said.gateways]

    async def _order(self, command: Command, order: Order) -> str:
        request = Request(command, order.network, order.seconds, order.comment, author=order.who)
        async with self._audited(
            order.who, command, network=order.network, seconds=order.seconds, comment=order.comment
        ):
            done = await self._link.ask(request, messages.Done)
        return done.text

    async def _take_back(
        self, command: Literal["release", "forget"], network: str, who: str
    ) -> str:
        async with self._audited(who, command, network=network):
            done = await self._link.ask(Request(command, network, author=who), messages.Done)
        return done.text

    @asynccontextmanager
    async def _audited(
        self, who: str, action: str, **what: str | float | None
    ) -> AsyncIterator[None]:
        """Record that something is asked for before it is done, and then what came of it."""
        self._audit.note(who, action, "asked", **what)
        try:
            yield
        except FleetError as error:
            self._audit.note(who, action, f"failed: {error}", **what)
            raise
        self._audit.note(who, action, "done", **what)

    async def _covering(self, address: str) -> dict[ListName, list[Entry]]:
        """What was said at run time about an address, or about a network that holds it."""
        covering: dict[ListName, list[Entry]] = {name: [] for name in COMMANDS}
        for name, entries in covering.items():
            query = ListQuery(name, address, run_time=True, limit=messages.MOST_ROWS)
            entries += [each async for each in self._all(query)]
        return covering

    async def _count(self, search: Request) -> int:
        count = 0
        cursor: str | None = ""
        while cursor is not None:
            page = msgspec.structs.replace(search, cursor=cursor, limit=messages.MOST_ROWS)
            found = await self._link.ask(page, Found)
            count, cursor = count + len(found.entries), found.cursor
        return count

    async def _all(self, query: ListQuery) -> AsyncIterator[Entry]:
        """Every entry, page by page."""
        after: str | None = query.after
        while True:
            page = await self.entries(
                ListQuery(query.name, query.search, query.run_time, after, query.limit)
            )
            for each in page.items:
                yield each
            if page.next is None:
                return
            after = page.next


def _address(text: str) -> addresses.Address:
    try:
        return addresses.parse(text.strip())
    except ValueError as error:
        raise RefusedError(str(error)) from None


def _filters(query: DecisionQuery) -> Filters:
    """The query with its texts understood.

    Raises:
        RefusedError: One of them cannot be.
    """
    try:
        span = places.span(query.network) if query.network else None
    except ValueError as error:
        raise RefusedError(str(error)) from None
    if query.after and not (query.after.isascii() and query.after.isdecimal()):
        msg = f"{query.after!r} is no place in the decisions"
        raise RefusedError(msg)
    return Filters(
        span=span,
        function=query.function,
        result=query.result,
        gateway=query.gateway,
        since=query.since,
        until=query.until,
        end=int(query.after) if query.after else None,
        limit=query.limit,
    )
