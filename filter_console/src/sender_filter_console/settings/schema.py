"""Every key of the console's ``config.toml``, its meaning and its default."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field


class Listen(Struct, frozen=True, forbid_unknown_fields=True):
    """``[listen]``: where the console is to be had.

    Attributes:
        address: ``address:port``; beyond loopback only with TLS and users.
        certificate: A file with the certificate and its chain, PEM; empty: no TLS.
        key: A file with its key, PEM, without a passphrase.
        name: The name by which browsers reach it, such as ``mx1.example.com``; empty: any.
    """

    address: str = "127.0.0.1:8025"
    certificate: str = ""
    key: str = ""
    name: str = ""


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[users]]``: somebody who may log in.

    Attributes:
        name: The name, which stands beside each change.
        password_hash: The password's hash by Argon2id, ``$argon2id$…``.
        role: ``viewer`` may look, ``operator`` may also change.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    password_hash: Annotated[str, Meta(pattern=r"^\$argon2id\$")]
    role: Literal["viewer", "operator"] = "viewer"


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """``[filter]``: how this gateway's filter is reached.

    Attributes:
        sockets: Its control sockets; the first that answers is asked.
        topology: The socket that tells who owns the ports; empty: there is none.
    """

    sockets: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: [
            "/run/sender-filter/control.sock",
            "/run/sender-filter/inline.sock",
        ]
    )
    topology: str = ""


class Index(Struct, frozen=True, forbid_unknown_fields=True):
    """``[index]``: the console's own memory of decisions.

    Attributes:
        file: An SQLite database; it and its folder belong to the console.
        days: How many days are kept.
        decisions: How many decisions are kept at most.
    """

    file: str = "/var/lib/sender-filter-console/index.sqlite"
    days: Annotated[int, Meta(ge=1, le=3650)] = 30
    decisions: Annotated[int, Meta(ge=1000, le=100_000_000)] = 1_000_000


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """``[audit]``: the record of each change.

    Attributes:
        file: Where it is appended, one JSON object a line.
    """

    file: str = "/var/log/sender-filter-console/audit.jsonl"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; each section may be left out, but without users nobody can log in."""

    listen: Listen = field(default_factory=Listen)
    users: list[User] = field(default_factory=list)
    filter: Filter = field(default_factory=Filter)
    index: Index = field(default_factory=Index)
    audit: Audit = field(default_factory=Audit)
