from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from builders import ANY_IPV4, ANY_IPV6
from hypothesis import given
from hypothesis import strategies as st

from module_utils.topology import socket_table
from module_utils.topology.socket_table import (
    ESTABLISHED,
    LISTEN,
    TIME_WAIT,
    Socket,
    parse_table,
)

HEADER4 = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode                                                     \n"
)
HEADER6 = (
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)
TCP = (
    HEADER4
    + "   0: 00000000:0019 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 "
    "11510 1 00000000ff2e1969 100 0 0 10 0                      \n"
    "   1: 0100007F:09C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
    "22981 1 00000000bd44c153 100 0 0 10 0                      \n"
    "   2: 0102590A:0019 0202590A:C350 01 00000024:00000000 01:00000012 00000000   108        0 "
    "3543903 3 00000000bd44c153 20 4 29 554 138                \n"
    "   3: 0102590A:0019 0702000A:D2F0 06 00000000:00000000 03:000011C5 00000000     0        0 "
    "0 3 00000000e4c93e2a                                      \n"
)
TCP6 = (
    HEADER6
    + "   0: 00000000000000000000000000000000:0019 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000     0        0 11511 1 00000000aa1 100 0 0 10 0\n"
    "   1: 00000000000000000000000001000000:2749 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000   106        0 31007 1 00000000aa2 100 0 0 10 0\n"
    "   2: 0000000000000000FFFF00000100007F:2739 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000   106        0 31008 1 00000000aa3 100 0 0 10 0\n"
    "   3: B80D0120000000000000000001000000:0019 B80D01200000000000000000FF000000:8A21 01 "
    "00000000:0000001A 00:00000000 00000000   108        0 40001 1 00000000aa4 20 4 30 10 -1\n"
)


def parsed(text: str, family: str) -> list[Socket]:
    return list(parse_table(text.splitlines(), family))


little_endian = pytest.mark.skipif(
    sys.byteorder != "little", reason="the texts are those of a little-endian machine"
)


@little_endian
def test_a_table_of_ipv4_is_read_without_what_has_ended() -> None:
    assert parsed(TCP, "ipv4") == [
        Socket("ipv4", ANY_IPV4, 25, (ANY_IPV4, 0), LISTEN, queue=3, inode=11510),
        Socket("ipv4", "127.0.0.1", 2500, (ANY_IPV4, 0), LISTEN, queue=0, inode=22981),
        Socket("ipv4", "10.89.2.1", 25, ("10.89.2.2", 50000), ESTABLISHED, queue=0, inode=3543903),
    ]


@little_endian
def test_a_table_of_ipv6_is_read() -> None:
    assert parsed(TCP6, "ipv6") == [
        Socket("ipv6", ANY_IPV6, 25, (ANY_IPV6, 0), LISTEN, queue=0, inode=11511),
        Socket("ipv6", "::1", 10057, (ANY_IPV6, 0), LISTEN, queue=0, inode=31007),
        Socket("ipv6", "::ffff:127.0.0.1", 10041, (ANY_IPV6, 0), LISTEN, queue=0, inode=31008),
        Socket(
            "ipv6", "2001:db8::1", 25, ("2001:db8::ff", 35361), ESTABLISHED, queue=26, inode=40001
        ),
    ]


@pytest.mark.parametrize(("header", "family"), [(HEADER4, "ipv4"), (HEADER6, "ipv6"), ("", "ipv4")])
def test_an_empty_table_has_no_sockets(header: str, family: str) -> None:
    assert parsed(header, family) == []


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(1, 12).filter(lambda state: state != TIME_WAIT),
    st.integers(0, 2**63),
)
def test_every_address_and_port_comes_out_as_the_kernel_had_it(
    address: IPv4Address | IPv6Address, port: int, peer_port: int, state: int, inode: int
) -> None:
    words = struct.unpack(f"={len(address.packed) // 4}I", address.packed)
    text = "".join(f"{word:08X}" for word in words)
    ends = f"{text}:{port:04X} {text}:{peer_port:04X}"
    row = f"  17: {ends} {state:02X} 000000FF:000000A0 00:0 0 0 0 {inode} 1 0 100 0 0 10 0\n"
    family = f"ipv{address.version}"
    (found,) = parsed("  sl  local_address\n" + row, family)
    kind = socket.AF_INET if address.version == 4 else socket.AF_INET6
    assert socket.inet_pton(kind, found.address) == address.packed
    assert (found.family, found.port, found.peer) == (family, port, (str(address), peer_port))
    assert (found.state, found.queue, found.inode) == (state, 0xA0, inode)


@little_endian
def test_both_tables_are_read_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    assert socket_table.read(tmp_path) == []
    (tmp_path / "net/tcp").write_text(TCP)
    assert {row.family for row in socket_table.read(tmp_path)} == {"ipv4"}
    (tmp_path / "net/tcp6").write_text(TCP6)
    assert socket_table.read(tmp_path) == parsed(TCP, "ipv4") + parsed(TCP6, "ipv6")
    assert socket_table.listening(tmp_path) == [
        row for row in socket_table.read(tmp_path) if row.state == LISTEN
    ]


def test_the_kernel_shows_listeners_before_connections() -> None:
    """`socket_table.listening` relies on it; here one listener is younger than a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_connection(first.getsockname()),
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        ports = {first.getsockname()[1], second.getsockname()[1]}
        assert ports <= {row.port for row in socket_table.listening()}
        assert ports & {row.port for row in socket_table.read() if row.state == ESTABLISHED}
