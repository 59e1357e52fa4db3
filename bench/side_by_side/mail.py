"""Mail into a real Postfix: how much of its own rate is left behind others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side.figures import in_turn, row
from side_by_side.haproxy import HAProxy
from side_by_side.load import Load
from side_by_side.ours import FULL_POLICY, LISTS_ONLY, SenderFilter
from side_by_side.postfix import ALONE, PROXIED, SCREENED, Postfix
from side_by_side.servers import running

SESSIONS = 30


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:
    """The rows."""
    postfix = Postfix(folder / "postfix")
    full = SenderFilter(folder / "full", 2800, PROXIED, FULL_POLICY)
    lists = SenderFilter(folder / "lists", 2801, PROXIED, LISTS_ONLY)
    passing = SenderFilter(
        folder / "passing", 2802, PROXIED, LISTS_ONLY,
        handover=f'handover = "pass"\npass_socket = "{postfix.pass_socket}"\n',
    )  # fmt: skip
    haproxy = HAProxy(folder / "haproxy", PROXIED)
    ways = {
        "relay, full policy": full.port,
        "relay, lists only": lists.port,
        "postscreen": SCREENED,
        "HAProxy": haproxy.port,
        "alone": ALONE,
    }
    servers = [postfix, full, lists, haproxy]
    if passing.understands():
        servers.append(passing)
        ways = {"pass, lists only": passing.port, **ways}

    def rate(port: int) -> Callable[[], float]:
        return lambda: load.run("mail", port, SESSIONS, seconds).per_second

    with running(*servers):
        figures = in_turn({way: rate(port) for way, port in ways.items()})
    alone = figures.pop("alone")
    rows = []
    for way, figure in figures.items():
        ours = way not in ("postscreen", "HAProxy")
        least = 0.95 if ours else None
        name = f"messages a second into Postfix, {way}: Postfix alone"
        rows.append(row(name, figure, alone, "1/s", least=least))
        if ours:
            name = f"messages a second into Postfix, {way}: behind postscreen"
            rows.append(row(name, figure, figures["postscreen"], "1/s", least=1.0))
    return rows
