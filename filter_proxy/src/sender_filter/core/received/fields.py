"""The Received fields of a header section, and the words and comments of one.

Only what RFC 5322 section 2.2 calls a field is read: a name, a colon, a body that may be folded
(section 2.2.3). The section ends at the empty line, or at the first line that is no field: what
stands behind such a line is the body to one MTA and a header to another, so it proves nothing.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_FIELDS = 100
"""Fields that are read; more of them are taken for a loop (RFC 5321 section 6.3)."""

MOST_BYTES = 8192
"""Bytes of a field's body that are read, with its folds."""

UNREADABLE = b""
"""Stands for a field that is too long and for all those that are too many.

No MTA writes an empty field, so whoever reads the fields in order stops here in doubt.
"""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PARENTHESIS = re.compile(r"[()]")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")


class DoubtError(ValueError):
    """A field cannot be understood; the message says why."""


class Part(NamedTuple):
    """A word, or a comment (RFC 5322 section 3.2.2) without its parentheses."""

    text: str
    is_comment: bool


def received(section: bytes) -> list[bytes]:
    """The bodies of the Received fields, unfolded, top-most (written last) first.

    Args:
        section: The header section; lines end in CRLF or LF. It may go on with the mail's body.

    Returns:
        At most ``MOST_FIELDS`` bodies, and one ``UNREADABLE`` behind them if there are more.
    """
    found: list[bytes] = []
    for start, end in _bodies(section):
        if len(found) == MOST_FIELDS:
            return [*found, UNREADABLE]
        found.append(UNREADABLE if end - start > MOST_BYTES else _unfolded(section[start:end]))
    return found


def _bodies(section: bytes) -> Iterator[tuple[int, int]]:
    """Where the body of each Received field begins and ends."""
    field = _FIELD.match(section)
    while field:
        if field[1].lower() == b"received":
            yield field.span(2)
        field = _FIELD.match(section, field.end())


def _unfolded(body: bytes) -> bytes:
    """The body on one line: each line end goes, the white space behind it stays."""
    return body.replace(b"\r\n", b"").replace(b"\n", b"").removesuffix(b"\r").strip(b" \t")


def parts(field: bytes) -> list[Part]:
    """The words and the outermost comments of an unfolded field, in order; at least one.

    Quotes have no meaning here: a client could put one into its HELO name and hide with it what
    the MTA wrote behind.

    Raises:
        DoubtError: The field is empty or too long, or its parentheses are not balanced.
    """
    text = _text(field)
    found: list[Part] = []
    depth = start = 0
    for parenthesis in _PARENTHESIS.finditer(text):
        opens = parenthesis[0] == "("
        depth += 1 if opens else -1
        if depth < 0:
            break
        if depth == opens:  # an outermost comment begins, or ends
            between = text[start : parenthesis.start()]
            start = parenthesis.end()
            found += _words(between) if opens else [Part(between.strip(" "), is_comment=True)]
    if depth:
        raise DoubtError("the parentheses are not balanced")
    return found + _words(text[start:])


def _text(field: bytes) -> str:
    """The field with each run of blanks as one space; Latin-1, so that no byte is lost."""
    if len(field) > MOST_BYTES:
        raise DoubtError("the field is too long")
    words = field.decode("latin-1").replace("\t", " ").split(" ")
    text = " ".join(word for word in words if word)
    if not text:
        raise DoubtError("the field is empty, too long, or one of too many")
    if _CONTROL.search(text):
        raise DoubtError("the field holds control characters")
    return text


def _words(text: str) -> list[Part]:
    return [Part(word, is_comment=False) for word in text.split(" ") if word]
