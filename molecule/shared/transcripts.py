"""Runs on a host: says SMTP transcripts, all at once, and prints what was answered.

Standard input is a JSON list of objects: `address`, `port`, `prefix` (bytes before the greeting),
`early` (whether the greeting is not waited for), and `chunks`, bytes that are sent in one piece
when what came before has been answered or a while has passed. Bytes are in base64. Each is answered
by the reply lines that came until the other end closed, or said nothing more for a while.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from typing import Any

GREETING_SECONDS = 20.0
ANSWER_SECONDS = 2.0
PAUSE_SECONDS = 0.3
SILENCE_SECONDS = 5.0


class Talk:
    """One connection and what came over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.data = b""
        self.heard = asyncio.Event()

    async def listen(self) -> None:
        with contextlib.suppress(OSError):
            while more := await self.reader.read(65536):
                self.data += more
                self.heard.set()
        self.heard.set()

    async def send(self, data: bytes, seconds: float) -> None:
        """Send, and wait for an answer, and a moment for the rest of it."""
        self.heard.clear()
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.heard.wait(), seconds)
        await asyncio.sleep(PAUSE_SECONDS)


async def say(one: dict[str, Any]) -> list[str]:
    talk = Talk(*await asyncio.open_connection(one["address"], one["port"]))
    listening = asyncio.ensure_future(talk.listen())
    first, *chunks = map(base64.b64decode, [one["prefix"], *one["chunks"]])
    if one["early"]:
        first += chunks.pop(0)
    await talk.send(first, GREETING_SECONDS)
    for chunk in chunks:
        await talk.send(chunk, ANSWER_SECONDS)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(listening, SILENCE_SECONDS)
    talk.writer.close()
    return talk.data.decode("latin-1").splitlines()


async def main() -> None:
    print(json.dumps(await asyncio.gather(*map(say, json.load(sys.stdin)))))


asyncio.run(main())
