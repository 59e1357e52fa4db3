"""Enable, disable and again: nothing is left of the move, and a repeated move changes nothing."""

from __future__ import annotations

import re

import pytest
from lab_hosts import LabHost, play

ENABLE, DISABLE = "enable_sender_filter.yml", "disable_sender_filter.yml"


def run(playbook: str, host: LabHost, *arguments: str) -> str:
    result = play(playbook, "--limit", host.name, *arguments)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture
def direct(gateway: LabHost):
    run(DISABLE, gateway)
    yield gateway
    run(ENABLE, gateway)


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_the_files_are_what_they_were_before_the_first_move(direct: LabHost, name: str) -> None:
    assert direct.read(f"/etc/postfix/{name}") == direct.read(f"/root/before/{name}")
    stat = "stat --format='%U %G %a'"
    before, after = f"/root/before/{name}", f"/etc/postfix/{name}"
    assert direct.run(f"{stat} {after}") == direct.run(f"{stat} {before}")


def test_postfix_alone_owns_port_25_again(direct: LabHost) -> None:
    for address in ("0.0.0.0", "::"):
        assert "master" in direct.owner_of(25, address)
    assert len(direct.listeners(25)) == 2
    assert direct.listeners(2500) == []


def test_the_filter_does_not_come_back_at_boot(direct: LabHost) -> None:
    assert direct.host.run("systemctl is-enabled sender-filter.socket").stdout.strip() == "disabled"
    assert direct.host.run("systemctl is-active sender-filter.socket").stdout.strip() == "inactive"


@pytest.mark.parametrize("playbook", [ENABLE, DISABLE])
def test_a_second_run_changes_nothing(direct: LabHost, playbook: str) -> None:
    run(playbook, direct)
    inode = direct.run("stat --format=%i /etc/postfix/master.cf")
    assert re.search(r"changed=0\b", run(playbook, direct))
    assert direct.run("stat --format=%i /etc/postfix/master.cf") == inode


def test_check_mode_writes_nothing_and_shows_the_difference(direct: LabHost) -> None:
    before = direct.read("/etc/postfix/master.cf")
    output = run(ENABLE, direct, "--check", "--diff")
    assert "+127.0.0.1:2500 inet" in output
    assert "-smtp      inet" in output
    assert direct.read("/etc/postfix/master.cf") == before
    assert direct.listeners(2500) == []


def test_an_edit_made_in_edge_is_not_lost_on_the_way_back(gateway: LabHost) -> None:
    moved = gateway.read("/etc/postfix/master.cf")
    option = b"  -o smtpd_helo_required=yes\n"
    line = b"  -o smtpd_upstream_proxy_protocol=haproxy\n"
    gateway.write("/etc/postfix/master.cf", moved.replace(line, line + option))
    try:
        run(DISABLE, gateway)
        direct = gateway.read("/etc/postfix/master.cf")
        assert option in direct
        assert b"haproxy" not in direct
        assert b"#smtp      inet  n       -       y       -       -       smtpd" not in direct
    finally:
        gateway.write("/etc/postfix/master.cf", gateway.read("/root/before/master.cf"))
        gateway.run("postfix reload")
        run(ENABLE, gateway)
