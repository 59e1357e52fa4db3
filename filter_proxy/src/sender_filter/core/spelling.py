"""One spelling of a mailbox for all that are the same to Postfix.

A part of it may be quoted, and any character escaped (RFC 5321 section 4.1.2, quoted-string and
quoted-pair); the domain may end in a dot; and ``tok822_parse.c`` passes over white space, comments
and names before brackets, which belong to headers (RFC 5322 sections 3.2.2 and 3.4).
"""

import re

_CHARACTER = re.compile(r"(\\?)(.)", re.DOTALL)
_WHITE = " \t\r\n"
_SPECIAL = re.compile(rf'[\\"(<>{_WHITE}]')


def plainest(mailbox: str, most: int) -> str:
    """A mailbox with no quotes, and a backslash only before what would mean something without it.

    It is the plainest spelling of itself too, so it may be kept, shown and read again.

    Args:
        mailbox: Any spelling.
        most: How many characters it may have; the rest is cut off.
    """
    if _SPECIAL.search(mailbox):
        mailbox = _SPECIAL.sub(r"\\\g<0>", _unquoted(mailbox))
    found = mailbox[:most]
    return found.rstrip(".") if "@" in found else found


def _unquoted(mailbox: str) -> str:
    """What a mailbox means."""
    meant: list[str] = []
    quoted, depth = False, 0
    for escape, character in _CHARACTER.findall(mailbox):
        if depth:  # comments nest
            depth += 0 if escape else (character == "(") - (character == ")")
        elif escape:
            meant.append(character)
        elif character == '"':
            quoted = not quoted
        elif quoted:
            meant.append(character)
        elif character == "(":
            depth = 1
        elif character == "<":
            meant.clear()
        elif character not in _WHITE + ">":
            meant.append(character)
    return "".join(meant)
