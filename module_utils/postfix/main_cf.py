"""A lossless model of main.cf: what is not edited keeps its bytes.

Source: postconf(5), "The general format of the main.cf file"; Postfix
src/util/split_nameval.c, src/global/mail_parm_split.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import InvalidValue
from .lines import (
    SPACE,
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
    fold_for_compare,
    is_passive,
    parse_blocks,
    split_lines,
    terminator,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME_VALUE = re.compile(r"([^\s=]+)[ \t\n\v\f\r]*=", re.ASCII)
_SEPARATORS = ", \t\r\n"


@dataclass(frozen=True, slots=True)
class Token:
    """A member of a list-like value, and where it stands in the logical line."""

    text: str
    span: Span


class Parameter(Logical):
    """One ``name = value``, on one physical line or more."""

    def __init__(self, lines: list[str], line: int = 0) -> None:
        """Take the physical lines of the parameter."""
        super().__init__(lines, line)

    @property
    def name(self) -> str:
        """The parameter's name; "" if the line is no ``name = value``."""
        found = _NAME_VALUE.match(self.text)
        return found[1] if found else ""

    @property
    def value_span(self) -> Span:
        """Where the value stands, without the white space around it."""
        found = _NAME_VALUE.match(self.text)
        start, end = (found.end() if found else 0), len(self.text.rstrip(SPACE))
        while start < end and self.text[start] in SPACE:
            start += 1
        return Span(start, max(start, end))

    @property
    def value(self) -> str:
        """The value as Postfix reads it: lines put together, ``$name`` not expanded."""
        span = self.value_span
        return self.text[span.start : span.end]

    @property
    def tokens(self) -> list[Token]:
        """The members of the value, split at commas and blanks outside braces."""
        return list(_tokens(self.value, self.value_span.start))


