"""What people type into forms."""

from datetime import UTC, datetime

from sender_filter_console.interface import RefusedError


def moment(text: str) -> datetime | None:
    """A time as browsers send it; without a zone it is UTC, as all times that are shown.

    Raises:
        RefusedError: It is none.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no time: write it like 2026-11-27T14:30"
        raise RefusedError(msg) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def seconds(duration: str, until: str) -> float | None:
    """How long an order holds; None: for good.

    Args:
        duration: The seconds; empty: for good.
        until: Its end, which goes before.

    Raises:
        RefusedError: Neither can be read, or the end is over.
    """
    if end := moment(until):
        left = (end - datetime.now(UTC)).total_seconds()
        if left <= 0:
            msg = f"{until} UTC is over: choose an end that is to come"
            raise RefusedError(msg)
        return left
    if not duration:
        return None
    if not duration.isdecimal() or int(duration) == 0:
        msg = f"{duration!r} is no number of seconds"
        raise RefusedError(msg)
    return float(duration)
