"""The words of a master.cf entry and the forms of its ``-o name=value`` options.

Postfix knows ``-o name=value``, ``-oname=value``, ``-o {name=value}``, ``-o { name = value }``
and, as getopt(3) does, ``-vo name=value``. Options end at the first other argument.

Source: master(5), "Command name + arguments"; Postfix src/util/mystrtok.c, src/util/extpar.c,
src/util/split_nameval.c, src/postconf/postconf_master.c. One difference to postconf is meant:
postconf splits ``-osyslog_name=x`` at the second ``o``, the daemons (getopt) do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from .errors import InvalidValue
from .lines import SPACE, Span

BLANKS = " \t\r\n"
"""What separates words; white space as such is wider."""

_WORD = re.compile(r"[^ \t\r\n]+")


class Word(NamedTuple):
    """A word of a logical line, and where it stands."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Option:
    """One ``-o name=value`` of an entry.

    Attributes:
        name: the parameter's name.
        value: its value, without the braces and the white space around it.
        flag: the word that says ``-o``.
        argument: the word that holds name and value (the same word in ``-oname=value``).
        value_span: where the value stands.
        braced: whether name and value stand in braces.
    """

    name: str
    value: str
    flag: Word
    argument: Word
    value_span: Span
    braced: bool


@dataclass(frozen=True, slots=True)
class Arguments:
    """What follows the command of an entry.

    Attributes:
        options: the ``-o`` options, in order.
        flags: the other option words, as ``-v``.
        rest: the words from the first one on that is no option.
    """

    options: list[Option]
    flags: list[Word]
    rest: list[Word]


def split_words(text: str) -> list[Word]:
    """Split at blanks, except inside braces, as Postfix's mystrtokq() does."""
    if "{" not in text:
        return [Word(m.group(), Span(m.start(), m.end())) for m in _WORD.finditer(text)]
    words: list[Word] = []
    at = 0
    while (start := _skip_blanks(text, at)) < len(text):
        at = _end_of_word(text, start)
        words.append(Word(text[start:at], Span(start, at)))
    return words


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at


def _end_of_word(text: str, at: int) -> int:
    level = 0
    while at < len(text):
        if text[at] == "{":
            level += 1
        elif level and text[at] == "}":
            level -= 1
        elif not level and text[at] in BLANKS:
            break
        at += 1
    return at


def unbraced(word: Word) -> Word:
    """Return what stands in the braces of a ``{ text }`` word, white space around it gone."""
    if not word.text.startswith("{"):
        return word
    inner_end = closing_brace(word.text)
    start, end = word.span.start + 1, word.span.start + (inner_end or len(word.text))
    return _trimmed(word, start, end)


def _trimmed(word: Word, start: int, end: int) -> Word:
    offset = word.span.start
    while end > start and word.text[end - 1 - offset] in SPACE:
        end -= 1
    while start < end and word.text[start - offset] in SPACE:
        start += 1
    return Word(word.text[start - offset : end - offset], Span(start, end))


def closing_brace(text: str) -> int | None:
    """Return the index of the brace that closes the one ``text`` starts with."""
    level = 0
    for index, character in enumerate(text):
        if character == "{":
            level += 1
        elif character == "}":
            level -= 1
            if not level:
                return index
    return None


def parse_arguments(words: list[Word]) -> Arguments:
    """Sort the words that follow the command into options, flags and the rest."""
    options: list[Option] = []
    flags: list[Word] = []
    at = 0
    while at < len(words) and words[at].text.startswith("-") and words[at].text != "--":
        letters, has_option, attached = words[at].text[1:].partition("o")
        flag = words[at]
        at += 1
        if not has_option:
            flags.append(flag)
        elif attached:
            start = flag.span.start + 2 + len(letters)
            _take(options, flag, Word(attached, Span(start, flag.span.end)))
        elif at < len(words):
            _take(options, flag, words[at])
            at += 1
    return Arguments(options, flags, words[at:])


def _take(options: list[Option], flag: Word, argument: Word) -> None:
    inner = unbraced(argument)
    name, equals, value = inner.text.partition("=")
    if not equals or not name.strip(SPACE) or any(c in SPACE for c in name.strip(SPACE)):
        return
    start = inner.span.start + len(name) + 1
    found = _trimmed(inner, start, start + len(value))
    braced = argument.text.startswith("{")
    options.append(Option(name.strip(SPACE), found.text, flag, argument, found.span, braced))


def check_option(name: str, value: str) -> str:
    """Return the value if it can be written as an option, without white space around it.

    Raises:
        InvalidValue: the name or the value would be read as something else.
    """
    if not re.fullmatch(r"[^\s={}#-][^\s={}]*", name):
        msg = f"'{name}' is not the name of a parameter"
        raise InvalidValue(msg)
    if any(character in value for character in "\n\r\0"):
        msg = f"the value of option {name} holds a line end; an option is one line"
        raise InvalidValue(msg)
    if not _balanced(value):
        msg = f"the braces in the value of option {name} do not match: {value}"
        raise InvalidValue(msg)
    return value.strip(SPACE)


def _balanced(value: str) -> bool:
    level = 0
    for character in value:
        level += {"{": 1, "}": -1}.get(character, 0)
        if level < 0:
            return False
    return not level


def needs_braces(value: str) -> bool:
    """Tell whether the value must stand in braces to stay one word."""
    return any(character in SPACE for character in value)


def format_argument(name: str, value: str) -> str:
    """Write name and value as the word after ``-o``."""
    return in_braces(name, value) if needs_braces(value) else f"{name}={value}"


def in_braces(name: str, value: str) -> str:
    """Write name and value in the form that takes any value."""
    return f"{{ {name} = {value} }}"
