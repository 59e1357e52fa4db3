"""Each failure ends in an error that names the cure, and in a host as it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from lab_hosts import LabHost, Owner, play
from moves import Run

ENABLE, DISABLE = "enable_sender_filter.yml", "disable_sender_filter.yml"
MAIN_CF, MASTER_CF = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
DROP_IN = "/etc/systemd/system/sender-filter.service.d"


@dataclass(frozen=True)
class State:
    """What must be the same after a failed change."""

    owners: dict[int, list[frozenset[str]]]
    files: dict[str, bytes]
    units: str


def owner(listener: Owner) -> frozenset[str]:
    # smtpd processes come and go with the connections; they share master's socket.
    return listener.processes - {"smtpd"}


def state(host: LabHost) -> State:
    return State(
        owners={port: [owner(one) for one in host.listeners(port)] for port in (25, 2500)},
        files={name: host.read(f"/etc/postfix/{name}") for name in ("main.cf", "master.cf")},
        units=host.run(
            "systemctl show --property=ActiveState,UnitFileState"
            " sender-filter.socket sender-filter.service postfix.service"
        )
        # A unit that is not installed yet is as good as one that does not start by itself.
        .replace("UnitFileState=\n", "UnitFileState=disabled\n")
        .replace("UnitFileState=static\n", "UnitFileState=disabled\n"),
    )


def greets(host: LabHost) -> bool:
    """Whether Postfix answers on port 25, in each family."""
    program = """
import socket
for address in ("127.0.0.1", "::1"):
    with socket.create_connection((address, 25), timeout=20) as connection:
        assert connection.recv(512).startswith(b"220"), address
"""
    host.python(program)
    return True


def must_fail(playbook: str, host: LabHost, *arguments: str) -> str:
    """The output of a play that has to fail; the host is as it was, and takes mail."""
    before = state(host)
    result = play(playbook, "--limit", host.name, *arguments)
    assert result.returncode != 0, result.stdout
    after = state(host)
    assert after == before
    return " ".join(result.stdout.split())


@contextmanager
def listener(host: LabHost, port: int) -> Iterator[None]:
    """A foreign program on a port, beside whoever is there: root's SO_REUSEPORT allows it."""
    program = (
        "import socket,time; s=socket.socket(); "
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); "
        f"s.bind(('0.0.0.0', {port})); s.listen(); time.sleep(600)"
    )
    host.run(f'systemd-run --quiet --unit=foreign-{port} python3 -c "{program}"')
    try:
        seen = f'ss -Hltnp "sport = :{port}" | grep python3'
        host.run(f"timeout 10 sh -c 'until {seen}; do sleep 0.1; done'")
        yield
    finally:
        host.run(f"systemctl stop foreign-{port}")


@pytest.fixture
def gateway(one_gateway: LabHost) -> LabHost:
    return one_gateway


@pytest.fixture(autouse=True)
def direct_before_and_after(gateway: LabHost) -> Iterator[None]:
    yield
    if gateway.listeners(2500):
        result = play(DISABLE, "--limit", gateway.name)
        assert result.returncode == 0, result.stdout
    assert greets(gateway)


@pytest.mark.parametrize("port", [25, 2500])
def test_a_foreign_program_on_a_port_is_named(gateway: LabHost, port: int) -> None:
    with listener(gateway, port):
        output = must_fail(ENABLE, gateway)
    assert f"port {port} belongs to python3 (pid " in output
    assert f"foreign-{port}.service" in output
    assert "nothing was changed" in output


def test_a_foreign_program_alone_on_port_25(gateway: LabHost) -> None:
    gateway.run("systemctl stop postfix 'postfix@*'")
    try:
        with listener(gateway, 25):
            output = must_fail(ENABLE, gateway)
    finally:
        gateway.run("systemctl start postfix")
    assert "port 25 belongs to python3" in output
    assert "Postfix is not running" in output


def test_verify_counts_two_owners_of_port_25(gateway: LabHost) -> None:
    with listener(gateway, 25):
        result = play("verify_topology.yml", "--limit", gateway.name)
    assert result.returncode != 0
    assert "port 25 has 2 owners" in " ".join(result.stdout.split())


@contextmanager
def changed_master_cf(host: LabHost, old: bytes, new: bytes) -> Iterator[None]:
    original = host.read(MASTER_CF)
    assert old in original
    host.write(MASTER_CF, original.replace(old, new, 1))
    try:
        yield
    finally:
        host.write(MASTER_CF, original)


