"""Every key of ``config.toml``, its meaning and its default.

A section or key that is not here is refused: a misspelt limit must not be a missing limit.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Files = Annotated[list[str], Meta(max_length=256)]


class Listen(Struct, frozen=True, forbid_unknown_fields=True):
    """``[listen]``: where clients are awaited, unless systemd passes sockets.

    Attributes:
        addresses: ``address:port`` each, IPv6 in brackets.
    """

    addresses: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: ["0.0.0.0:25", "[::]:25"]
    )


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstream]``: the Postfix service that takes the sessions, with PROXY protocol.

    Attributes:
        address: ``address:port`` of the service.
        connect_seconds: How long a connection to it may take.
    """

    address: str = "127.0.0.1:2500"
    connect_seconds: Seconds = 5.0


class Lists(Struct, frozen=True, forbid_unknown_fields=True):
    """``[lists]``: files of addresses, one entry a line.

    A relative name is looked for beside the configuration file, so that both can be checked
    together in a staging folder before they are put in place.

    Attributes:
        blocked: Files of clients that are refused.
        approved: Files of clients that are never refused; they go before the blocked ones.
    """

    blocked: Files = field(default_factory=lambda: ["/etc/sender-filter/blocked.list"])
    approved: Files = field(default_factory=lambda: ["/etc/sender-filter/approved.list"])


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: how much is done at once, and how long a stop waits.

    Attributes:
        sessions: Sessions relayed at once; the next client is told to try again later.
        drain_seconds: How long running sessions may go on after a stop was asked for.
    """

    sessions: Annotated[int, Meta(ge=1, le=100_000)] = 4000
    drain_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: the records of decisions.

    Attributes:
        directory: Where they are kept, a file a day (UTC).
        days: How many days are kept, today included.
    """

    directory: str = "/var/log/sender-filter"
    days: Annotated[int, Meta(ge=1, le=3650)] = 14


class Control(Struct, frozen=True, forbid_unknown_fields=True):
    """``[control]``: how ``senderfilter status`` and ``check`` reach the running filter.

    Attributes:
        socket: Path of the UNIX socket.
    """

    socket: str = "/run/sender-filter/control.sock"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; each section may be left out."""

    listen: Listen = field(default_factory=Listen)
    upstream: Upstream = field(default_factory=Upstream)
    lists: Lists = field(default_factory=Lists)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    control: Control = field(default_factory=Control)
