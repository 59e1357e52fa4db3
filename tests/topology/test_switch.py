from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from topology import gateway as real
from topology.gateway import Gateway

from module_utils.topology import model, record
from module_utils.topology.diagnosis import differences, seen_topology
from module_utils.topology.request import Request
from module_utils.topology.survey import SurveyError, take
from module_utils.topology.switch import SwitchError, switch

RECORD = "record the declared topology"
MOVE = "move Postfix in master.cf and reload it"


@pytest.fixture
def edge(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.EDGE) as gateway:
        yield gateway


@pytest.fixture
def direct(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.DIRECT) as gateway:
        yield gateway


def request_for(gateway: Gateway, topology: str, **options: str) -> Request:
    return Request(
        topology=topology,
        config_dir=gateway.config_dir,
        ports=gateway.ports,
        smtp_address="127.0.0.1",
        options=options,
    )


def state(gateway: Gateway) -> tuple[object, ...]:
    """What a look must not change."""
    files = [*sorted(gateway.config_dir.iterdir()), record.FILE]
    return tuple((path.stat().st_ino, path.read_bytes()) for path in files if path.exists())


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1", "127.0.0.1:2500"), ("[::1]", "[::1]:2500"), ("localhost", "localhost:2500")],
)
def test_the_moved_service_is_named_by_its_address_and_port(address: str, name: str) -> None:
    request = Request("edge", Path("/etc/postfix"), model.Ports(), address, {})
    assert request.moved_to == name
    assert replace(request, ports=model.Ports(smtp=26)).moved_to == name.replace("2500", "26")


def test_a_survey_sees_the_real_host(direct: Gateway) -> None:
    survey = take(direct.config_dir, direct.ports)
    assert seen_topology(survey) == model.DIRECT
    assert differences(survey, model.DIRECT) == []
    assert survey.owners(direct.ports.scan) == [model.SCAN]
    assert survey.owners(direct.ports.reinjection) == [model.POSTFIX]
    assert survey.filter.installed
    assert survey.postfix.master_cf == direct.master_cf.read_bytes()
    assert survey.postfix.version >= (3, 5)
    assert survey.postfix.families == {"ipv4"}
    assert direct.calls() == {"show"}


def test_a_glance_sees_that_the_master_has_died(direct: Gateway) -> None:
    survey = take(direct.config_dir, direct.ports)
    assert survey.glance() == survey
    survey.postfix.pid_file.unlink()
    assert survey.glance().postfix.master_pid is None
    assert survey.glance().postfix.master_cf == survey.postfix.master_cf


def test_a_host_without_postfix_cannot_be_surveyed(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"Postfix is not there .*master\.cf.*install_gateway"):
        take(tmp_path / "none", model.Ports())


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("master.cf", "smtp inet n\n", r"master\.cf:1: the entry has 3 fields"),
        ("main.cf", "no equals sign\n", r"postconf cannot read .*/main\.cf: .*missing '='"),
    ],
)
def test_a_broken_file_cannot_be_surveyed(direct: Gateway, name: str, line: str, said: str) -> None:
    file = direct.config_dir / name
    file.write_text(line + file.read_text())
    with pytest.raises(SurveyError, match=said):
        take(direct.config_dir, direct.ports)


def test_a_foreseen_move_back_changes_nothing(edge: Gateway) -> None:
    before = state(edge)
    outcome = switch(request_for(edge, model.DIRECT), check=True)
    assert outcome.steps == ["stop the sender filter", MOVE, RECORD]
    assert outcome.handover.startswith(f"plain: port {edge.ports.listen} does not belong to sender")
    assert outcome.changed
    stock = f"{edge.ports.listen} inet n - y - - smtpd\npickup unix n - y 60 1 pickup\n"
    assert outcome.master_cf == stock.encode()
    assert (outcome.sessions_running, outcome.milliseconds_without_listener) == (0, 0)
    assert state(edge) == before
    assert edge.calls() == {"show", "check"}


