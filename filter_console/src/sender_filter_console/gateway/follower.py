"""Brings the filter's records into the index, as they come."""

import asyncio
import logging
import sqlite3

from sender_filter.io.messages import Request
from sender_filter.io.messages.records import Records
from sender_filter.io.messages.status import Status
from sender_filter_console.gateway.link import Link
from sender_filter_console.index.index import Index
from sender_filter_console.index.writer import Heard
from sender_filter_console.interface import FleetError

BATCH = 1000
PAUSE_SECONDS = 0.5
AWAY_SECONDS = 2.0
FORGET_SECONDS = 60.0

OWN, FLEET = "own", "fleet"

log = logging.getLogger(__name__)


class Follower:
    """Reads on from where it was, be that a week ago.

    Attributes:
        problem: Why it does not get on; None if it does.
        shared: Whether it reads what all gateways share; None: not known yet.
    """

    def __init__(self, link: Link, index: Index) -> None:
        """Follow that filter into that index."""
        self.problem: str | None = "the records have not been read yet"
        self.shared: bool | None = None
        self._link = link
        self._index = index
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._forget())]

    async def close(self) -> None:
        """End. What was taken is kept."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                pause = 0.0 if await self._read_on() else PAUSE_SECONDS
                problem = None
            except (FleetError, sqlite3.Error) as error:
                pause, problem = AWAY_SECONDS, str(error)
            if problem != self.problem:
                log.log(
                    logging.INFO if problem is None else logging.WARNING,
                    "records: %s",
                    problem or "up to date",
                )
            self.problem = problem
            await asyncio.sleep(pause)

    async def _read_on(self) -> bool:
        """Take a batch; returns whether there is more already."""
        status = await self._link.ask(Request("status"), Status)
        self.shared = status.store is not None and status.store.records_shared
        source = FLEET if self.shared else OWN
        cursor = await self._index.cursor(source) or await self._beginning(source)
        request = Request("records", cursor=cursor, limit=BATCH, fleet=self.shared)
        found = await self._link.ask(request, Records)
        if found.cursor != cursor or found.records:
            heard = [Heard(each.gateway, each.record) for each in found.records]
            await self._index.add(heard, source, found.cursor)
        return found.more

    async def _beginning(self, source: str) -> str:
        """What the other source has given already is not to be counted once more."""
        other = OWN if source == FLEET else FLEET
        return "start" if await self._index.cursor(other) is None else "now"

    async def _forget(self) -> None:
        while True:
            try:
                await self._index.forget()
            except sqlite3.Error as error:
                log.warning("the index forgets nothing: %s", error)
            await asyncio.sleep(FORGET_SECONDS)
