"""Replies out of the bytes that Postfix sends (RFC 5321 section 4.2)."""

import re
from collections.abc import Iterator

from msgspec import Struct

from sender_filter.core.smtp.events import CannotFollow

MOST_LINE = 1024
"""Bytes kept of a line; the rest of it is not looked at."""

MOST_TEXT = 4096
"""Bytes kept of a reply; the rest of its lines is not looked at."""

_BEGINNING = re.compile(rb"[2-5][0-9][0-9](?:[ \r-]|$)")
_SEPARATORS = frozenset({b" ", b"-", b"\r", b""})
_ENHANCED = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ ]+|$)")  # RFC 2034, RFC 3463


class ServerReply(Struct, frozen=True, gc=False):
    """One reply of one or more lines.

    Attributes:
        code: Its three digits.
        lines: What follows them in each line.
    """

    code: int
    lines: tuple[bytes, ...]

    @property
    def enhanced_code(self) -> str:
        """The enhanced status code in front of the text, or nothing."""
        found = _ENHANCED.match(self.lines[0])
        return found[1].decode("ascii") if found else ""

    @property
    def text(self) -> str:
        """The text without codes, a line each."""
        lines = (_ENHANCED.sub(b"", line, count=1) for line in self.lines)
        return b"\n".join(lines).decode("utf-8", "backslashreplace")


class RepliesParser:
    """Collects lines until a reply is whole."""

    __slots__ = ("_code", "_kept", "_lines", "_partial")

    def __init__(self) -> None:
        """Begin before the greeting."""
        self._partial = b""
        self._code = b""
        self._lines: list[bytes] = []
        self._kept = 0

    def feed(self, data: bytes) -> Iterator[ServerReply]:
        """Take bytes and yield the replies that are whole with them, as they are asked for.

        Raises:
            CannotFollow: What came is no reply.
        """
        *lines, rest = (self._partial + data).split(b"\n")
        self._partial = rest[:MOST_LINE]
        for line in lines:
            separator = self._separator(line)
            if self._kept < MOST_TEXT:
                self._lines.append(line[4:MOST_LINE].rstrip(b"\r"))
                self._kept += min(len(line), MOST_LINE)
            if separator != b"-":
                reply = ServerReply(int(self._code), tuple(self._lines))
                self._code, self._lines, self._kept = b"", [], 0
                yield reply

    def _separator(self, line: bytes) -> bytes:
        """What stands behind the code: a hyphen if there is another line."""
        separator = line[3:4]
        if self._code:
            understood = line[:3] == self._code and separator in _SEPARATORS
        else:
            self._code = line[:3]
            understood = _BEGINNING.match(line) is not None
        if not understood:
            raise CannotFollow("reply not understood", by_client=False)
        return separator
