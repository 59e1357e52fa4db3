"""What the workers of one filter say to each other.

They are forked from one process, so they are of one release.
"""

import msgspec
from msgspec import Raw, Struct

from sender_filter.core.profiler import Kind


class Client(Struct, frozen=True, tag=True):
    """A client that has connected belongs to you; its connection comes with this.

    Attributes:
        host: Its address as the kernel gives it.
        port: Its port.
    """

    host: str
    port: int


class Question(Struct, frozen=True, tag=True):
    """Answer whoever asks on the connection that comes with this, as on the control socket."""


class Entries(Struct, frozen=True, tag=True):
    """These entries are in force.

    Attributes:
        entries: As they are kept in the store.
    """

    entries: list[Raw]


class Rows(Struct, frozen=True, tag=True):
    """Others have counted this about addresses that belong to you.

    Attributes:
        rows: As they are kept in the store.
    """

    rows: list[Raw]


class Keep(Struct, frozen=True, tag=True):
    """I have counted this; have it kept.

    Attributes:
        worker: Who says so.
        rows: As they are kept in the store.
    """

    worker: int
    rows: list[Raw]


class Deed(Struct, frozen=True):
    """What an address did (``core.profiler.Seen``)."""

    address: str
    at: float
    kind: Kind
    first: bool


class Deeds(Struct, frozen=True, tag=True):
    """An address that belongs to you did this."""

    deeds: list[Deed]


class Sent(Struct, frozen=True, tag=True):
    """An envelope sender that belongs to you has sent a message."""

    sender: str


class Ping(Struct, frozen=True, tag=True):
    """Say when you have come to this: what was said before it is taken up by then.

    Attributes:
        worker: Who asks.
        number: Which question it is.
        leaving: Whether that worker reads its box no more once it has heard.
    """

    worker: int
    number: int
    leaving: bool = False


class Pong(Struct, frozen=True, tag=True):
    """I have."""

    number: int


class Arrived(Struct, frozen=True, tag=True):
    """A worker has taken the place of another one, and knows only what is in the store."""

    worker: int


Letter = Client | Question | Entries | Rows | Keep | Deeds | Sent | Ping | Pong | Arrived

encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Letter)


def decode(data: bytes) -> Letter:
    """Read what ``encode`` has written."""
    letter: Letter = _decoder.decode(data)
    return letter
