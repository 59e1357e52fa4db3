"""A gateway of real processes, sockets and files on this machine's loopback.

The stand-in for Postfix's master is a process of that name that holds its sockets. The stand-in
for systemctl says what it is told about the filter's units, and refuses everything else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from module_utils.topology import model
from module_utils.topology.model import Ports

MASTER = """
import socket, sys
with open("/proc/self/comm", "w") as file:
    file.write("master")
shared = sys.argv[1] == "shared"
ports = map(int, sys.argv[2:])
sockets = [socket.create_server(("127.0.0.1", port), reuse_port=shared) for port in ports]
print("ready", flush=True)
sys.stdin.read()
"""
SYSTEMCTL = """#!/bin/sh
here=${0%/*}
echo "$@" >> "$here/systemctl-calls"
[ "$1" = show ] && cat "$here/units"
"""
UNITS = {
    "running": [("loaded", "active", "enabled"), ("loaded", "active", "static")],
    "stopped": [("loaded", "inactive", "disabled"), ("loaded", "inactive", "static")],
    "missing": [("not-found", "inactive", ""), ("not-found", "inactive", "")],
}


@dataclass(frozen=True)
class Gateway:
    """Where it is and what it has."""

    config_dir: Path
    commands: Path
    ports: Ports

    @property
    def master_cf(self) -> Path:
        """The file that a move changes."""
        return self.config_dir / "master.cf"

    @property
    def moved_to(self) -> str:
        """The name of the service behind the filter."""
        return f"127.0.0.1:{self.ports.smtp}"

    def set_units(self, state: str) -> None:
        """Let systemctl say that the filter's units are in a state of UNITS."""
        names = ("LoadState", "ActiveState", "UnitFileState")
        blocks = [
            "".join(f"{name}={value}\n" for name, value in zip(names, unit, strict=True))
            for unit in UNITS[state]
        ]
        (self.commands / "units").write_text("\n".join(blocks))

    def calls(self) -> set[str]:
        """The verbs with which systemctl and postfix were called."""
        found = set()
        for name in ("systemctl-calls", "calls"):
            file = self.commands / name
            lines = file.read_text().splitlines() if file.exists() else []
            found |= {line.split()[0 if name == "systemctl-calls" else -1] for line in lines}
        return found


@contextlib.contextmanager
def running(
    config_dir: Path, commands: Path, topology: str, *, shared: bool = False
) -> Iterator[Gateway]:
    """A gateway whose Postfix is in a topology; its filter is only what systemctl says.

    `shared`: Postfix's sockets have SO_REUSEPORT, as those of Postfix 3.6 and newer do.
    """
    with contextlib.ExitStack() as held:
        ports = _free_ports(held)
        gateway = Gateway(config_dir, commands, ports)
        edge = topology == model.EDGE
        front = moved(ports) if edge else f"{ports.listen} inet n - y - - smtpd\n"
        gateway.master_cf.write_text(front + "pickup unix n - y 60 1 pickup\n")
        queue = config_dir.parent / "queue"
        with (config_dir / "main.cf").open("a") as main:
            main.write(f"queue_directory = {queue}\ninet_protocols = ipv4\n")
        os.utime(config_dir / "main.cf", (0, 0))  # Postfix reads a young file twice
        (commands / "systemctl").write_text(SYSTEMCTL)
        (commands / "systemctl").chmod(0o755)
        front_port = ports.smtp if edge else ports.listen
        gateway.set_units("running" if edge else "stopped")
        pid = held.enter_context(_master([front_port, ports.reinjection], shared=shared))
        (queue / "pid").mkdir(parents=True)
        (queue / "pid/master.pid").write_text(f"{pid:>16}\n")
        held.enter_context(_listening(ports.scan))
        yield gateway


def moved(ports: Ports) -> str:
    """The entry of port 25 as topology edge has it."""
    stock = f"{ports.listen} inet n - y - - smtpd\n"
    options = (
        "  -o smtpd_upstream_proxy_protocol=haproxy\n  -o smtpd_forbid_bare_newline=normalize\n"
        "  -o smtpd_forbid_bare_newline_exclusions=\n"
    )
    return "#" + stock + stock.replace(str(ports.listen), f"127.0.0.1:{ports.smtp}", 1) + options


def _free_ports(held: contextlib.ExitStack) -> Ports:
    """Ports that nobody else gets; who listens there with SO_REUSEADDR may."""
    numbers = []
    for _ in range(4):
        one = held.enter_context(socket.socket())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        numbers.append(one.getsockname()[1])
    return Ports(*numbers)


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


@contextlib.contextmanager
def _master(ports: list[int], *, shared: bool) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", MASTER, "shared" if shared else "alone", *map(str, ports)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.stdin.close()
