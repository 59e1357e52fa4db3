"""A lossless model of master.cf: what is not edited keeps its bytes.

Source: master(5); Postfix src/master/master_ent.c, src/postconf/postconf_master.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from . import commented
from . import options as opt
from .errors import InvalidConfig, InvalidValue
from .lines import (
    Block,
    Gap,
    Logical,
    Orphan,
    Span,
    body,
    completed,
    decode,
    encode,
    eol_of,
    is_passive,
    parse_blocks,
    split_lines,
    terminator,
)
from .service import Identity, check_name, identity, port_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = (
    "service",
    "type",
    "private",
    "unprivileged",
    "chroot",
    "wakeup",
    "process_limit",
    "command",
)
"""The names that postconf -F gives to the fields of an entry."""

_COLUMNS = (10, 16, 24, 32, 40, 48, 56)
_TAB = 8
_TWO_WORDS = re.compile(r"([^ \t\r\n{}\0]+)[ \t\r]+([^ \t\r\n{}\0]+)[ \t\r\n]")


class Entry(Logical):
    """An active entry: one service."""

    def __init__(self, lines: list[str], line: int = 0) -> None:
        """Take the physical lines of the entry."""
        super().__init__(lines, line)
        self._words: list[opt.Word] | None = None
        self._arguments: opt.Arguments | None = None

    def replace_lines(self, lines: list[str]) -> None:
        """Take other physical lines."""
        super().replace_lines(lines)
        self._words = self._arguments = None

    @property
    def words(self) -> list[opt.Word]:
        """Every word of the entry, and where it stands."""
        if self._words is None:
            self._words = opt.split_words(self.text)
        return self._words

    @property
    def arguments(self) -> opt.Arguments:
        """What follows the command, sorted."""
        if self._arguments is None:
            self._arguments = opt.parse_arguments(self.words[len(FIELDS) :])
        return self._arguments

    @property
    def fields(self) -> tuple[str, ...]:
        """The eight fields, fewer if the entry is too short."""
        return tuple(word.text for word in self.words[: len(FIELDS)])

    def _two_words(self) -> tuple[str, str]:
        # Reading them from the first line spares a large file the words of every entry.
        found = _TWO_WORDS.match(self.lines[0])
        if found:
            return found[1], found[2]
        first = [*(word.text for word in self.words[:2]), "", ""]
        return first[0], first[1]

    @property
    def service(self) -> str:
        """The first field, as it is spelled."""
        return self._two_words()[0]

    @property
    def type(self) -> str:
        """The second field; "" if there is none."""
        return self._two_words()[1]

    @property
    def identity(self) -> Identity:
        """Which service master takes the entry for."""
        return identity(self.service, self.type)

    @property
    def command(self) -> str:
        """The program, without its arguments; "" if the entry is too short."""
        return self.words[len(FIELDS) - 1].text if len(self.words) >= len(FIELDS) else ""

    @property
    def args(self) -> list[str]:
        """The words after the command, as they are spelled."""
        return [word.text for word in self.words[len(FIELDS) :]]

    @property
    def options(self) -> list[tuple[str, str]]:
        """The ``-o`` options as (name, value), in order; of equal names the last one counts."""
        return [(option.name, option.value) for option in self.arguments.options]

    def option(self, name: str) -> str | None:
        """Return the value that an option has, None if it is not set."""
        return dict(self.options).get(name)


@dataclass(frozen=True, slots=True)
class CommentedEntry:
    """An entry that is commented out.

    Attributes:
        entry: the entry as it would be, its line number being that of the comment.
        gap: the comments it stands in.
        start: the index of its first line there.
        end: the index after its last line there.
    """

    entry: Entry
    gap: Gap
    start: int
    end: int

    @property
    def line(self) -> int:
        """The number of the first line."""
        return self.gap.line + self.start


class MasterDocument:
    """A master.cf file as a list of blocks: entries, and what stands between them."""

    def __init__(self, blocks: list[Block]) -> None:
        """Take the blocks of a file, in order."""
        self._blocks = blocks
        self._numbered = True
        for block in blocks:
            block.renumber = self._number

    @cached_property
    def _index(self) -> dict[Identity, list[Entry]]:
        index: dict[Identity, list[Entry]] = {}
        for block in self._blocks:
            if isinstance(block, Entry):
                index.setdefault(block.identity, []).append(block)
        return index

    @classmethod
    def parse(cls, data: bytes) -> MasterDocument:
        """Read a file; any bytes are accepted."""
        return cls(parse_blocks(decode(data), Entry))

    def render(self) -> bytes:
        """Return the bytes of the file."""
        return encode("".join(line for block in self._blocks for line in block.lines))

    def copy(self) -> MasterDocument:
        """Return a document of its own with the same bytes."""
        return MasterDocument.parse(self.render())

    @property
    def blocks(self) -> list[Block]:
        """Every block, in order."""
        return list(self._blocks)

    @property
    def entries(self) -> list[Entry]:
        """The active entries, in order."""
        return [block for block in self.blocks if isinstance(block, Entry)]

    @property
    def orphans(self) -> list[Orphan]:
        """The text that Postfix ignores because it is indented before the first entry."""
        return [block for block in self.blocks if isinstance(block, Orphan)]

    @property
    def eol(self) -> str:
        """The line end that the file uses."""
        for block in self._blocks:
            if any(line.endswith("\n") for line in block.lines):
                return eol_of(block.lines)
        return "\n"

    def find(self, service: str, kind: str) -> list[Entry]:
        """Return the active entries that master takes for this service."""
        found = self._index.get(identity(service, kind), [])
        return sorted(found, key=lambda entry: entry.line) if len(found) > 1 else list(found)

    def listening_on(self, port: int) -> list[Entry]:
        """Return the inet entries that listen on a port, whatever their host part."""
        inet = (entry for entry in self.entries if entry.type == "inet")
        return [entry for entry in inet if port_of(entry.service) == port]

    def commented(self, service: str, kind: str) -> list[CommentedEntry]:
        """Return the commented-out entries of this service."""
        wanted = identity(service, kind)
        return [found for found in self.all_commented() if found.entry.identity == wanted]

    def all_commented(self) -> list[CommentedEntry]:
        """Return every commented-out entry."""
        gaps = (block for block in self.blocks if isinstance(block, Gap))
        starts = (_commented_at(gap, at) for gap in gaps for at in range(len(gap.lines)))
        return [found for found in starts if found is not None]

    def set_fields(self, entry: Entry, fields: Mapping[str, str]) -> None:
        """Set fields by their names in ``FIELDS``, keeping the columns where they fit.

        ``command`` may hold arguments that are no options (``pipe flags=R argv=...``); without
        any, the arguments stay as they are.
        """
        if len(entry.fields) < len(FIELDS):
            msg = f"line {entry.line}: the entry is too short to set a field of it"
            raise InvalidConfig(msg)
        for name, value in fields.items():
            if name not in FIELDS[2:]:
                msg = f"'{name}' is not a field that can be set; fields: {', '.join(FIELDS[2:])}"
                raise InvalidValue(msg)
            words = _field_words(name, value)
            if name == "command" and len(words) > 1:
                _set_rest(entry, words[1:])
            _set_word(entry, FIELDS.index(name), words[0])

    def set_options(self, entry: Entry, options: Mapping[str, str | None]) -> None:
        """Set ``-o`` options of an entry; None takes an option out.

        An option that is there keeps its place and spelling; a new one gets a line of its own.
        """
        for name, value in options.items():
            if value is None:
                _remove_option(entry, name)
            else:
                set_option(entry, name, value, self.eol)
        self._shed(entry)
        self._numbered = False

    def rename(self, entry: Entry, service: str) -> None:
        """Give an entry another name, in place."""
        check_name(service, entry.type)
        self.forget(entry)
        set_service(entry, service)
        self.adopt(entry)

    def comment(self, entry: Entry) -> None:
        """Comment out every line of an entry, so that ``uncomment`` gives the bytes back."""
        self.forget(entry)
        self._replace(entry, [Gap(["#" + line for line in entry.lines])])

    def uncomment(self, commented: CommentedEntry) -> Entry:
        """Make a commented-out entry an active one, and return it."""
        gap = commented.gap
        before, after = gap.lines[: commented.start], gap.lines[commented.end :]
        at = self._blocks.index(gap)
        if at + 1 < len(self._blocks) and isinstance(self._blocks[at + 1], Orphan):
            msg = (
                f"line {self._blocks[at + 1].line} is indented and would become a part of "
                f"{commented.entry.service}/{commented.entry.type}; remove that line"
            )
            raise InvalidValue(msg)
        entry = Entry(list(commented.entry.lines))
        self._replace(gap, [Gap(before), entry, Gap(after)])
        self.adopt(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Take an entry out, with the comments between its lines; those above it stay."""
        self.forget(entry)
        self.replace_block(entry, [])

    def add(
        self,
        service: str,
        kind: str,
        fields: Mapping[str, str],
        options: Mapping[str, str] | None = None,
        after: Entry | None = None,
    ) -> Entry:
        """Add an entry below another one, or at the end of the file.

        Args:
            service: its name.
            kind: its type.
            fields: the fields by name; ``command`` must be there, the others have defaults.
            options: its ``-o`` options.
            after: the entry to add it below.
        """
        check_name(service, kind)
        if not fields.get("command"):
            msg = f"a new entry {service}/{kind} needs the field 'command'"
            raise InvalidValue(msg)
        defaults = {"private": "n" if kind == "inet" else "-", "command": "-"}
        values = [service, kind, *(defaults.get(name, "-") for name in FIELDS[2:])]
        entry = Entry([_in_columns(values) + self.eol])
        self._insert(entry, after)
        self.set_fields(entry, fields)
        self.set_options(entry, options or {})
        self.adopt(entry)
        return entry

    def copy_below(
        self, entry: Entry, service: str, kind: str, options: Mapping[str, str]
    ) -> Entry:
        """Add a copy of an entry below it, as another service with other options as well."""
        check_name(service, kind)
        copy = Entry(list(entry.lines))
        set_service(copy, service)
        _set_word(copy, FIELDS.index("type"), kind)
        self._insert(copy, entry)
        if kind == "inet":
            self.set_fields(copy, {"private": "n"})
        self.set_options(copy, options)
        self.adopt(copy)
        return copy

    def _insert(self, entry: Entry, after: Entry | None) -> None:
        at = len(self._blocks) if after is None else self._blocks.index(after) + 1
        if at and at == len(self._blocks):
            last = self._blocks[-1]
            end = terminator(last.lines[-1])
            if not end.endswith("\n"):
                _replace_last(last, completed(last.lines[-1], self.eol))
                _replace_last(entry, body(entry.lines[-1]) + end)
        self._blocks.insert(at, entry)
        self._stale([entry])

    def replace_block(self, block: Block, blocks: list[Block]) -> None:
        """Put other blocks in the place of one; a file without a last line end stays so."""
        end = terminator(block.lines[-1])
        is_last = self._blocks[-1] is block
        self._replace(block, blocks)
        if is_last and self._blocks and not end.endswith("\n"):
            last = self._blocks[-1]
            _replace_last(last, body(last.lines[-1]) + end)

    def adopt(self, entry: Entry) -> None:
        """Make an entry known that was put in by ``replace_block``."""
        if "_index" in self.__dict__:
            self._index.setdefault(entry.identity, []).append(entry)

    def forget(self, entry: Entry) -> None:
        """Drop an entry from the index before its block or its name changes."""
        if "_index" in self.__dict__:
            self._index[entry.identity].remove(entry)

    def _replace(self, block: Block, blocks: list[Block]) -> None:
        at = self._blocks.index(block)
        new = [b for b in blocks if b.lines]
        self._blocks[at : at + 1] = new
        self._merge_gaps(max(at - 1, 0), at + len(new))
        self._stale(new)

    def _merge_gaps(self, first: int, last: int) -> None:
        for at in range(min(last, len(self._blocks) - 1), first, -1):
            upper, lower = self._blocks[at - 1], self._blocks[at]
            if isinstance(upper, Gap) and isinstance(lower, Gap):
                upper.lines = upper.lines + lower.lines
                del self._blocks[at]

    def _shed(self, entry: Entry) -> None:
        keep = len(entry.lines)
        while is_passive(entry.lines[keep - 1]):
            keep -= 1
        if keep < len(entry.lines):
            rest = entry.lines[keep:]
            entry.replace_lines(entry.lines[:keep])
            self._replace(entry, [entry, Gap(rest)])

    def _stale(self, new: list[Block]) -> None:
        self._numbered = False
        for block in new:
            block.renumber = self._number

    def _number(self) -> None:
        if self._numbered:
            return
        line = 1
        for block in self._blocks:
            block.first_line = line
            line += len(block.lines)
        self._numbered = True


