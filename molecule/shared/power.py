"""Loss of power: every process of a host is gone at once, its disk stays."""

from __future__ import annotations

import subprocess

from lab_hosts import Client, LabHost


def lose_power(host: LabHost, client: Client) -> None:
    """Kill a host and start it again."""
    name = host.host.backend.name
    for command in (["kill", "--signal=KILL"], ["start"]):
        podman = ["podman", "--log-level=error", *command, name]
        subprocess.run(podman, check=True, capture_output=True)
    client.run("ip neigh flush dev eth0")  # its address is the same, its interface is another one
