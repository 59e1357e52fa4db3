"""``address:port`` as it stands in the configuration."""

from functools import lru_cache
from typing import NamedTuple

from sender_filter.core.addresses import Address, parse_literal


class Endpoint(NamedTuple):
    """One end of a TCP connection."""

    address: Address
    port: int

    def __str__(self) -> str:
        """``address:port``, IPv6 in brackets."""
        host = str(self.address)
        return f"[{host}]:{self.port}" if self.address.version == 6 else f"{host}:{self.port}"


@lru_cache(maxsize=64)
def parse(text: str) -> Endpoint:
    """Read ``192.0.2.1:25`` or ``[2001:db8::1]:25``.

    Port 0 is allowed: the kernel then picks one, which tests live on.

    Raises:
        ValueError: The text is something else; the message says what was expected.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        msg = f"{text!r} is not address:port"
        raise ValueError(msg)
    address = parse_literal(host[1:-1] if bracketed else host)
    if bracketed != (address.version == 6):
        msg = f"{text!r}: an IPv6 address, and only that, stands in brackets"
        raise ValueError(msg)
    return Endpoint(address, int(port))
