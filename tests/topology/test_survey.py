from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from builders import (
    AMAVIS,
    ANY_IPV4,
    ANY_IPV6,
    INLINE_FILTER,
    MASTER,
    NGINX,
    PORTS,
    RUNNING,
    SENDER_FILTER,
    SMTPD,
    STOPPED,
    STRAY,
    SYSTEMD,
    direct,
    edge,
    inline,
    listener,
    public,
)
from topology.gateway import Gateway

from module_utils.topology import filter_status, fronts, model
from module_utils.topology.filter_status import FRESH, RELOAD, RESTART
from module_utils.topology.sockets import Listener, Process
from module_utils.topology.survey import (
    FilterState,
    SurveyError,
    filter_state,
    host_has_ipv6,
    master_pid,
    parse_units,
    run,
)

SILENT = replace(RUNNING, needs=RESTART)
SOCKET_ALONE = FilterState(installed=True, socket_active=True, service_active=False, enabled=True)


def units_text(*units: tuple[str, str, str]) -> str:
    """What `systemctl show` prints; each unit is (LoadState, ActiveState, UnitFileState)."""
    names = ("LoadState", "ActiveState", "UnitFileState")
    return "\n".join(
        "".join(f"{name}={value}\n" for name, value in zip(names, unit, strict=True))
        for unit in units
    )


@pytest.mark.parametrize(
    ("socket_unit", "service_unit", "state"),
    [
        (("loaded", "active", "enabled"), ("loaded", "active", "static"), SILENT),
        (("loaded", "active", "enabled"), ("loaded", "reloading", "static"), SILENT),
        (("loaded", "active", "enabled"), ("loaded", "inactive", "static"), SOCKET_ALONE),
        (("loaded", "active", "enabled"), ("loaded", "failed", "static"), SOCKET_ALONE),
        (("loaded", "active", "enabled"), ("loaded", "activating", "static"), SOCKET_ALONE),
        (("loaded", "inactive", "disabled"), ("loaded", "inactive", "static"), STOPPED),
        (("loaded", "failed", "disabled"), ("loaded", "failed", "static"), STOPPED),
        (
            ("loaded", "inactive", "enabled"),
            ("loaded", "inactive", "enabled"),
            FilterState(installed=True, socket_active=False, service_active=False, enabled=True),
        ),
        (
            ("not-found", "inactive", ""),
            ("not-found", "inactive", ""),
            FilterState(installed=False, socket_active=False, service_active=False, enabled=False),
        ),
        (
            ("loaded", "inactive", "disabled"),
            ("not-found", "inactive", ""),
            FilterState(installed=False, socket_active=False, service_active=False, enabled=False),
        ),
        (
            ("not-found", "inactive", ""),
            ("loaded", "active", "enabled"),
            FilterState(
                installed=False,
                socket_active=False,
                service_active=True,
                enabled=False,
                needs=RESTART,
            ),
        ),
        (
            ("masked", "inactive", "masked"),
            ("loaded", "inactive", "static"),
            FilterState(installed=False, socket_active=False, service_active=False, enabled=False),
        ),
    ],
)
def test_the_units_are_read_socket_first(
    socket_unit: tuple[str, str, str], service_unit: tuple[str, str, str], state: FilterState
) -> None:
    assert parse_units(units_text(socket_unit, service_unit)) == state


@pytest.mark.parametrize(
    ("load", "setting", "shares"),
    [("loaded", "yes", True), ("loaded", "no", False), ("not-found", "no", True)],
)
def test_a_socket_unit_may_forbid_to_share_the_port(load: str, setting: str, shares: bool) -> None:
    text = units_text((load, "inactive", "disabled"), ("loaded", "inactive", "disabled"))
    first, second = text.split("\n\n")
    assert parse_units(f"{first}\nReusePort={setting}\n\n{second}").shares is shares


def text_of_running(started: float, *, unread: str = "no", program: str) -> str:
    """What systemctl prints of a running filter that was started at a time of the epoch."""
    since_boot = round((started - time.time() + time.monotonic()) * 1e6)
    return (
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n\n"
        f"LoadState=loaded\nActiveState=active\nUnitFileState=static\nNeedDaemonReload={unread}\n"
        f"ExecStart={{ path={program} ; argv[]={program} serve ; ignore_errors=no }}\n"
        f"ExecMainStartTimestampMonotonic={since_boot}\n"
    )


@pytest.mark.parametrize("case", ["nothing", "file", "release", "unit", "daemon-reload"])
def test_a_running_filter_says_what_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    program, file = tmp_path / "opt/1.0/bin/senderfilter", tmp_path / "filter.toml"
    program.parent.mkdir(parents=True)
    file.touch()
    status = file.stat()
    said = {
        "release": str(tmp_path / "opt/1.0"),
        "files": {str(file): [status.st_ino, status.st_mtime_ns]},
    }
    monkeypatch.setattr(filter_status, "ask", lambda _: said)
    unit = fronts.EDGE.unit_files[0]
    unit.touch()
    started = unit.stat().st_ctime + (-1 if case == "unit" else 1)
    if case == "file":
        os.utime(file, (0, 0))
    if case == "release":
        program = tmp_path / "opt/1.1/bin/senderfilter"
    unread = "yes" if case == "daemon-reload" else "no"
    needs = parse_units(text_of_running(started, unread=unread, program=str(program))).needs
    assert needs == {"nothing": FRESH, "file": RELOAD}.get(case, RESTART)


