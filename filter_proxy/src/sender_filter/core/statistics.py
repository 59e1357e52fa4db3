"""Figures over records: who was refused most, and what was decided when.

A record is read here only as far as it counts: of a million of them that takes a second or two.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from sender_filter.core.records import Action, Function


class Counted(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="decision"):
    """What counts of a decision."""

    time: str
    address: str
    function: Function
    action: Action


class Refused(msgspec.Struct, frozen=True):
    """An address that was refused.

    Attributes:
        address: The address.
        count: How often.
        functions: By which functions how often.
        last: When last.
    """

    address: str
    count: int
    functions: dict[str, int]
    last: str


class Slot(msgspec.Struct, frozen=True):
    """The decisions of a span of time.

    Attributes:
        start: When it begins, RFC 3339 in UTC.
        passed: Clients and messages that were let pass.
        temporary: Those refused for now.
        permanent: Those refused for good.
    """

    start: str
    passed: int
    temporary: int
    permanent: int

    @property
    def refused(self) -> int:
        """Those refused, for now or for good."""
        return self.temporary + self.permanent


def decisions(lines: Iterable[bytes], since: str, until: str = "9999") -> Iterator[Counted]:
    """The decisions from one time to another; other records and torn lines are passed over."""
    decoder = msgspec.json.Decoder(Counted)
    for line in lines:
        try:
            found = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if since <= found.time < until:
            yield found


def top(found: Iterable[Counted], most: int) -> list[Refused]:
    """The addresses that were refused most often."""
    functions: Counter[tuple[str, str]] = Counter()
    last: dict[str, str] = {}
    for each in found:
        if each.action != "pass":
            functions[each.address, each.function] += 1
            last[each.address] = max(each.time, last.get(each.address, ""))
    total: Counter[str] = Counter()
    for (address, _), count in functions.items():
        total[address] += count
    best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [
        Refused(
            address,
            count,
            {name: number for (whose, name), number in functions.items() if whose == address},
            last[address],
        )
        for address, count in best
    ]


def chart(found: Iterable[Counted], start: float, end: float, slots: int) -> list[Slot]:
    """The decisions of each of so many equal spans of time, also where there was none."""
    width = (end - start) / slots
    counts: list[Counter[Action]] = [Counter() for _ in range(slots)]
    for each in found:
        number = int((datetime.fromisoformat(each.time).timestamp() - start) / width)
        if 0 <= number < slots:
            counts[number][each.action] += 1
    return [
        Slot(_text(start + number * width), each["pass"], each["temporary"], each["permanent"])
        for number, each in enumerate(counts)
    ]


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:-6] + "Z"
