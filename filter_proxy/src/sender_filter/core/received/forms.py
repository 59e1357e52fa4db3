"""One Received field: whom the MTA that wrote it saw as its client.

RFC 5321 section 4.4 leaves much open, and each MTA fills it in its own way:

==================  ============================================================
Postfix, Sendmail,  ``from HELO (name [address]) (more) by host ...``; Sendmail may put
Courier, Gmail,     ``ident@`` before the name and ``(may be forged)`` behind the address,
Amavis, SMTPSVC     Courier ``softdnserr`` for the name; the name may be missing
Exim                ``from name ([address]:port helo=HELO ident=x) by host ...``, without a
                    verified name ``from [address] (port=1 helo=HELO ident=x) by host ...``
qmail, IronPort     ``from name (HELO HELO) (ident@address) by host with ...``; qmail-ldap and
                    IronPort put the address into brackets
Exchange,           ``from HELO (address) by host (address) with ...``, the first address in
Microsoft 365       brackets where the mail came by MAPI
==================  ============================================================

What the client says (its HELO name, its ident, its sender address) stands in the same line. It is
told from what the MTA saw by the place it has in the form. An MTA that lets blanks or parentheses
pass in a HELO name would let a client write a second form in front of the true one; such a line
has a word, an address or a ``by`` too much, and is in doubt. Doubt is never resolved by guessing.
"""

import itertools
import re
from typing import Literal, NamedTuple

from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.received import fields
from sender_filter.core.received.fields import DoubtError, Part

Kind = Literal["client", "local", "inside", "doubt"]


class Hop(NamedTuple):
    """How the MTA that wrote a field got the mail.

    Attributes:
        address: The client's address as the MTA saw it; None unless the kind is ``client``.
        reason: What the field was understood as, or why it was not.
        kind: ``client``: over the network from ``address``. ``local``: it was created on the
            MTA's own host. ``inside``: one program of the host took it from another, and the
            next field is of the same host. ``doubt``: anything else.
    """

    address: Address | None
    reason: str
    kind: Kind


class _Clauses(NamedTuple):
    """A field ``from sender (comments) by HOST rest``."""

    sender: str
    comments: list[str]
    rest: list[Part]


_LOCAL = Hop(None, "created on the host itself", "local")

_BY = re.compile(r"(?<![^ ()])by(?![^ ()])", re.IGNORECASE)
_LOOKS_LIKE_ADDRESS = re.compile(
    r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-F]{0,4}:[0-9A-F]{0,4}:", re.IGNORECASE
)

_PORT = r"(?::[0-9]{1,5})?"
_SAID = r"(?:helo|ident|port)=(?:\[[^ ()\[\]]*\]|[^ ()\[\]@]+)"
_BRACKETS = r"\[(?P<address>[^ ()\[\]]+)\]"
_NAME = r"(?:IDENT:)?[^ ()\[\]=:]+"
_NAME_AND_BRACKETS = re.compile(
    rf"(?!(?:HELO|EHLO|LHLO)\b)(?:{_NAME} ?)?{_BRACKETS}{_PORT}"
    rf"(?: verified| unverified| RDNS failed| \(may be forged\)|(?: {_SAID}){{1,2}})?"
)
_EXIM_SENDER = re.compile(_BRACKETS + _PORT)
_EXIM_SAYS = re.compile("(?:helo|ident|port)=")
_EXIM_SAID = re.compile(rf"{_SAID}(?: {_SAID}){{0,2}}")
_QMAIL_HELO = re.compile(r"(?:HELO|EHLO|LHLO)(?: [^ ()]*)?")
_QMAIL_ADDRESS = re.compile(r"(?:[^ ()]*@)?(?:\[(?P<inside>[^ ()\[\]@]+)\]|(?P<bare>[^ ()\[\]@]+))")
_QMAIL_SENDER = re.compile(r"envelope-sender <[^ ()]*>")

_QMAIL_INVOKED = re.compile(
    r"qmail [0-9]+ invoked (from network|by alias|by uid [0-9]+|for bounce)"
)
_LOCAL_SENDER = re.compile(r"from [^ ()@]+@localhost")
_LOCAL_CLIENT = re.compile(r"[^ ()]+ \[(?:local|\[UNIX: localhost\])\]")
_LOCAL_ORIGIN = re.compile(r"Postfix, from userid [0-9]+|with HTTP")
_LOCAL_PROTOCOL = re.compile(r"with local(?:-[a-z]+)?(?: |$)")


def handed_over_by(field: bytes) -> Hop:
    """Read one Received field.

    Args:
        field: Its body, unfolded, without the name.

    Returns:
        What the MTA that wrote the field saw. It says nothing about whether that MTA is honest.
    """
    try:
        return _read(fields.parts(field))
    except DoubtError as doubt:
        return Hop(None, str(doubt), "doubt")


