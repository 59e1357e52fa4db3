"""The records of all gateways that share state, in one stream on their server.

``PREFIX:decisions`` is a stream of entries with the fields ``gateway`` and ``record`` (JSON, as in
the files of records), cut to about its last hundred thousand. ``PREFIX:gateways`` is a hash of what
each gateway has said of itself last. The stream is written behind the event loop's
back, some records with one command. What the server cannot take is dropped and counted: the files
have it all, and mail never waits.
"""

import asyncio
import contextlib
from typing import Any, cast

import msgspec
from redis.asyncio import Redis as Client

from sender_filter.core.records import Record
from sender_filter.io.journal import log
from sender_filter.state.client import client_of
from sender_filter.state.interface import SharedPage, SharedRecord

STREAM_LENGTH = 100_000
CLOSE_SECONDS = 2.0
MOST_WAITING = 10_000
BATCH = 500
FLUSH_SECONDS = 0.1
PAUSE_SECONDS = 1.0

_PUT = """
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'gateway', ARGV[2], 'record', ARGV[i])
end
"""
_FIRST = b"0-0"

_decoder = msgspec.json.Decoder(Record)


class RecordStream:
    """The stream. Make it, and call everything, inside the running loop.

    Attributes:
        lost: Records that the server has not got since the start.
        problem: Why it gets none now; None if it does.
    """

    def __init__(self, url: str, gateway: str, prefix: str = "sender-filter") -> None:
        """Write as this gateway to that server."""
        self.lost = 0
        self.problem: str | None = None
        self._gateway = gateway
        self._stream = f"{prefix}:decisions"
        self._gateways = f"{prefix}:gateways"
        self._waiting: list[Record] = []
        self._closing = False
        self._encoder = msgspec.json.Encoder()
        self._task: asyncio.Task[None] | None = None
        self._client = client_of(url)

    def put(self, record: Record) -> None:
        """Take a record; the server has it in a moment, or it is counted as lost."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def read(self, cursor: str, limit: int) -> SharedPage:
        """Read on.

        Args:
            cursor: The cursor of the last page; or ``start``, ``now``.
            limit: Most entries.

        Raises:
            ValueError: The server is away, or this is no cursor.
        """
        try:
            after = await self._after(cursor)
            words = (self._stream, b"(" + after, "+", "COUNT", limit)
            found = await _ask(self._client, "XRANGE", *words)
        except Exception as error:  # whatever it is, it is an answer
            msg = f"the shared records cannot be read: {error}"
            raise ValueError(msg) from None
        records, skipped = _decoded([fields for _, fields in found])
        last = found[-1][0] if found else after
        return SharedPage(records, last.decode(), len(found) == limit, skipped)

    async def announce(self, status: bytes) -> None:
        """Leave what this gateway says of itself there; if the server is away, the next time."""
        with contextlib.suppress(Exception):  # the records tell why it is away
            await _ask(self._client, "HSET", self._gateways, self._gateway, status)

    async def announced(self) -> dict[str, bytes]:
        """What each gateway has said of itself last.

        Raises:
            ValueError: The server is away.
        """
        try:
            found = await _ask(self._client, "HGETALL", self._gateways)
        except Exception as error:  # whatever it is, it is an answer
            msg = f"what gateways share cannot be read: {error}"
            raise ValueError(msg) from None
        return {name.decode(errors="replace"): status for name, status in found.items()}

    async def close(self) -> None:
        """Write what is left, if the server takes it soon."""
        self._closing = True
        if (task := self._task) is not None:
            await asyncio.wait([task], timeout=CLOSE_SECONDS)
            task.cancel()
        await self._client.aclose()

    async def _after(self, cursor: str) -> bytes:
        if cursor == "start":
            return _FIRST
        if cursor != "now":
            return cursor.encode()
        newest = await _ask(self._client, "XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        return cast(bytes, newest[0][0]) if newest else _FIRST

    async def _write(self) -> None:
        """Write until nothing waits."""
        while self._waiting and not (self._closing and self.problem):
            await asyncio.sleep(FLUSH_SECONDS if self.problem is None else PAUSE_SECONDS)
            batch: list[Record] = []
            try:
                if self.problem is not None:
                    await _ask(self._client, "PING")
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                texts = map(self._encoder.encode, batch)
                length, key = STREAM_LENGTH, self._stream
                await _ask(self._client, "EVAL", _PUT, 1, key, length, self._gateway, *texts)
            except Exception as error:  # whatever it is, mail goes on and writing must as well
                self._note(len(batch), f"{type(error).__name__}: {error}")
            else:
                self._note(0, None)
        self._task = None

    def _note(self, lost: int, problem: str | None) -> None:
        """Remember the outcome; log it only when it changes."""
        self.lost += lost
        if problem is not None and self.problem is None:
            log.error("records are not shared, mail goes on: %s", problem)
        elif problem is None and self.problem is not None:
            log.info("records are shared again, %d were lost", self.lost)
        self.problem = problem


def _decoded(found: list[dict[bytes, bytes]]) -> tuple[list[SharedRecord], int]:
    """The records, and how many entries are none; the server is not believed blindly."""
    records, skipped = [], 0
    for fields in found:
        try:
            record = _decoder.decode(fields[b"record"])
            records.append(SharedRecord(fields[b"gateway"].decode(), record))
        except (KeyError, UnicodeDecodeError, msgspec.MsgspecError):
            skipped += 1
    return records, skipped


async def _ask(client: Client, *words: str | bytes | int) -> Any:
    """Send a command; redis-py's own methods are typed for all its clients at once."""
    return await cast(Any, client).execute_command(*words)
