"""Where the overlap cannot work, the plain order is taken and says why, and mail flows after it.

The kernel lends no socket under a seccomp filter over everything that the SSH server starts, as a
container or a hardened kernel would have it.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager

import pytest
from lab_hosts import Client, MailStore
from moves import DIRECT, EDGE, OTHER, PLAYBOOKS, Fleet
from smtp import Session, message, unique

FORBIDDEN = """[Service]
SystemCallFilter=~pidfd_getfd
SystemCallErrorNumber=EPERM"""
ALONE = """[Socket]
ReusePort=no"""
# Running sessions have the setting of the server that started them.
SSH_ANEW = (
    "systemctl daemon-reload; systemctl restart ssh; pkill --full '^sshd.*: .*(@|priv)' || true"
)


def socket_cannot_be_borrowed(fleet: Fleet) -> AbstractContextManager[None]:
    return fleet.unit_setting(FORBIDDEN, "ssh.service", SSH_ANEW)


def reasons(output: str) -> dict[str, str]:
    """What each host says about its hand-over."""
    found = re.findall(r"(gw\d): \w+ → \w+ \((.*?)\), \d+ ms without a listener", output)
    return dict(found)


def mail_arrives(fleet: Fleet, client: Client, mailstore: MailStore) -> None:
    for gateway in fleet.gateways:
        subject = unique()
        with Session(client, gateway.host.address) as session:
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1


@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_a_kernel_that_lends_no_socket(
    fleet: Fleet, client: Client, mailstore: MailStore, topology: str
) -> None:
    fleet.bring(OTHER[topology])
    with socket_cannot_be_borrowed(fleet):
        output = fleet.play(PLAYBOOKS[topology]).must_pass()
    found = reasons(output)
    assert set(found) == {one.name for one in fleet.gateways}, output
    for reason in found.values():
        assert re.fullmatch(r"plain: the socket of .* cannot be borrowed: .* not permitted", reason)
    assert {one.topology for one in fleet.ends().values()} == {topology}
    mail_arrives(fleet, client, mailstore)


def test_a_socket_that_the_filter_does_not_share(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    fleet.bring(DIRECT)
    with fleet.unit_setting(ALONE, "sender-filter.socket"):
        there = fleet.play(PLAYBOOKS[EDGE]).must_pass()
        assert {one.topology for one in fleet.ends().values()} == {EDGE}
        mail_arrives(fleet, client, mailstore)
        back = fleet.play(PLAYBOOKS[DIRECT]).must_pass()
    for reason in reasons(there).values():
        assert reason == "plain: sender-filter.socket has ReusePort=no"
    for reason in reasons(back).values():
        assert reason.startswith("plain: ")
    assert set(reasons(there)) == set(reasons(back)) == {one.name for one in fleet.gateways}
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    mail_arrives(fleet, client, mailstore)
