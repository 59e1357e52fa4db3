"""Loss of power: every process of a host is gone at once, its disk stays."""

from __future__ import annotations

import subprocess

from lab_hosts import Client, LabHost


def lose_power(host: LabHost, client: Client) -> None:
    """Kill a host and start it again; it has its addresses again when this returns."""
    name = host.host.backend.name
    for command in (["kill", "--signal=KILL"], ["start"]):
        podman = ["podman", "--log-level=error", *command, name]
        subprocess.run(podman, check=True, capture_output=True)
    # podman gives a host that starts another address.
    for address in (f"{host.address}/24", f"{host.address6}/64 nodad"):
        host.run(f"ip address replace {address.split()[0]} dev eth0 {address.partition(' ')[2]}")
    client.run("ip neigh flush dev eth0")
