"""What a gateway says of itself, on a gateway of stand-ins."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from topology.gateway import Gateway

from module_utils.topology import command, journal, model, record, show
from module_utils.topology.sockets import Listener
from module_utils.topology.survey import Survey

HOST = os.uname().nodename


def declare(gateway: Gateway, topology: str) -> None:
    kept = gateway.request(topology).kept()
    record.write(record.render(topology, gateway.ports, move=kept))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["mail-topology", "show", *arguments])
    command.main()


def test_a_host_as_declared_needs_no_cure(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    shown = show.look(edge.config_dir)
    assert (shown["declared"], shown["seen"], shown["error"]) == (model.EDGE, model.EDGE, "")
    assert (shown["differences"], shown["cures"]) == ([], [])
    owners = {row["port"]: row["owner"] for row in shown["ports"]}
    assert owners[edge.ports.listen] == model.FILTER
    assert owners[edge.ports.smtp] == model.POSTFIX


def test_what_differs_comes_with_the_command_that_mends_it(edge: Gateway) -> None:
    declare(edge, model.DIRECT)
    shown = show.look(edge.config_dir)
    assert f"port {edge.ports.listen} belongs to {model.FILTER}" in "; ".join(shown["differences"])
    play = f"ansible-playbook playbooks/repair_port_conflict.yml --limit {HOST}"
    assert shown["cures"] == ["mail-topology heal", play]
    said = "\n".join(show.text(shown))
    assert said.startswith(f"{HOST}: direct was declared, edge was seen\nport ")
    assert "to mend it: mail-topology heal" in said


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_a_scan_service_that_is_away_is_started_before_anything_else(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch, topology: str
) -> None:
    declare(edge, topology)
    monkeypatch.setattr(Survey, "on", without(edge.ports.scan))
    shown = show.look(edge.config_dir)
    here, there = ["systemctl restart amavis"], [show.SCAN_PLAY.format(HOST)]
    if topology == model.DIRECT:  # which it is not
        here.append("mail-topology heal")
        there.append(f"ansible-playbook playbooks/repair_port_conflict.yml --limit {HOST}")
    assert shown["cures"] == [" && ".join(here), " && ".join(there)]


def without(port: int) -> Callable[[Survey, int], list[Listener]]:
    """How a survey looks where nobody has this port."""
    seen = Survey.on
    return lambda survey, asked: [] if asked == port else seen(survey, asked)


def test_an_interrupted_move_is_mended_by_taking_it_back(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    journal.write(journal.Move("s", model.DIRECT, journal.MOVING, "/etc/postfix", {}))
    shown = show.look(edge.config_dir)
    assert "a move to direct is under way" in shown["differences"][-1]
    assert shown["cures"][0] == "mail-topology recover"


def test_dangers_are_shown_with_their_cure(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    shown = show.look(edge.config_dir)
    found = {risk["id"]: risk for risk in shown["risks"]}
    assert found["no_own_restrictions"]["cure"]
    said = "\n".join(show.text(shown))
    assert f"Cure: {found['no_own_restrictions']['cure']}" in said


def test_the_command_prints_json(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(edge, model.EDGE)
    run(monkeypatch, "--json", "--config-dir", str(edge.config_dir))
    said = capsys.readouterr().out
    shown: dict[str, Any] = json.loads(said)
    assert said.count("\n") == 1
    assert (shown["host"], shown["seen"]) == (HOST, model.EDGE)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_host_that_cannot_be_looked_at_says_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *options, "--config-dir", str(tmp_path))
    assert caught.value.code == 1
    said = capsys.readouterr().out
    assert "no topology was declared on this host" in said
    if options:
        assert json.loads(said)["ports"] == []