@pytest.mark.parametrize("text", ["", "\n", units_text(("loaded", "active", "enabled"))])
def test_units_that_systemd_says_nothing_of_are_not_installed(text: str) -> None:
    assert not parse_units(text).installed
    assert not parse_units(text).service_active


def test_a_filter_of_which_only_a_part_runs_neither_runs_nor_is_stopped() -> None:
    assert RUNNING.running
    assert not RUNNING.stopped
    assert STOPPED.stopped
    assert not STOPPED.running
    enabled_alone = FilterState(
        installed=True, socket_active=False, service_active=False, enabled=True
    )
    service_alone = FilterState(
        installed=True, socket_active=False, service_active=True, enabled=False
    )
    until_the_next_boot = replace(RUNNING, enabled=False)
    for state in (SOCKET_ALONE, enabled_alone, service_alone, until_the_next_boot):
        assert not state.running
        assert not state.stopped


@pytest.mark.parametrize(
    ("one", "owner"),
    [
        (listener(25, MASTER), model.POSTFIX),
        (listener(25, MASTER, SMTPD), model.POSTFIX),
        (listener(25, SMTPD, MASTER), model.POSTFIX),
        (listener(10025, MASTER), model.POSTFIX),
        (listener(25, SENDER_FILTER), model.FILTER),
        (listener(25, SYSTEMD, SENDER_FILTER), model.FILTER),
        (listener(10020, SYSTEMD, INLINE_FILTER), model.FILTER),
        (listener(10021, MASTER, SMTPD), model.POSTFIX),
        (listener(10020, SYSTEMD), "systemd (pid 1, init.scope)"),
        (listener(2500, SENDER_FILTER), model.FILTER),
        (listener(25, SYSTEMD), model.FILTER),
        (listener(10025, AMAVIS), model.SCAN),
        (listener(10025), model.SCAN),
        (listener(10026, AMAVIS), "/usr/sbin/amavi (pid 66, amavis.service)"),
        (listener(2500, SYSTEMD), "systemd (pid 1, init.scope)"),
        (
            listener(25, SYSTEMD, NGINX),
            "systemd (pid 1, init.scope), nginx (pid 99, nginx.service)",
        ),
        (listener(25, NGINX), "nginx (pid 99, nginx.service)"),
        (listener(25, STRAY), "python3 (pid 5150)"),
        (listener(25, SMTPD), model.REMNANT),
        (
            listener(25, Process(4022, "master", "postfix@postfix-out.service")),
            "master (pid 4022, postfix@postfix-out.service)",
        ),
        (
            listener(25, Process(4022, "master", "other.service")),
            "master (pid 4022, other.service)",
        ),
        (listener(25), model.UNNAMED),
    ],
)
def test_a_socket_is_its_programs(one: Listener, owner: str) -> None:
    assert edge([one]).owner(one) == owner


@pytest.mark.parametrize("units", [STOPPED, FilterState(True, False, True, True)])
def test_systemd_alone_is_not_the_filter_unless_its_socket_unit_is_active(
    units: FilterState,
) -> None:
    one = listener(25, SYSTEMD)
    assert direct([one], units=units).owner(one) == "systemd (pid 1, init.scope)"
    assert direct([one], units=SOCKET_ALONE).owner(one) == model.FILTER


def test_systemd_alone_is_the_front_whose_port_and_socket_unit_it_is() -> None:
    on_listen, on_proxy = listener(PORTS.listen, SYSTEMD), listener(PORTS.proxy, SYSTEMD)
    one = inline([on_listen, on_proxy], units=SOCKET_ALONE)
    assert one.owner(on_proxy) == model.FILTER
    assert one.owner(on_listen) == "systemd (pid 1, init.scope)"
    other = edge([on_listen, on_proxy], units=SOCKET_ALONE)
    assert other.owner(on_listen) == model.FILTER
    assert other.owner(on_proxy) == "systemd (pid 1, init.scope)"


def test_each_front_has_a_state_of_its_own() -> None:
    assert (edge().front(fronts.EDGE), edge().front(fronts.INLINE)) == (RUNNING, STOPPED)
    assert (inline().front(fronts.EDGE), inline().front(fronts.INLINE)) == (STOPPED, RUNNING)


@pytest.mark.parametrize(
    ("topology", "running"), [("edge", fronts.EDGE), ("inline", fronts.INLINE)]
)
def test_the_units_of_each_front_are_asked_for(
    request: pytest.FixtureRequest, topology: str, running: fronts.Front
) -> None:
    gateway: Gateway = request.getfixturevalue(topology)
    for front in fronts.ALL:
        state = filter_state(front)
        assert (state.running, state.stopped) == (front == running, front != running)
        assert gateway.survey().front(front) == state
        assert state.needs == FRESH


