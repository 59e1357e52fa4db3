from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[2] / "roles/mail_topology/filter_plugins/mail_topology_fleet.py"
SPEC = importlib.util.spec_from_file_location("mail_topology_fleet", FILE)
assert SPEC is not None
assert SPEC.loader is not None
fleet = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fleet)

WELL = {
    "declared": "edge",
    "seen": "edge",
    "ports": [
        {"port": 25, "owner": "sender filter", "family": "ipv4"},
        {"port": 25, "owner": "sender filter", "family": "ipv6"},
        {"port": 2500, "owner": "postfix", "family": "ipv4"},
    ],
    "conflicts": [],
    "differences": [],
    "risks": [],
}
WARNED = {
    "id": "smuggling",
    "level": "warning",
    "place": "m:1: smtp inet",
    "text": "bare",
    "cure": "x",
}
DANGER = {**WARNED, "id": "hidden_client", "level": "error"}
AWAY = {"msg": "no route\nto host", "unreachable": True}
BROKEN = {"msg": "Postfix is not there", "failed": False}


@pytest.mark.parametrize(
    ("result", "strict", "ok", "verdict"),
    [
        (WELL, False, True, "as declared"),
        (WELL, True, True, "as declared"),
        ({**WELL, "risks": [WARNED]}, False, True, "1 warning"),
        ({**WELL, "risks": [WARNED]}, True, False, "1 warning"),
        ({**WELL, "risks": [DANGER, WARNED, WARNED]}, False, False, "1 error, 2 warnings"),
        ({**WELL, "seen": "direct", "differences": ["a", "b"]}, False, False, "2 differences"),
        (AWAY, False, False, "unreachable"),
        (BROKEN, False, False, "not looked at"),
        ({}, False, False, "not looked at"),
    ],
)
def test_a_host_is_ok_if_it_is_as_declared_and_safe(
    result: dict[str, Any], strict: bool, ok: bool, verdict: str
) -> None:
    row = fleet.row(result, "gw1", strict=strict)
    assert (row["ok"], row["verdict"]) == (ok, verdict)
    assert row["reachable"] is (result is not AWAY)


def test_a_sentence_says_all_of_it() -> None:
    def said(result: dict[str, Any]) -> str:
        return str(fleet.row(result, "gw1")["sentence"])

    assert said(WELL) == "gw1 is in topology edge"
    assert said({**WELL, "differences": ["a", "b"]}) == "gw1 is not in topology edge: a; b"
    assert said({**WELL, "risks": [DANGER]}) == (
        "gw1 is in topology edge: error hidden_client: m:1: smtp inet: bare. Cure: x"
    )
    assert said(BROKEN) == "gw1 could not be looked at: Postfix is not there"


def test_one_bad_host_makes_the_report_bad_and_each_is_in_it() -> None:
    well = fleet.report({"gw1": WELL})
    assert (well["ok"], well["strict"], len(well["hosts"])) == (True, False, 1)
    assert fleet.report({"gw1": {**WELL, "risks": [WARNED]}}, strict=True)["ok"] is False
    mixed = fleet.report({"gw1": WELL, "gw2": AWAY})
    assert mixed["ok"] is False
    assert json.loads(json.dumps(mixed)) == mixed
    assert [one["host"] for one in mixed["hosts"]] == ["gw1", "gw2"]
    assert set(mixed["hosts"][0]) == set(mixed["hosts"][1])
    assert mixed["hosts"][0]["ports"] == WELL["ports"]
    assert mixed["hosts"][1]["error"] == "no route\nto host"


def test_the_table_has_a_row_for_each_host_and_then_what_was_found() -> None:
    said = fleet.report(
        {
            "gw1": {**WELL, "risks": [WARNED]},
            "gateway2": AWAY,
            "gw3": {**WELL, "differences": ["d"]},
        }
    )
    assert fleet.table(said) == [
        "host      declared  seen  ports                           verdict",
        "gw1       edge      edge  25 sender filter, 2500 postfix  1 warning",
        "gateway2  -         -     -                               unreachable",
        "gw3       edge      edge  25 sender filter, 2500 postfix  1 difference",
        "gw1: warning smuggling: m:1: smtp inet: bare. Cure: x",
        "gateway2: no route to host",
        "gw3: differs: d",
    ]


def test_the_filters_have_the_names_that_the_role_uses() -> None:
    tasks = FILE.parents[1]
    text = "".join(file.read_text() for file in tasks.glob("*/*.yml"))
    for name in fleet.FilterModule().filters():
        assert f"| {name}" in text


SAID = {
    "network": "192.0.2.7",
    "kind": "block",
    "author": "alice",
    "since": "2026-11-27T10:00:00.000Z",
    "until": None,
    "comment": "ticket {{ 4711 }}",
}
KNOWN = {**SAID, "kind": "known", "network": "198.51.100.0/24", "comment": "our relays"}
ENDING = {**SAID, "kind": "approval", "until": "2026-11-28T10:00:00.000Z", "author": ""}


def test_what_was_added_at_run_time_is_said_and_fails_nobody() -> None:
    said = fleet.report({"gw1": {**WELL, "run_time": [KNOWN, SAID, ENDING]}, "gw2": WELL})
    assert said["ok"]
    said_of = "gw1: added at run time: 192.0.2.7"
    known, blocked, approved = fleet.table(said)[-3:]
    assert known == (
        "gw1: added at run time: 198.51.100.0/24 made a known host by alice "
        f"at {SAID['since']} for good: our relays"
    )
    assert blocked == f"{said_of} blocked by alice at {SAID['since']} for good: {SAID['comment']}"
    assert (
        approved
        == f"{said_of} approved at {SAID['since']} until {ENDING['until']}: {SAID['comment']}"
    )
    assert "run_time" in said["hosts"][0]


def test_what_has_no_end_can_be_declared_once_for_all_hosts() -> None:
    other = {
        **SAID,
        "kind": "approval",
        "network": "2001:db8::/32",
        "comment": 'a "b"',
        "author": "",
    }
    hosts = {
        "gw1": {**WELL, "run_time": [SAID, ENDING]},
        "gw2": {**WELL, "run_time": [SAID, other, KNOWN]},
    }
    lines = fleet.declaration(fleet.report(hosts))
    assert yaml.safe_load("\n".join(lines)) == {
        "sender_filter_blocked": ["192.0.2.7 # alice 2026-11-27: ticket (( 4711 ))"],
        "sender_filter_approved": ['2001:db8::/32 # 2026-11-27: a "b"'],
        "sender_filter_known_hosts": ["198.51.100.0/24 # alice 2026-11-27: our relays"],
    }
    assert fleet.declaration(fleet.report({"gw1": WELL, "gw2": AWAY})) == []
