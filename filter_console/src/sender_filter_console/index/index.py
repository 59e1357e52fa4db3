"""The index as the rest of the console uses it: nobody waits in the event loop for a disk."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sender_filter_console.index import database
from sender_filter_console.index.reader import Reader
from sender_filter_console.index.writer import Heard, Writer

READERS = 4

Result = TypeVar("Result")


class Index:
    """One thread writes, a few read, each by its own connection."""

    def __init__(self, path: Path, *, days: int, most: int) -> None:
        """Open it, or make it; keep so many days and so many decisions at most.

        Raises:
            OSError: It cannot be opened.
        """
        self._path = path
        self._writing = ThreadPoolExecutor(1, "index-writer")
        self._reading = ThreadPoolExecutor(READERS, "index-reader")
        self._own = threading.local()
        self._database = database.open_writer(path)
        self._writer = Writer(self._database, days=days, most=most)

    @property
    def stored(self) -> int:
        """How many decisions are kept."""
        return self._writer.stored

    async def read(self, question: Callable[[Reader], Result]) -> Result:
        """Let a question be answered in a thread, out of one state of the index."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._ask, question)

    async def cursor(self, source: str) -> str | None:
        """Where to go on reading a source of records."""
        return await self._write(lambda writer: writer.cursor(source))

    async def add(self, heard: Iterable[Heard], source: str, cursor: str) -> None:
        """Take records of a source, and where to go on reading it."""
        now = datetime.now(UTC)
        await self._write(lambda writer: writer.add(heard, source, cursor, now))

    async def forget(self) -> None:
        """Forget what is too old or too much, a part at a time."""
        while await self._write(lambda writer: writer.forget(datetime.now(UTC))):
            pass

    def close(self) -> None:
        """Close it. Nothing is lost: each batch is on the disk."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._database.close()

    async def _write(self, work: Callable[[Writer], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writing, work, self._writer)

    def _ask(self, question: Callable[[Reader], Result]) -> Result:
        if not hasattr(self._own, "database"):
            self._own.database = database.open_reader(self._path)
        with database.snapshot(self._own.database):
            return question(Reader(self._own.database))
