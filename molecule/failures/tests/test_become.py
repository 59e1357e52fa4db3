"""A gateway to which nobody connects as root: `become` by su(1), with a path that has no sbin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab_hosts import LabHost, play

USER, PASSWORD = "operator-of-the-lab", "known to the lab"
BECOME = {
    "ansible_user": USER,
    "ansible_become": True,
    "ansible_become_method": "su",
    "ansible_become_password": PASSWORD,
}


@pytest.fixture
def gateway(one_gateway: LabHost) -> Iterator[LabHost]:
    """With a user who may become root, for as long as the test takes."""
    keys = f"/home/{USER}/.ssh"
    one_gateway.run(
        f"useradd --create-home {USER} && mkdir {keys} && cp /root/.ssh/authorized_keys {keys}"
        f" && chown -R {USER} {keys} && echo 'root:{PASSWORD}' | chpasswd"
    )
    yield one_gateway
    one_gateway.run(f"pkill --uid {USER}; usermod --password '*' root; userdel --remove {USER}")


@pytest.mark.parametrize("topology", ["edge", "direct"])
def test_it_is_moved_and_verified(gateway: LabHost, topology: str) -> None:
    playbook = {"edge": "enable_sender_filter.yml", "direct": "disable_sender_filter.yml"}[topology]
    who = json.dumps(BECOME)
    for each in (playbook, "verify_topology.yml"):
        result = play(each, "--limit", gateway.name, "--extra-vars", who)
        assert result.returncode == 0, result.stdout
    assert f"{gateway.name} is in topology {topology}" in result.stdout
