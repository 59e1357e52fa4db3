"""Many sessions at once on one filter, for a while: what becomes of its memory and of the mail?

A real filter process stands in front of a small SMTP server. A tenth of the clients send a byte a
second, of the headers or of the text; the others send message after message, each judged by its
Received headers (Known Hosts).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outcome import outcome

FILTER = Path(sys.executable).with_name("senderfilter")  # of the environment that this runs in
SOURCES = [f"127.0.0.{last}" for last in range(2, 10)]  # known hosts, and not this host itself
MESSAGES_A_SESSION = 3
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
COLLECTOR_SECONDS = 10
MOST_GROWTH_PERCENT = 5.0
ENVELOPE = ("MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>")


class Sink:
    """Takes every message, and keeps its number."""

    def __init__(self) -> None:
        self.arrived: Counter[int] = Counter()
        self.port = 0
        self._server: asyncio.Server

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            header = await reader.readexactly(16)
            await reader.readexactly(int.from_bytes(header[14:], "big"))
            writer.write(b"220 sink.example.test ESMTP\r\n")
            while command := (await reader.readline()).strip():
                if command == b"DATA":
                    writer.write(b"354 Go ahead\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    number = int(content.partition(b"Subject: ")[2].split()[0])
                    self.arrived[number] += 1
                    writer.write(b"250 2.0.0 Ok: queued as %X\r\n" % number)
                elif command == b"QUIT":
                    writer.write(b"221 2.0.0 Bye\r\n")
                    break
                else:
                    writer.write(b"250 2.1.0 Ok\r\n")
        writer.close()


@dataclass
class Tally:
    """What the clients have seen: the numbers of acknowledged messages, how sessions ended."""

    acknowledged: list[int] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def cut(self) -> int:
        """Sessions that did not end as their client wanted."""
        return sum(self.ended.values()) - self.ended["in order"]


class Clients:
    """All clients, from `start` until `stop`."""

    def __init__(self, port: int, sessions: int) -> None:
        self.tally = Tally()
        self._port, self._sessions = port, sessions
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; returns at once."""
        slow = self._sessions // 10
        for number in range(self._sessions):
            work = self._trickle(number % 2) if number < slow else self._send_on()
            self._tasks.append(asyncio.ensure_future(self._counted(work)))

    async def stop(self) -> None:
        """End, once each session has come to its own end."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _counted(self, work: Any) -> None:
        await asyncio.sleep(random.random() * PAUSE_SECONDS)
        try:
            await work
        except (OSError, EOFError) as error:
            self.tally.ended[f"cut: {type(error).__name__} {error}"] += 1

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = (random.choice(SOURCES), 0)
        link = await asyncio.open_connection("127.0.0.1", self._port, local_addr=source)
        await _expect(link[0], b"220")
        return link

    async def one_session(self) -> None:
        """A few messages, one after the other."""
        link = await self._connect()
        for _ in range(MESSAGES_A_SESSION):
            await self._message(link)
            await asyncio.sleep(PAUSE_SECONDS)
        await self._leave(link)

    async def _send_on(self) -> None:
        while not self._stopping.is_set():
            await self.one_session()

    async def _trickle(self, headers_at_once: int) -> None:
        """One message, a byte a second, and its rest when all is over."""
        link = await self._connect()
        number = await self._begin(link)
        headers = _headers(number) + b"\r\n"
        text = headers + b"x" * 900
        sent = len(headers) if headers_at_once else 0
        link[1].write(headers[:sent])
        while not self._stopping.is_set():
            link[1].write(text[sent : sent + 1])
            sent += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopping.wait()
        await self._end(link, number, text[sent:])
        await self._leave(link)

    async def _message(self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        number = await self._begin(link)
        await self._end(link, number, _headers(number) + b"\r\n" + b"text\r\n" * 100)

    async def _begin(self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> int:
        reader, writer = link
        for line in ENVELOPE:
            writer.write(line.encode() + b"\r\n")
            await _expect(reader, b"250")
        writer.write(b"DATA\r\n")
        await _expect(reader, b"354")
        return next(self._numbers)

    async def _end(
        self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter], number: int, rest: bytes
    ) -> None:
        reader, writer = link
        writer.write(rest + b"\r\n.\r\n")
        await _expect(reader, b"250")
        self.tally.acknowledged.append(number)

    async def _leave(self, link: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        reader, writer = link
        writer.write(b"QUIT\r\n")
        await _expect(reader, b"221")
        writer.close()
        self.tally.ended["in order"] += 1


def _headers(number: int) -> bytes:
    """Two known hosts on the way, and a stranger in front of them."""
    stranger = f"198.51.{number >> 8 & 0xFF}.{number & 0xFF}"
    hops = [
        f"Received: from h{hop}.example.test (h{hop}.example.test [{address}])\r\n"
        f"\tby mx{hop}.example.test (Postfix) with ESMTP id 4{number:X}{hop}\r\n"
        "\tfor <b@example.test>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)\r\n"
        for hop, address in enumerate(("10.0.0.8", "192.168.7.9", stranger))
    ]
    return f"{''.join(hops)}From: <a@example.test>\r\nSubject: {number}\r\n".encode()


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        line = await reader.readline()
    if not line.startswith(code):
        msg = f"expected {code.decode()}, got {line[:60]!r}"
        raise EOFError(msg)


class Filter:
    """The filter's process."""

    def __init__(self, program: Path, folder: Path, sink: int, sessions: int) -> None:
        self._program, self._config = program, folder / "config.toml"
        (folder / "none.list").touch()
        (folder / "records").mkdir()
        self._config.write_text(
            '[listen]\naddresses = ["127.0.0.1:0"]\n'
            f'[upstream]\naddress = "127.0.0.1:{sink}"\n'
            '[lists]\nblocked = ["none.list"]\napproved = ["none.list"]\n'
            "[known_hosts]\nenabled = true\n"
            f"[limits]\nsessions = {2 * sessions}\n"  # so that it is no load that ends slow ones
            f'[control]\nsocket = "{folder / "control"}"\n'
            f'[log]\ndirectory = "{folder / "records"}"\n'
            f'[state]\nfile = "{folder / "state.sqlite"}"\n'
        )
        self._process: subprocess.Popen[bytes]
        self._worker = ""

    async def start(self) -> int:
        """Start it; the port that it listens on."""
        self._process = subprocess.Popen([self._program, "serve", "--config", self._config])
        while (status := self._status()) is None:
            await asyncio.sleep(0.1)
        self._worker = f"/proc/{status['pid']}"
        return int(status["listeners"][0].rpartition(":")[2])

    def stop(self) -> None:
        """End it, with its worker."""
        self._process.terminate()
        self._process.wait()

    def _status(self) -> dict[str, Any] | None:
        command = [self._program, "status", "--json"]
        environment = os.environ | {"SENDER_FILTER_CONFIG": str(self._config)}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        found: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return found

    async def resident(self) -> float:
        """The most memory that the worker holds within some seconds, in MiB.

        Ended sessions wait for Python's collector of cycles, so it goes up and down a little.
        """
        most = 0
        for _ in range(5 * COLLECTOR_SECONDS):
            most = max(most, int(Path(f"{self._worker}/statm").read_text().split()[1]))
            await asyncio.sleep(0.2)
        return most * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    async def settled(self) -> int:
        """How many files and sockets the worker holds, once no client is there any more."""
        status = self._status()
        while status is None or status["sessions"]:
            await asyncio.sleep(0.2)
            status = self._status()
        await asyncio.sleep(1)
        return sum(1 for _ in Path(f"{self._worker}/fd").iterdir())


