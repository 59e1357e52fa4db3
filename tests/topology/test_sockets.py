from __future__ import annotations

import os
import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from builders import ANY_IPV4, ANY_IPV6, MASTER, NGINX, listener
from hypothesis import given
from hypothesis import strategies as st
from real_sockets import child_with, inode_of, listening, needs_ipv6, pids, port_of

from module_utils.topology import sockets
from module_utils.topology.sockets import (
    ESTABLISHED,
    LISTEN,
    TIME_WAIT,
    Process,
    Socket,
    listeners,
    parse_table,
    processes_by_inode,
    read_tables,
    unit_of,
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
    assert read_tables(tmp_path) == []
    (tmp_path / "net/tcp").write_text(TCP)
    assert {row.family for row in read_tables(tmp_path)} == {"ipv4"}
    (tmp_path / "net/tcp6").write_text(TCP6)
    assert read_tables(tmp_path) == parsed(TCP, "ipv4") + parsed(TCP6, "ipv6")
    assert sockets.listening(tmp_path) == [
        row for row in read_tables(tmp_path) if row.state == LISTEN
    ]


def test_the_kernel_shows_listeners_before_connections() -> None:
    """`sockets.listening` relies on it; here one listener is younger than a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_connection(first.getsockname()),
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        ports = {first.getsockname()[1], second.getsockname()[1]}
        assert ports <= {row.port for row in sockets.listening()}
        assert ports & {row.port for row in read_tables() if row.state == ESTABLISHED}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/postfix.service\n", "postfix.service"),
        ("0::/system.slice/system-postfix.slice/postfix@-.service\n", "postfix@-.service"),
        ("0::/system.slice/sender-filter.service/worker\n", "sender-filter.service"),
        (
            "0::/machine.slice/libpod-5d1c.scope/system.slice/sender-filter.service\n",
            "sender-filter.service",
        ),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-7.scope\n",
            "run-7.scope",
        ),
        ("0::/init.scope\n", "init.scope"),
        ("0::/\n", ""),
        ("", ""),
        (
            "12:pids:/system.slice/wrong.service\n1:name=systemd:/system.slice/amavis.service\n",
            "amavis.service",
        ),
        ("1:name=systemd:/system.slice/amavis.service\n0::/\n", "amavis.service"),
        ("9:name=systemd:/\n8:memory:/system.slice/wrong.service\n", ""),
        ("0::/system.slice/odd:name.service\n", "odd:name.service"),
    ],
)
def test_the_unit_of_a_process_is_read_from_its_control_group(text: str, unit: str) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.1.1", True),
        ("::1", True),
        (ANY_IPV4, False),
        (ANY_IPV6, False),
        ("192.0.2.127", False),
        ("2001:db8::1", False),
        ("::ffff:192.0.2.1", False),
    ],
)
def test_loopback_is_what_only_this_host_can_reach(address: str, loopback: bool) -> None:
    assert listener(25, address=address).loopback is loopback


def test_a_mapped_loopback_address_is_loopback() -> None:
    assert listener(10025, address="::ffff:127.0.0.1").loopback


def test_a_process_is_written_with_its_number_and_its_unit() -> None:
    assert str(NGINX) == "nginx (pid 99, nginx.service)"
    assert str(Process(7, "nc", "")) == "nc (pid 7)"


def fake_process(proc: Path, pid: int, *inodes: int, comm: str = "master") -> Path:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd/0").symlink_to("/dev/null")
    for number, inode in enumerate(inodes, 3):
        (folder / f"fd/{number}").symlink_to(f"socket:[{inode}]")
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cgroup").write_text("0::/system.slice/postfix@-.service\n")
    return folder


def test_a_process_is_named_once_for_a_socket_that_it_has_open_twice(tmp_path: Path) -> None:
    fake_process(tmp_path, MASTER.pid, 70, 70, 71, 99)
    (tmp_path / "sys").mkdir()
    assert processes_by_inode({70, 71, 72}, tmp_path) == {70: [MASTER], 71: [MASTER]}


def test_a_process_that_ends_during_the_search_is_left_out(tmp_path: Path) -> None:
    (fake_process(tmp_path, 8, 70) / "comm").unlink()
    (tmp_path / "9").mkdir()
    fake_process(tmp_path, 10, 70, comm="smtpd")
    (found,) = processes_by_inode({70}, tmp_path)[70]
    assert (found.pid, found.name) == (10, "smtpd")


# What follows looks at sockets of the running kernel.


@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", "ipv4"), pytest.param("::1", "ipv6", marks=needs_ipv6)]
)
def test_a_real_listener_is_found_with_its_process(address: str, family: str) -> None:
    myself = Path("/proc/self")
    with listening(address) as one:
        (found,) = listeners({port_of(one)})
        assert (found.family, found.address, found.inode) == (family, address, inode_of(one))
    assert found.loopback
    (process,) = found.processes
    assert process.pid == os.getpid()
    assert process.name == (myself / "comm").read_text().strip()
    assert process.unit == unit_of((myself / "cgroup").read_text())


def test_a_real_listener_is_found_only_on_its_port_and_only_while_it_listens() -> None:
    with listening() as one, listening() as other:
        port = port_of(one)
        (found,) = listeners({port})
        assert (found.port, found.inode) == (port, inode_of(one))
        assert len(listeners({port, port_of(other)})) == 2
        assert listeners(set()) == []
    assert listeners({port}) == []


def test_a_bound_socket_that_does_not_listen_is_no_listener() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        assert listeners({port_of(one)}) == []


def test_a_connection_to_a_listener_is_no_listener() -> None:
    with listening() as one:
        port = port_of(one)
        with socket.create_connection(("127.0.0.1", port)) as client, one.accept()[0]:
            assert [f.inode for f in listeners({port})] == [inode_of(one)]
            assert listeners({client.getsockname()[1]}) == []


def test_two_sockets_on_one_port_are_two_listeners() -> None:
    with listening(shared=True) as one, listening(port=port_of(one), shared=True) as two:
        found = listeners({port_of(one)})
        assert [f.inode for f in found] == sorted([inode_of(one), inode_of(two)])
        assert [pids(f) for f in found] == [[os.getpid()]] * 2


def test_two_processes_on_one_socket_are_one_listener() -> None:
    with listening() as one, child_with(one) as child:
        (found,) = listeners({port_of(one)})
        assert pids(found) == sorted([os.getpid(), child])


def test_a_socket_that_only_a_child_still_has_belongs_to_the_child() -> None:
    with listening() as one, child_with(one) as child:
        port = port_of(one)
        one.close()
        (found,) = listeners({port})
        assert pids(found) == [child]


def test_listeners_are_sorted_by_port_and_address() -> None:
    with listening("127.0.0.2") as high, listening("127.0.0.1", port_of(high)), listening() as one:
        found = listeners({port_of(high), port_of(one)})
    order = [(f.port, f.address) for f in found]
    assert len(order) == 3
    assert order == sorted(order)
