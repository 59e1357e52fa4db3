"""Long work beside the event loop, in slices.

A thread that computes holds the interpreter's lock, and who wants it waits for up to five
milliseconds (``sys.getswitchinterval``), at each turn of the loop. So a thread with much to do lets
go of it by itself, after so short a time that nobody notices.
"""

import time
from collections.abc import Iterable, Iterator

_SLICE_SECONDS = 0.0001  # some lines; a longer one is the line at which a dict has grown
_REST_SECONDS = 0.0002


def in_slices(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with a rest after each few of them."""
    rested = time.perf_counter()
    for line in lines:
        yield line
        if time.perf_counter() - rested > _SLICE_SECONDS:
            time.sleep(_REST_SECONDS)
            rested = time.perf_counter()


def let_go(parts: list[dict[int, int]]) -> None:
    """Throw away what nobody else has any more, with a rest after each part."""
    while parts:
        parts.pop()
        time.sleep(_REST_SECONDS)
