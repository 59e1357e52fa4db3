"""What an operator does at once on a gateway is seen by who looks at it, and can be declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from lab_hosts import LabHost, play

BLOCKED, APPROVED = "198.51.100.7", "198.51.100.8"


@pytest.fixture
def added(gateway: LabHost) -> Iterator[LabHost]:
    gateway.run(f"SUDO_USER=alice senderfilter block add {BLOCKED} --comment 'ticket 4711'")
    gateway.run(f"senderfilter approve add {APPROVED} --for 1h")
    yield gateway
    gateway.run(f"senderfilter block remove {BLOCKED}; senderfilter approve remove {APPROVED}")


def test_verify_names_it_and_fails_nobody(added: LabHost) -> None:
    result = play("verify_topology.yml", "--limit", added.name)
    assert result.returncode == 0, result.stdout
    said = f"{added.name}: added at run time: "
    assert re.search(
        f"{said}{BLOCKED} blocked by alice at 20.* for good: ticket 4711", result.stdout
    )
    assert re.search(f"{said}{APPROVED} approved by root at 20.* until 20", result.stdout)
    assert re.search(rf'- \\"{BLOCKED} # alice 20[0-9-]+: ticket 4711\\"', result.stdout)
    assert f"{APPROVED} #" not in result.stdout


def test_its_export_is_a_variable_of_the_inventory(added: LabHost) -> None:
    text = added.run("senderfilter export --format yaml --origin run-time")
    declared = yaml.safe_load(text)
    assert [item.partition(" # ")[0] for item in declared["sender_filter_blocked"]] == [BLOCKED]
    assert declared["sender_filter_approved"] == []
    added.write("/tmp/blocked.list", f"{declared['sender_filter_blocked'][0]}\n".encode())
    added.write("/tmp/check.toml", b'[lists]\nblocked = ["blocked.list"]\napproved = []\n')
    said = added.run("senderfilter check-config --config /tmp/check.toml")
    assert "1 blocked and 0 approved" in said


def test_the_log_has_who_gave_the_order(added: LabHost) -> None:
    records = added.run(f"senderfilter log --since 5m --ip {BLOCKED} --json").splitlines()
    [order] = [one for one in map(json.loads, records) if one["event"] == "order"][-1:]
    assert (order["order"], order["author"], order["comment"]) == ("block", "alice", "ticket 4711")