def _read(parts: list[Part]) -> Hop:
    """Try the forms without a client, then those with one."""
    first, *others = parts
    if first.is_comment and (invoked := _QMAIL_INVOKED.fullmatch(first.text)):
        if invoked[1] == "from network":
            return Hop(None, "qmail's own hand-over, the next field is the same host's", "inside")
        return _LOCAL
    if first.is_comment and _LOCAL_SENDER.fullmatch(first.text):
        return _LOCAL
    if _is_word(first, "by"):
        if _LOCAL_ORIGIN.search(" ".join(part.text for part in others)):
            return _LOCAL
        raise DoubtError("the field has no from clause")
    clauses = _clauses(parts)
    if _is_local(clauses):
        return _LOCAL
    return _client(clauses)


def _clauses(parts: list[Part]) -> _Clauses:
    """Cut a field at its one ``by``; the word behind ``from`` is the sender even if it is "by"."""
    if not _is_word(parts[0], "from"):
        raise DoubtError("the field has no from clause")
    by = next((at for at, part in enumerate(parts) if at > 1 and _is_word(part, "by")), None)
    if by is None:
        raise DoubtError("the field has no by clause")
    host, rest = parts[by + 1 : by + 2], parts[by + 2 :]
    if not host or host[0].is_comment or any(_BY.search(part.text) for part in rest):
        raise DoubtError("the by clause names no host, or is not the only one")
    words = list(itertools.takewhile(lambda part: not part.is_comment, parts[1:by]))
    comments = parts[1 + len(words) : by]
    if not all(part.is_comment for part in comments):
        raise DoubtError("there is a word behind the client's comment")
    return _Clauses(
        " ".join(word.text for word in words), [comment.text for comment in comments], rest
    )


def _is_local(clauses: _Clauses) -> bool:
    """Whether the host says that it took the mail from one of its own users."""
    if clauses.comments and _LOCAL_CLIENT.fullmatch(clauses.comments[0]):
        return True
    if clauses.sender == "mail pickup service" and not clauses.comments:  # of Windows
        return True
    return _LOCAL_PROTOCOL.match(" ".join(part.text for part in clauses.rest)) is not None


def _client(clauses: _Clauses) -> Hop:
    """The one address that stands where a form has what the MTA saw."""
    sender, comments, rest = clauses
    if " " in sender:
        raise DoubtError("there is more than one word in front of the client's comment")
    exim = _EXIM_SENDER.fullmatch(sender)
    if exim and (_EXIM_SAYS.match(comments[0]) if comments else _is_exim(rest)):
        if comments and not _EXIM_SAID.fullmatch(comments[0]):
            raise DoubtError("what the client said to Exim is no name")
        return _hop(exim["address"], comments[1:], "Exim, no verified name")
    plain = bool(rest) and (_is_word(rest[0], "with") or _is_qmail_or_exchange(rest[0]))
    if comments and _QMAIL_HELO.fullmatch(comments[0]):
        comments, plain = comments[1:], True
    if not comments:
        raise DoubtError("the field has no client address")
    if form := _NAME_AND_BRACKETS.fullmatch(comments[0]):
        return _hop(form["address"], comments[1:], "address in brackets")
    if plain and (form := _QMAIL_ADDRESS.fullmatch(comments[0])):
        return _hop(form["inside"] or form["bare"], comments[1:], "address in parentheses")
    raise DoubtError("the client's comment has no known form")


def _is_word(part: Part, word: str) -> bool:
    return not part.is_comment and part.text.lower() == word


def _is_qmail_or_exchange(part: Part) -> bool:
    """Whether the comment behind the host's name is qmail's version or the host's address."""
    shown = part.text.startswith("qmail") or _LOOKS_LIKE_ADDRESS.search(part.text) is not None
    return part.is_comment and shown


def _is_exim(rest: list[Part]) -> bool:
    return any(part.is_comment and part.text.startswith("Exim ") for part in rest)


def _hop(text: str, others: list[str], form: str) -> Hop:
    """The hop, if the address is one and no other comment of the from clause has one too."""
    for comment in others:
        if _LOOKS_LIKE_ADDRESS.search(comment) and not _QMAIL_SENDER.fullmatch(comment):
            raise DoubtError("there are two addresses in the from clause")
    tagged = text[:5].lower() == "ipv6:"
    try:
        return Hop(addresses.parse(text[5:] if tagged else text), form, "client")
    except ValueError:
        raise DoubtError("the client's address is no IP address") from None
