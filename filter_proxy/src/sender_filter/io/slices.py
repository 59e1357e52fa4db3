"""Long work beside the event loop, in slices.

A thread that computes holds the interpreter's lock, and who wants it waits for up to five
milliseconds (``sys.getswitchinterval``), at each turn of the loop. So a thread with much to do lets
go of it by itself, after so short a time that nobody notices.
"""

import time
from collections.abc import Iterable, Iterator

_SLICE = 32  # lines, of some microseconds each
_REST_SECONDS = 0.0002


def in_slices(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with a rest after each few of them."""
    for number, line in enumerate(lines, 1):
        yield line
        if number % _SLICE == 0:
            time.sleep(_REST_SECONDS)
