"""One block list: its settings, and how its answer is read.

An answer is one or more A records inside 127.0.0.0/8 whose value says why (RFC 5782 section
2.1, 2.3), or no record. Three kinds of answer look like a listing and are none:

* 127.255.255.0/24: the list refuses the one who asks, for instance because the question came
  through a public resolver or there were too many (Spamhaus, "DNSBL return codes").
* anything outside 127.0.0.0/8: the domain is no block list any more, or a resolver on the way
  makes answers up (RFC 5782 section 7 on lists that ended).
* more records than any list has reasons.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from sender_filter.core import addresses, networks
from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter.core.reputation.question import within

Result = Literal["listed", "not_listed", "failed"]

DEFAULT_CODES = ("127.0.0.2-127.0.0.254",)
"""RFC 5782 section 2.1: 127.0.0.2 by convention, other values of the network by the list's own.

127.0.0.1 is left out: lists of URIs answer so to those whom they refuse, and no list of
addresses uses it. 127.0.1.0/24 and up are answers about domain names, not about addresses.
"""

LONGEST_NAME = 253 - len("0." * 32)
"""RFC 1035 section 2.3.4, with room for the 32 nibbles of an IPv6 address before it."""

MOST_CODES = 32
MOST_TEXT = 200
_REFUSED = networks.parse("127.255.255.0/24")
_CODES = networks.parse("127.0.0.0/8")
_PRINTABLE = bytes(c if 0x20 <= c <= 0x7E else ord("?") for c in range(256))
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class Zone(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[reputation.zones]]``: one block list.

    Attributes:
        name: Its domain, such as ``bl.example.org``.
        codes: The return codes that count as listed: addresses, networks or ranges inside
            127.0.0.0/8, written as in the lists.
        weight: What a listing adds to the score; 0 asks and records, but decides nothing.
        action: Whether a listing refuses for good (550) or for now (450).
        ipv6: Whether the list is asked about IPv6 addresses, too.
    """

    name: str
    codes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] = DEFAULT_CODES
    weight: Annotated[int, Meta(ge=0, le=1000)] = 1
    action: Literal["permanent", "temporary"] = "permanent"
    ipv6: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ValueError: The name is no domain name, or a code cannot be one.
        """
        if len(self.name) > LONGEST_NAME or not all(map(_LABEL.fullmatch, self.name.split("."))):
            msg = (
                f"{self.name!r} is no name of a zone: write it in small letters, without a last dot"
            )
            raise ValueError(msg)
        _parsed(self.codes)


class Reading(NamedTuple):
    """What one answer means.

    Attributes:
        result: Whether the address is listed; ``failed`` if the answer says nothing about it.
        codes: The return codes, as they came.
        reason: Why it is ``failed``.
    """

    result: Result
    codes: tuple[str, ...] = ()
    reason: str | None = None


def read(zone: Zone, codes: Sequence[str]) -> Reading:
    """Read the A records of an answer; none at all means "not listed"."""
    seen = tuple(codes[:MOST_CODES])
    if len(codes) > MOST_CODES:
        return Reading("failed", seen, f"an answer of {len(codes)} records is no listing")
    return _read(zone, seen)


@lru_cache(maxsize=1024)
def _read(zone: Zone, codes: tuple[str, ...]) -> Reading:
    """The same of a few records: a list has few different answers."""
    values = [addresses.parse(code) for code in codes]
    for value in values:
        if not within(value, _CODES):
            return Reading(
                "failed", codes, f"{value} is outside 127.0.0.0/8: no block list says so"
            )
    for value in values:
        if within(value, _REFUSED):
            return Reading("failed", codes, f"the list refuses to answer us: {value}")
    allowed = _parsed(zone.codes)
    listed = any(within(value, allowed) for value in values)
    return Reading("listed" if listed else "not_listed", codes)


def clean(text: bytes) -> str:
    """The text of a TXT record, made safe for a log and an SMTP reply.

    Printable ASCII only, so neither line ends nor escapes; at most ``MOST_TEXT`` characters.
    """
    return text[:MOST_TEXT].translate(_PRINTABLE).decode("ascii")


@lru_cache(maxsize=64)
def _parsed(codes: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks of return codes.

    Raises:
        ValueError: A code cannot be read, or can never mean "listed".
    """
    parsed = tuple(network for code in codes for network in networks.parse(code))
    for network in parsed:
        first = Address(network.version, network.value)
        if network.prefix < _CODES[0].prefix or not within(first, _CODES):
            msg = f"return code {network} is outside 127.0.0.0/8"
            raise ValueError(msg)
    return parsed
