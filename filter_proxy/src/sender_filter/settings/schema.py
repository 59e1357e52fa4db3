"""Every key of ``config.toml``, its meaning and its default.

A section or key that is not here is refused: a misspelt limit must not be a missing limit.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sender_filter.core.profiler.rules import Rules
from sender_filter.core.reputation.settings import Reputation
from sender_filter.core.throttling import AddressRule, SenderRule

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Files = Annotated[list[str], Meta(max_length=256)]
Networks = Annotated[list[str], Meta(max_length=10_000)]
Mode = Literal["off", "shadow", "on"]
"""What a function does: nothing, or record what it would do, or do it."""


class Listen(Struct, frozen=True, forbid_unknown_fields=True):
    """``[listen]``: where clients are awaited, unless systemd passes sockets.

    Attributes:
        addresses: ``address:port`` each, IPv6 in brackets.
        workers: How many processes serve them, each with a processor of its own if there are as
            many; 0: as many as there are processors. A client is always served by the same one, so
            that nothing is counted less exactly. For the front of topology ``inline``, whose only
            client is Postfix, it is one.
    """

    addresses: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: ["0.0.0.0:25", "[::]:25"]
    )
    workers: Annotated[int, Meta(ge=0, le=64)] = 1


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstream]``: the Postfix service that takes the sessions, with PROXY protocol.

    Attributes:
        address: ``address:port`` of the service.
        connect_seconds: How long a connection to it may take. Where nobody listens that is known at
            once; only a Postfix with more clients than it can serve lets them wait.
        handover: ``pass`` hands the connection itself over to Postfix where nobody wants to read
            along, and relays the others; ``relay`` relays all.
        pass_socket: Postfix's service of type ``pass`` for that.
    """

    address: str = "127.0.0.1:2500"
    connect_seconds: Seconds = 60.0
    handover: Literal["relay", "pass"] = "relay"
    pass_socket: str = "/var/spool/postfix/public/sender-filter"  # noqa: S105 - a service's type


class Inline(Struct, frozen=True, forbid_unknown_fields=True):
    """``[inline]``: ``senderfilter serve --inline``, between two services of Postfix.

    Attributes:
        address: Where the first one hands its messages over (``smtpd_proxy_filter``), unless
            systemd passes a socket. Whoever reaches it can claim any client address, so it must be
            a loopback address; so must be the next one.
        upstream: The second one, which takes XFORWARD.
        control: How ``senderfilter status`` and others reach this filter.
    """

    address: str = "127.0.0.1:10020"
    upstream: str = "127.0.0.1:10021"
    control: str = "/run/sender-filter/inline.sock"


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tls]``: STARTTLS ends in the filter, which then reads encrypted sessions like others.

    Without it Postfix ends TLS, and the filter passes on what it cannot read. The front of topology
    ``inline`` is behind the Postfix that ends TLS.

    Attributes:
        certificate: A file with the certificate and its chain, PEM; empty: Postfix ends TLS.
        key: A file with the key, PEM, without a passphrase.
    """

    certificate: str = ""
    key: str = ""


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


class KnownHosts(Struct, frozen=True, forbid_unknown_fields=True):
    """``[known_hosts]``: hosts of our own side, in front of this one.

    A client that is one of them is not judged; the Received headers of its messages are followed
    to the first host that is none.

    Attributes:
        enabled: Whether the function is on. If not, every client is judged itself.
        networks: Further hosts; localhost and all private ranges are known without being named.
        cloud_prefilter_networks: Where a pre-filter in the cloud delivers from.
    """

    enabled: bool = False
    networks: Networks = field(default_factory=list)
    cloud_prefilter_networks: Networks = field(default_factory=list)


class EmailReputation(Reputation, frozen=True, forbid_unknown_fields=True):
    """``[reputation]``: DNS block lists, with all keys of ``core.reputation.settings``.

    Attributes:
        mode: ``on`` refuses, ``shadow`` only records whom it would refuse.
    """

    mode: Mode = "on"


class Throttling(Struct, frozen=True, forbid_unknown_fields=True):
    """``[throttling]``: how often an address may connect, and who may send how much.

    Attributes:
        mode: ``on`` blocks for a while, ``shadow`` only records whom it would block.
        address: Limits for each client address.
        sender: A limit for each envelope sender.
    """

    mode: Mode = "off"
    address: AddressRule = field(default_factory=AddressRule)
    sender: SenderRule = field(default_factory=SenderRule)


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: where blocks and counters outlive the process.

    Attributes:
        file: An SQLite database; it and its folder belong to the filter.
        url: A Redis or Valkey server in place of the file, which gateways then share:
            ``redis://``, ``rediss://`` (TLS) or ``unix://``, with the password in it,
            percent-encoded; or ``file:PATH``: it stands in a file, which only the filter can read.
        share_records: Whether records go to that server as well, for whoever wants to see those of
            all gateways in one place; the server needs some 100 MB for the last hundred thousand.
    """

    file: str = "/var/lib/sender-filter/state.sqlite"
    url: str = ""
    share_records: bool = False


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: how much is done at once, for how long, and how long a stop waits.

    The defaults are Postfix's own where it has them: ``smtpd_client_connection_count_limit``, and
    ``smtpd_timeout`` without and with load (STRESS_README). ``core.pace`` says why no honest client
    is cut.

    Attributes:
        sessions: Sessions relayed at once; the next client is told to try again later.
        sessions_per_address: How many of them one IPv4 address, or one IPv6 /64, may have; 0: all.
            Approved clients, known hosts and this host itself may have more.
        idle_seconds: How long a client whose turn it is may be silent.
        stress_seconds: The same while three quarters of all sessions are taken, and how far a
            client that is sending may then fall behind ``minimum_bytes_per_second``.
        minimum_bytes_per_second: How fast a client has to send while there is such a load.
        drain_seconds: How long running sessions may go on after a stop was asked for.
    """

    sessions: Annotated[int, Meta(ge=1, le=100_000)] = 4000
    sessions_per_address: Annotated[int, Meta(ge=0, le=100_000)] = 50
    idle_seconds: Seconds = 300.0
    stress_seconds: Seconds = 10.0
    minimum_bytes_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    drain_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``: the records of decisions.

    Attributes:
        directory: Where they are kept, a file a day (UTC).
        days: How many days are kept, today included.
    """

    directory: str = "/var/log/sender-filter"
    days: Annotated[int, Meta(ge=1, le=3650)] = 14


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``: figures for Prometheus.

    Attributes:
        address: ``address:port`` where they are to be had by HTTP; empty: nowhere.
    """

    address: str = ""


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
    inline: Inline = field(default_factory=Inline)
    tls: Tls = field(default_factory=Tls)
    lists: Lists = field(default_factory=Lists)
    known_hosts: KnownHosts = field(default_factory=KnownHosts)
    profiler: Rules = field(default_factory=Rules)
    reputation: EmailReputation = field(default_factory=EmailReputation)
    throttling: Throttling = field(default_factory=Throttling)
    state: State = field(default_factory=State)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    control: Control = field(default_factory=Control)
    metrics: Metrics = field(default_factory=Metrics)
