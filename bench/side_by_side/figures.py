"""Figures of ours and of a peer, taken in turn, and the row that comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from side_by_side.load import Result
from side_by_side.servers import Server

ROUNDS = 3


def in_turn(runs: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median of some rounds for each name. In turn, as the machine is not always as fast."""
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seen[name].append(run())
    return {name: median(figures) for name, figures in seen.items()}


def processor_micros(server: Server, run: Callable[[], Result]) -> float:
    """The processor's time that all processes of a server take for one session."""
    before = server.processor_seconds()
    ended = run().all_ended
    return (server.processor_seconds() - before) / max(ended, 1) * 1e6


def row(
    name: str, ours: float, peer: float | None, unit: str, *,
    least: float | None = None, most: float | None = None, below: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A row in the form that every benchmark of this project writes.

    Args:
        name: What is measured.
        ours: The filter's figure.
        peer: The peer's.
        unit: Of both.
        least: The aim: ours is at least so many times the peer's;
        most: at most so many times;
        below: or below this figure.
    """
    ratio = ours / peer if peer else None
    aim, met = None, None
    if below is not None:
        aim, met = f"< {below:g}", ours < below
    elif ratio is not None and least is not None:
        aim, met = f">= {least:g} of the peer's", ratio >= least
    elif ratio is not None and most is not None:
        aim, met = f"<= {most:g} times the peer's", ratio <= most
    return {
        "row": name,
        "ours": _short(ours),
        "peer": None if peer is None else _short(peer),
        "unit": unit,
        "ratio": None if ratio is None else round(ratio, 2),
        "aim": aim,
        "met": met,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    words = {True: "yes", False: "no", None: "-"}
    lines = ["| | ours | peer | unit | ratio | aim | met |", "| --- " * 7 + "|"]
    for each in rows:
        cells = [each["row"], each["ours"], each["peer"], each["unit"], each["ratio"], each["aim"]]
        shown = ["-" if cell is None else str(cell) for cell in cells]
        lines.append(f"| {' | '.join(shown)} | {words[each['met']]} |")
    return "\n".join(lines)


def _short(figure: float) -> float:
    return round(figure) if figure >= 100 else round(figure, 2)
