"""State in Redis or Valkey, shared by several gateways.

=======================================  =====================================================
``PREFIX:counts:WIDTH:BUCKET``           hash, ``SUBJECT SOURCE`` to a row; expires by itself
``PREFIX:entries``                       hash, ``NETWORK SLOT`` to an entry
``PREFIX:changes``                       stream of what was written, cut to its last thousand
=======================================  =====================================================

Each gateway follows the stream, so that a source that is blocked at one is blocked at the others a
moment later; entries are read as a whole once a minute, and everything on each new connection. The
address is ``redis://``, ``rediss://`` (TLS, with ``ssl_ca_certs=`` in the query) or ``unix://``.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

from redis.asyncio import Redis as Client

from sender_filter.core.profiler import CountRow
from sender_filter.core.profiler.window import BUCKETS
from sender_filter.core.runtime_lists import Entry
from sender_filter.io.journal import log
from sender_filter.state.client import ANSWER_SECONDS, client_of
from sender_filter.state.interface import (
    Pending,
    entry_from_text,
    entry_to_text,
    row_from_text,
    row_over,
    row_to_text,
)
from sender_filter.state.memory import WriteBehind

PULL_SECONDS = 60.0
_BLOCK_MILLIS = 2000
_STREAM_LENGTH = 1000
_CHUNK = 200

_SINCE = """
local old = redis.call('HGET', KEYS[1], ARGV[1])
local fine, there = pcall(cjson.decode, old or 'null')
local since = fine and type(there) == 'table' and tonumber(there.since) or nil
"""
_PUT_ENTRY = f"""{_SINCE}
if since and since > tonumber(ARGV[2]) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
"""
_DROP_ENTRY = f"""{_SINCE}
if since == tonumber(ARGV[2]) then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""


class Redis(WriteBehind):
    """A store on a server that other gateways use as well."""

    name = "redis"

    def __init__(self, url: str, prefix: str = "sender-filter") -> None:
        """Use that server, and keys that begin with ``prefix``."""
        super().__init__()
        self._url = url
        self._prefix = prefix
        self._entries_key = f"{prefix}:entries"
        self._stream = f"{prefix}:changes"
        self._client: Client | None = None
        self._follower: asyncio.Task[None] | None = None
        self._pull_at = 0.0

    async def _connect(self) -> None:
        await self._disconnect()
        self._client = client_of(self._url)
        newest = await _ask(self._client, "XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        last = newest[0][0] if newest else b"0-0"
        await self._pull_entries(self._client)
        await self._pull_counts(self._client)
        self._follower = asyncio.create_task(self._follow(self._client, last))

    async def _write(self, pending: Pending) -> None:
        client, follower = self._client, self._follower
        if client is None or follower is None or follower.done():
            msg = "the connection was lost"
            raise ConnectionError(msg)
        await self._write_entries(client, pending)
        rows = list(pending.rows.values())
        for start in range(0, len(rows), _CHUNK):
            await self._write_rows(client, rows[start : start + _CHUNK])
        if time.monotonic() >= self._pull_at:
            await self._pull_entries(client)

    async def _disconnect(self) -> None:
        follower, self._follower = self._follower, None
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        if follower is not None:
            follower.cancel()
            await asyncio.wait([follower], timeout=ANSWER_SECONDS)

    async def _write_entries(self, client: Client, pending: Pending) -> None:
        for entry, over in pending.entries.values():
            field = f"{entry.network} {entry.slot}"
            since, text = repr(entry.since), entry_to_text(entry)
            if over:
                await _ask(client, "EVAL", _DROP_ENTRY, 1, self._entries_key, field, since)
                continue
            await _ask(client, "EVAL", _PUT_ENTRY, 1, self._entries_key, field, since, text)
            await client.xadd(self._stream, {"entry": text}, maxlen=_STREAM_LENGTH)

    async def _write_rows(self, client: Client, rows: list[CountRow]) -> None:
        texts = [row_to_text(row) for row in rows]
        ends: dict[str, int] = {}
        async with client.pipeline(transaction=False) as pipe:
            for row, text in zip(rows, texts, strict=True):
                key = self._bucket_key(row.width, row.bucket)
                pipe.hset(key, f"{row.subject} {row.source}", text)
                ends[key] = row_over(row)
            for key, end in ends.items():
                pipe.expireat(key, end)
            pipe.xadd(self._stream, {"rows": b"\n".join(texts)}, maxlen=_STREAM_LENGTH)
            await pipe.execute()

    async def _follow(self, client: Client, last: bytes) -> None:
        """Hand on what others write, until the connection is lost; the next turn sees that."""
        words = ("COUNT", 100, "BLOCK", _BLOCK_MILLIS, "STREAMS", self._stream)
        while self._client is client:  # redis-py was seen to swallow a cancellation
            for _, messages in await _ask(client, "XREAD", *words, last) or ():
                for _, fields in messages:
                    entries = _entries([fields[b"entry"]] if b"entry" in fields else [])
                    await self._give(entries, _rows(fields.get(b"rows", b"").splitlines()))
                last = messages[-1][0]

    async def _pull_entries(self, client: Client) -> None:
        async for texts in _values(client, self._entries_key):
            await self._give(_entries(texts), [])
        self._pull_at = time.monotonic() + PULL_SECONDS

    async def _pull_counts(self, client: Client) -> None:
        for width in self._listener.widths() if self._listener is not None else ():
            newest = int(time.time()) // width
            for bucket in range(newest - BUCKETS + 1, newest + 2):
                async for texts in _values(client, self._bucket_key(width, bucket)):
                    await self._give([], _rows(texts))

    def _bucket_key(self, width: int, bucket: int) -> str:
        return f"{self._prefix}:counts:{width}:{bucket}"


async def _ask(client: Client, *words: str | bytes | int) -> Any:
    """Send a command; redis-py's own methods are typed for all its clients at once."""
    return await cast(Any, client).execute_command(*words)


async def _values(client: Client, key: str) -> AsyncIterator[list[bytes]]:
    """The values of a hash, some at a time, so that neither side is kept from its other work."""
    cursor = 0
    while True:
        cursor, found = await _ask(client, "HSCAN", key, cursor, "COUNT", _CHUNK)
        yield list(found.values())
        if not cursor:
            break


def _entries(texts: list[bytes]) -> list[Entry]:
    """The entries among the texts; what is none was written by something else and is left."""
    entries = []
    for text in texts:
        try:
            entries.append(entry_from_text(text))
        except ValueError as error:
            log.warning("redis: an entry cannot be read: %s", error)
    return entries


def _rows(texts: list[bytes]) -> list[CountRow]:
    """The rows among the texts, as ``_entries``."""
    rows = []
    for text in texts:
        try:
            rows.append(row_from_text(text))
        except ValueError as error:
            log.warning("redis: a row cannot be read: %s", error)
    return rows