@dataclass
class Result:
    """What was measured; memory in MiB."""

    sessions: int
    seconds: float
    tally: Tally
    lost: int
    doubled: int
    memory: list[float]
    descriptors: tuple[int, int]

    @property
    def growth(self) -> float:
        """By how many percent the memory has grown after the warm-up."""
        _, warm, end = self.memory
        return 100 * (end - warm) / warm

    def table(self) -> str:
        """The result as Markdown."""
        start, warm, end = self.memory
        figures = {
            "sessions at once": self.sessions,
            "sessions": sum(self.tally.ended.values()),
            "cut": self.tally.cut,
            "messages": len(self.tally.acknowledged),
            "lost": self.lost,
            "doubled": self.doubled,
            "memory at the start": f"{start:.1f} MiB",
            "warm": f"{warm:.1f} MiB",
            f"{self.seconds:g} s later": f"{end:.1f} MiB ({self.growth:+.1f} %)",
            "descriptors before": self.descriptors[0],
            "after": self.descriptors[1],
        }
        cells = " | ".join(str(value) for value in figures.values())
        return f"| {' | '.join(figures)} |\n{'| --- ' * len(figures)}|\n| {cells} |"

    def records(self) -> list[dict[str, Any]]:
        """The rows in the form that every benchmark of this project writes."""
        growth = round(self.growth, 2)
        rows = [
            ("memory growth after the warm-up", growth, "percent", f"< {MOST_GROWTH_PERCENT:g}")
        ]
        before, after = self.descriptors
        rows += [
            (name, figure, "count", "0")
            for name, figure in (
                ("descriptors left over", max(0, after - before)),
                ("sessions cut", self.tally.cut),
                ("acknowledged messages lost", self.lost),
                ("acknowledged messages doubled", self.doubled),
            )
        ]
        return [
            {
                "row": f"soak: {name}, {self.sessions} sessions for {self.seconds:g} s",
                "ours": figure, "peer": None, "unit": unit, "ratio": None, "aim": aim,
                "met": figure < MOST_GROWTH_PERCENT if unit == "percent" else not figure,
            }
            for name, figure, unit, aim in rows
        ]  # fmt: skip


async def measure(options: Any, folder: Path) -> Result:
    """Start everything, let it run, and count."""
    sink = Sink()
    await sink.start()
    proxy = Filter(FILTER, folder, sink.port, options.sessions)
    port = await proxy.start()
    try:
        clients = Clients(port, options.sessions)
        await clients.one_session()  # what is opened once is open from here on
        memory, descriptors = [await proxy.resident()], await proxy.settled()
        clients.start()
        while len(clients.tally.acknowledged) < options.warm_up:
            await asyncio.sleep(1)
        memory.append(await proxy.resident())
        await asyncio.sleep(options.seconds - COLLECTOR_SECONDS)
        memory.append(await proxy.resident())
        await clients.stop()
        left = await proxy.settled()
    finally:
        proxy.stop()
    arrived = sink.arrived
    return Result(
        options.sessions,
        options.seconds,
        clients.tally,
        lost=sum(number not in arrived for number in clients.tally.acknowledged),
        doubled=sum(count > 1 for count in arrived.values()),
        memory=memory,
        descriptors=(descriptors, left),
    )


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000, help="at once")
    parser.add_argument("--seconds", type=float, default=60, help="after the warm-up")
    # The filter remembers 50,000 messages (the scan service may report them) and no more.
    parser.add_argument("--warm-up", type=int, default=80_000, help="messages before them")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(options, Path(folder)))
    print(result.table())
    print(f"{dict(result.tally.ended)}")
    return outcome(result.records(), options.json)


if __name__ == "__main__":
    sys.exit(main())