PICKUP = b"\npickup    unix  n       -       y       60      1       pickup\n"


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (b"\npickup    unixx n       -       y       60      1       pickup\n", "unixx"),
        (b"\npickup    unix  n       -       y\n", "5 fields"),
        (b"\npickup    unix  n       -       yes     60      1       pickup\n", "yes"),
    ],
    ids=["unknown type", "too few fields", "neither y nor n"],
)
def test_a_broken_master_cf_is_not_touched(gateway: LabHost, new: bytes, message: str) -> None:
    with changed_master_cf(gateway, PICKUP, new):
        output = must_fail(ENABLE, gateway)
    line = gateway.read(MASTER_CF).split(PICKUP)[0].count(b"\n") + 2
    assert f"{MASTER_CF}:{line}: " in output
    assert message in output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mail_owner = no_such_user", "unknown user name value: no_such_user"),
        ("daemon_directory = /no/such/folder", "/no/such/folder"),
    ],
)
def test_a_main_cf_that_postfix_cannot_work_with_is_found_before_the_move(
    gateway: LabHost, line: str, message: str
) -> None:
    original = gateway.read(MAIN_CF)
    gateway.write(MAIN_CF, original + f"{line}\n".encode())
    try:
        output = must_fail(ENABLE, gateway)
    finally:
        gateway.write(MAIN_CF, original)
    assert "nothing was changed" in output
    assert message in output


def test_an_entry_for_one_address_alone_is_not_guessed_at(gateway: LabHost) -> None:
    smtp = b"\nsmtp      inet  n"
    with changed_master_cf(gateway, smtp, b"\n127.0.0.1:smtp inet n"):
        output = must_fail(ENABLE, gateway)
    assert "listens on one address alone" in output


def test_without_its_line_for_2500_a_host_in_edge_is_not_made_worse(gateway: LabHost) -> None:
    assert play(ENABLE, "--limit", gateway.name).returncode == 0
    moved = gateway.read(MASTER_CF)
    first = moved.index(b"\n127.0.0.1:2500 inet")
    end = moved.index(b"\n#", first)
    gateway.write(MASTER_CF, moved[:first] + moved[end:])
    gateway.run("postfix reload")
    gateway.run(
        "timeout 10 sh -c 'while ss -Hltn \"sport = :2500\" | grep 2500; do sleep 0.1; done'"
    )
    try:
        output = must_fail(ENABLE, gateway)
        assert "has neither an `smtp inet` entry nor one for port 2500" in output
        assert "it is commented out at line" in output
        verified = play("verify_topology.yml", "--limit", gateway.name)
        assert verified.returncode != 0
        assert "nobody listens on port 2500" in " ".join(verified.stdout.split())
    finally:
        gateway.write(MASTER_CF, moved)
        gateway.run("postfix reload")


def test_a_filter_that_cannot_start_leaves_the_port_to_postfix(gateway: LabHost) -> None:
    gateway.run(f"mkdir -p {DROP_IN}")
    gateway.write(f"{DROP_IN}/broken.conf", b"[Service]\nExecStartPre=/bin/false\n")
    gateway.run("systemctl daemon-reload")
    try:
        output = must_fail(ENABLE, gateway)
    finally:
        gateway.run(f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl reset-failed")
    assert "step 'let the filter listen beside Postfix' failed" in output
    assert "The host is as it was before (direct), proven" in output
    assert greets(gateway)


def test_an_entry_that_is_no_address_is_named(gateway: LabHost) -> None:
    variables = '{"sender_filter_blocked": ["192.0.2.1", "192.0.2.300"]}'
    output = must_fail(ENABLE, gateway, "--extra-vars", variables)
    assert "blocked.list:3" in output
    assert "192.0.2.300" in output
    assert "nothing was written" in output


def test_a_filter_with_nothing_to_judge_by_is_not_put_in_front(gateway: LabHost) -> None:
    output = must_fail(ENABLE, gateway, "--extra-vars", "sender_filter_ip_profiler_enabled=false")
    assert "Email Reputation and IP Profiler are both off" in output
    assert "playbooks/disable_sender_filter.yml" in output


def test_a_second_play_at_once_waits_for_the_first(gateway: LabHost) -> None:
    assert play(ENABLE, "--limit", gateway.name).returncode == 0
    lock = gateway.run("ls /run/sender-filter-0/master.cf-*.lock").strip()
    gateway.run(f"systemd-run --quiet --unit=holder flock {lock} sleep 12")
    began = time.monotonic()
    result = play(DISABLE, "--limit", gateway.name)
    assert result.returncode == 0, result.stdout
    assert time.monotonic() - began > 8
    assert gateway.host.run("systemctl is-active holder").stdout.strip() == "inactive"


def test_a_value_that_postfix_refuses_is_named_though_postfix_says_so_to_its_log_alone(
    gateway: LabHost,
) -> None:
    before = gateway.read("/etc/postfix/main.cf")
    arguments = {"params": {"default_privs": "no_such_user"}}
    run = Run("ansible", gateway.name, "-m", "postconf", "-a", json.dumps(arguments))
    output = run.must_fail()
    assert "/etc/postfix/main.cf: parameter default_privs: unknown user name value" in output
    assert gateway.read("/etc/postfix/main.cf") == before
