"""Gateways that keep the vendor's filter are rolled out as others are: canary, proof, way back."""

from __future__ import annotations

import pytest
from imss_product import HOME, PROXY, environment, install, settings
from lab_hosts import LabHost, MailStore
from rollouts import Rollouts

# One of Debian 12, and one of 13.
NAMES = ["gw2", "gw6"]


@pytest.fixture
def hosts(gateways: list[LabHost]) -> list[LabHost]:
    """Two gateways without a filter, and with the vendor's product."""
    return [host for host in gateways if host.name in NAMES]


def owners(hosts: list[LabHost]) -> list[bool]:
    """Whether the vendor's proxy has port 25 of each."""
    return [PROXY in host.owner_of(25, "0.0.0.0") for host in hosts]


def test_a_proxy_that_does_not_start_goes_back_and_is_rolled_out_when_it_does(
    rollouts: Rollouts, hosts: list[LabHost], mailstore: MailStore
) -> None:
    limit = ":".join(NAMES)
    rollouts.start(2, limit=limit, mail_topology="direct").must_pass()
    for host in hosts:
        install(host)
    vendor = {"limit": limit, "mail_topology": "edge"}
    vendor |= {"sender_filter_provider": "imss", "imss_home": HOME}
    hosts[1].run(f"mv {HOME}/bin/{PROXY} {HOME}/bin/away")
    output = rollouts.start(1, 1, **vendor).must_fail()
    assert f"gw6: {PROXY} does not listen on port 25" in output
    assert rollouts.report().states == {"gw2": "done", "gw6": "back"}
    assert owners(hosts) == [True, False]

    hosts[1].run(f"mv {HOME}/bin/away {HOME}/bin/{PROXY}")
    rollouts.start(1, 1, **vendor).must_pass()
    assert owners(hosts) == [True, True]
    rows = rollouts.report().run["rows"]
    for host in hosts:
        assert environment(host)[-4:] == settings(), host.name
        probe = rows[host.name]["probe"]
        assert not any(hop.startswith("sender filter") for hop in probe["hops"])
        assert len(mailstore.stored(probe["message_id"])) == 1