def test_nothing_is_postfix_while_its_master_does_not_run() -> None:
    one, left = listener(25, MASTER), listener(25, SMTPD)
    survey = direct([one, left], master_pid=None)
    assert survey.owner(one) == "master (pid 377, postfix@-.service)"
    assert survey.remnants() == [left]


def test_owners_of_a_port_are_named_once_and_sorted() -> None:
    found = edge([*public(25, MASTER), *public(25, NGINX), listener(2500, SENDER_FILTER)])
    assert found.owners(25) == ["nginx (pid 99, nginx.service)", model.POSTFIX]
    assert found.owners(2500) == [model.FILTER]
    assert found.owners(10025) == []
    assert len(found.on(25)) == 4


def test_the_addresses_of_the_port_are_those_that_are_open() -> None:
    assert edge().listen_addresses() == [ANY_IPV4, f"[{ANY_IPV6}]"]
    single = [listener(25, MASTER, address=text) for text in ("2001:db8::1", "192.0.2.1")]
    assert direct([*single, listener(2500, MASTER)]).listen_addresses() == [
        "192.0.2.1",
        "[2001:db8::1]",
    ]
    twice = [listener(25, MASTER, address=ANY_IPV4), listener(25, NGINX, address=ANY_IPV4)]
    assert direct(twice).listen_addresses() == [ANY_IPV4]


@pytest.mark.usefixtures("host_with_ipv6")
def test_with_nobody_there_the_addresses_are_those_of_postfix() -> None:
    assert direct([]).listen_addresses() == [ANY_IPV4, f"[{ANY_IPV6}]"]
    assert direct([], inet_protocols="ipv4").listen_addresses() == [ANY_IPV4]
    assert direct([], inet_protocols="ipv6").listen_addresses() == [f"[{ANY_IPV6}]"]
    some = "192.0.2.1, [2001:db8::1] localhost"
    assert direct([], inet_interfaces=some, inet_protocols="ipv4").listen_addresses() == [
        "127.0.0.1",
        "192.0.2.1",
    ]
    assert "[2001:db8::1]" in direct([], inet_interfaces=some).listen_addresses()
    assert direct([], inet_interfaces="loopback-only").listen_addresses() == ["127.0.0.1", "[::1]"]
    assert direct([], inet_interfaces="name.invalid").listen_addresses() == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.7.11", (3, 7)),
        ("3.10.13", (3, 10)),
        ("3.11-20260101", (3, 11)),
        ("3.11-20260101-nonprod", (3, 11)),
        ("3.5.0-RC1", (3, 5)),
        ("4.0", (4, 0)),
    ],
)
def test_the_version_of_postfix(text: str, version: tuple[int, int]) -> None:
    assert direct(mail_version=text).postfix.version == version


FAMILIES = [
    ("all", {"ipv4", "ipv6"}),
    ("ipv4", {"ipv4"}),
    ("ipv6", {"ipv6"}),
    ("ipv4, ipv6", {"ipv4", "ipv6"}),
    ("ipv4,ipv6", {"ipv4", "ipv6"}),
    ("ipv6 ipv4", {"ipv4", "ipv6"}),
]


@pytest.mark.usefixtures("host_with_ipv6")
@pytest.mark.parametrize(("protocols", "families"), FAMILIES)
def test_the_families_are_those_of_inet_protocols(protocols: str, families: set[str]) -> None:
    assert direct(inet_protocols=protocols).postfix.families == families


@pytest.mark.usefixtures("host_without_ipv6")
@pytest.mark.parametrize(("protocols", "families"), FAMILIES)
def test_a_host_without_ipv6_listens_in_ipv4_at_most(protocols: str, families: set[str]) -> None:
    assert direct(inet_protocols=protocols).postfix.families == families & {"ipv4"}


def test_a_host_has_ipv6_once_the_kernel_has_an_address(tmp_path: Path) -> None:
    assert not host_has_ipv6(tmp_path)
    table = tmp_path / "net/if_inet6"
    table.parent.mkdir()
    table.write_text("")
    assert not host_has_ipv6(tmp_path)
    table.write_text("00000000000000000000000000000001 01 80 10 80       lo\n")
    assert host_has_ipv6(tmp_path)


@pytest.mark.parametrize(
    ("pid_file", "comm", "pid"),
    [
        ("             377\n", "master", 377),
        ("             377\n", "smtpd", None),
        ("             377\n", None, None),
        ("", "master", None),
        ("x\n", "master", None),
        (None, "master", None),
    ],
)
def test_master_runs_if_the_process_of_its_pid_file_has_its_name(
    tmp_path: Path, pid_file: str | None, comm: str | None, pid: int | None
) -> None:
    file = tmp_path / "master.pid"
    if pid_file is not None:
        file.write_text(pid_file)
    if comm is not None:
        (tmp_path / "377").mkdir()
        (tmp_path / "377/comm").write_text(f"{comm}\n")
    assert master_pid(file, tmp_path) == pid


def test_a_program_that_does_not_end_is_named() -> None:
    with pytest.raises(SurveyError, match=r"^`sleep 60` has not ended within 0\.1 s$"):
        run(["sleep", "60"], timeout=0.1)
