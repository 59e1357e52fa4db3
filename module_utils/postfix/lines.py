r"""Physical and logical lines, as Postfix's readllines() sees them.

A logical line starts with text in the first column and goes on in every following line that
starts with white space. Comments and blank lines do not end it. Text that starts with white
space before the first logical line is ignored by Postfix, with a warning.

Bytes become text with ``surrogateescape``, so any file comes back byte for byte. Only ``\n``
ends a line; the ``\r`` of a CRLF file is white space, as it is to Postfix.

Source: Postfix src/util/readlline.c; postconf(5), "The general format of the main.cf file".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = " \t\n\v\f\r"
"""What isspace() accepts: the characters that may start a continuation line."""


def decode(data: bytes) -> str:
    """Turn the bytes of a file into text, losing nothing."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Turn text back into the bytes it came from."""
    return text.encode("utf-8", "surrogateescape")


def split_lines(text: str) -> list[str]:
    r"""Split at ``\n`` alone, keeping it."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        del lines[-1]
    return lines


def is_passive(line: str) -> bool:
    """Tell whether the line is blank or a comment, so that Postfix skips it."""
    if line[:1] not in SPACE:
        return line[0] == "#"
    text = line.lstrip(SPACE)
    return not text or text[0] == "#"


def is_start(line: str) -> bool:
    """Tell whether the line starts a logical line."""
    return bool(line) and line[0] not in SPACE and line[0] != "#"


def is_continuation(line: str) -> bool:
    """Tell whether the line goes on with the logical line above it."""
    return bool(line) and line[0] in SPACE and not is_passive(line)


def terminator(line: str) -> str:
    r"""Return what ends the line: ``\n``, ``\r\n``, or less at the end of a file."""
    for end in ("\r\n", "\n", "\r"):
        if line.endswith(end):
            return end
    return ""


def body(line: str) -> str:
    """Return the line without what ends it."""
    return line[: len(line) - len(terminator(line))]


class Block:
    """Some physical lines that belong together: comments and blank lines, or ignored text."""

    def __init__(self, lines: list[str], line: int = 0) -> None:
        """Take the lines, and the number of the first of them in the file."""
        self.lines = lines
        self.first_line = line
        self.renumber: Callable[[], None] | None = None

    @property
    def line(self) -> int:
        """The number of the first line in the file as it is now."""
        # Numbers are made when they are asked for, so that many edits do not renumber each time.
        if self.renumber is not None:
            self.renumber()
        return self.first_line

    def __repr__(self) -> str:
        """Name the block by its first line."""
        return f"<{type(self).__name__} line {self.line}: {self.lines[0] if self.lines else ''!r}>"


class Gap(Block):
    """Comments and blank lines outside every logical line."""


class Orphan(Block):
    """Indented text before the first logical line, which Postfix ignores."""


class Span(NamedTuple):
    """A part of a logical line's text: ``text[start:end]``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Fold:
    text: str
    starts: list[tuple[int, int]]

    def locate(self, offset: int) -> int:
        """Return the physical offset of a character of the logical text."""
        for logical, physical in reversed(self.starts):
            if offset >= logical:
                return physical + offset - logical
        return offset


def _fold(lines: list[str]) -> _Fold:
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    logical = physical = 0
    for line in lines:
        if not is_passive(line):
            text = line[:-1] if line.endswith("\n") else line
            starts.append((logical, physical))
            parts.append(text)
            logical += len(text)
        physical += len(line)
    # C strings end at a NUL, so Postfix does not see what follows one.
    return _Fold("".join(parts).split("\0", 1)[0], starts)


class Logical(Block):
    """One logical line, with the comments and blank lines between its physical lines."""

    def __init__(self, lines: list[str], line: int = 0) -> None:
        """Take the physical lines; the first and the last of them hold text."""
        super().__init__(lines, line)
        self._folded: _Fold | None = None

    @property
    def _fold(self) -> _Fold:
        if self._folded is None:
            self._folded = _fold(self.lines)
        return self._folded

    @property
    def text(self) -> str:
        """The logical text: the physical lines put together, comments left out."""
        return self._fold.text

    def replace_lines(self, lines: list[str]) -> None:
        """Take other physical lines."""
        self.lines = lines
        self._folded = None

    def physical(self, span: Span) -> Span:
        """Return where a part of the logical text stands among the joined physical lines."""
        if span.start == span.end:
            # An empty part belongs to the character before it, not to the next line.
            at = self._fold.locate(span.start - 1) + 1 if span.start else 0
            return Span(at, at)
        return Span(self._fold.locate(span.start), self._fold.locate(span.end - 1) + 1)

    def splice(self, span: Span, replacement: str) -> None:
        """Replace a part of the logical text; comments inside that part go with it."""
        at = self.physical(span)
        whole = "".join(self.lines)
        self.replace_lines(split_lines(whole[: at.start] + replacement + whole[at.end :]))

    def line_index(self, offset: int) -> int:
        """Return which of the physical lines holds a character of the logical text."""
        position = self._fold.locate(offset)
        for index, line in enumerate(self.lines):
            position -= len(line)
            if position < 0:
                return index
        return len(self.lines) - 1

    def is_first_on_line(self, offset: int) -> bool:
        """Tell whether only white space stands before a character on its physical line."""
        index = self.line_index(offset)
        before = sum(len(line) for line in self.lines[:index])
        return not self.lines[index][: self._fold.locate(offset) - before].strip(SPACE)


LogicalT = TypeVar("LogicalT", bound=Logical)


def parse_blocks(text: str, make: Callable[[list[str], int], LogicalT]) -> list[Block]:
    """Split a file into blocks; joined again, their lines are the file.

    Args:
        text: the decoded file.
        make: builds the block of a logical line from its lines and its first line number.
    """
    lines = split_lines(text)
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        end = _end_of_block(lines, at)
        if is_start(lines[at]):
            blocks.append(make(lines[at:end], at + 1))
        elif is_passive(lines[at]):
            blocks.append(Gap(lines[at:end], at + 1))
        else:
            blocks.append(Orphan(lines[at:end], at + 1))
        at = end
    return blocks


def _end_of_block(lines: list[str], start: int) -> int:
    if is_passive(lines[start]):
        at = start + 1
        while at < len(lines) and is_passive(lines[at]):
            at += 1
        return at
    at = end = start + 1
    while at < len(lines) and not is_start(lines[at]):
        at += 1
        if not is_passive(lines[at - 1]):
            end = at
    return end


def eol_of(lines: list[str]) -> str:
    r"""Return the line end that these lines use: ``\r\n`` if the first whole one does."""
    for line in lines:
        if line.endswith("\n"):
            return terminator(line)
    return "\n"


def completed(line: str, eol: str) -> str:
    """Return the line with a whole line end, for one that is no longer the file's last."""
    return line if line.endswith("\n") else body(line) + eol


def fold_for_compare(value: str) -> str:
    """Return a value as Postfix keeps it once it is read back from the file."""
    return "".join(value.split("\n")).strip(SPACE)
