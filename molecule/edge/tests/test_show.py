"""A group that is not root reads what a gateway is, and can do no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lab_hosts import LabHost, changes, eventually, play

ASK = """
import socket
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect("/run/mail-topology/show.sock")
print(connection.makefile().read(), end="")
"""
# Nobody reads what it says: the kernel takes some of it, and says so when the other end has gone.
TALK = """
import socket
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect("/run/mail-topology/show.sock")
try:
    connection.sendall(b"x" * 10_000_000)
except ConnectionError:
    print("nobody listens")
"""
AS = "setpriv --reuid=nobody --clear-groups --regid"


@pytest.fixture(scope="module", autouse=True)
def _opened() -> None:
    result = play("../molecule/shared/show_topology.yml")
    assert result.returncode == 0, result.stdout
    again = play("../molecule/shared/show_topology.yml")
    assert set(changes(again.stdout).values()) == {0}


def ask(gateway: LabHost) -> dict[str, Any]:
    gateway.write("/tmp/ask.py", ASK.encode())
    shown: dict[str, Any] = json.loads(gateway.run(f"{AS}=adm python3 /tmp/ask.py"))
    return shown


def test_the_group_sees_each_ports_owner(gateway: LabHost) -> None:
    shown = ask(gateway)
    assert (shown["declared"], shown["seen"], shown["error"]) == ("edge", "edge", "")
    owners = {row["port"]: (row["owner"], row["unit"]) for row in shown["ports"]}
    assert owners[25] == ("sender filter", "sender-filter.service")
    assert owners[2500][0] == "postfix"
    assert owners[10025][0] == "scan service"
    assert (shown["differences"], shown["cures"]) == ([], [])


def test_what_differs_comes_with_its_cure(gateway: LabHost) -> None:
    gateway.run("systemctl disable sender-filter.socket")
    try:
        shown = ask(gateway)
    finally:
        gateway.run("systemctl enable sender-filter.socket")
    assert any("not enabled" in one for one in shown["differences"])
    assert shown["cures"][0] == "mail-topology heal"


def test_what_is_said_to_it_is_not_read(gateway: LabHost) -> None:
    gateway.write("/tmp/talk.py", TALK.encode())
    assert gateway.run(f"{AS}=adm python3 /tmp/talk.py") == "nobody listens\n"
    assert ask(gateway)["seen"] == "edge"


def test_others_cannot_connect(gateway: LabHost) -> None:
    gateway.write("/tmp/ask.py", ASK.encode())
    said = gateway.run(f"{AS}=nogroup python3 /tmp/ask.py 2>&1 || true")
    assert "Permission denied" in said


def test_nothing_of_it_stays_behind(gateway: LabHost) -> None:
    ask(gateway)
    units = "systemctl list-units --all --plain --no-legend 'mail-topology-show@*'"
    assert eventually(lambda: gateway.run(units) == "" or None, "an end of each unit")
    assert gateway.run("systemctl is-active mail-topology-show.socket") == "active\n"


def test_it_is_root_only_to_look(gateway: LabHost) -> None:
    said = gateway.run("systemd-analyze security --no-pager mail-topology-show@1.service | tail -1")
    level = float(said.split("service:")[1].split()[0])
    assert level < 2.5
