"""What Postfix's smtpd is told of a connection that it gets handed over, as postscreen tells it.

The service in master.cf is of type ``pass``: it takes a descriptor, and with it attributes, each a
name and a value that end with a NUL; one more NUL ends the list. The first byte carries the
descriptor (Postfix src/postscreen/postscreen_send.c, src/util/attr_print0.c, unix_send_fd.c).
"""

from sender_filter.core.addresses import Address

_CARRIER = "\0"
"""The byte that the descriptor travels with, on its own: ``unix_recv_fd`` reads no more."""


def message(source: Address, source_port: int, target: Address, target_port: int) -> bytes:
    """Encode all that is sent with the descriptor.

    Args:
        source: The client's address.
        source_port: The client's port.
        target: The address the client connected to.
        target_port: The port the client connected to.

    Raises:
        ValueError: The addresses are not of one IP version, which no TCP connection has.
    """
    if source.version != target.version:
        msg = f"{source} and {target} cannot be the two ends of one connection"
        raise ValueError(msg)
    return (
        f"{_CARRIER}client_address\0{source}\0client_port\0{source_port}\0"
        f"server_address\0{target}\0server_port\0{target_port}\0\0"
    ).encode()
