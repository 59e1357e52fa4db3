"""Known Hosts: the nearest upstream MTA that is not a known host.

A mail that comes through the site's own relays, or through a cloud filter, has their address as
its peer. Each MTA on the way writes its Received field on top of the others (RFC 5321 section
4.4), so the fields are walked from the top: a field is believed only if the host that wrote it
is known. Behind the first unknown host everything may be invented, and nothing is read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sender_filter.core.addresses import Address
from sender_filter.core.received import forms
from sender_filter.core.records import Found

KNOWN_BY_DEFAULT = (
    "127.0.0.0/8",  # loopback, RFC 1122 section 3.2.1.3
    "10.0.0.0/8",  # private, RFC 1918
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",  # link-local, RFC 3927
    "100.64.0.0/10",  # shared between a provider and its customers, RFC 6598
    "::1",  # loopback, RFC 4291 section 2.5.3
    "fe80::/10",  # link-local, RFC 4291 section 2.5.6
    "fc00::/7",  # unique local, RFC 4193
)
"""Localhost and all private ranges, for ``networks.parse``."""


class Source(NamedTuple):
    """Whom to judge for a mail.

    Attributes:
        address: The last host that is believed in.
        found: ``peer`` or ``xforward``: it is the client itself. ``received``: it was found in a
            Received field. ``none``: it is a known host, so there is nobody to judge.
        hop: How many hops it is upstream of the peer.
        doubt: Why the walk ended before an unknown host was found; None if it did not, or if
            the mail came from a known host in the first place.
    """

    address: Address
    found: Found
    hop: int
    doubt: str | None = None


class Step(NamedTuple):
    """One field that was read on the way.

    Attributes:
        number: Which one, the topmost being 1.
        field: Its body.
        address: The host that handed the mail over; None: the field does not say so.
        known: Whether that is a known host.
        doubt: Why the field does not say it, if that is odd.
    """

    number: int
    field: bytes
    address: Address | None
    known: bool
    doubt: str | None = None


def walk(received: Sequence[bytes], is_known: Callable[[Address], bool]) -> Iterator[Step]:
    """Walk upstream from a known host to the first one that is not.

    Args:
        received: The Received fields of its mail, top-most first, as ``fields.received`` gives
            them; the first was written by the peer.
        is_known: Whether an address is that of a known host.
    """
    for number, field in enumerate(received, 1):
        seen = forms.handed_over_by(field)
        if seen.kind == "inside":
            continue
        if seen.address is None:
            yield Step(number, field, None, False, seen.reason if seen.kind == "doubt" else None)
            return
        known = is_known(seen.address)
        yield Step(number, field, seen.address, known)
        if not known:
            return


def end_of(peer: Address, steps: Sequence[Step]) -> Source:
    """Whom a walk from a known peer has found."""
    named = [step for step in steps if step.address is not None]
    last = steps[-1] if steps else None
    address = named[-1].address if named else None
    if last is not None and last.address is not None and not last.known:
        return Source(last.address, "received", len(named))
    return Source(address or peer, "none", len(named), None if last is None else last.doubt)


def find(peer: Address, received: Sequence[bytes], is_known: Callable[[Address], bool]) -> Source:
    """The first host upstream of the peer, itself included, that is not known."""
    if not is_known(peer):
        return Source(peer, "peer", 0)
    return end_of(peer, list(walk(received, is_known)))


def behind_own(peer: Address, received: Sequence[bytes]) -> Sequence[bytes]:
    """The fields without the one of this host's own Postfix, which has the mail before the filter.

    It says of the peer what Postfix has said of it already. A Postfix that was itself told who the
    peer is writes none (``data_cmd`` in smtpd.c).
    """
    if received and forms.handed_over_by(received[0]).address == peer:
        return received[1:]
    return received
