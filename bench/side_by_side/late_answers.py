"""Relays DNS questions to a server on the next port, at once, and its answers some time later.

Usage: late_answers.py PORT SECONDS COMMAND…, where the command is the server.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque

import uvloop

Asker = tuple[str, int]
HEADER, TYPE_AND_CLASS = 12, 4


def question(message: bytes) -> bytes:
    """What tells a question from all others under way: its id, name and type (RFC 1035)."""
    end = message.index(0, HEADER) + 1 + TYPE_AND_CLASS
    return message[:2] + message[HEADER:end]


class Relay(asyncio.DatagramProtocol):
    """Both sides: questions from anybody, answers from the server."""

    def __init__(self, server: Asker, seconds: float) -> None:
        self._server, self._seconds = server, seconds
        self._askers: dict[bytes, deque[Asker]] = {}
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport

    def datagram_received(self, data: bytes, sender: Asker) -> None:
        """Pass a question on, or put an answer off."""
        key = question(data)
        if sender != self._server:
            self._askers.setdefault(key, deque()).append(sender)
            self._transport.sendto(data, self._server)
            return
        asker = self._askers[key].popleft()
        if not self._askers[key]:
            del self._askers[key]
        loop = asyncio.get_running_loop()
        loop.call_later(self._seconds, self._transport.sendto, data, asker)


async def main() -> None:
    """Relay until the server ends."""
    port, seconds, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    server = subprocess.Popen(command)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: Relay(("127.0.0.1", port + 1), seconds), local_addr=("127.0.0.1", port)
    )
    # Whoever waits for this program tries to connect.
    await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    await asyncio.to_thread(server.wait)


if __name__ == "__main__":
    uvloop.run(main())
