"""Gateways with other files: the move works there too, and comes back byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_hosts import LabHost, play

ENABLE, DISABLE = "enable_sender_filter.yml", "disable_sender_filter.yml"
REPAIR = "repair_port_conflict.yml"
MASTER_CF, MAIN_CF = "/etc/postfix/master.cf", "/etc/postfix/main.cf"
SMTP = b"smtp      inet  n       -       y       -       -       smtpd\n"

WITH_OPTIONS = b"""\
smtp\tinet\tn\t-\ty\t-\t-\tsmtpd -v
\t-o smtpd_banner=$myhostname\xc2\xa0ESMTP
# a comment inside the entry

   # and an indented one
  -o { smtpd_helo_restrictions = permit_mynetworks, permit }
  -o smtpd_client_restrictions=
"""
POSTSCREEN = b"""\
smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
dnsblog   unix  -       -       y       -       0       dnsblog
tlsproxy  unix  -       -       y       -       0       tlsproxy
"""


def run(playbook: str, host: LabHost) -> str:
    result = play(playbook, "--limit", host.name)
    assert result.returncode == 0, result.stdout
    return result.stdout


def restart(host: LabHost) -> None:
    host.run("systemctl restart postfix")
    host.run("timeout 20 sh -c 'until ss -Hltn \"sport = :25\" | grep -q 25; do sleep 0.1; done'")


@pytest.fixture
def gateway(one_gateway: LabHost) -> LabHost:
    return one_gateway


@pytest.fixture(scope="module", autouse=True)
def edge_again() -> Iterator[None]:
    yield
    result = play(ENABLE)
    assert result.returncode == 0, result.stdout


@pytest.fixture
def direct(gateway: LabHost) -> Iterator[LabHost]:
    """A gateway in `direct`, and afterwards with its own files back."""
    if gateway.listeners(2500):
        run(DISABLE, gateway)
    files = {name: gateway.read(name) for name in (MASTER_CF, MAIN_CF)}
    yield gateway
    for name, data in files.items():
        gateway.write(name, data)
    restart(gateway)


def there_and_back(host: LabHost) -> None:
    before = {name: host.read(name) for name in (MASTER_CF, MAIN_CF)}
    addresses = {one.address for one in host.listeners(25)}
    run(ENABLE, host)
    assert all("senderfilter" in one.processes for one in host.listeners(25))
    assert {one.address for one in host.listeners(25)} == addresses
    assert {one.address for one in host.listeners(2500)} == {"127.0.0.1"}
    run(DISABLE, host)
    assert {name: host.read(name) for name in before} == before
    assert {one.address for one in host.listeners(25)} == addresses


@pytest.mark.parametrize("entry", [WITH_OPTIONS, POSTSCREEN], ids=["options", "postscreen"])
def test_another_entry_comes_back_byte_for_byte(direct: LabHost, entry: bytes) -> None:
    master = direct.read(MASTER_CF)
    assert SMTP in master
    direct.write(MASTER_CF, master.replace(SMTP, entry, 1))
    restart(direct)
    there_and_back(direct)


def test_a_file_with_other_line_ends_and_none_at_the_end_comes_back_so(direct: LabHost) -> None:
    master = direct.read(MASTER_CF).replace(SMTP, b"", 1)
    last = SMTP.replace(b"smtp ", b"25   ", 1).rstrip()
    direct.write(MASTER_CF, (master + last).replace(b"\n", b"\r\n"))
    restart(direct)
    there_and_back(direct)


def test_the_filter_takes_the_addresses_that_postfix_had(direct: LabHost) -> None:
    direct.run(f"postconf inet_interfaces=127.0.0.1,{direct.address}")
    restart(direct)
    there_and_back(direct)
    run(ENABLE, direct)
    direct.run("systemctl stop sender-filter.socket sender-filter.service")
    run(REPAIR, direct)
    assert {one.address for one in direct.listeners(25)} == {"127.0.0.1", direct.address}
    run(DISABLE, direct)
