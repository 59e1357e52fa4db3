from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from library.conftest import run
from topology import gateway as real
from topology import places
from topology.gateway import Gateway

from module_utils.topology import journal, model

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


@pytest.fixture
def shared_direct(config_dir: Path, commands: Path) -> Iterator[Gateway]:
    with real.running(config_dir, commands, model.DIRECT, shared=True) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places.lead_into(tmp_path, monkeypatch.setattr)


def call(
    module: str, gateway: Gateway, *, check_mode: bool = True, **arguments: Any
) -> dict[str, Any]:
    ports = gateway.ports
    where = {
        "config_dir": str(gateway.config_dir),
        "listen_port": ports.listen,
        "smtp_port": ports.smtp,
        "scan_port": ports.scan,
        "reinjection_port": ports.reinjection,
    }
    if module == "mail_topology_rollback":
        where = {"config_dir": where["config_dir"]}
    arguments = {**where, **arguments}
    return run(module, arguments, gateway.place, check_mode=check_mode, diff=True)


def test_a_gateway_as_declared_differs_in_nothing(direct: Gateway) -> None:
    said = call("mail_topology_info", direct, topology="direct")
    assert not said["changed"], said
    assert (said["declared"], said["seen"]) == ("direct", "direct")
    assert (said["conflicts"], said["differences"], said["obstacles"]) == ([], [], [])
    assert said["listen_addresses"] == ["127.0.0.1"]
    assert [row["owner"] for row in said["ports"]] == [
        model.POSTFIX,
        model.NOBODY,
        model.SCAN,
        model.POSTFIX,
    ]
    assert len(said["table"]) == 5
    assert direct.calls() == {"show"}


def test_a_gateway_that_is_not_as_declared_says_how(direct: Gateway) -> None:
    said = call("mail_topology_info", direct, topology="edge")
    assert said["seen"] == "direct"
    ports = direct.ports
    assert (
        f"port {ports.listen} belongs to postfix; it should be sender filter"
        in (said["differences"])
    )
    assert f"{direct.master_cf} has no entry for port {ports.smtp}" in said["differences"]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_filter_that_has_crashed_has_a_moment_to_come_back(
    edge: Gateway, *, comes_back: bool
) -> None:
    service = edge.host / "filter-service"
    service.write_text("activating\n")
    if comes_back:
        subprocess.Popen(["sh", "-c", f"sleep 1.5; echo active >{service}"])
    said = call("mail_topology_info", edge, topology="edge")
    away = [text for text in said["differences"] if "sender-filter.service does not run" in text]
    assert bool(away) != comes_back, said["differences"]


def test_what_is_dangerous_is_said_with_its_cure(direct: Gateway) -> None:
    with (direct.config_dir / "main.cf").open("a") as file:
        file.write("smtpd_forbid_bare_newline = no\n")
    said = call("mail_topology_info", direct, topology="direct")
    assert said["differences"] == []
    (smuggling,) = (risk for risk in said["risks"] if risk["id"] == "smuggling")
    assert smuggling["level"] == "warning"
    assert smuggling["place"].startswith(f"{direct.master_cf}:1: ")
    assert smuggling["cure"] == "postconf smtpd_forbid_bare_newline=normalize"


def test_a_gateway_without_a_declaration_asks_for_one(direct: Gateway) -> None:
    said = call("mail_topology_info", direct)
    assert said["failed"]
    assert "set mail_topology in the inventory" in said["msg"]


@pytest.mark.parametrize("module", ["mail_topology", "mail_topology_info"])
def test_a_broken_master_cf_is_an_error_and_no_traceback(direct: Gateway, module: str) -> None:
    direct.master_cf.write_bytes(b"smtp inet \xfc\n")
    said = call(module, direct, topology="direct")
    assert said["failed"]
    assert f"{direct.master_cf}:1: the entry has 3 fields" in said["msg"]
    assert said["msg"].endswith("smtp inet \ufffd")


@pytest.mark.parametrize("module", ["mail_topology", "mail_topology_info", "mail_topology_begin"])
def test_a_master_cf_that_is_no_utf8_is_told_in_utf8(direct: Gateway, module: str) -> None:
    own = direct.master_cf.read_bytes()
    direct.master_cf.write_bytes(own.replace(b"smtpd\n", b"smtpd\xfc\n", 1))
    assert "\ufffd" in str(call(module, direct, topology="edge"))


PLAIN = {"handover": "plain"}


def test_check_mode_foresees_the_steps_and_the_file(edge: Gateway) -> None:
    before, files = edge.master_cf.read_text(), edge.files()
    said = call("mail_topology", edge, topology="direct", **PLAIN)
    assert said["changed"], said
    assert said["steps"] == [
        "stop the sender filter",
        "add Postfix's new service",
        "wait for the filter's sessions to end",
        MOVE,
        RECORD,
    ]
    back = f"127.0.0.1:{edge.ports.reinjection} inet n - n - - smtpd\n"
    assert said["diff"] == {
        "before_header": str(edge.master_cf),
        "after_header": str(edge.master_cf),
        "before": before,
        "after": f"{edge.ports.listen} inet n - y - - smtpd\n{back}pickup unix n - y 60 1 pickup\n",
    }
    assert edge.files() == files
    assert edge.calls() == {"show", "status"}


def test_check_mode_foresees_who_would_have_which_port(edge: Gateway) -> None:
    said = call("mail_topology", edge, topology="direct", **PLAIN)
    ports = edge.ports
    found = {each["port"]: (each["now"], each["then"]) for each in said["forecast"]}
    assert found[ports.listen] == (model.FILTER, model.POSTFIX)
    assert found[ports.smtp] == (model.POSTFIX, model.NOBODY)
    assert found[ports.reinjection] == (model.POSTFIX, model.POSTFIX)
    assert len(said["forecast_table"]) == 7
    assert said["actions"] == {
        "postfix": "reload",
        "sender-filter.service": "stop",
        "sender-filter-inline.service": "nothing",
    }