class MainDocument:
    """A main.cf file as a list of blocks: parameters, and what stands between them."""

    def __init__(self, blocks: list[Block]) -> None:
        """Take the blocks of a file, in order."""
        self._blocks = blocks

    @classmethod
    def parse(cls, data: bytes) -> MainDocument:
        """Read a file; any bytes are accepted."""
        return cls(parse_blocks(decode(data), Parameter))

    def render(self) -> bytes:
        """Return the bytes of the file."""
        return encode("".join(line for block in self._blocks for line in block.lines))

    @property
    def blocks(self) -> list[Block]:
        """Every block, in order, its line number up to date."""
        line = 1
        for block in self._blocks:
            block.first_line = line
            line += len(block.lines)
        return list(self._blocks)

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters, in order, duplicates included."""
        return [block for block in self.blocks if isinstance(block, Parameter)]

    @property
    def orphans(self) -> list[Orphan]:
        """The text that Postfix ignores because it is indented before the first parameter."""
        return [block for block in self.blocks if isinstance(block, Orphan)]

    def find(self, name: str) -> list[Parameter]:
        """Return every line that sets the parameter; the last one counts."""
        return [parameter for parameter in self.parameters if parameter.name == name]

    def get(self, name: str) -> str | None:
        """Return the value of a parameter, None if the file does not set it."""
        found = self.find(name)
        return found[-1].value if found else None

    def set(self, name: str, value: str) -> None:
        """Give a parameter a value, written as it is given.

        Of duplicates the last is set, since it counts. A new parameter is appended. Comments
        inside a value of several lines stay, below it.

        Raises:
            InvalidValue: name or value would be read as something else.
        """
        check_parameter(name, value)
        found = self.find(name)
        if not found:
            self._append(f"{name} = {value}".rstrip(SPACE))
        elif found[-1].value != fold_for_compare(value):
            _set_value(found[-1], value.strip(SPACE))
            self._shed(found[-1])

    def remove(self, name: str) -> None:
        """Take out every line that sets the parameter; the comments above them stay."""
        for parameter in self.find(name):
            end = terminator(parameter.lines[-1])
            at = self._blocks.index(parameter)
            del self._blocks[at]
            if at and at == len(self._blocks) and not end.endswith("\n"):
                last = self._blocks[-1]
                _replace_last(last, body(last.lines[-1]) + end)

    def add_tokens(self, name: str, tokens: Iterable[str], default: str = "") -> None:
        """Put members into a list-like value, behind those that are there.

        Args:
            name: the parameter.
            tokens: the members; those that are there already stay where they are.
            default: the value to start from if the file does not set the parameter.
        """
        if self.get(name) is None:
            present = [token.text for token in _tokens(default, 0)]
            missing = _missing(tokens, present)
            if missing:
                comma = ", " if "," in default else " "
                self.set(name, comma.join(filter(None, [default, *missing])))
            return
        parameter = self.find(name)[-1]
        missing = _missing(tokens, [token.text for token in parameter.tokens])
        for token in missing:
            _append_token(parameter, token)

    def remove_tokens(self, name: str, tokens: Iterable[str], default: str = "") -> None:
        """Take members out of a list-like value; a line that held nothing else goes with them.

        Args:
            name: the parameter.
            tokens: the members.
            default: the value to start from if the file does not set the parameter.
        """
        unwanted = set(tokens)
        if self.get(name) is None:
            if unwanted & {token.text for token in _tokens(default, 0)}:
                self.set(name, default)
            else:
                return
        parameter = self.find(name)[-1]
        for token in reversed(parameter.tokens):
            if token.text in unwanted:
                _cut_token(parameter, token)
        self._shed(parameter)

    def _append(self, text: str) -> None:
        end = eol = self._eol
        if self._blocks:
            last = self._blocks[-1]
            end = terminator(last.lines[-1])
            _replace_last(last, completed(last.lines[-1], eol))
        # A line end inside a value is written as it is given: a CR would belong to the value.
        lines = split_lines(text)
        self._blocks.append(Parameter([*lines[:-1], lines[-1] + end]))

    @property
    def _eol(self) -> str:
        return eol_of([line for block in self._blocks[:1] for line in block.lines])

    def _shed(self, parameter: Parameter) -> None:
        keep = len(parameter.lines)
        while is_passive(parameter.lines[keep - 1]):
            keep -= 1
        if keep < len(parameter.lines):
            self._blocks.insert(self._blocks.index(parameter) + 1, Gap(parameter.lines[keep:]))
            parameter.replace_lines(parameter.lines[:keep])


def check_parameter(name: str, value: str) -> None:
    """Refuse a name or a value that would be read as something else.

    Raises:
        InvalidValue: says what is wrong.
    """
    if not re.fullmatch(r"[^\s=#\0][^\s=\0]*", name):
        msg = f"'{name}' is not the name of a parameter"
        raise InvalidValue(msg)
    if "\0" in value:
        msg = f"the value of {name} holds a NUL; Postfix would not read on behind it"
        raise InvalidValue(msg)
    for line in value.strip(SPACE).split("\n")[1:]:
        if line[:1] not in (" ", "\t") or is_passive(line):
            msg = (
                f"the value of {name} has the line '{line.strip()}'; every line after the first "
                "must start with a blank and hold text, or it would not belong to the value"
            )
            raise InvalidValue(msg)


def split_list(value: str) -> list[str]:
    """Split a list-like value at commas and blanks outside braces."""
    return [token.text for token in _tokens(value, 0)]


def _tokens(text: str, offset: int) -> Iterable[Token]:
    at = 0
    while at < len(text):
        if text[at] in _SEPARATORS:
            at += 1
            continue
        end = _token_end(text, at)
        yield Token(text[at:end], Span(offset + at, offset + end))
        at = end


def _token_end(text: str, at: int) -> int:
    level = 0
    while at < len(text) and (level or text[at] not in _SEPARATORS):
        if text[at] == "{":
            level += 1
        elif level and text[at] == "}":
            level -= 1
        at += 1
    return at


def _missing(tokens: Iterable[str], present: list[str]) -> list[str]:
    return [token for token in dict.fromkeys(tokens) if token not in present]


def _replace_last(block: Block, line: str) -> None:
    lines = [*block.lines[:-1], line]
    if isinstance(block, Logical):
        block.replace_lines(lines)
    else:
        block.lines = lines


def _set_value(parameter: Parameter, value: str) -> None:
    eol = eol_of(parameter.lines)
    equals = parameter.text.index("=") + 1
    span = parameter.value_span
    if span.start == span.end:
        _fill_empty(parameter, value)
        return
    cut = span if value else Span(equals, span.end)
    inner = _comments_inside(parameter, cut)
    parameter.splice(cut, value)
    if inner:
        last = parameter.lines[-1]
        ends = [completed(line, eol) for line in [last, *inner]]
        ends[-1] = body(ends[-1]) + terminator(last)
        parameter.replace_lines([*parameter.lines[:-1], *ends])


def _fill_empty(parameter: Parameter, value: str) -> None:
    equals = parameter.text.index("=") + 1
    end = len(parameter.text) - (1 if parameter.text.endswith("\r") else 0)
    parameter.splice(Span(equals, max(equals, end)), f" {value}")


def _comments_inside(parameter: Parameter, span: Span) -> list[str]:
    """Return the comments that replacing a part of the logical line would take away."""
    first, last = parameter.line_index(span.start), parameter.line_index(span.end - 1)
    return [line for line in parameter.lines[first:last] if line.lstrip(SPACE)[:1] == "#"]


def _append_token(parameter: Parameter, token: str) -> None:
    tokens = parameter.tokens
    if not tokens:
        _set_value(parameter, token)
        return
    end = tokens[-1].span.end
    if parameter.is_first_on_line(tokens[-1].span.start):
        index = parameter.line_index(tokens[-1].span.start)
        line = parameter.lines[index]
        indent = line[: len(line) - len(line.lstrip(SPACE))]
        between = eol_of(parameter.lines) + indent
    else:
        between = " "
    comma = (
        ","
        if "," in parameter.text[tokens[0].span.end : end] or (parameter.text[end : end + 1] == ",")
        else ""
    )
    parameter.splice(Span(end, end), f"{comma}{between}{token}")


def _cut_token(parameter: Parameter, token: Token) -> None:
    at = parameter.physical(token.span)
    whole = "".join(parameter.lines)
    line_start = whole.rfind("\n", 0, at.start) + 1
    line_end = whole.find("\n", at.end) + 1 or len(whole)
    before, after = whole[line_start : at.start], whole[at.end : line_end]
    if not before.strip(SPACE) and not after.strip(SPACE + ",") and line_start:
        cut = _without_lines(whole, line_start, line_end)
    elif after.strip(SPACE + ","):
        cut = whole[: at.start] + whole[at.end :].lstrip(", \t")
    else:
        kept = after.lstrip(", \t")
        cut = whole[:line_start] + before.rstrip(", \t") + kept + whole[line_end:]
    parameter.replace_lines(split_lines(cut))


def _without_lines(whole: str, start: int, end: int) -> str:
    if end < len(whole) or whole.endswith("\n"):
        return whole[:start] + whole[end:]
    return body(whole[:start]) + terminator(whole)
