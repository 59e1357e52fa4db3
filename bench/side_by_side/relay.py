"""Mail through the filter to a sink: what it lets through, and what it adds to each command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from side_by_side.figures import in_turn, processor_micros, row
from side_by_side.haproxy import HAProxy
from side_by_side.load import Load
from side_by_side.nginx import Nginx
from side_by_side.ours import FULL_POLICY, LISTS_ONLY, SenderFilter
from side_by_side.servers import Server, running
from side_by_side.sink import Sink
from side_by_side.smtp_source import SESSIONS, per_second

SIZES = (1, 10, 100, 1000)
USUAL = 20
QUIET = 10
"""Sessions at once for the latency: more of them would only measure who has the processor."""


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:
    """The rows."""
    sink, bare = Sink(folder / "sink", 2600, header=True), Sink(folder / "bare", 2601, header=False)
    full = SenderFilter(folder / "full", 2800, sink.port, FULL_POLICY)
    lists = SenderFilter(folder / "lists", 2801, sink.port, LISTS_ONLY)
    both = SenderFilter(folder / "both", 2802, sink.port, FULL_POLICY, workers=2)
    haproxy, nginx = (
        HAProxy(folder / "haproxy", sink.port),
        Nginx(folder / "nginx", sink.port, bare.port),
    )
    rows = []

    def rate(port: int, sessions: int) -> Callable[[], float]:
        # A thousand sessions side by side take their time before the first of them ends.
        longer = max(1.0, sessions / 300)
        return lambda: load.run("mail", port, sessions, seconds * longer).per_second

    with running(sink, bare, full, lists, both, haproxy, nginx):
        for size in SIZES:
            figures = in_turn(
                {
                    "full policy": rate(full.port, size),
                    "lists only": rate(lists.port, size),
                    "full policy, 2 workers": rate(both.port, size),
                    "HAProxy": rate(haproxy.port, size),
                    "nginx stream": rate(nginx.port, size),
                    "nginx mail": rate(nginx.mail, size),
                }
            )
            for policy in ("full policy", "lists only", "full policy, 2 workers"):
                for peer in ("HAProxy", "nginx stream", "nginx mail"):
                    name = f"messages a second to a sink, {policy}, {size} at once: {peer}"
                    least = 0.9 if peer == "HAProxy" else None
                    rows.append(row(name, figures[policy], figures[peer], "1/s", least=least))
        rows += _by_smtp_source(lists, haproxy, bare)
        policies = {"full policy": full, "lists only": lists, "full policy, 2 workers": both}
        rows += _costs(load, seconds, policies, haproxy)
        for policy, server in (("full policy", full), ("lists only", lists)):
            rows += _latency(load, seconds, policy, server, haproxy)
    return rows


def _by_smtp_source(ours: Server, peer: Server, sink: Server) -> list[dict[str, Any]]:
    """The same by Postfix's own generator; and of it what is left behind each of the two."""
    servers = {"ours": ours, "peer": peer, "sink": sink}
    figures = in_turn({name: partial(per_second, each.port) for name, each in servers.items()})
    name = f"messages a second by smtp-source, lists only, {SESSIONS} at once"
    return [
        row(f"{name}: HAProxy", figures["ours"], figures["peer"], "1/s", least=0.9),
        row(f"{name}: the sink alone", figures["ours"], figures["sink"], "1/s"),
        row(f"{name}, HAProxy: the sink alone", figures["peer"], figures["sink"], "1/s"),
    ]


def _costs(
    load: Load, seconds: float, policies: Mapping[str, Server], peer: Server
) -> list[dict[str, Any]]:
    """What a message costs."""

    def cost(server: Server) -> Callable[[], float]:
        return lambda: processor_micros(
            server, lambda: load.run("mail", server.port, USUAL, seconds)
        )

    figures = in_turn(
        {name: cost(each) for name, each in (dict(policies) | {"peer": peer}).items()}
    )
    other = figures.pop("peer")
    return [
        row(f"processor for a message, {name}: HAProxy", figure, other, "µs")
        for name, figure in figures.items()
    ]


def _latency(
    load: Load, seconds: float, policy: str, ours: Server, peer: Server
) -> list[dict[str, Any]]:
    """What is added to a command: its latency, less that of the sink alone."""

    def latency(port: int, which: str) -> Callable[[], float]:
        return lambda: getattr(load.run("mail", port, QUIET, seconds).replies, which)

    rows = []
    for which in ("p50", "p99"):
        figures = in_turn(
            {
                "ours": latency(ours.port, which),
                "peer": latency(peer.port, which),
                "sink": latency(2601, which),
            }
        )
        mine, others = (figures[name] - figures["sink"] for name in ("ours", "peer"))
        name = f"latency added to a command, {policy}, {QUIET} at once, {which}: HAProxy"
        rows.append(row(name, mine, others, "µs"))
    return rows
