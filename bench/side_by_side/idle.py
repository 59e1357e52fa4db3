"""Sessions that do nothing: how much memory each of them holds."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path
from typing import Any

from side_by_side.figures import row
from side_by_side.haproxy import HAProxy
from side_by_side.load import Load
from side_by_side.ours import FULL_POLICY, SenderFilter
from side_by_side.servers import Server, most_sessions, running
from side_by_side.sink import Sink

AT_ONCE = 200  # connections that are begun before the first of them is waited for


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:  # noqa: ARG001 - as its siblings
    """The rows."""
    limits = (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    sink = Sink(folder / "sink", 2600, header=True)
    ours = SenderFilter(folder / "ours", 2800, sink.port, FULL_POLICY)
    haproxy = HAProxy(folder / "haproxy", sink.port)
    count = most_sessions() - AT_ONCE
    with running(sink, ours, haproxy):
        mine, others = _bytes_each(ours, count), _bytes_each(haproxy, count)
    return [row(f"memory of each of {count} idle sessions: HAProxy", mine, others, "bytes")]


def _bytes_each(server: Server, count: int) -> float:
    before = server.resident_bytes()
    clients: list[socket.socket] = []
    for first in range(0, count, AT_ONCE):
        new = [_connect(server.port, first + each) for each in range(min(AT_ONCE, count - first))]
        for client in new:
            if not client.recv(100).startswith(b"220"):
                msg = f"{server.name} does not greet client {len(clients)}"
                raise RuntimeError(msg)
        clients += new
    time.sleep(1)
    after = server.resident_bytes()
    for client in clients:
        client.close()
    return (after - before) / count


def _connect(port: int, number: int) -> socket.socket:
    client = socket.socket()
    client.settimeout(20)
    client.bind((f"198.18.{number >> 8}.{number & 255}", 0))
    client.connect(("127.0.0.1", port))
    return client
