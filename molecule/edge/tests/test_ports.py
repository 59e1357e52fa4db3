"""Topology `edge`: client → filter :25 → Postfix :2500 → scan service :10025 → Postfix :10026."""

from __future__ import annotations

import pytest
from lab_hosts import LabHost, play


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_the_filter_alone_owns_port_25(gateway: LabHost, address: str) -> None:
    assert gateway.owner_of(25, address) == {"senderfilter", "systemd"}
    assert {one.address for one in gateway.listeners(25)} == {"0.0.0.0", "::"}


def test_postfix_listens_behind_it_on_loopback_alone(gateway: LabHost) -> None:
    assert {one.address for one in gateway.listeners(2500)} == {"127.0.0.1"}
    assert "master" in gateway.owner_of(2500, "127.0.0.1")


def test_verify_takes_the_recorded_topology(gateway: LabHost) -> None:
    result = play("verify_topology.yml", "--limit", gateway.name)
    assert result.returncode == 0, result.stdout
    assert f"{gateway.name} is in topology edge" in result.stdout
