"""The header that tells Postfix who the client is: PROXY protocol, version 2.

Only the commands and families this filter needs exist here. In particular there is no LOCAL
and no UNKNOWN: Postfix takes LOCAL for 127.0.0.1, which is in ``mynetworks``, and would relay
mail for anybody.
"""

import struct

from sender_filter.core.addresses import Address

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP = {4: 0x11, 6: 0x21}


def header(source: Address, source_port: int, target: Address, target_port: int) -> bytes:
    """Encode the header (PROXY protocol specification, section 2.2).

    Args:
        source: The client's address.
        source_port: The client's port.
        target: The address the client connected to.
        target_port: The port the client connected to.

    Returns:
        28 bytes for IPv4, 52 for IPv6: well below one segment, which Postfix insists on.

    Raises:
        ValueError: The addresses are not of one IP version, which no TCP connection has.
    """
    if source.version != target.version:
        msg = f"{source} and {target} cannot be the two ends of one connection"
        raise ValueError(msg)
    body = source.packed() + target.packed() + struct.pack("!HH", source_port, target_port)
    return (
        _SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, _TCP[source.version], len(body)) + body
    )
