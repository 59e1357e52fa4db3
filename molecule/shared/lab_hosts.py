"""The lab's hosts as the tests see them: what listens where, what arrived, what was logged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import testinfra
from testinfra.host import Host

ROOT = Path(__file__).parents[2]
LAB = os.environ["SENDER_FILTER_LAB"]
STORE = "/var/mail/store/new"
FLUSH_SECONDS = 3.0
ENVIRONMENT = ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Owner:
    """One listening socket and the processes that have it open."""

    address: str
    port: int
    processes: frozenset[str]


class LabHost:
    """A host of the lab, by its name in the inventory."""

    def __init__(self, name: str, variables: dict[str, str]) -> None:
        self.name = name
        self.address = variables["lab_address"]
        self.address6 = variables["lab_address6"]
        self.host: Host = testinfra.get_host(f"podman://{variables['lab_container']}")

    def run(self, command: str) -> str:
        """The output of a command that must succeed."""
        result = subprocess.run(
            [*exec_on(self), "sh", "-c", command],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        assert result.returncode == 0, f"{self.name}: {command}: {result.stdout}{result.stderr}"
        return result.stdout

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return subprocess.run([*exec_on(self), "cat", path], check=True, capture_output=True).stdout

    def write(self, path: str, data: bytes) -> None:
        """Put bytes into a file, keeping its owner and mode."""
        subprocess.run([*exec_on(self), "sh", "-c", f"cat >{path}"], input=data, check=True)

    def python(self, program: str, *arguments: str) -> str:
        """The output of a Python program that is run on the host."""
        result = subprocess.run(
            [*exec_on(self), "python3", "-", *arguments],
            input=program.encode(),
            check=False,
            capture_output=True,
        )
        assert result.returncode == 0, f"{self.name}: {result.stderr.decode()}"
        return result.stdout.decode()

    def listeners(self, port: int) -> list[Owner]:
        """Every listening socket on exactly this port, from the kernel's table."""
        rows = self.run("ss --no-header --listening --tcp --numeric --processes").splitlines()
        return [owner for owner in map(_owner, rows) if owner.port == port]

    def owner_of(self, port: int, address: str) -> frozenset[str]:
        """The processes of the one socket on a port and address; there must be exactly one."""
        (found,) = [one for one in self.listeners(port) if one.address == address]
        return found.processes

    def log(self, identifier: str) -> str:
        """What a program has logged (its syslog name)."""
        return self.run(f"journalctl --quiet --no-pager --output=cat --identifier={identifier}")

    def log_line(self, identifier: str, text: str) -> str:
        """The first line that a program has logged with this text in it, once there is one."""
        return eventually(
            lambda: next((row for row in self.log(identifier).splitlines() if text in row), None),
            f"{self.name}: {identifier} logs {text!r}",
        )

    def address_in(self, family: int) -> str:
        """The host's address in IP version 4 or 6."""
        return self.address if family == 4 else self.address6


class Client(LabHost):
    """The client host: it has several source addresses."""

    def source(self, number: int, family: int = 4) -> str:
        """The client's n-th further address, 1 to 8."""
        prefix = self.address if family == 4 else self.address6
        separator = "." if family == 4 else "::"
        return prefix.rsplit(separator, 1)[0] + f"{separator}20{number}"


def hurrying(gateways: Sequence[LabHost]) -> Callable[[], None]:
    """What to call again and again: every few seconds all that waits in their queues goes."""
    flushed = time.monotonic()

    def hurry() -> None:
        nonlocal flushed
        if time.monotonic() > flushed + FLUSH_SECONDS:
            flushed = time.monotonic()
            for gateway in gateways:
                gateway.host.run("postqueue -f")  # fails while Postfix is away, and may

    return hurry


class MailStore(LabHost):
    """The mail server behind the gateways: it keeps each message it gets as one file."""

    def stored(self, text: str) -> list[bytes]:
        """Each message that has this text in it, as it lies on the disk."""
        program = (
            f"grep -rlF -- '{text}' {STORE} | tar --create --file=- --files-from=- 2>/dev/null"
        )
        archive = subprocess.run(
            [*exec_on(self), "sh", "-c", program], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            return [file.read() for each in files if (file := files.extractfile(each))]

    def wait_for_stored(
        self, text: str, seconds: float = 120, count: int = 1, *, by: LabHost | None = None
    ) -> list[bytes]:
        """The same, once there are `count` of them.

        What waits for its next attempt in the queue of the gateway `by` goes meanwhile.
        """
        hurry = hurrying([by] if by else [])

        def arrived() -> bool:
            hurry()
            return self._count(text) >= count

        eventually(arrived, f"{count} messages with {text} arrive", seconds)
        return self.stored(text)

    def _count(self, text: str) -> int:
        return int(self.run(f"grep -rlF -- '{text}' {STORE} | wc -l"))


def exec_on(host: LabHost) -> list[str]:
    """What starts a program on a host, with our stdin and stdout.

    As `podman exec` does it, which takes ten times as long; the tests start thousands of programs.
    """
    pid = _pid_file(host.host.backend.name).read_text(encoding="ascii")
    return ["nsenter", f"--target={pid}", "--all", "--", "env", "-i", *ENVIRONMENT]


@cache
def _pid_file(container: str) -> Path:
    """Where podman keeps the pid of a host's init; it is another one after each start."""
    question = ["podman", "--log-level=error", "inspect", container, "--format", "{{.PidFile}}"]
    return Path(subprocess.run(question, check=True, capture_output=True, text=True).stdout.strip())


def eventually(probe: Callable[[], Found | None], what: str, seconds: float = 30) -> Found:
    """What the probe finds, as soon as it finds anything; it fails when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)
    return found


def _owner(row: str) -> Owner:
    local = row.split()[3]
    address, port = local.rsplit(":", 1)
    return Owner(address.strip("[]"), int(port), frozenset(re.findall(r'\("([^"]+)",', row)))


def inventory() -> dict[str, dict[str, str]]:
    """The variables of each host of the lab."""
    program = ROOT / "inventories/lab/hosts.py"
    output = subprocess.run([str(program)], check=True, capture_output=True).stdout
    variables: dict[str, dict[str, str]] = json.loads(output)["_meta"]["hostvars"]
    return variables


def start_play(playbook: str, *arguments: str) -> subprocess.Popen[str]:
    """Start one of the project's playbooks on the lab's gateways."""
    return subprocess.Popen(
        ["ansible-playbook", "--inventory", "inventories/lab", f"playbooks/{playbook}", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def changes(output: str) -> dict[str, int]:
    """How many tasks of a play changed something on each of its hosts, the control node apart."""
    found = re.findall(r"(\S+) +: ok=\d+ +changed=(\d+)", output)
    return {host: int(count) for host, count in found if host != "localhost"}


def play(playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the project's playbooks on the lab's gateways, to its end."""
    process = start_play(playbook, *arguments)
    output, _ = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output)
