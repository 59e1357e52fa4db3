"""What a filter asks: a block list in the DNS and a Redis server, on the mail store's host."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab_hosts import Client, LabHost, MailStore, eventually

ZONE = "bl.example.test"
PORT = 5300
FOLDER = "/var/lib/rbldns"
PASSWORD = "lab-password"  # noqa: S105 - of a server that lives as long as the lab


class Dns:
    """A real rbldnsd with one list, which the tests may stop, stun and let lie."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.server = f"{host.address}:{PORT}"

    def publish(self, *entries: str, point: str = "127.0.0.2") -> None:
        """Let the list have these entries (rbldnsd's ip4set), beside its test point (RFC 5782)."""
        lines = [
            "$SOA 300 ns.example.test host.example.test 0 600 300 86400 1",
            "$TTL 1",
            ":127.0.0.2:Listed by the lab, see https://example.test/$",
            point,
            *entries,
        ]
        self.host.run(f"mkdir -p {FOLDER}")
        self.host.write(f"{FOLDER}/list", "".join(f"{line}\n" for line in lines).encode())
        self.start()

    def start(self) -> None:
        """Start it, or let it read its list anew."""
        self.stop()
        options = f"-n -q -w {FOLDER} -b {self.host.address}/{PORT} {ZONE}:ip4set:list"
        self.host.run(f"systemd-run --quiet --collect --unit=list rbldnsd -u rbldns {options}")
        seen = f"ss -Hlnu src {self.host.address} | grep -q :{PORT}"
        self.host.run(f"timeout 10 sh -c 'until {seen}; do sleep 0.1; done'")

    def stop(self) -> None:
        """Nobody answers any more: the kernel says so."""
        self.host.run("systemctl stop list 2>/dev/null || true")

    def stun(self) -> None:
        """It takes questions and never answers."""
        self.host.run("systemctl kill --signal=STOP list")


class Redis:
    """A real Redis server, which asks for a password."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.url = f"redis://:{PASSWORD}@{host.address}:6379/0"

    def start(self) -> None:
        options = f"--bind {self.host.address} --requirepass {PASSWORD} --save ''"
        self.stop()
        self.host.run(f"systemd-run --quiet --collect --unit=shared redis-server {options}")
        ask = f"redis-cli -h {self.host.address} -a {PASSWORD} ping 2>/dev/null | grep -q PONG"
        self.host.run(f"timeout 10 sh -c 'until {ask}; do sleep 0.1; done'")

    def stop(self) -> None:
        self.host.run("systemctl stop shared 2>/dev/null || true")


@pytest.fixture(scope="session")
def dns(mailstore: MailStore) -> Iterator[Dns]:
    found = Dns(mailstore)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def redis(mailstore: MailStore) -> Iterator[Redis]:
    found = Redis(mailstore)
    yield found
    found.stop()


def greeting_of(client: Client, gateway: LabHost, source: int) -> str:
    """What a gateway says to one of the client's sources."""
    program = (
        "import socket, sys; c = socket.create_connection((sys.argv[1], 25), 30, (sys.argv[2], 0));"
        "print(c.recv(512).decode().strip()); c.sendall(b'QUIT\\r\\n'); c.recv(512)"
    )
    return client.run(f'python3 -c "{program}" {gateway.address} {client.source(source)}').strip()


def eventually_greeted(client: Client, gateway: LabHost, source: int, code: str) -> str:
    """The greeting, once it has a code."""

    def look() -> str | None:
        found = greeting_of(client, gateway, source)
        return found if found.startswith(code) else None

    return eventually(look, f"{gateway.name} greets source {source} with {code}", 20)


def eventually_judged(gateway: LabHost, address: str, action: str) -> None:
    """A connection to look would be counted; the filter says it without one."""

    def look() -> bool:
        found = json.loads(gateway.run(f"senderfilter check --json {address}"))
        return bool(found["action"] == action)

    eventually(look, f"{gateway.name} judges {address} as {action}", 20)
