#!/usr/bin/env python3
"""The inventory of the lab that `scripts/lab up` made, read from podman.

Prints what Ansible expects of an inventory script: groups `gateways`, `clients` and `mailstores`
with each host's address. SENDER_FILTER_LAB names the lab.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

GROUPS = {"gateway": "gateways", "client": "clients", "mailstore": "mailstores"}


def podman(*arguments: str) -> str:
    """What podman prints for these arguments."""
    return subprocess.run(
        ["podman", "--log-level=error", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def containers(lab: str) -> list[dict[str, Any]]:
    """The running containers of a lab, as `podman inspect` shows them."""
    label = f"label=sender-filter-lab={lab}"
    # A machine without podman has no lab.
    names = podman("ps", "--quiet", "--filter", label).split() if shutil.which("podman") else []
    return json.loads(podman("inspect", *names)) if names else []


def variables(container: dict[str, Any], key: Path) -> dict[str, Any]:
    """How to reach one host, and its addresses in the lab's network."""
    (network,) = container["NetworkSettings"]["Networks"].values()
    return {
        "ansible_host": network["IPAddress"],
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        # The hosts of a lab are made anew each time, under the same addresses.
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        " -o LogLevel=ERROR",
        "lab_container": container["Name"],
        "lab_address": network["IPAddress"],
        "lab_address6": network["GlobalIPv6Address"],
    }


def inventory() -> dict[str, Any]:
    """Groups and host variables, in Ansible's JSON form."""
    cache = os.environ.get("SENDER_FILTER_CACHE") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sender-filter-toolkit"
    )
    key = Path(cache) / "ssh" / "id_ed25519"
    groups: dict[str, Any] = {group: {"hosts": []} for group in GROUPS.values()}
    hostvars: dict[str, Any] = {}
    for container in containers(os.environ.get("SENDER_FILTER_LAB", "lab")):
        labels = container["Config"]["Labels"]
        host = labels["sender-filter-host"]
        groups[GROUPS[labels["sender-filter-role"]]]["hosts"].append(host)
        hostvars[host] = variables(container, key)
    return {**groups, "_meta": {"hostvars": hostvars}}


if __name__ == "__main__":
    print(json.dumps(inventory(), indent=2))