def _replace_last(block: Block, line: str) -> None:
    lines = [*block.lines[:-1], line]
    if isinstance(block, Logical):
        block.replace_lines(lines)
    else:
        block.lines = lines


def _in_columns(values: list[str]) -> str:
    text = ""
    for value, column in zip(values, (0, *_COLUMNS), strict=True):
        text = (text + " ").ljust(column) + value if text else value
    return text


def _commented_at(gap: Gap, start: int) -> CommentedEntry | None:
    found = commented.read(gap.lines, start)
    if found is None:
        return None
    lines, end = found
    return CommentedEntry(Entry(lines, gap.line + start), gap, start, end)


def set_service(entry: Entry, service: str) -> None:
    """Replace the first field, keeping the columns where the name fits."""
    _set_word(entry, 0, service)


def _set_word(entry: Entry, index: int, text: str) -> None:
    word = entry.words[index]
    if word.text == text:
        return
    at = entry.physical(word.span)
    whole = "".join(entry.lines)
    line_start = whole.rfind("\n", 0, at.start) + 1
    blanks = re.match(r"[ \t]*", whole[at.end :])
    old_blanks = blanks.group() if blanks else ""
    new_blanks = old_blanks
    if old_blanks and whole[at.end + len(old_blanks) :][:1] not in ("", "\r", "\n"):
        before = _width(whole[line_start : at.start])
        goal = _width(whole[line_start : at.end] + old_blanks)
        new_blanks = _fill(_width(text, before), goal, tabs=set(old_blanks) == {"\t"})
    rest = whole[at.end + len(old_blanks) :]
    entry.replace_lines(split_lines(whole[: at.start] + text + new_blanks + rest))


