"""A bare host that becomes a gateway goes to the topology that is declared for it at once."""

from __future__ import annotations

import json
import subprocess

from lab_hosts import ROOT, Client, LabHost, MailStore, inventory, play
from smtp import Session, message, unique

ANSWERS = {
    "mail_topology": "edge",
    "sender_filter_email_reputation_enabled": False,
    "sender_filter_ip_profiler_enabled": True,
    "sender_filter_listen_port": 25,
}


def test_a_bare_host_becomes_a_gateway_with_the_filter_in_front(
    client: Client, mailstore: MailStore
) -> None:
    # The lab waits until each host is well, and a unit that the installation has masked is not.
    for name in ("gw1", "gw2"):
        LabHost(name, inventory()[name]).run("systemctl reset-failed")
    lab = [str(ROOT / "scripts/lab"), "up", "3", "--release", "bookworm", "--bare"]
    subprocess.run(lab, check=True)
    host = LabHost("gw3", inventory()["gw3"])
    installed = play("install_gateway.yml", "--limit", "gw3", "--extra-vars", json.dumps(ANSWERS))
    assert installed.returncode == 0, installed.stdout
    for address in ("0.0.0.0", "::"):
        assert "senderfilter" in host.owner_of(25, address)
    assert [one.address for one in host.listeners(2500)] == ["127.0.0.1"]
    verified = play("verify_topology.yml", "--limit", "gw3")
    assert verified.returncode == 0, verified.stdout
    subject = unique()
    with Session(client, host.address) as session:
        session.deliver(message(subject))
    assert len(mailstore.wait_for_stored(subject)) == 1
