"""Decisions over time as a picture: where each bar stands and how high it is."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sender_filter_console.interface import ChartBucket, ChartPart

WIDTH: Final = 960
HEIGHT: Final = 220
LEFT: Final = 44
BOTTOM: Final = 24
TOP: Final = 10
_GAP: Final = 0.18
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_TIMES: Final = 8
_STEPS: Final = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(days=1),
    timedelta(days=5),
)
"""How far apart the times below the picture may be."""

KINDS: Final = ("pass", "shadow", "temporary", "permanent")
"""From the bottom of a bar to its top."""


class Segment(NamedTuple):
    """A part of a bar: so many decisions of one kind."""

    kind: str
    y: float
    height: float


class Bar(NamedTuple):
    """What was decided in one stretch of time."""

    x: float
    width: float
    start: datetime
    end: datetime
    segments: list[Segment]
    counts: dict[str, int]


class Mark(NamedTuple):
    """A line of the scale, or a time below it."""

    at: float
    text: str


class Chart(NamedTuple):
    """The whole picture."""

    bars: list[Bar]
    scale: list[Mark]
    times: list[Mark]
    totals: dict[str, int]


def draw(buckets: Sequence[ChartBucket], since: datetime, until: datetime) -> Chart:
    """Lay the picture out.

    Args:
        buckets: What was decided, by time.
        since: The left edge.
        until: The right edge.
    """
    counted = [(bucket, _count(bucket.parts)) for bucket in buckets]
    top = _round_up(max((sum(counts.values()) for _, counts in counted), default=0))
    bars = [_bar(bucket, counts, since, until, top) for bucket, counts in counted if counts]
    totals: Counter[str] = Counter()
    for _, counts in counted:
        totals.update(counts)
    return Chart(bars, _scale(top), _times(since, until), {kind: totals[kind] for kind in KINDS})


def _count(parts: Sequence[ChartPart]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in parts:
        kind = "shadow" if part.action == "pass" and part.shadow else part.action
        counts[kind] += part.count
    return +counts


def _bar(
    bucket: ChartBucket, counts: Counter[str], since: datetime, until: datetime, top: int
) -> Bar:
    end = bucket.start + timedelta(seconds=bucket.seconds)
    left, right = (_x(max(since, min(until, each)), since, until) for each in (bucket.start, end))
    gap = (right - left) * _GAP / 2
    segments: list[Segment] = []
    below = 0
    for kind in KINDS:
        if count := counts[kind]:
            below += count
            height = count / top * _inner_height()
            segments.append(Segment(kind, _y(below, top), round(height, 2)))
    width = max(1.0, right - left - 2 * gap)
    return Bar(round(left + gap, 2), round(width, 2), bucket.start, end, segments, dict(counts))


def _x(moment: datetime, since: datetime, until: datetime) -> float:
    return LEFT + (moment - since) / (until - since) * (WIDTH - LEFT)


def _y(count: float, top: int) -> float:
    return round(HEIGHT - BOTTOM - count / top * _inner_height(), 2)


def _inner_height() -> int:
    return HEIGHT - BOTTOM - TOP


def _round_up(count: int) -> int:
    """The top of the scale: 1, 2 or 5 times a power of ten, so that its half is whole as well."""
    if count <= 2:
        return 2
    power: int = 10 ** int(math.log10(count))
    steps = (1, 2, 4, 6, 8, 10) if power > 1 else (2, 4, 6, 8, 10)
    return next(step * power for step in steps if step * power >= count)


def _scale(top: int) -> list[Mark]:
    return [Mark(_y(count, top), f"{count:,}") for count in (0, top // 2, top)]


def _times(since: datetime, until: datetime) -> list[Mark]:
    """A few round times."""
    span = until - since
    step = next((each for each in _STEPS if span / each <= _MOST_TIMES), _STEPS[-1])
    form = "%H:%M" if step < timedelta(days=1) else "%m-%d"
    first = _EPOCH + math.ceil((since - _EPOCH) / step) * step
    moments = [first + step * number for number in range(_MOST_TIMES)]
    marks = [Mark(round(_x(each, since, until), 1), each.strftime(form)) for each in moments]
    return [mark for mark in marks if LEFT + 20 <= mark.at <= WIDTH - 20]
