"""Runs on the client: mail to gateways without a pause, sent as a real MTA does, and counted.

The argument is a JSON object: `token` for the subjects, `targets` with the addresses of each
gateway, `pause` between two messages to one address, `rate` of short connections to each gateway.
Each line on stdin is answered by a JSON object a gateway: what happened since the line before.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from email.utils import formatdate
from typing import Any

REPLY_SECONDS = 60.0
CONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.5


class RefusalError(Exception):
    """A reply other than the expected one."""


class Gateway:
    """The traffic to one gateway, and what became of it.

    A message is sent again until it is acknowledged. Each attempt has a subject of its own, so that
    one that was acknowledged can be told from one that was cut off and may have arrived too.
    """

    def __init__(self, name: str, addresses: list[str], token: str) -> None:
        self.name, self.addresses, self.token = name, addresses, token
        self.greeted = time.monotonic()
        self.start_over()

    def start_over(self) -> None:
        self.acknowledged: list[str] = []
        self.in_doubt: list[str] = []  # sent whole, and no reply
        self.bounced: list[str] = []
        self.failures: Counter[str] = Counter()
        self.connections: Counter[str] = Counter()
        self.silence = 0.0

    def report(self) -> dict[str, Any]:
        self._note_silence()
        names = ("acknowledged", "in_doubt", "bounced", "failures", "connections", "silence")
        found = {name: getattr(self, name) for name in names}
        self.start_over()
        return found

    def _note_silence(self) -> None:
        self.silence = max(self.silence, time.monotonic() - self.greeted)

    def _note_greeting(self) -> None:
        self._note_silence()
        self.greeted = time.monotonic()

    async def send_for_ever(self, address: str, pause: float) -> None:
        for number in itertools.count():
            message = f"{self.token}-{self.name}-{'v6' if ':' in address else 'v4'}-{number}"
            for attempt in itertools.count():
                if await self._attempt(address, f"{message}.{attempt}"):
                    break
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def _attempt(self, address: str, subject: str) -> bool:
        """Whether the message needs no further attempt."""
        at = "connect"
        writer = None
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(address, 25), CONNECT_SECONDS
            )
            for step, data, code in dialogue(subject):
                at = step
                writer.write(data)
                await expect(reader, code)
        except (TimeoutError, OSError, EOFError, RefusalError) as error:
            self.failures[f"{at}: {type(error).__name__} {error}".strip()] += 1
            final = isinstance(error, RefusalError) and str(error).startswith("5")
            if final:
                self.bounced.append(f"{subject}: {at}: {error}")
            elif at == "message" and not isinstance(error, RefusalError):
                self.in_doubt.append(subject)
            return final
        else:
            self.acknowledged.append(subject)
            writer.write(b"QUIT\r\n")
            return True
        finally:
            if writer:
                writer.close()

    async def connect_for_ever(self, rate: float) -> None:
        running: set[asyncio.Task[None]] = set()
        for address in itertools.cycle(self.addresses):
            task = asyncio.ensure_future(self._connect(address))
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(1 / rate)

    async def _connect(self, address: str) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(address, 25)
                try:
                    await expect(reader, "220")
                    self._note_greeting()
                    writer.write(b"QUIT\r\n")
                    await expect(reader, "221")
                finally:
                    writer.close()
        except (OSError, EOFError, RefusalError) as error:  # TimeoutError is an OSError
            self.connections[f"{type(error).__name__} {error}".strip()] += 1
        else:
            self.connections["served"] += 1


def dialogue(subject: str) -> list[tuple[str, bytes, str]]:
    """The steps of a session with one message: name, what is said, the reply's code."""
    # Without its headers a message would be taken for spam.
    message = (
        f"From: <sender@remote.test>\r\nTo: <r@example.test>\r\nSubject: {subject}\r\n"
        f"Date: {formatdate()}\r\nMessage-ID: <{subject}@remote.test>\r\n\r\nOne of many.\r\n.\r\n"
    )
    return [
        ("greeting", b"", "220"),
        ("EHLO", b"HELO client.example.test\r\n", "250"),
        ("MAIL", b"MAIL FROM:<sender@remote.test>\r\n", "250"),
        ("RCPT", b"RCPT TO:<recipient@example.test>\r\n", "250"),
        ("DATA", b"DATA\r\n", "354"),
        ("message", message.encode(), "250"),
    ]


async def expect(reader: asyncio.StreamReader, code: str) -> None:
    """Read a reply of one line, which must have a code."""
    line = await asyncio.wait_for(reader.readline(), REPLY_SECONDS)
    if not line:
        raise EOFError("closed")
    if not line.startswith(code.encode()):
        raise RefusalError(line.decode(errors="replace").strip())


async def main() -> None:
    order = json.loads(sys.argv[1])
    gateways = [Gateway(name, each, order["token"]) for name, each in order["targets"].items()]
    tasks = []
    for gateway in gateways:
        tasks.append(asyncio.ensure_future(gateway.connect_for_ever(order["rate"])))
        tasks.extend(
            asyncio.ensure_future(gateway.send_for_ever(address, order["pause"]))
            for address in gateway.addresses
        )
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        failed = [task.exception() for task in tasks if task.done()]
        if failed:
            raise RuntimeError(failed)
        print(json.dumps({one.name: one.report() for one in gateways}), flush=True)
    for task in tasks:
        task.cancel()


asyncio.run(main())
