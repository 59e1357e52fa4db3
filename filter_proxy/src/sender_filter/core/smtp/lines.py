"""Lines out of a stream that comes in pieces."""

MOST_LINE = 2049
"""A line of so many bytes is too long for Postfix, whose ``line_length_limit`` is 2048.

What Postfix does with it depends on its version: it takes the first 2048 bytes for the command
(to 3.11) or answers 500 (3.12).
"""


class LineBuffer:
    """Keeps the beginning of a line whose end has not come."""

    __slots__ = ("_partial",)

    def __init__(self) -> None:
        """Make an empty buffer."""
        self._partial = b""

    def take(self, data: bytes, start: int) -> tuple[bytes | None, int]:
        """Take a line with its end, or what there is of one.

        A line ends with LF, with or without a CR before it: so Postfix reads commands.

        Returns:
            The line, ``MOST_LINE`` bytes of one that is too long, or nothing if its end is not
            there; and the position after what was taken.
        """
        end = data.find(b"\n", start) + 1
        stop = min(end or len(data), start + MOST_LINE - len(self._partial))
        line = self._partial + data[start:stop]
        if stop == end or len(line) == MOST_LINE:
            self._partial = b""
            return line, stop
        self._partial = line
        return None, stop
