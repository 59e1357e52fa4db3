"""Where an entry that is commented out begins and ends, and which lines in it are prose.

Prose that became an argument would stop the service, and an argument taken for prose would change
it. A line's first word, its indentation and what stands above it tell the two apart.

Source: the comments of Postfix conf/master.cf; pipe(8) and spawn(8), which alone of Postfix's
programs take arguments without a ``-``.
"""

from __future__ import annotations

import re

from . import options as opt
from .lines import SPACE, Logical, is_continuation, is_passive, is_start
from .service import TYPES

_FIELDS = 8
_TAB = 8
_FORMS = [
    re.compile(form) for form in ("|".join(TYPES), *["[yn-]"] * 3, r"-|[0-9]+\??", r"-|[0-9]+")
]
"""What the second to the seventh field may be."""
_OPTION = re.compile(r"-[A-Za-z]")
_ATTRIBUTE = re.compile(r"[A-Za-z_][\w-]*=", re.ASCII)
_ARGV = re.compile(r"\sargv=")
_TAKE_ATTRIBUTES = ("pipe", "spawn")


def read(lines: list[str], start: int) -> tuple[list[str], int] | None:
    """Read the entry that is commented out from a line on.

    Args:
        lines: comments and blank lines.
        start: the index of the line.

    Returns:
        The lines as they would be, prose among them still commented out, and the index behind the
        last of them; None if no entry begins there.
    """
    end = _end_of_fields(lines, start)
    if not end:
        return None
    first = lines[start][1:].lstrip(" \t")
    entry = _Commented([first, *(line[1:] for line in lines[start + 1 : end])])
    for index in range(end, len(lines)):
        line = lines[index]
        if line[:1] != "#" or is_start(line[1:]) or _end_of_fields(lines, index):
            break
        if entry.takes(line[1:]):
            entry.lines += [*map(_without_mark, lines[end:index]), line[1:]]
            end = index + 1
    return entry.lines, end


def _end_of_fields(lines: list[str], start: int) -> int:
    """Return the index behind the eight fields of an entry that begins here; 0 if none does."""
    words: list[str] = []
    for index in range(start, len(lines)):
        line = lines[index]
        text = line[1:].lstrip(" \t") if index == start else line[1:]
        if line[:1] != "#" or is_start(text) != (index == start):
            return 0
        if not is_passive(text or "\n"):
            words += text.split(None, _FIELDS)
        if not _may_be_fields(words):
            return 0
        if len(words) >= _FIELDS:
            return index + 1
    return 0


def _may_be_fields(words: list[str]) -> bool:
    pairs = zip(_FORMS, words[1:7], strict=False)
    return all(form.fullmatch(word) for form, word in pairs)


def _without_mark(line: str) -> str:
    """Uncomment a line between arguments, unless it is prose: that stays a comment."""
    return line[1:] if is_passive(line[1:] or "\n") else line


class _Commented:
    """A commented-out entry, as far as it is read."""

    def __init__(self, lines: list[str]) -> None:
        """Take the lines of its fields."""
        self.lines = lines
        self._indents: set[int] = set()
        self._is_below_blank = self._is_below_prose = False

    def takes(self, line: str) -> bool:
        """Tell whether the next line, without its mark, holds arguments; it is taken then."""
        if not is_continuation(line):
            self._is_below_blank |= not line.strip()
            return False
        if not self._is_argument(line):
            self._is_below_prose = True
            return False
        self._indents.add(_indent(line))
        self._is_below_blank = self._is_below_prose = False
        return True

    def _is_argument(self, line: str) -> bool:
        words = opt.split_words(Logical(self.lines).text)
        arguments = opt.parse_arguments(words[_FIELDS:])
        if _is_unfinished(words, arguments):
            return True
        # An option belongs to nothing else, and Postfix's own comments explain one below another.
        # What stands below a blank comment with more prose is another subject.
        if _OPTION.match(line.lstrip(SPACE)):
            return not (self._is_below_blank and self._is_below_prose)
        if self._is_below_blank or self._is_below_prose:
            return False
        takes_words = bool(arguments.rest) or words[_FIELDS - 1].text in _TAKE_ATTRIBUTES
        return takes_words and self._has_form(line)

    def _has_form(self, line: str) -> bool:
        is_deep, is_aligned = _indent(line) > 1, _indent(line) in self._indents
        if not _ATTRIBUTE.match(line.lstrip(SPACE)):
            return is_deep and is_aligned
        # Neither program can do without argv=, and prose hardly has it.
        return bool(_ARGV.search(line)) or (is_deep and (is_aligned or not self._indents))


def _is_unfinished(words: list[opt.Word], arguments: opt.Arguments) -> bool:
    """Tell whether a brace is open, or an option lacks its argument."""
    text = " ".join(word.text for word in words)
    lacks = not arguments.rest and bool(re.fullmatch(r"-[^o-]*o", words[-1].text))
    return lacks or text.count("{") > text.count("}")


def _indent(line: str) -> int:
    return len(line.expandtabs(_TAB)) - len(line.expandtabs(_TAB).lstrip())
