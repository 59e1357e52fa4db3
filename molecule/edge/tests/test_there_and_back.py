"""Enable, disable and again: nothing is left of the move, and a repeated move changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lab_hosts import LabHost, changes, play

ENABLE, DISABLE = "enable_sender_filter.yml", "disable_sender_filter.yml"


def run(playbook: str, host: LabHost, *arguments: str) -> str:
    result = play(playbook, "--limit", host.name, *arguments)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def disabled() -> Iterator[None]:
    """Both gateways at once in `direct`, and at the end in `edge` again."""
    assert play(DISABLE).returncode == 0
    yield
    assert play(ENABLE).returncode == 0


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_the_files_are_what_they_were_before_the_first_move(gateway: LabHost, name: str) -> None:
    assert gateway.read(f"/etc/postfix/{name}") == gateway.read(f"/root/before/{name}")
    stat = "stat --format='%U %G %a'"
    before, after = f"/root/before/{name}", f"/etc/postfix/{name}"
    assert gateway.run(f"{stat} {after}") == gateway.run(f"{stat} {before}")


def test_postfix_alone_owns_port_25_again(gateway: LabHost) -> None:
    for address in ("0.0.0.0", "::"):
        assert "master" in gateway.owner_of(25, address)
    assert len(gateway.listeners(25)) == 2
    assert gateway.listeners(2500) == []


def test_the_filter_does_not_come_back_at_boot(gateway: LabHost) -> None:
    assert (
        gateway.host.run("systemctl is-enabled sender-filter.socket").stdout.strip() == "disabled"
    )
    assert gateway.host.run("systemctl is-active sender-filter.socket").stdout.strip() == "inactive"


@pytest.mark.parametrize("playbook", [ENABLE, DISABLE])
def test_a_second_run_changes_nothing(one_gateway: LabHost, playbook: str) -> None:
    run(playbook, one_gateway)
    inode = one_gateway.run("stat --format=%i /etc/postfix/master.cf")
    assert changes(run(playbook, one_gateway)) == {one_gateway.name: 0}
    assert one_gateway.run("stat --format=%i /etc/postfix/master.cf") == inode
    run(DISABLE, one_gateway)


def test_check_mode_writes_nothing_and_shows_the_difference(gateway: LabHost) -> None:
    before = gateway.read("/etc/postfix/master.cf")
    output = run(ENABLE, gateway, "--check", "--diff")
    assert "+127.0.0.1:2500 inet" in output
    assert "-smtp      inet" in output
    assert "direct → edge" in output
    assert "postfix: reload, sender-filter.service: start" in output
    for row in (r"25 +postfix +sender filter", r"2500 +nobody +postfix", r"10020 +nobody +nobody"):
        assert re.search(row, output), row
    assert gateway.read("/etc/postfix/master.cf") == before
    assert gateway.listeners(2500) == []


def test_an_edit_made_in_edge_is_not_lost_on_the_way_back(one_gateway: LabHost) -> None:
    run(ENABLE, one_gateway)
    moved = one_gateway.read("/etc/postfix/master.cf")
    option = b"  -o smtpd_helo_required=yes\n"
    line = b"  -o smtpd_upstream_proxy_protocol=haproxy\n"
    one_gateway.write("/etc/postfix/master.cf", moved.replace(line, line + option))
    try:
        run(DISABLE, one_gateway)
        direct = one_gateway.read("/etc/postfix/master.cf")
        assert option in direct
        assert b"haproxy" not in direct
        assert b"#smtp      inet  n       -       y       -       -       smtpd" not in direct
    finally:
        one_gateway.write("/etc/postfix/master.cf", one_gateway.read("/root/before/master.cf"))
        one_gateway.run("postfix reload")


def test_without_pipelining_ansible_sends_the_modules_itself(one_gateway: LabHost) -> None:
    one_gateway.run("rm -r /opt/sender-filter/releases")
    run(ENABLE, one_gateway, "--extra-vars", "ansible_pipelining=false")
    assert "senderfilter" in one_gateway.owner_of(25, "0.0.0.0")
    run(DISABLE, one_gateway, "--extra-vars", "ansible_pipelining=false")
    assert "master" in one_gateway.owner_of(25, "0.0.0.0")