def test_check_mode_foresees_what_new_files_would_do_to_a_filter_that_runs(edge: Gateway) -> None:
    call("mail_topology", edge, check_mode=False, topology="edge", watch_seconds=0)
    for pending, needs in ([], "nothing"), ([str(edge.setting)], "reload"):
        said = call("mail_topology", edge, topology="edge", pending=pending)
        assert (said["actions"]["postfix"], said["actions"]["sender-filter.service"]) == (
            "nothing",
            needs,
        )
        assert ("let the running filter reload" in said["steps"]) == bool(pending)
        assert said["changed"] == bool(pending)
    real = call("mail_topology", edge, check_mode=False, topology="edge", pending=pending)
    assert (real["changed"], "forecast" in real) == (False, False)


def test_the_options_of_the_moved_service_may_be_numbers(edge: Gateway) -> None:
    options = {"smtpd_timeout": 30}
    said = call("mail_topology", edge, topology="edge", smtp_options=options, **PLAIN)
    assert said["steps"] == [MOVE, RECORD]
    assert said["diff"]["after"].count("  -o smtpd_timeout=30\n") == 1


def test_an_option_of_yaml_yes_is_postfixs_yes(edge: Gateway) -> None:
    said = call("mail_topology", edge, topology="edge", smtp_options={"smtpd_helo_required": True})
    assert "  -o smtpd_helo_required=yes\n" in said["diff"]["after"]


def test_an_obstacle_is_an_error_with_its_cure(edge: Gateway) -> None:
    (edge.config_dir.parent / "queue/pid/master.pid").unlink()
    said = call("mail_topology", edge, topology="direct")
    assert said["failed"]
    assert "nothing was changed: Postfix is not running: start it" in said["msg"]


def test_an_unknown_topology_is_refused(edge: Gateway) -> None:
    said = call("mail_topology", edge, topology="sideways")
    assert "must be one of: edge, direct, inline" in said["msg"]


def test_a_play_begins_moves_and_takes_it_back(shared_direct: Gateway) -> None:
    gateway = shared_direct
    stock = gateway.master_cf.read_bytes()
    paths = [str(gateway.setting)]
    said = call("mail_topology_begin", gateway, check_mode=False, topology="edge", paths=paths)
    assert not said["changed"], said
    assert (said["seen"], said["listen_addresses"]) == ("direct", ["127.0.0.1"])
    assert len(list((gateway.folder / "snapshots").glob("*.json"))) == 1
    assert (gateway.folder / f"snapshots/{said['snapshot']}.json").exists()
    wanted = {"topology": "edge", "watch_seconds": 0}
    said = call("mail_topology", gateway, check_mode=False, snapshot=said["snapshot"], **wanted)
    assert said["changed"], said
    assert len(list((gateway.folder / "snapshots").glob("*.json"))) == 1
    assert (said["before"], said["seen"], said["differences"]) == ("direct", "edge", [])
    assert (said["handover"], said["connections_refused"]) == ("overlap", 0)
    assert journal.read() is None
    again = call("mail_topology", gateway, check_mode=False, **wanted)
    assert not again["changed"], again
    files = gateway.files()
    said = call("mail_topology_rollback", gateway)
    found = {each["port"]: (each["now"], each["then"]) for each in said["forecast"]}
    assert found[gateway.ports.listen] == (model.FILTER, model.POSTFIX)
    assert found[gateway.ports.smtp] == (model.POSTFIX, model.NOBODY)
    assert said["actions"]["sender-filter.service"] == "stop"
    assert said["diff"]["after"] == stock.decode() != said["diff"]["before"]
    assert (said["changed"], gateway.files()) == (True, files)
    said = call("mail_topology_rollback", gateway, check_mode=False)
    assert said["changed"], said
    assert "forecast" not in said
    assert said["seen"] == "direct"
    assert len(said["table"]) == 5
    assert gateway.master_cf.read_bytes() == stock
    assert gateway.greeting() == "220 postfix ESMTP\r\n"


def test_check_mode_begins_nothing(direct: Gateway) -> None:
    files = direct.files()
    said = call("mail_topology_begin", direct, topology="edge", paths=["/etc/none"])
    assert (said["changed"], said["seen"], said["snapshot"]) == (False, "direct", "")
    assert direct.files() == files


def test_a_rollback_to_what_is_not_there_is_an_error(direct: Gateway) -> None:
    said = call("mail_topology_rollback", direct, name="x")
    assert said["failed"]
    assert "there is no snapshot 'x'; there is none at all" in said["msg"]


@pytest.mark.parametrize("module", ["mail_topology", "mail_topology_begin", "mail_topology_info"])
def test_a_home_that_postfix_cannot_be_told_is_refused(direct: Gateway, module: str) -> None:
    said = call(module, direct, topology="edge", provider="imss", imss_home="/opt/trend micro")
    assert said["failed"]
    assert "'/opt/trend micro' is no absolute path" in said["msg"]


@pytest.mark.parametrize("module", ["mail_topology", "mail_topology_begin"])
def test_a_product_that_is_not_there_is_named(direct: Gateway, module: str) -> None:
    home = str(direct.place / "none")
    said = call(module, direct, topology="edge", provider="imss", imss_home=home)
    assert f"there is no {home}/script/foxproxyd: set imss_home" in said["msg"]
