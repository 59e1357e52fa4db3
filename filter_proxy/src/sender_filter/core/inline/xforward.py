"""XFORWARD: how one Postfix tells the next who its client is (XFORWARD_README).

Values are kept as they came, in xtext (RFC 3461 section 4), so that what is handed on is what was
said. Names, sizes and forms are checked as ``xforward_cmd`` in smtpd.c does it.
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from sender_filter.core import addresses
from sender_filter.core.addresses import Address

NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
"""The attributes, as they are offered."""

COMMAND = "XFORWARD"

MOST_VALUE = 255
MOST_LINE = 510
"""A command that is sent, without its CRLF (RFC 5321 section 4.5.3.1.4)."""

_UNAVAILABLE = "[UNAVAILABLE]"
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_HEX = re.compile(rb"\+([0-9A-F]{2})")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_IPV6_TAG = "IPV6:"  # RFC 5321 section 4.1.3, and any case of it
_LARGEST_PORT = 65535

Attributes = dict[str, bytes]
"""The names, in capitals and in the order in which they came, and the values in xtext."""


class Client(NamedTuple):
    """Whom Postfix has as its client.

    Attributes:
        address: Its address; None: Postfix does not know, or has not said.
        port: Its port; 0: the same.
    """

    address: Address | None
    port: int


def parse(arguments: bytes) -> Attributes:
    """Read what stands behind the verb.

    Raises:
        ValueError: Postfix would not take it; the message is what Postfix says.
    """
    found: Attributes = {}
    for word in arguments.split():
        name, _, value = word.partition(b"=")
        if not value:
            raise ValueError("Error: attribute=value expected")
        if len(value) > MOST_VALUE:
            raise ValueError("Error: attribute value too long")
        known = name.decode("latin-1").upper()
        if known not in NAMES:
            raise ValueError(f"Bad {COMMAND} attribute name: {known[:MOST_VALUE]}")
        if not _XTEXT.fullmatch(value):
            raise ValueError(f"Bad {known} syntax: no xtext")
        found[known] = value
    if not found:
        raise ValueError(f"Syntax: {COMMAND} attribute=value...")
    client(found)
    return found


def client(attributes: Attributes) -> Client:
    """The client's address and port.

    Raises:
        ValueError: One of them is none.
    """
    address, port = _text(attributes, "ADDR"), _text(attributes, "PORT")
    return Client(_address(address) if address else None, _port(port) if port else 0)


def lines(attributes: Attributes, offered: Collection[str]) -> list[bytes]:
    """The commands, without CRLF, that tell the next Postfix what it offers to be told."""
    words = (name.encode() + b"=" + value for name, value in attributes.items() if name in offered)
    return list(_packed(words))


def _packed(words: Iterator[bytes]) -> Iterator[bytes]:
    """As many words on each line as fit; two of them always do."""
    line = b""
    for word in words:
        if line and len(line) + 1 + len(word) <= MOST_LINE:
            line += b" " + word
            continue
        if line:
            yield line
        line = COMMAND.encode() + b" " + word
    if line:
        yield line


def _text(attributes: Attributes, name: str) -> str:
    """A value as it was before it was encoded; empty if it is not to be had."""
    xtext = attributes.get(name, b"")
    text = _HEX.sub(lambda code: bytes.fromhex(code[1].decode()), xtext).decode("latin-1")
    return "" if text == _UNAVAILABLE else text


def _address(text: str) -> Address:
    tagged = text[: len(_IPV6_TAG)].upper() == _IPV6_TAG
    try:
        return addresses.parse(text[len(_IPV6_TAG) :] if tagged else text)
    except ValueError:
        raise ValueError(f"Bad ADDR syntax: {text}") from None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > _LARGEST_PORT:
        raise ValueError(f"Bad PORT syntax: {text}")
    return int(text)
