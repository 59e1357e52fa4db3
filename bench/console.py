"""A console with a million decisions: how long does each question of a page take?

Runs inside the console's own environment, on the index that the console asks. The peer answers the
same questions by reading the filter's records from their beginning, as `grep` would: one JSON
object a line, decoded with the same library.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from outcome import outcome, table

sys.path.insert(0, str(Path(__file__).parents[1] / "filter_console" / "tests"))

import traffic

from sender_filter.core.addresses import parse
from sender_filter.core.records import DecisionRecord
from sender_filter_console.index import database, places
from sender_filter_console.index.reader import Filters, Reader
from sender_filter_console.index.writer import Writer

MOST_MILLISECONDS = 100
BATCH = 1000
PEER_LINES = 20_000
DAYS = 30


def fill(path: Path, count: int, now: datetime) -> float:
    """Make the index; returns how many decisions it takes in a second."""
    writer = Writer(database.open_writer(path), days=2 * DAYS, most=2 * count)
    made = traffic.decisions(count, now, timedelta(days=DAYS))
    seconds = 0.0
    for number, batch in enumerate(iter(lambda: list(itertools.islice(made, BATCH)), [])):
        began = time.process_time()
        writer.add(batch, "own", str(number), now)
        seconds += time.process_time() - began
    return count / seconds


def questions(reader: Reader, now: datetime) -> dict[str, Callable[[], object]]:
    """What the pages ask, the hardest of each kind among them."""

    def search(**filters: Any) -> Callable[[], object]:
        return lambda: reader.decisions(Filters(**filters))

    old = now - timedelta(days=DAYS - 1)
    latest = reader.decisions(Filters(limit=1)).items[0]
    return {
        "the latest decisions": search(),
        "refusals of one function on one gateway": search(
            function="limits", result="refused", gateway=traffic.GATEWAYS[1]
        ),
        "a day of last month": search(since=old, until=old + timedelta(days=1)),
        "one address": search(span=places.span("198.51.100.3"), result="refused"),
        "a large network": search(span=places.span("120.0.0.0/5")),
        "a large network in which hardly anything is found": search(
            span=places.span("120.0.0.0/5"), function="limits", result="shadow"
        ),
        "a small network": search(span=places.span("120.3.0.0/16")),
        "the record of a decision": lambda: reader.decision(latest.id),
        "the top ten of seven days": lambda: reader.top(10),
        "the blocks of an address": lambda: reader.events(parse("2001:db8::1"), 20),
        "the chart of a day": lambda: reader.chart(now - timedelta(days=1), now, 60, None),
        "the chart of a month": lambda: reader.chart(now - timedelta(days=DAYS), now, 60, None),
    }


def milliseconds(work: Callable[[], object]) -> float:
    """The processor's time for some work, the shortest of three times."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) * 1000


def scan(count: int, now: datetime) -> float:
    """What a scan over as many records costs, from what a part of them does."""
    records = traffic.decisions(min(count, PEER_LINES), now, timedelta(days=DAYS))
    lines = [msgspec.json.encode(one.record) for one in records]

    def work() -> int:
        decoded = (msgspec.json.decode(line, type=DecisionRecord) for line in lines)
        return sum(record.function == "limits" for record in decoded)

    return milliseconds(work) * count / len(lines)


def measure(count: int) -> list[dict[str, Any]]:
    """The rows, in the form that every benchmark of this project writes."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        rate = fill(path, count, now)
        peer = scan(count, now)
        reader = Reader(database.open_reader(path))
        taken = {what: milliseconds(ask) for what, ask in questions(reader, now).items()}
        size = path.stat().st_size / 2**20
    rows = [
        _row(f"console: {what}", took, "ms", beside=peer, most=MOST_MILLISECONDS)
        for what, took in taken.items()
    ]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        *rows,
        _row("console: decisions taken in", rate, "1/s"),
        _row(f"console: the index of {count} decisions", size, "MiB"),
        _row("console: the whole process", memory, "MiB"),
    ]


def _row(
    what: str, ours: float, unit: str, beside: float | None = None, most: float | None = None
) -> dict[str, Any]:
    return {
        "row": what,
        "ours": round(ours, 2),
        "peer": beside and round(beside, 2),
        "unit": unit,
        "ratio": beside and round(beside / max(ours, 0.01)),
        "aim": most and f"< {most}",
        "met": None if most is None else ours < most,
    }


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = measure(options.decisions)
    print(table(rows))
    return outcome(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
