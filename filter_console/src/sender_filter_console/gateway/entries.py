"""Entries of lists, in the words of ``interface``."""

from datetime import datetime

from sender_filter.io.messages.lists import ListEntry
from sender_filter_console.interface import Entry


def entry(found: ListEntry) -> Entry:
    """An entry as the filter gives it."""
    declared = found.origin == "declared"
    return Entry(
        network=found.entry,
        declared=declared,
        place=_place(found) if declared else None,
        maker=found.who or None,
        who=found.author or None,
        since=_time(found.since),
        until=_time(found.until),
        comment=found.comment,
        temporary=found.temporary,
    )


def _place(found: ListEntry) -> str:
    return f"{found.file}:{found.line}" if found.line else found.file


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