def _width(text: str, column: int = 0) -> int:
    for character in text:
        column = (column // _TAB + 1) * _TAB if character == "\t" else column + 1
    return column


def _fill(column: int, goal: int, *, tabs: bool) -> str:
    if column >= goal:
        return " "
    return "\t" * (-(-goal // _TAB) - column // _TAB) if tabs else " " * (goal - column)


def _field_words(name: str, value: str) -> list[str]:
    if any(character in value for character in "\n\r\0"):
        msg = f"the field {name} holds a line end"
        raise InvalidValue(msg)
    words = [word.text for word in opt.split_words(value)]
    if not words or (len(words) > 1 and name != "command"):
        msg = f"the field {name} must be one word, not '{value}'"
        raise InvalidValue(msg)
    if any(word.startswith("-") for word in words[1:]):
        msg = f"'{value}': options of a command are set as options, not in the field 'command'"
        raise InvalidValue(msg)
    return words


def _set_rest(entry: Entry, words: list[str]) -> None:
    rest = entry.arguments.rest
    if [word.text for word in rest] == words:
        return
    text = " ".join(words)
    if rest:
        entry.splice(Span(rest[0].span.start, rest[-1].span.end), text)
    else:
        end = entry.words[-1].span.end
        entry.splice(Span(end, end), " " + text)


def set_option(entry: Entry, name: str, value: str, eol: str) -> None:
    """Set one ``-o`` option; ``eol`` ends the line in front of a new last one."""
    value = opt.check_option(name, value)
    present = [option for option in entry.arguments.options if option.name == name]
    if not present:
        _append_option(entry, opt.format_argument(name, value), eol)
    elif present[-1].value != value:
        _replace_value(entry, present[-1], value)


def _replace_value(entry: Entry, option: opt.Option, value: str) -> None:
    if option.braced and not option.value:
        entry.splice(option.argument.span, opt.in_braces(option.name, value))
        return
    if option.braced or not opt.needs_braces(value):
        entry.splice(option.value_span, value)
        return
    attached = option.argument.span.start < option.flag.span.end
    word = opt.format_argument(option.name, value)
    entry.splice(option.argument.span, (" " if attached else "") + word)


def _append_option(entry: Entry, word: str, eol: str) -> None:
    rest = entry.arguments.rest
    if not rest:
        last = entry.lines[-1]
        end = terminator(last)
        entry.replace_lines([*entry.lines[:-1], completed(last, eol), f"  -o {word}{end}"])
    elif entry.is_first_on_line(rest[0].span.start):
        at = entry.line_index(rest[0].span.start)
        line = f"  -o {word}{eol_of(entry.lines)}"
        entry.replace_lines([*entry.lines[:at], line, *entry.lines[at:]])
    else:
        start = rest[0].span.start
        entry.splice(Span(start, start), f"-o {word} ")


def _remove_option(entry: Entry, name: str) -> None:
    for option in reversed(entry.arguments.options):
        if option.name == name:
            _cut_option(entry, option)


def _cut_option(entry: Entry, option: opt.Option) -> None:
    letters = option.flag.text[1:].partition("o")[0]
    flag, argument = option.flag.span, option.argument.span
    if argument.start < flag.end or entry.line_index(flag.start) == entry.line_index(
        argument.start
    ):
        _cut_or_shorten(entry, Span(flag.start, argument.end), letters)
    else:  # comments may stand between the two
        _cut(entry, argument)
        _cut_or_shorten(entry, flag, letters)


def _cut_or_shorten(entry: Entry, span: Span, letters: str) -> None:
    if letters:
        entry.splice(span, f"-{letters}")
    else:
        _cut(entry, span)


def _cut(entry: Entry, span: Span) -> None:
    """Take words out, and the line if it held nothing else."""
    at = entry.physical(span)
    whole = "".join(entry.lines)
    line_start = whole.rfind("\n", 0, at.start) + 1
    line_end = whole.find("\n", at.end) + 1 or len(whole)
    before, after = whole[line_start : at.start], whole[at.end : line_end]
    if before.strip():
        cut = whole[: line_start + len(before.rstrip(" \t"))] + whole[at.end :]
    elif after.strip():
        cut = whole[: at.start] + whole[at.end :].lstrip(" \t")
    else:
        cut = _without_lines(whole, line_start, line_end)
    entry.replace_lines(split_lines(cut))


def _without_lines(whole: str, start: int, end: int) -> str:
    if end < len(whole) or whole.endswith("\n"):
        return whole[:start] + whole[end:]
    return body(whole[:start]) + terminator(whole)
