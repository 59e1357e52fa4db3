"""Reads list files as text: what is written there, and on which line.

What is in force is looked up elsewhere (``core.lists``), which keeps neither comments nor domains'
names. Half a million lines are looked through in a few hundredths of a second, for the looking is
done by ``bytes.find`` over blocks of whole lines.
"""

from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

BLOCK_BYTES = 1 << 20

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Position(NamedTuple):
    """The beginning of a line: its offset in the file, and its number."""

    offset: int = 0
    line: int = 1


class Line(NamedTuple):
    """A line with an entry.

    Attributes:
        number: Its number.
        entry: What stands before the comment, its words one space apart.
        comment: The comment.
    """

    number: int
    entry: str
    comment: str


def scan(
    file: BinaryIO, text: str, start: Position, most: int
) -> tuple[list[Line], Position | None]:
    """The lines that contain a text, whatever its case (of ASCII letters).

    Args:
        file: The list.
        text: What to look for; nothing: every line with an entry is found.
        start: Where to begin.
        most: So many lines at most.

    Returns:
        The lines, and where to go on; None: the file is at its end.
    """
    needle = text.encode().lower()
    found: list[Line] = []
    file.seek(start.offset)
    position = start
    while block := _whole_lines(file):
        for at in _starts(block, needle):
            number = position.line + block.count(b"\n", 0, at)
            if len(found) == most:
                return found, Position(position.offset + at, number)
            end = block.find(b"\n", at)
            line = _parse(block[at : end if end >= 0 else None], number)
            if line is not None:
                found.append(line)
        position = Position(position.offset + len(block), position.line + block.count(b"\n"))
    return found, None


def lines(file: BinaryIO, numbers: Collection[int]) -> dict[int, Line]:
    """What is written on some lines."""
    last = max(numbers, default=0)
    found = {}
    for number, text in enumerate(file, 1):
        if number > last:
            break
        if number in numbers and (line := _parse(text, number)) is not None:
            found[number] = line
    return found


def _whole_lines(file: BinaryIO) -> bytes:
    """The next block, which ends with a line's end or with the file's."""
    return file.read(BLOCK_BYTES) + file.readline()


def _starts(block: bytes, needle: bytes) -> Iterator[int]:
    """Where the lines begin that contain the needle, each once."""
    lowered = block.lower() if needle else block
    at = 0
    while at < len(block):
        hit = lowered.find(needle, at)
        if hit < 0:
            return
        start = lowered.rfind(b"\n", 0, hit) + 1
        yield start
        end = lowered.find(b"\n", hit)
        if end < 0:
            return
        at = end + 1


def _parse(line: bytes, number: int) -> Line | None:
    """A line's entry and comment; None if it has no entry."""
    text = line.decode(errors="replace").removeprefix(_BOM if number == 1 else "")
    entry, _, comment = text.partition("#")
    words = " ".join(entry.split())
    return Line(number, words, comment.strip()) if words else None