@pytest.mark.parametrize(
    ("units", "options", "steps"),
    [
        ("running", {}, [RECORD]),
        ("stopped", {}, ["start the sender filter", RECORD]),
        ("missing", {}, ["start the sender filter", RECORD]),
        ("running", {"syslog_name": "postfix/edge"}, [MOVE, RECORD]),
        ("stopped", {"syslog_name": "postfix/edge"}, [MOVE, "start the sender filter", RECORD]),
    ],
)
def test_only_what_is_missing_is_foreseen(
    edge: Gateway, units: str, options: dict[str, str], steps: list[str]
) -> None:
    edge.set_units(units)
    before = state(edge)
    outcome = switch(request_for(edge, model.EDGE, **options), check=True)
    assert outcome.steps == steps
    assert (outcome.master_cf != edge.master_cf.read_bytes()) == (MOVE in steps)
    assert state(edge) == before


def test_a_postfix_that_does_not_listen_where_its_file_says_is_reloaded(direct: Gateway) -> None:
    direct.master_cf.write_text(real.moved(direct.ports))
    outcome = switch(request_for(direct, model.EDGE), check=True)
    assert outcome.steps == ["reload Postfix", "start the sender filter", RECORD]


def test_the_service_on_another_port_than_25_can_be_moved(direct: Gateway) -> None:
    outcome = switch(request_for(direct, model.EDGE), check=True)
    assert outcome.steps == [MOVE, "start the sender filter", RECORD]


@pytest.mark.parametrize("check", [True, False])
def test_an_obstacle_is_named_and_nothing_is_changed(edge: Gateway, check: bool) -> None:
    (edge.config_dir.parent / "queue/pid/master.pid").unlink()
    before = state(edge)
    with pytest.raises(SwitchError, match=r"^nothing was changed: Postfix is not running"):
        switch(request_for(edge, model.DIRECT), check=check)
    assert state(edge) == before
    assert edge.calls() == {"show"}


def test_a_filter_that_is_not_installed_is_not_started(edge: Gateway) -> None:
    edge.set_units("missing")
    before = state(edge)
    with pytest.raises(SwitchError, match=r"^nothing was changed: .*is not installed"):
        switch(request_for(edge, model.EDGE))
    assert state(edge) == before
    assert edge.calls() == {"show"}


@pytest.mark.parametrize("check", [True, False])
def test_a_master_cf_that_postfix_refuses_is_not_put_in_place(edge: Gateway, check: bool) -> None:
    (edge.commands / "refuse").write_text("postfix: fatal: CONFIG_DIR/main.cf is not liked\n")
    before = state(edge)
    with pytest.raises(SwitchError, match=r"^nothing was changed: ") as caught:
        switch(request_for(edge, model.DIRECT), check=check)
    assert f"{edge.config_dir}/main.cf is not liked" in str(caught.value)
    assert state(edge) == before
    assert edge.calls() == {"show", "check"}


def test_a_service_on_another_address_behind_the_filter_is_moved_over(edge: Gateway) -> None:
    elsewhere = replace(request_for(edge, model.EDGE), smtp_address="127.0.0.2")
    outcome = switch(elsewhere, check=True)
    assert MOVE in outcome.steps
    assert f"\n127.0.0.2:{edge.ports.smtp} inet".encode() in outcome.master_cf
    assert b"127.0.0.1" not in outcome.master_cf


def test_the_vendors_entry_on_all_addresses_gets_its_address(edge: Gateway) -> None:
    text = edge.master_cf.read_text().replace(edge.moved_to, str(edge.ports.smtp))
    edge.master_cf.write_text("".join(line for line in text.splitlines(True) if line[0] != "#"))
    outcome = switch(request_for(edge, model.EDGE), check=True)
    assert MOVE in outcome.steps
    assert f"\n{edge.moved_to} inet".encode() in outcome.master_cf
