"""Metrics in Prometheus' text format, on loopback."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from sender_filter.io.messages.status import Status
from sender_filter.io.tally import BUCKETS
from sender_filter.settings import endpoints

_LONGEST_REQUEST = 8192
_PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 1.0


class _Figures(Collector):
    """Decisions and checks as a status has them.

    Attributes:
        status: The status; None before the first.
    """

    status: Status | None = None

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """The figures."""
        decisions = CounterMetricFamily(
            "sender_filter_decisions", "Decisions about clients and messages",
            labels=("function", "action"),
        )  # fmt: skip
        checks = HistogramMetricFamily(
            "sender_filter_check_seconds", "Time that each check took", labels=("function",)
        )
        if self.status is not None:
            for each in self.status.decisions:
                decisions.add_metric((each.function, each.action), each.count)
            for check in self.status.checks:
                up_to = zip(BUCKETS, map(float, accumulate(check.buckets)), strict=True)
                checks.add_metric((check.function,), list(up_to), check.micros / 1e6)
        yield from (decisions, checks)


class Metrics:
    """The filter's status in the format of Prometheus."""

    def __init__(self) -> None:
        """Name the figures."""
        self._registry = CollectorRegistry()
        self._figures = _Figures()
        self._registry.register(self._figures)
        self._workers = self._gauge("workers", "Processes that serve")
        self._sessions = self._gauge("sessions", "Sessions relayed now")
        self._refusing = self._gauge("refusing", "Refused clients still connected")
        self._lists = self._gauge("list_entries", "Entries of a list", "list")
        self._profiles = self._gauge("profiles", "Addresses that the IP Profiler remembers")
        self._zones = self._gauge(
            "zone_trusted", "Whether a block list is asked", "zone", "version"
        )
        self._handed_over = self._gauge("handed_over", "Connections that Postfix itself has got")
        self._upstream = self._gauge("upstream_up", "Whether Postfix could be reached last")
        self._state = self._gauge("state_kept", "Whether blocks and counters are being kept")
        self._dropped = self._gauge("records_dropped", "Records lost since the start")
        self._unseen = self._gauge("unseen_sessions", "Sessions not read along to the end", "why")
        self._tls = self._gauge("tls_sessions", "TLS handshakes with the filter", "result")

    def text(self, status: Status) -> bytes:
        """Everything that a status says."""
        self._figures.status = status
        self._workers.set(sum(each.pid is not None for each in status.workers))
        self._sessions.set(status.sessions)
        self._refusing.set(status.refusing)
        self._lists.labels("blocked").set(status.blocked.entries)
        self._lists.labels("approved").set(status.approved.entries)
        self._lists.labels("run time").set(status.entries)
        self._profiles.set(status.profiles)
        for zone in status.zones:
            self._zones.labels(zone.name, zone.version).set(zone.state == "trusted")
        self._handed_over.set(status.handed_over)
        self._upstream.set(status.upstream.healthy is not False)
        self._state.set(status.state_problem is None)
        self._dropped.set(status.records_dropped)
        tls = status.unseen.get("tls", 0)
        self._unseen.labels("tls").set(tls)
        self._unseen.labels("not followed").set(sum(status.unseen.values()) - tls)
        for result, count in status.tls.items():
            self._tls.labels(result).set(count)
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sender_filter_{name}", text, labels, registry=self._registry)


class MetricsServer:
    """Answers every HTTP request with the metrics, and closes."""

    def __init__(self, address: str, text: Callable[[], Awaitable[bytes]]) -> None:
        """Serve on ``address:port``."""
        self._address = address
        self._text = text
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; while the former filter still has the port, it is tried again."""
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def close(self) -> None:
        """Let the port go."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        address, port = endpoints.parse(self._address)
        while True:
            with contextlib.suppress(OSError):
                server = await asyncio.start_server(
                    self._answer, str(address), port, limit=_LONGEST_REQUEST, reuse_address=True
                )
                async with server:
                    await server.serve_forever()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                body = await self._text()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE_LATEST}\r\n"
                head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()
