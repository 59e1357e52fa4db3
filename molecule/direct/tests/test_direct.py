"""Topology `direct`: client → Postfix :25 → scan service :10025 → Postfix :10026 → mail server."""

from __future__ import annotations

import pytest
from lab_hosts import LabHost, play


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_postfix_alone_owns_port_25(gateway: LabHost, address: str) -> None:
    assert "master" in gateway.owner_of(25, address)
    assert {one.address for one in gateway.listeners(25)} == {"0.0.0.0", "::"}


def test_nobody_has_port_2500(gateway: LabHost) -> None:
    assert gateway.listeners(2500) == []


def test_the_hops_are_on_loopback_alone(gateway: LabHost) -> None:
    assert {one.address for one in gateway.listeners(10025)} <= {"127.0.0.1", "::1"}
    assert "master" in gateway.owner_of(10026, "127.0.0.1")


def test_verify_agrees(gateway: LabHost) -> None:
    result = play("verify_topology.yml", "--limit", gateway.name)
    assert result.returncode == 0, result.stdout
    assert f"{gateway.name} is in topology direct" in result.stdout


def test_verify_sees_a_difference(gateway: LabHost) -> None:
    result = play(
        "verify_topology.yml", "--limit", gateway.name, "--extra-vars", "mail_topology=edge"
    )
    assert result.returncode != 0
    assert "port 25 belongs to postfix; it should be sender filter" in result.stdout
