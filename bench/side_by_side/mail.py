"""Mail into a real Postfix: how much of its own rate is left behind others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from side_by_side.figures import in_turn, row
from side_by_side.haproxy import HAProxy
from side_by_side.load import Load
from side_by_side.ours import FULL_POLICY, LISTS_ONLY, SenderFilter
from side_by_side.postfix import ALONE, PROXIED, SCREENED, Postfix
from side_by_side.servers import Server, running

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
        "pass, lists only": (passing.port, passing),
        "relay, full policy": (full.port, full),
        "relay, lists only": (lists.port, lists),
        "postscreen": (SCREENED, None),
        "HAProxy": (haproxy.port, haproxy),
        "alone": (ALONE, None),
    }
    spent: dict[str, list[float]] = {way: [] for way in ways}

    def rate(way: str, port: int, front: Server | None) -> Callable[[], float]:
        def run() -> float:
            servers = [postfix, front] if front else [postfix]
            before = sum(one.processor_seconds() for one in servers)
            result = load.run("mail", port, SESSIONS, seconds)
            after = sum(one.processor_seconds() for one in servers)
            spent[way].append((after - before) / result.all_ended * 1e6)
            return result.per_second

        return run

    with running(postfix, full, lists, haproxy, passing):
        rates = in_turn({way: rate(way, *through) for way, through in ways.items()})
    micros = {way: median(figures) for way, figures in spent.items()}
    return [each for way in ways if way != "alone" for each in _rows(way, rates, micros)]


def _rows(
    way: str, rates: Mapping[str, float], micros: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Of one way. The processor's time is that of the whole gateway, Postfix and its front."""
    ours = way not in ("postscreen", "HAProxy")
    name = f"messages a second into Postfix, {way}"
    yield row(
        f"{name}: Postfix alone", rates[way], rates["alone"], "1/s", least=0.95 if ours else None
    )
    if ours:
        yield row(f"{name}: behind postscreen", rates[way], rates["postscreen"], "1/s", least=1.0)
    name = f"processor time of a message, {way}: Postfix alone"
    yield row(name, micros[way], micros["alone"], "µs")
