"""A reader of PROXY protocol v2, written from its specification and not from our encoder."""

import ipaddress


def read_header(data: bytes) -> tuple[str, int, str, int]:
    """Source and target of a whole header that announces a TCP client."""
    assert data[:12] == bytes.fromhex("0d0a0d0a000d0a515549540a")
    assert data[12] >> 4 == 2, "version"
    assert data[12] & 0xF == 1, "command: PROXY, never LOCAL"
    assert data[13] & 0xF == 1, "STREAM"
    width = {1: 4, 2: 16}[data[13] >> 4]
    body = data[16:]
    assert int.from_bytes(data[14:16], "big") == len(body) == 2 * width + 4
    source, target = body[:width], body[width : 2 * width]
    ports = body[2 * width :]
    return (
        str(ipaddress.ip_address(source)),
        int.from_bytes(ports[:2], "big"),
        str(ipaddress.ip_address(target)),
        int.from_bytes(ports[2:], "big"),
    )


def header_length(start: bytes) -> int:
    """Length of the whole header, from its first 16 bytes."""
    return 16 + int.from_bytes(start[14:16], "big")
