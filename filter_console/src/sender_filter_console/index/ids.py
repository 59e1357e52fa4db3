"""Ids that grow with time: the milliseconds since 2020, and a number within the millisecond.

They fit into the integers that JavaScript can hold until the year 2089.
"""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
A_MILLISECOND = 4096
_MILLISECOND = timedelta(milliseconds=1)


def first_of(time: datetime) -> int:
    """The least id of that moment; no earlier decision has it or a greater one."""
    return max(0, (time - EPOCH) // _MILLISECOND * A_MILLISECOND)


def time_of(number: int) -> datetime:
    """The moment of an id."""
    return EPOCH + number // A_MILLISECOND * _MILLISECOND


def parse(text: str) -> datetime:
    """The time of a record, RFC 3339 in UTC.

    Raises:
        ValueError: It is none.
    """
    return datetime.fromisoformat(text).astimezone(UTC)
