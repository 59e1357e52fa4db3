"""verify_topology.yml: no alarm on what the roles leave, and each risk that is made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab_hosts import eventually
from moves import DIRECT, EDGE, INLINE, Fleet

FILES = "/etc/postfix/main.cf /etc/postfix/master.cf"
KEEP = f"mkdir -p /root/kept && cp -a {FILES} /root/kept/"
RELOAD = "postfix reload && sleep 1"
COPY_BACK = "cp -a /root/kept/* /etc/postfix/"
PUT_BACK = f"{COPY_BACK} && {RELOAD}"
# Debian 13's master may not end its children: a reload that takes their service away waits, deaf,
# for the last of them, and with bad luck that waits for master (module_utils/topology/deafness.py).
PUT_BACK_AND_RESTART = f"{COPY_BACK} && systemctl restart postfix"
STRANGER = "systemd-run --quiet --unit=stranger python3 -m http.server --bind 127.0.0.1 10020"


@dataclass(frozen=True)
class Verified:
    """What the playbook has said: its exit code, its output, and its report."""

    code: int
    output: str
    report: dict[str, Any]

    def risks(self) -> dict[str, set[str]]:
        """The risks of each host, as `level id`."""
        return {
            host["host"]: {f"{risk['level']} {risk['id']}" for risk in host["risks"]}
            for host in self.report["hosts"]
        }


@dataclass(frozen=True)
class Verifier:
    fleet: Fleet
    file: Path

    def __call__(self, *arguments: str, **variables: object) -> Verified:
        given = json.dumps({"mail_topology_report": str(self.file), **variables})
        run = self.fleet.play("verify_topology.yml", "--extra-vars", given, *arguments)
        output = run.output()
        report = json.loads(self.file.read_text(encoding="utf-8"))
        return Verified(run.process.returncode, output, report)

    @contextmanager
    def having(self, *commands: str, put_back: str = PUT_BACK) -> Iterator[None]:
        """Postfix's files are changed by these commands for a while."""
        with self.fleet.broken(" && ".join([KEEP, *commands, RELOAD]), put_back):
            yield

    def finds(self, *expected: str) -> Verified:
        """The gateways have these risks, and no others."""
        found = self()
        assert found.risks() == {one.name: set(expected) for one in self.fleet.gateways}
        fails = any(each.startswith("error") for each in expected)
        assert (found.code != 0, found.report["ok"]) == (fails, not fails), found.output
        return found

    def finds_nothing(self) -> bool:
        """Whether all is well; what is not is printed, for nothing else of the run is kept."""
        found = self()
        if found.code != 0:
            print(found.output)
        return found.code == 0


@pytest.fixture
def verify(inline_fleet: Fleet, tmp_path: Path) -> Verifier:
    return Verifier(inline_fleet, tmp_path / "report.json")


def option(service: str, *settings: str) -> str:
    return "postconf -P " + " ".join(f"'{service}/inet/{each}'" for each in settings)


@pytest.mark.parametrize("topology", [DIRECT, EDGE, INLINE])
def test_what_the_roles_leave_raises_no_alarm(verify: Verifier, topology: str) -> None:
    verify.fleet.bring(topology)
    found = verify("-vvv", mail_topology_strict=True)
    assert found.code == 0, found.output
    for host in found.report["hosts"]:
        assert (host["declared"], host["seen"], host["verdict"]) == (
            topology, topology, "as declared",
        )  # fmt: skip
        assert (host["differences"], host["risks"]) == ([], [])
        assert {port["port"] for port in host["ports"]} >= {25, 10025, 10026}
    for gateway in verify.fleet.gateways:
        calls = re.findall(rf"<{re.escape(gateway.host.address)}> SSH: EXEC", found.output)
        assert len(calls) == 1, f"{len(calls)} calls to {gateway.name}"


def test_a_host_that_cannot_be_reached_is_in_the_report(verify: Verifier, tmp_path: Path) -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    other = tmp_path / "hosts.yml"
    other.write_text(json.dumps({"gateways": {"hosts": {"gw9": gone}}}), encoding="utf-8")
    found = verify("--inventory", str(other))
    assert found.code != 0
    hosts = {host["host"]: host for host in found.report["hosts"]}
    assert {name: host["ok"] for name, host in hosts.items()} == {
        "gw1": True, "gw2": True, "gw9": False,
    }  # fmt: skip
    assert (hosts["gw9"]["verdict"], hosts["gw9"]["reachable"]) == ("unreachable", False)
    assert re.search(r"gw9 +- +- +- +unreachable", found.output)


def test_in_inline_the_services_that_take_mail_back_are_looked_at(verify: Verifier) -> None:
    verify.fleet.bring(INLINE)
    lost = option("127.0.0.1:10021", "smtpd_authorized_xforward_hosts=")
    wide = option("127.0.0.1:10026", "mynetworks=127.0.0.0/8,192.0.2.0/24")
    with verify.having(lost, wide):
        found = verify.finds("warning lost_client", "warning no_own_restrictions")
        assert "2 warnings" in found.output
        assert verify(mail_topology_strict=True).code != 0
    opened = "sed -i 's/^127.0.0.1:10021 /10021 /' /etc/postfix/master.cf"
    with verify.having(opened):
        verify.finds("error reachable_port")


def test_in_direct_postfix_itself_speaks_with_strangers(verify: Verifier) -> None:
    verify.fleet.bring(DIRECT)
    stranger = verify.fleet.broken(f"{STRANGER}; sleep 1", "systemctl stop stranger")
    with stranger, verify.having("postconf smtpd_forbid_bare_newline=no"):
        verify.finds("warning smuggling", "warning unknown_listener")
    header = "postconf smtpd_upstream_proxy_protocol=haproxy"
    with verify.having(header, "postconf 'mynetworks=127.0.0.0/8, 0.0.0.0/0'"):
        verify.finds("error forged_client", "error open_mynetworks", "warning smuggling")


def test_in_edge_the_header_says_who_the_client_is(verify: Verifier) -> None:
    verify.fleet.bring(EDGE)
    blind = option(
        "127.0.0.1:2500",
        "smtpd_upstream_proxy_protocol=",
        "smtpd_forbid_bare_newline_exclusions=$mynetworks",
    )
    with verify.having(blind):
        found = verify.finds("error hidden_client", "warning smuggling")
        assert "an open relay" in found.output
    wide = "sed -i 's/^127.0.0.1:2500 /2500 /' /etc/postfix/master.cf"
    with verify.having(wide, put_back=PUT_BACK_AND_RESTART):
        found = verify.finds("error forged_client", "error reachable_port")
        assert "port 2500 can be reached from outside" in found.output
    eventually(verify.finds_nothing, "Postfix is on loopback alone again", 60)
