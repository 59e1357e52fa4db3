from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from unittest import mock

import pytest
from builders import ANY_IPV4, ANY_IPV6, MASTER, NGINX, listener
from real_sockets import child_with, inode_of, listening, needs_ipv6, pids, port_of

from module_utils.topology import socket_diag, socket_table, sockets
from module_utils.topology.sockets import Process, listeners, processes_by_inode, unit_of


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


def test_who_may_not_ask_by_netlink_reads_the_text() -> None:
    """As in mail-topology-show@.service, which has no address family but AF_UNIX."""
    denied = OSError(errno.EAFNOSUPPORT, "no netlink here")
    with (
        listening() as one,
        mock.patch.object(socket_diag, "_ask", side_effect=denied) as asked,
        mock.patch.object(socket_table, "_tables", wraps=socket_table._tables) as text,
    ):
        assert [f.inode for f in listeners({port_of(one)})] == [inode_of(one)]
        assert inode_of(one) in {row.inode for row in sockets.read_tables()}
    assert (asked.call_count, text.call_count) == (2, 2)
