"""What makes two spellings the same service: ``smtp`` is ``25``, ``[::1]:25`` is ``::1:25``.

Postfix's master keeps a service by its type and its name in canonical form, so it takes
``smtp inet`` and ``25 inet`` for one service, while postconf matches the spelling.

Source: Postfix src/master/master_ent.c, "Canonicalize endpoint names"; src/global/host_port.c.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import cache

from .errors import InvalidValue

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")

_PORTS = {
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "smtps": 465,
    "ssmtp": 465,
    "urd": 465,
    "qmqp": 628,
    "lmtp": 24,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A service as master knows it.

    Attributes:
        type: inet, unix, unix-dgram, fifo or pass.
        host: the canonical host of an inet service, "" for every interface.
        name: the port of an inet service (a number where it can be resolved), else the name.
    """

    type: str
    host: str
    name: str


def parse_name(text: str) -> tuple[str, str]:
    """Split ``smtp/inet`` into name and type.

    Raises:
        InvalidValue: there is no type, or Postfix does not know it.
    """
    name, slash, kind = text.rpartition("/")
    if not slash or not name or kind not in TYPES or re.search(r"\s", name):
        msg = (
            f"'{text}' does not name a service; write name/type, as smtp/inet, "
            f"with one of the types {', '.join(TYPES)}"
        )
        raise InvalidValue(msg)
    return name, kind


def split_host_port(service: str) -> tuple[str, str]:
    """Split the name of an inet service into host ("" if there is none) and port."""
    if service.startswith("["):
        host, _, port = service[1:].partition("]")
        return re.sub(r"^ipv6:", "", host, flags=re.IGNORECASE), port.removeprefix(":")
    host, colon, port = service.rpartition(":")
    return (host, port) if colon else ("", service)


@cache
def port_number(port: str) -> int | None:
    """Return the number of a port or of a TCP service's name, None if it has none."""
    if port.isascii() and port.isdigit():
        return int(port)
    if port in _PORTS:
        return _PORTS[port]
    try:
        return socket.getservbyname(port, "tcp")
    except OSError:
        return None


def port_of(service: str) -> int | None:
    """Return the port on which an inet service of that name listens."""
    return port_number(split_host_port(service)[1])


def canonical_host(host: str) -> str:
    """Return a host in the one form it is compared in."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def is_wildcard(service: str) -> bool:
    """Tell whether an inet service names no single address.

    Without a host, Postfix listens where ``inet_interfaces`` says.
    """
    return canonical_host(split_host_port(service)[0]) in ("", "0.0.0.0", "::")


def identity(service: str, kind: str) -> Identity:
    """Return the canonical form of a service's name and type."""
    if kind != "inet":
        return Identity(kind, "", service)
    host, port = split_host_port(service)
    number = port_number(port)
    return Identity(kind, canonical_host(host), port if number is None else str(number))


def check_name(service: str, kind: str) -> None:
    """Refuse a name that cannot be written as the first field of an entry.

    Raises:
        InvalidValue: the name is empty, holds a blank, or is no address that can be listened on.
    """
    if kind not in TYPES:
        msg = f"'{kind}' is not a service type; Postfix knows {', '.join(TYPES)}"
        raise InvalidValue(msg)
    if not service or service.startswith("#") or re.search(r"[\s{}\0]", service):
        msg = f"'{service}' cannot be the name of a service"
        raise InvalidValue(msg)
    problem = inet_problem(service) if kind == "inet" else None
    if problem:
        raise InvalidValue(problem)


def inet_problem(service: str) -> str | None:
    """Say what is wrong with the name of an inet service, or None."""
    if service.startswith("[") and not re.fullmatch(r"\[[^\]]*\]:[^:\]]+", service):
        return f"'{service}' is not [address]:port"
    port = split_host_port(service)[1]
    number = port_number(port)
    if number is None:
        return f"'{port}' in '{service}' is neither a port number nor a known service name"
    if not 0 < number < 65536:
        return f"port {number} in '{service}' is out of range"
    return None
