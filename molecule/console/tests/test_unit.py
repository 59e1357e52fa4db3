"""The console as a service: who it is, where it listens, and what it sees of its gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from console_api import ask, get
from fixtures import GATEWAYS, HOSTS
from lab_hosts import Client, LabHost, eventually
from services import greeting_of

UNIT = "sender-filter-console.service"
USER = "sender-filter-console"
CONTROL = "/run/sender-filter-control/edge.sock"
WAY = "sender-filter-console-edge.service"
BLOCKED = 2


@pytest.fixture(params=GATEWAYS)
def each(request: pytest.FixtureRequest) -> LabHost:
    """Each gateway in turn: one of each Debian release."""
    return LabHost(request.param, HOSTS[request.param])


def shown(host: LabHost, name: str, unit: str = UNIT) -> str:
    return host.run(f"systemctl show --property={name} --value {unit}").strip()


@pytest.mark.parametrize("unit", [UNIT, WAY])
def test_its_units_are_sandboxed(each: LabHost, unit: str) -> None:
    verdict = each.run(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", verdict)
    assert exposure, verdict
    assert float(exposure[1]) <= 1.1


def test_it_is_a_user_of_its_own_without_any_privilege(each: LabHost) -> None:
    status = each.run(f"cat /proc/{shown(each, 'MainPID')}/status")
    user, group = each.run(f"id -u {USER}; id -g {USER}").split()
    rows = dict(re.findall(r"(?m)^(\w+):\s*(.*)$", status))
    assert rows["Uid"].split() == [user] * 4
    assert rows["Gid"].split() == [group] * 4
    assert rows["Groups"].split() in ([], [group])
    assert int(rows["CapEff"], 16) == int(rows["CapBnd"], 16) == 0
    assert rows["NoNewPrivs"] == "1"


def test_it_listens_on_loopback_alone(each: LabHost) -> None:
    [listener] = each.listeners(8025)
    assert listener.address == "127.0.0.1"


@pytest.mark.parametrize("socket", [CONTROL, "/run/mail-topology/show.sock"])
def test_its_sockets_are_for_it_alone(each: LabHost, socket: str) -> None:
    program = f'import socket; socket.socket(socket.AF_UNIX).connect("{socket}")'
    each.run(f"runuser -u {USER} -- python3 -c '{program}'")
    said = each.run(f"runuser -u nobody -- python3 -c '{program}' 2>&1 || true")
    assert "PermissionError" in said


def test_its_secrets_are_its_own(each: LabHost) -> None:
    mode = each.run("stat -c '%a %U %G' /etc/sender-filter-console/config.toml").split()
    assert mode == ["640", "root", USER]
    said = each.run(f"journalctl --no-pager -u {UNIT}; cat /var/log/{USER}/audit.jsonl")
    assert "argon2" not in said
    assert "right horse" not in said


@pytest.mark.parametrize("order", ["block", "approve", "release", "know", "forget"])
def test_nobody_gets_in_without_a_login(each: LabHost, order: str) -> None:
    assert ask(each, "/overview", who="")[0] == 401
    assert ask(each, f"/{order}", {"network": "192.0.2.9"}, who="")[0] == 401
    assert ask(each, f"/{order}", {"network": "192.0.2.9"}, who="victor")[0] == 403
    audit = each.run(f"cat /var/log/{USER}/audit.jsonl; journalctl --no-pager -u {UNIT}")
    login = '"who": "victor", "action": "login", "outcome": "done", "address": "127.0.0.1"'
    assert audit.count(login) >= 2  # in the file and in the journal
    assert "only looks" not in audit


def test_it_sees_its_gateway(each: LabHost) -> None:
    overview = get(each, "/overview")
    assert overview["behind"] is None
    gateway = overview["gateways"][0]  # with others behind it, where some were of one fleet
    assert (gateway["name"], gateway["here"]) == (each.run("hostname").strip(), True)
    health = {one["name"]: one["good"] for one in gateway["health"]}
    assert health["filter"] is True
    assert health["state"] is True


def test_it_sees_who_owns_the_ports(each: LabHost) -> None:
    topology = get(each, "/topology")
    assert (topology["declared"], topology["seen"]) == ("edge", "edge")
    owners = {port["port"]: port["owner"] for port in topology["ports"]}
    assert owners[25] == "sender filter"
    assert owners[2500] == "postfix"
    assert topology["differences"] == []
    assert topology["cure"] == ""


@pytest.fixture
def refused(each: LabHost) -> Iterator[str]:
    """A client that is blocked, and has just been refused."""
    client = Client("client", HOSTS["client"])
    address = client.source(BLOCKED)
    assert ask(each, "/block", {"network": address, "comment": "by a test"})[0] == 200
    assert greeting_of(client, each, BLOCKED).startswith("554 ")
    yield address
    ask(each, "/release", {"network": address})


def test_a_refusal_is_seen_and_an_approval_lets_the_client_pass(
    each: LabHost, refused: str
) -> None:
    client = Client("client", HOSTS["client"])
    path = f"/decisions?network={refused}&result=refused&limit=1"
    [row] = eventually(lambda: get(each, path)["items"], "the refusal is seen")
    assert (row["function"], row["action"]) == ("blocked", "permanent")
    assert "by a test" in row["reason"]
    full = get(each, f"/decisions/{row['id']}")
    assert [check["function"] for check in full["checks"]][-1] == "blocked"
    wanted = {"network": refused, "seconds": 600, "comment": "it is one of ours"}
    assert ask(each, "/approve", wanted)[0] == 200
    assert greeting_of(client, each, BLOCKED).startswith("220 ")
    [approval] = get(each, f"/address?address={refused}")["approvals"]
    assert (approval["who"], approval["comment"]) == ("alice", "it is one of ours")
    assert refused in each.run("senderfilter approve list")
    assert f'"who": "alice", "action": "approve", "outcome": "done", "network": "{refused}"' in (
        each.run(f"cat /var/log/{USER}/audit.jsonl")
    )


def test_it_outlives_a_restart_of_the_filter(each: LabHost) -> None:
    pid = shown(each, "MainPID")
    each.run("systemctl restart sender-filter")
    eventually(lambda: get(each, "/overview")["gateways"][0]["version"], "the filter answers")
    assert shown(each, "MainPID") == pid


def test_it_comes_back_after_a_crash_with_what_it_knew(each: LabHost) -> None:
    known = get(each, "/overview")["stored"]
    assert known > 0
    pid = shown(each, "MainPID")
    each.run(f"kill -KILL {pid}")
    eventually(
        lambda: shown(each, "MainPID") not in (pid, "0") and each.listeners(8025),
        "another process serves",
    )
    assert get(each, "/overview")["stored"] >= known
