"""The role: what it refuses, TLS beyond loopback, and taking the console away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from console_api import ask, call, declared, get
from fixtures import GATEWAYS, HOSTS
from lab_hosts import Client, LabHost, changes, play

INSTALL = "install_console.yml"
UNIT = "/etc/systemd/system/sender-filter-console.service"
FOLDER = "/root/console-tls"
GONE = (
    UNIT,
    "/opt/sender-filter-console",
    "/etc/sender-filter-console",
    "/var/lib/sender-filter-console",
    "/run/sender-filter-control/*.sock",
    "/run/mail-topology/show.sock",
)


def gateways() -> list[LabHost]:
    return [LabHost(name, HOSTS[name]) for name in GATEWAYS]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"sender_filter_console_address": "0.0.0.0"}, "in the clear"),
        ({"sender_filter_console_users": []}, "nobody could log in"),
        ({"sender_filter_console_tls_key": "/etc/key"}, "go together"),
        ({"sender_filter_console_port": 443}, "no privilege"),
        ({"sender_filter_console_users": [{"name": "a"}]}, "password_hash"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_changed(
    variables: dict[str, Any], words: str
) -> None:
    result = play(INSTALL, *declared(**variables))
    assert result.returncode != 0
    assert words in result.stdout
    assert set(changes(result.stdout).values()) == {0}
    assert all(get(gateway, "/me")["name"] == "alice" for gateway in gateways())


@pytest.fixture
def beyond_loopback() -> Iterator[None]:
    """Consoles with TLS on every address."""
    for gateway in gateways():
        gateway.run(
            f"mkdir -p {FOLDER} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mx "
            f"-keyout {FOLDER}/key -out {FOLDER}/cert 2>/dev/null && chmod 600 {FOLDER}/key"
        )
    files = {
        "sender_filter_console_tls_certificate": f"{FOLDER}/cert",
        "sender_filter_console_tls_key": f"{FOLDER}/key",
    }
    result = play(INSTALL, *declared(sender_filter_console_address="0.0.0.0", **files))
    assert result.returncode == 0, result.stdout
    yield
    result = play(INSTALL, *declared())
    assert result.returncode == 0, result.stdout


@pytest.mark.usefixtures("beyond_loopback")
def test_beyond_loopback_there_is_tls_and_nothing_else() -> None:
    client = Client("client", HOSTS["client"])
    for gateway in gateways():
        place = f"{gateway.address}:8025"
        status, answer, headers = call(client, "/me", at=f"https://{place}")
        assert (status, answer["name"]) == (200, "alice")
        assert "strict-transport-security" in headers
        assert ask(client, "/me", at=f"https://{place}", who="")[0] == 401
        with pytest.raises(AssertionError, match=r"Remote end closed|Connection reset|BadStatus"):
            ask(client, "/me", at=f"http://{place}")
        mode = gateway.run("stat -c '%a %U' /run/sender-filter-console/tls-key").split()
        assert mode == ["600", "sender-filter-console"]


def test_turned_off_it_is_gone_but_for_its_audit_record() -> None:
    for gateway in gateways():
        assert ask(gateway, "/block", {"network": "192.0.2.99"})[0] == 200
    foretold = play(INSTALL, *declared(sender_filter_console_enabled=False), "--check")
    assert foretold.returncode == 0, foretold.stdout
    assert all(gateway.listeners(8025) for gateway in gateways())
    result = play(INSTALL, *declared(sender_filter_console_enabled=False))
    assert result.returncode == 0, result.stdout
    for gateway in gateways():
        assert gateway.listeners(8025) == []
        assert gateway.run(f"ls -d {' '.join(GONE)} 2>/dev/null || true") == ""
        assert "192.0.2.99" in gateway.run("cat /var/log/sender-filter-console/audit.jsonl")
        assert "192.0.2.99" in gateway.run("senderfilter block list")
        gateway.run("senderfilter block remove 192.0.2.99")
    again = play(INSTALL, *declared(sender_filter_console_enabled=False))
    assert changes(again.stdout) == dict.fromkeys(GATEWAYS, 0)
    foretold = play(INSTALL, *declared(), "--check", "--diff")
    assert foretold.returncode == 0, foretold.stdout
    assert "+ListenStream=/run/sender-filter-control/edge.sock" in foretold.stdout
    assert "argon2" not in foretold.stdout
    result = play(INSTALL, *declared())
    assert result.returncode == 0, result.stdout
    assert all(get(gateway, "/me")["name"] == "alice" for gateway in gateways())
    again = play(INSTALL, *declared())
    assert changes(again.stdout) == dict.fromkeys(GATEWAYS, 0)
