"""Where the content of a message ends, and where its header section does.

All versions of Postfix end DATA at CRLF ``.`` CRLF. At a lone ``.`` in a line that ends, or
follows a line that ends, in a bare LF (or that ends in CR CR LF), Postfix ends DATA if
``smtpd_forbid_bare_newline`` is ``no`` (the default before 3.9) or excludes the client, and goes
on otherwise (``receive_data_message`` in smtpd.c). Such an end is *doubtful* here.
"""

import re
from typing import NamedTuple

_DOT_LINE = re.compile(rb"\n\.\r*\n")
_DOT_OR_EMPTY_LINE = re.compile(rb"\n\.?\r*\n")
_FIRST_LINE = re.compile(rb"\.?\r*\n")


class End(NamedTuple):
    """An end of data.

    Attributes:
        position: The position after it.
        certain: Whether each Postfix ends the message here.
    """

    position: int
    certain: bool


class EndOfData:
    """Looks for the end in content that comes in pieces.

    It remembers no more than the few bytes at the end of a piece with which an end can begin.
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        """Begin at the first byte of content, which is the beginning of a line."""
        self._before = b"\r\n"

    def find(self, data: bytes, start: int = 0) -> End | None:
        """Look at the bytes from ``start`` on; after an end the search begins anew there."""
        before = len(self._before)
        window = self._before + data[start:]
        found = _DOT_LINE.search(window)
        if found is None:
            self._before = _beginning_of_an_end(window)
            return None
        at = found.start()
        certain = found[0] == b"\n.\r\n" and window[at - 1 : at] == b"\r"
        self._before = b"\r\n" if found[0].endswith(b"\r\n") else b"\n"
        return End(start + found.end() - before, certain)

    def certain(self, data: bytes, start: int) -> bool:
        """Whether the bytes from ``start`` on bring an end that is certain."""
        window = self._before + data[start:]
        self._before = _beginning_of_an_end(window)
        return b"\r\n.\r\n" in window


def _beginning_of_an_end(window: bytes) -> bytes:
    """The last bytes, if an end can begin with them: at most CR LF ``.`` CR CR."""
    body = window.rstrip(b"\r")
    returns = len(window) - len(body)
    if body.endswith(b"\n."):
        line_end = b"\r\n." if body.endswith(b"\r\n.") else b"\n."
        return line_end + b"\r" * min(returns, 2)
    if returns:
        return b"\r"
    if body.endswith(b"\n"):
        return b"\r\n" if body.endswith(b"\r\n") else b"\n"
    return b""


class HeaderEnd:
    """Looks for the end of a header section in a buffer that grows.

    It is the first empty line or, in a message without one, the line with a lone dot.
    """

    __slots__ = ("_line", "_seen")

    def __init__(self) -> None:
        """Begin at the first byte of content."""
        self._line = 0
        self._seen = 0

    def find(self, content: bytes) -> int | None:
        """Look at the content so far; return how long its header lines are."""
        if content.find(b"\n", self._seen) < 0:
            self._seen = len(content)
            return None
        if self._line == 0 and _FIRST_LINE.match(content):
            return 0
        found = _DOT_OR_EMPTY_LINE.search(content, self._line)
        if found is None:
            self._line = content.rfind(b"\n")
            self._seen = len(content)
            return None
        return found.start() + 1
