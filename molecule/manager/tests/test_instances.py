"""Two Postfix instances on one host (postmulti(1)): the gateway is the second, the first stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from damages import takes_mail
from lab_hosts import Client, LabHost, MailStore
from moves import DIRECT, EDGE, MASTER_CF, PLAYBOOKS, Fleet
from smtp import Session, message, unique

SECOND = "/etc/postfix-two"
WHICH = ("--extra-vars", f"postfix_gateway_config_dir={SECOND}")
# The second one has all that the first had; that one keeps a port of its own.
SPLIT = rf"""
set -e
cp -a /etc/postfix /root/postfix-whole
postmulti -e init
postmulti -I postfix-two -e create
cp /etc/postfix/master.cf {SECOND}/master.cf
grep -v '^multi_instance\|_directory' /root/postfix-whole/main.cf >{SECOND}/main.cf
postconf -c {SECOND} queue_directory=/var/spool/postfix-two data_directory=/var/lib/postfix-two \
  multi_instance_name=postfix-two multi_instance_enable=yes
postconf -M# smtp/inet 127.0.0.1:10026/inet
postconf -M '127.0.0.1:2600/inet=127.0.0.1:2600 inet n - y - - smtpd'
systemctl daemon-reload
systemctl restart postfix
[ -d /run/systemd/generator/postfix.service.wants ] || systemctl start postfix@two
"""
JOIN = """
systemctl stop 'postfix@*' postfix
postmulti -i postfix-two -e disable
postmulti -i postfix-two -e destroy || true
rm -rf /etc/postfix-two /var/spool/postfix-two /var/lib/postfix-two
rm -rf /etc/postfix && mv /root/postfix-whole /etc/postfix
systemctl daemon-reload; systemctl start postfix
"""
LISTENS = "timeout 20 sh -c 'until ss -Hltn \"sport = :{port}\" | grep -q .; do sleep 0.2; done'"


@dataclass(frozen=True)
class First:
    """What nobody may touch."""

    files: tuple[bytes, bytes]
    pid: str


def first(host: LabHost) -> First:
    pid = host.run("cat /var/spool/postfix/pid/master.pid")
    return First((host.read(MASTER_CF), host.read("/etc/postfix/main.cf")), pid)


@pytest.fixture(scope="module", autouse=True)
def two_instances(fleet: Fleet) -> Iterator[None]:
    fleet.bring(DIRECT)
    with fleet.broken(SPLIT, JOIN):
        for port in (25, 2600, 10026):
            fleet.run(LISTENS.format(port=port))
        yield
    fleet.run(LISTENS.format(port=25))


def test_the_second_instance_is_moved_and_the_first_stays(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    untouched = fleet.each(lambda one: first(one.host))
    before = fleet.each(lambda one: one.host.read(f"{SECOND}/master.cf"))
    fleet.play(PLAYBOOKS[EDGE], *WHICH).must_pass()
    fleet.play("verify_topology.yml", *WHICH).must_pass()
    assert fleet.each(lambda one: first(one.host)) == untouched
    for one in fleet.gateways:
        assert one.host.owner_of(25, "0.0.0.0") >= {"senderfilter"}
        with Session(client, one.host.address) as session:
            subject = unique()
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1
    fleet.play(PLAYBOOKS[DIRECT], *WHICH).must_pass()
    assert fleet.each(lambda one: one.host.read(f"{SECOND}/master.cf")) == before
    assert fleet.each(lambda one: first(one.host)) == untouched


def test_a_dead_second_instance_is_woken_and_the_first_stays(fleet: Fleet, client: Client) -> None:
    untouched = fleet.each(lambda one: first(one.host))
    fleet.run("kill -9 $(cat /var/spool/postfix-two/pid/master.pid); sleep 1")
    output = fleet.play("repair_port_conflict.yml", *WHICH).must_pass()
    assert "was wrong: Postfix is not running" in output
    assert all(takes_mail(client, one) for one in fleet.gateways)
    assert fleet.each(lambda one: first(one.host)) == untouched
