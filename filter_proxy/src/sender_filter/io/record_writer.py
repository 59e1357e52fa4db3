"""Records on their way to the disk, never in the way of the mail.

The event loop only appends to a list. Ten times a second a thread of its own takes the list and
writes it at once; a slow disk makes the list longer, a full one makes it drop, both are counted.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sender_filter.core.records import Record
from sender_filter.io.day_files import DayFiles
from sender_filter.io.journal import log
from sender_filter.settings import schema

FLUSH_SECONDS = 0.1
MOST_WAITING = 200_000


class RecordWriter:
    """Takes records and writes them behind the event loop's back.

    Attributes:
        dropped: Records that were lost since the start.
        problem: Why records are being lost now; None if they are not.
    """

    def __init__(self, settings: schema.Log) -> None:
        """Write where the settings say."""
        self.dropped = 0
        self.problem: str | None = None
        self._settings = settings
        self._files = DayFiles(Path(settings.directory), settings.days)
        self._waiting: list[Record] = []
        self._thread = ThreadPoolExecutor(1, "records")
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[tuple[int, str | None]] | None = None

    def put(self, record: Record) -> None:
        """Take a record; it will be on the disk within a moment, or counted as dropped."""
        if len(self._waiting) >= MOST_WAITING:
            self._note(1, "the disk is too slow")
            return
        self._waiting.append(record)
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def change(self, settings: schema.Log) -> None:
        """Write the next batch where other settings say."""
        if settings != self._settings:
            self._settings = settings
            self._thread.submit(self._files.close)
            self._files = DayFiles(Path(settings.directory), settings.days)

    async def close(self) -> None:
        """Write what is left."""
        while self._waiting or self._writing is not None:
            if self._writing is None:
                self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
        self._thread.submit(self._files.close)
        self._thread.shutdown()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._thread, self._files.append, batch)
        self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[tuple[int, str | None]]) -> None:
        self._writing = None
        self._note(*writing.result())
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def _note(self, lost: int, problem: str | None) -> None:
        """Count what was lost; log it only when that begins and when it ends."""
        self.dropped += lost
        if problem is not None and self.problem is None:
            log.error("records are being lost, mail goes on: %s", problem)
        elif problem is None and self.problem is not None:
            log.info("records are written again, %d were lost", self.dropped)
        self.problem = problem
