"""The service that takes connections over from the filter: what is said of it, and who serves."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import EDGE_CF, MASTER, SMTPD, direct, edge, inline
from real_sockets import listening, port_of

from module_utils.topology import heal, model, passing, record, sessions
from module_utils.topology.diagnosis import differences
from module_utils.topology.native import NATIVE, Native
from module_utils.topology.preflight import obstacles
from module_utils.topology.request import Request
from module_utils.topology.survey import Survey
from module_utils.topology.target import master_cf

FILE = "/etc/postfix/master.cf"
PASSING_CF = master_cf(EDGE_CF, model.EDGE, "127.0.0.1:2500", {}, passes=True)
HANDS_OVER = Native(hands_over=True)
pytestmark = pytest.mark.usefixtures("host_with_ipv6")


def handing_over(data: bytes = PASSING_CF, **parameters: str) -> Survey:
    """A host in edge whose filter is to hand connections over, and whose master is this process."""
    host = edge(master_cf=data, **parameters)
    listeners = [
        replace(
            one,
            processes=tuple(
                replace(each, pid=os.getpid()) if each == MASTER else each for each in one.processes
            ),
        )
        for one in host.listeners
    ]
    postfix = replace(host.postfix, master_pid=os.getpid())
    return replace(host, listeners=tuple(listeners), postfix=postfix, provider=HANDS_OVER)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of the service, bound as master does it."""
    (tmp_path / "public").mkdir()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("public/sender-filter")
        one.listen()
        yield one


def test_it_is_served_by_who_listens_on_its_socket(served: socket.socket) -> None:
    assert passing.is_served(os.getpid())
    assert not passing.is_served(os.getppid())
    assert not passing.is_served(None)
    (found,) = [one for one in passing.listeners() if os.getpid() in pids(one)]
    assert found in passing.abandoned()  # no process of it is called master
    served.close()
    assert not passing.is_served(os.getpid())


def pids(one: passing.Listener) -> list[int]:
    return [each.pid for each in one.processes]


@pytest.mark.usefixtures("served")
def test_a_host_that_hands_over_differs_in_nothing() -> None:
    assert differences(handing_over(), model.EDGE) == []
    assert obstacles(handing_over(), model.EDGE) == []


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (EDGE_CF, f"{FILE} has no entry sender-filter pass: the filter relays"),
        (PASSING_CF.replace(b"pass  n", b"pass  y"), f"{FILE}:6: sender-filter pass is not as"),
        (EDGE_CF + b"  -o x=y\nsender-filter pass n - n - - smtpd\n", "is not as the service on"),
    ],
)
def test_a_service_that_is_missing_or_another_is_told(data: bytes, said: str) -> None:
    (found,) = differences(handing_over(data), model.EDGE)
    assert said in found


def test_a_service_that_postfix_has_not_taken_up_is_told() -> None:
    (found,) = differences(handing_over(), model.EDGE)
    assert found == f"Postfix does not serve sender-filter pass, though {FILE} has it"


@pytest.mark.usefixtures("served")
def test_a_service_that_nobody_wants_is_told() -> None:
    relaying = replace(handing_over(), provider=NATIVE)
    (found,) = differences(relaying, model.EDGE)
    assert found.startswith(f"{FILE}:6: sender-filter pass belongs to topology edge with")
    assert any("belongs to topology edge with" in one for one in differences(
        replace(handing_over(), provider=HANDS_OVER), model.DIRECT
    ))  # fmt: skip


@pytest.mark.parametrize("host", [direct(), inline()])
def test_it_is_of_no_account_in_other_topologies(host: Survey) -> None:
    here = replace(host, provider=HANDS_OVER)
    topology = (
        model.DIRECT if host.postfix.master_cf == direct().postfix.master_cf else model.INLINE
    )
    assert differences(here, topology) == []
    assert obstacles(here, topology) == []


def test_only_smtpd_takes_connections_over() -> None:
    screened = EDGE_CF.replace(b"smtpd\n  -o smtpd_up", b"postscreen\n  -o postscreen_up")
    (found,) = obstacles(handing_over(screened), model.EDGE)
    assert "only smtpd takes connections over: set sender_filter_handover to relay" in found
    assert obstacles(replace(handing_over(screened), provider=NATIVE), model.EDGE) == []


def test_a_service_that_main_cf_takes_away_is_an_obstacle() -> None:
    (found,) = obstacles(handing_over(master_service_disable="sender-filter/pass"), model.EDGE)
    assert found.startswith("/etc/postfix/main.cf: master_service_disable = sender-filter/pass")


@contextlib.contextmanager
def program(folder: Path, name: str, connection: socket.socket, *arguments: str) -> Iterator[int]:
    """A process of this name and with these arguments has a connection."""
    (folder / name).symlink_to(Path(sys.executable).resolve())
    with subprocess.Popen(
        [folder / name, "-c", "print(flush=True); input()", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[connection.fileno()],
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        yield child.pid
        child.stdin.write(b"\n")


@pytest.mark.parametrize(
    ("name", "arguments", "handed_over"),
    [
        ("smtpd", "-n sender-filter -t pass -u -c", 1),
        ("smtpd", "-n smtpd -t pass -u", 0),
        ("smtpd", "-n smtp -t inet -u -o stress=", 0),
        ("other", "-n sender-filter -t pass -u", 0),
    ],
)
def test_a_session_that_was_handed_over_is_the_filters(
    tmp_path: Path, name: str, arguments: str, handed_over: int
) -> None:
    with listening() as server:
        port = port_of(server)
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = server.accept()
        with client, program(tmp_path, name, connection, *arguments.split()):
            connection.close()
            assert sessions.handed_over(port) == handed_over
            assert sessions.of_filter(port) == handed_over
            assert sessions.of_postfix(port) == 1 - handed_over


def test_the_record_knows_it(tmp_path: Path) -> None:
    def kept(provider: Native) -> dict[str, object]:
        request = Request(model.EDGE, tmp_path, model.Ports(), "127.0.0.1", {}, provider=provider)
        record.write(record.render(model.EDGE, request.ports, {}, request.kept()))
        return {"declared": heal.declared(tmp_path).provider}

    assert kept(HANDS_OVER) == {"declared": HANDS_OVER}
    assert kept(NATIVE) == {"declared": NATIVE}


def test_the_way_in_is_by_the_group_that_postfix_names() -> None:
    expected = {"socket": "/var/spool/postfix/public/sender-filter", "group": "postdrop"}
    assert passing.way_in(edge()) == expected


def test_postfix_own_smtpd_is_nobody_of_the_filters() -> None:
    assert not passing.serves(SMTPD)
