"""Where a service of Postfix listens that names no host: by inet_interfaces and inet_protocols."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from ..postfix.main_cf import split_list

Address = tuple[str, str]  # the family, ipv4 or ipv6, and the address

EVERYWHERE: dict[str, list[Address]] = {
    "all": [("ipv4", "0.0.0.0"), ("ipv6", "::")],
    "loopback-only": [("ipv4", "127.0.0.1"), ("ipv6", "::1")],
}


def addresses(inet_interfaces: str, families: set[str]) -> set[Address]:
    """The addresses, of these families, that the value of inet_interfaces stands for.

    A name that cannot be resolved stands for none. Source: postconf(5), inet_interfaces.
    """
    found = EVERYWHERE.get(inet_interfaces.strip().lower())
    if found is None:
        found = [each for one in split_list(inet_interfaces) for each in _of(one.strip("[]"))]
    return {each for each in found if each[0] in families}


def _of(host: str) -> Iterator[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    for _, _, _, _, end in found:
        address = ipaddress.ip_address(str(end[0]))
        yield f"ipv{address.version}", str(address)
