"""What a command line says, read as Postfix's smtpd reads it.

RFC 5321 section 4.1.1 with what ``smtpd_token.c`` allows beyond: any case, white space around
the words, a bare LF as the end, and nothing behind a NUL.
"""

import re
from typing import Literal, get_args

from msgspec import Struct

from sender_filter.core.replies import Reply

Verb = Literal[
    "HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "ETRN", "HELP", "QUIT",
    "AUTH", "STARTTLS", "XCLIENT", "XFORWARD", "other", "connect", "end of data",
]  # fmt: skip
"""The commands Postfix knows, any other, and the two moments it speaks without a command."""


class Command(Struct, frozen=True, gc=False):
    """A command whose reply is awaited.

    Attributes:
        verb: Which.
        address: Of MAIL and RCPT, the address between the angle brackets.
        size: Of BDAT, how many bytes follow.
        last: Of BDAT, whether the message ends with them.
        own: The reply, where Postfix does not get the command.
    """

    verb: Verb
    address: str = ""
    size: int = 0
    last: bool = False
    own: Reply | None = None


UNCERTAIN = frozenset[Verb](("DATA", "AUTH", "STARTTLS", "QUIT", "other"))
"""Only their reply says what the client's next bytes are.

A line Postfix may know and this parser does not is one of them, so it need not be understood.
"""

RESTARTING = frozenset[Verb](("HELO", "EHLO", "MAIL", "DATA", "RSET", "XCLIENT", "other"))
"""After one of them a BDAT can be the first of a message."""

CONNECT = Command("connect")
END_OF_DATA = Command("end of data")
AUTH = Command("AUTH")

_OTHER = Command("other")
_PLAIN = {
    verb.encode(): Command(verb)
    for verb in get_args(Verb)
    if verb.isupper() and verb not in ("MAIL", "RCPT", "BDAT")
}
_PATH = re.compile(
    rb"""\s* (?:FROM:|TO:)? \s*
    (?: (?: [^\s<"(\\] | "(?:[^"\\]|\\.)*+" | \\. )*+  # to Postfix a name, as in a header
        < ((?: [^<>"\\] | "(?:[^"\\]|\\.)*+" | \\. )*+) >  # quoted parts may hold a bracket
      | (\S*) )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_SOURCE_ROUTE = re.compile(rb"@[^:]*+:")  # RFC 5321 section 4.1.2, A-d-l
_LARGEST = 2**63 - 1  # off_t, as off_cvt_string() has it


def parse(line: bytes) -> Command:
    """Read a line with its end."""
    nul = line.find(b"\0")
    words = (line if nul < 0 else line[:nul]).split(None, 1)
    if not words:
        return _OTHER
    verb = words[0].upper()
    arguments = words[1] if len(words) > 1 else b""
    if verb == b"RCPT":
        return Command("RCPT", _address(arguments))
    if verb == b"MAIL":
        return Command("MAIL", _address(arguments))
    if verb == b"BDAT":
        return _bdat(arguments.split())
    if verb == b"STARTTLS" and arguments.strip():
        return _OTHER  # 501, RFC 3207 section 4
    return _PLAIN.get(verb, _OTHER)


def _address(arguments: bytes) -> str:
    """The address as it is on the wire, without brackets and source route."""
    found = _PATH.match(arguments)
    path = (found[1] if found[1] is not None else found[2]) if found else arguments
    path = path.strip()
    if path.startswith(b"@"):
        path = _SOURCE_ROUTE.sub(b"", path, count=1)
    return path.decode("utf-8", "backslashreplace")


def _bdat(words: list[bytes]) -> Command:
    """RFC 3030 section 2; what Postfix would not take as a BDAT is none here either."""
    if not words or not words[0].isdigit():
        return _OTHER
    digits = words[0].lstrip(b"0")
    too_large = len(digits) > len(str(_LARGEST)) or int(digits or b"0") > _LARGEST
    if too_large or len(words) > 2 or (len(words) == 2 and words[1].upper() != b"LAST"):
        return _OTHER
    return Command("BDAT", size=int(digits or b"0"), last=len(words) > 1)
