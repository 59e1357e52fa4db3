"""SMTP load on one gateway: connections at a rate, long sessions, messages that are counted."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate

GREETING_SECONDS = 20.0
ENDED, REFUSED = "ended by itself", "refused"


@dataclass
class Tally:
    """What became of the load. `connections` counts how each short connection ended."""

    connections: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    latest_greeting: float = 0.0

    @property
    def refused_or_reset(self) -> int:
        """Connections that did not get a greeting, or no goodbye."""
        lost = sum(self.connections.values()) - self.connections["served"]
        return lost + self.sessions[REFUSED]

    @property
    def sessions_cut(self) -> int:
        """Sessions and transactions that began and did not end by themselves."""
        return sum(n for how, n in self.sessions.items() if how not in (ENDED, REFUSED))


class Load:
    """The load, from `start` to `stop`."""

    def __init__(self, addresses: list[str], rate: int, sessions: int, senders: int) -> None:
        self.addresses = addresses
        self.rate, self.sessions, self.senders = rate, sessions, senders
        self.tally = Tally()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._run = f"{random.getrandbits(32):08x}"

    def start(self) -> None:
        """Begin; returns at once."""
        self._spawn(self._connect_at_rate())
        for _ in range(self.sessions):
            self._spawn(self._long_sessions())
        for _ in range(self.senders):
            self._spawn(self._send_messages())

    async def stop(self) -> Tally:
        """End, once what has begun has come to its own end."""
        self._stopping.set()
        while self._tasks:
            await asyncio.wait(self._tasks)
        return self.tally

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _address(self) -> str:
        return self.addresses[next(self._numbers) % len(self.addresses)]

    async def _connect_at_rate(self) -> None:
        loop = asyncio.get_running_loop()
        started, made = loop.time(), 0
        while not self._stopping.is_set():
            due = int((loop.time() - started) * self.rate)
            for _ in range(due - made):
                self._spawn(self._short_connection())
            made = due
            await asyncio.sleep(0.005)

    async def _short_connection(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                reader, writer = await asyncio.open_connection(self._address(), 25)
                greeting = await reader.readline()
                self.tally.latest_greeting = max(self.tally.latest_greeting, loop.time() - began)
                writer.write(b"QUIT\r\n")
                goodbye = await reader.readline()
                writer.close()
            served = greeting.startswith(b"220") and goodbye.startswith(b"221")
            how = "served" if served else f"answered {(greeting + goodbye)[:30]!r}"
        except OSError as error:  # TimeoutError is one of them
            how = type(error).__name__
        self.tally.connections[how] += 1

    async def _long_sessions(self) -> None:
        while not self._stopping.is_set():
            try:
                ended = await self._one_session(random.uniform(2, 6))
            except ConnectionRefusedError:
                ended = REFUSED
                await asyncio.sleep(0.5)
            except (OSError, EOFError) as error:
                ended = f"cut: {type(error).__name__}"
            self.tally.sessions[ended] += 1

    async def _one_session(self, seconds: float) -> str:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(self._address(), 25)
        await _expect(reader, b"220")
        until = loop.time() + seconds
        while loop.time() < until:
            writer.write(b"NOOP\r\n")
            await _expect(reader, b"250")
            await asyncio.sleep(0.5)
        writer.write(b"QUIT\r\n")
        await _expect(reader, b"221")
        writer.close()
        return ENDED

    async def _send_messages(self) -> None:
        while not self._stopping.is_set():
            subject = f"load-{self._run}-{next(self._numbers)}"
            try:
                await self._one_message(subject)
                self.tally.acknowledged.append(subject)
            except ConnectionRefusedError:
                self.tally.sessions[REFUSED] += 1
            except (OSError, EOFError) as error:
                self.tally.sessions[f"cut while sending: {type(error).__name__}"] += 1
            await asyncio.sleep(1.0)

    async def _one_message(self, subject: str) -> None:
        reader, writer = await asyncio.open_connection(self._address(), 25)
        await _expect(reader, b"220")
        # A message without its headers would be taken for spam.
        message = (
            f"From: <load@client.test>\r\nTo: <bob@example.test>\r\nSubject: {subject}\r\n"
            f"Date: {formatdate()}\r\nMessage-ID: <{subject}@client.test>\r\n\r\n"
            "One of many.\r\n.\r\n"
        ).encode()
        for line, code in (
            (b"HELO load.example.test\r\n", b"250"),
            (b"MAIL FROM:<load@client.test>\r\n", b"250"),
            (b"RCPT TO:<bob@example.test>\r\n", b"250"),
            (b"DATA\r\n", b"354"),
            (message, b"250"),
            (b"QUIT\r\n", b"221"),
        ):
            writer.write(line)
            await _expect(reader, code)
        writer.close()


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    async with asyncio.timeout(GREETING_SECONDS):
        line = await reader.readline()
    if not line.startswith(code):
        msg = f"expected {code.decode()}, got {line[:60]!r}"
        raise EOFError(msg)
