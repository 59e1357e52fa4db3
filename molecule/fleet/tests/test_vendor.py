"""Gateways that keep the vendor's filter are rolled out as others are: canary, proof, way back."""

from __future__ import annotations

from typing import Any

import pytest
from imss_product import HOME, PROXY, environment, install, settings
from lab_hosts import LabHost, MailStore, play
from rollouts import Rollouts

# One of Debian 12, and one of 13.
NAMES = ["gw2", "gw6"]
Row = dict[str, Any]


@pytest.fixture
def hosts(gateways: list[LabHost]) -> list[LabHost]:
    """Two gateways without a filter, and with the vendor's product."""
    found = [host for host in gateways if host.name in NAMES]
    left = play("disable_sender_filter.yml", "--limit", ":".join(NAMES))
    assert left.returncode == 0, left.stdout
    for host in found:
        install(host)
    return found


def owners(hosts: list[LabHost]) -> list[bool]:
    """Whether the vendor's proxy has port 25 of each."""
    return [PROXY in host.owner_of(25, "0.0.0.0") for host in hosts]


def assert_mail_went_by_the_proxy(row: Row, host: LabHost, mailstore: MailStore) -> None:
    assert environment(host)[-4:] == settings(), host.name
    assert not any(hop.startswith("sender filter") for hop in row["probe"]["hops"])
    assert len(mailstore.stored(row["probe"]["message_id"])) == 1


def test_a_proxy_that_does_not_start_goes_back_and_is_rolled_out_when_it_does(
    rollouts: Rollouts, hosts: list[LabHost], mailstore: MailStore
) -> None:
    first, second = hosts
    told = {"mail_topology": "edge", "sender_filter_provider": "imss", "imss_home": HOME}
    second.run(f"mv {HOME}/bin/{PROXY} {HOME}/bin/away")
    output = rollouts.start(1, limit=":".join(NAMES), **told).must_fail()
    assert f"gw6: step 'start the sender filter' failed: {PROXY} does not listen" in output
    report = rollouts.report()
    assert report.states == {"gw2": "done", "gw6": "back"}
    assert owners(hosts) == [True, False]
    assert_mail_went_by_the_proxy(report.run["rows"]["gw2"], first, mailstore)

    second.run(f"mv {HOME}/bin/away {HOME}/bin/{PROXY}")
    rollouts.start(1, limit="gw6", **told).must_pass()
    assert owners(hosts) == [True, True]
    assert_mail_went_by_the_proxy(rollouts.report().run["rows"]["gw6"], second, mailstore)
