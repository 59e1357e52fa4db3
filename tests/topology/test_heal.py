"""Healing towards the declaration, and the nightly run, on a gateway of stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from topology import gateway as real
from topology.gateway import Gateway
from topology.moves import TO_EDGE, fails_after, killed_after

from module_utils.postfix import atomic
from module_utils.postfix.errors import Locked
from module_utils.snapshots.store import Store
from module_utils.topology import command, journal, model, nightly, record, services, show
from module_utils.topology.diagnosis import differences, seen_topology
from module_utils.topology.heal import declared, heal, look
from module_utils.topology.services import wait_until
from module_utils.topology.switch import SwitchError, begin, switch

FILTER, POSTFIX = "220 filter ESMTP\r\n", "220 postfix ESMTP\r\n"


def declare(gateway: Gateway, topology: str) -> None:
    """As if a play had declared it."""
    kept = gateway.request(topology).kept()
    record.write(record.render(topology, gateway.ports, move=kept))


def restart(gateway: Gateway) -> None:
    """What systemctl does with a Postfix that is alive; the stand-in's only starts one."""
    gateway.kill("master")
    gateway.systemctl("restart", "postfix.service")


def assert_healthy(gateway: Gateway, topology: str) -> None:
    now = gateway.survey()
    assert seen_topology(now) == topology
    assert differences(now, topology) == []
    assert gateway.greeting() == (FILTER if topology == model.EDGE else POSTFIX)


def test_the_record_is_enough_to_make_the_same_move(direct: Gateway) -> None:
    wanted = direct.request(model.EDGE, options={"smtpd_timeout": "9s"})
    switch(wanted)
    found = declared(direct.config_dir)
    assert found.kept() == wanted.kept()
    assert found.topology == model.EDGE


def test_an_older_record_can_be_read(direct: Gateway) -> None:
    record.write(record.render(model.EDGE, model.Ports(listen=26), {"a": "b"}))
    found = declared(direct.config_dir)
    assert (found.ports, found.options) == (model.Ports(listen=26), {"a": "b"})


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"{}"])
def test_without_a_readable_record_nothing_is_healed(direct: Gateway, data: bytes) -> None:
    record.write(data)
    with pytest.raises(SwitchError):
        declared(direct.config_dir)
    assert not nightly.run(direct.config_dir, restart=True).ok
    assert "restart" not in direct.calls()


def test_a_dead_postfix_is_started(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    edge.kill("master")
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok
    assert_healthy(edge, model.EDGE)


def test_a_deaf_postfix_is_restarted(edge: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are right, and nobody serves what they say."""
    declare(edge, model.EDGE)
    monkeypatch.setattr(services, "restart_postfix", lambda _: restart(edge))
    edge.say("postfix-spins")
    os.kill(int(edge.pid_file.read_text()), signal.SIGHUP)
    assert wait_until(lambda: edge.survey().postfix.deaf, 10)
    with pytest.raises(
        SwitchError, match=r"^nothing was changed: Postfix's master .* serves nobody"
    ):
        begin(edge.request(model.DIRECT))
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert "serves nobody" in report.wrong[0]
    assert "restart Postfix" in report.done
    assert_healthy(edge, model.EDGE)


def test_a_healthy_host_has_its_postfix_restarted_and_proven(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(edge, model.EDGE)
    monkeypatch.setattr(nightly, "restart_postfix", lambda _: restart(edge))
    before = edge.pid_file.read_text()
    report = nightly.run(edge.config_dir, restart=True)
    assert report.ok, report
    assert report.wrong == []
    assert report.done == ["restart Postfix"]
    assert edge.pid_file.read_text() != before
    assert_healthy(edge, model.EDGE)


def test_nobody_moves_the_host_while_postfix_is_restarted(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(edge, model.EDGE)

    def restart_alone(_: object) -> None:
        with pytest.raises(Locked), atomic.lock(edge.master_cf, 0.0):
            pytest.fail("the host could be moved")
        restart(edge)

    monkeypatch.setattr(nightly, "restart_postfix", restart_alone)
    report = nightly.run(edge.config_dir, restart=True)
    assert report.ok, report


def test_a_file_that_is_no_utf8_does_not_stop_the_report(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(edge, model.EDGE)
    monkeypatch.setattr(nightly, "FILE", edge.config_dir / "nightly.jsonl")
    edge.master_cf.write_bytes(b"smtp inet \xfc\n")
    report = nightly.run(edge.config_dir, restart=True)
    assert report.error.endswith("smtp inet \ufffd")
    assert nightly.notify(report, "/bin/true", "") == []
    assert show.look(edge.config_dir)["error"] == report.error


def test_a_postfix_that_does_not_come_back_is_a_failure(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(edge, model.EDGE)
    monkeypatch.setattr(nightly, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(nightly, "restart_postfix", lambda _: edge.kill("master"))
    report = nightly.run(edge.config_dir, restart=True)
    assert not report.ok
    assert "Postfix is not running" in report.error
    assert report.after == model.UNKNOWN


def test_a_conflict_is_healed_before_the_restart(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(direct, model.EDGE)
    monkeypatch.setattr(nightly, "restart_postfix", lambda _: restart(direct))
    report = nightly.run(direct.config_dir, restart=True)
    assert report.ok, report
    assert report.done[-1] == "restart Postfix"
    assert_healthy(direct, model.EDGE)


def test_a_filter_that_would_not_start_at_boot_is_enabled(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    edge.systemctl("disable", "sender-filter.socket")
    report = nightly.run(edge.config_dir, restart=False)
    assert any("not enabled" in one for one in report.wrong)
    assert report.ok, report
    assert edge.survey().filter.enabled


def test_postfix_put_back_on_25_is_moved_away_before_anything_is_restarted(
    direct: Gateway,
) -> None:
    declare(direct, model.EDGE)
    report = nightly.run(direct.config_dir, restart=False)
    assert report.ok, report
    assert (report.before, report.after) == (model.DIRECT, model.EDGE)
    assert_healthy(direct, model.EDGE)


def test_two_owners_of_the_port_are_told_apart(shared_direct: Gateway) -> None:
    declare(shared_direct, model.EDGE)
    shared_direct.systemctl("start", "sender-filter.socket", "sender-filter.service")
    report = nightly.run(shared_direct.config_dir, restart=False)
    assert any("2 owners" in one for one in report.wrong)
    assert report.ok, report
    assert_healthy(shared_direct, model.EDGE)


def test_a_stopped_filter_is_started(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    edge.systemctl("stop", "sender-filter.socket", "sender-filter.service")
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert_healthy(edge, model.EDGE)


def test_a_filter_that_is_not_on_its_port_is_opened_there(edge: Gateway) -> None:
    """As after a change of the port in its socket unit, which systemd has not made."""
    declare(edge, model.EDGE)
    edge.kill("filter")
    assert edge.survey().filter.socket_active
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert report.done[0] == "stop sender-filter.service, which is not on its port"
    assert_healthy(edge, model.EDGE)


def test_a_postfix_that_died_of_a_taken_port_is_moved_then_started(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    ports = edge.ports
    text = edge.master_cf.read_text()
    edge.master_cf.write_text(text.replace(real.moved(ports), real.stock(ports)))
    edge.kill("master")
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert report.done[:2] == ["put the wanted services in master.cf", "start Postfix"]
    assert_healthy(edge, model.EDGE)


def test_the_host_is_kept_before_a_dead_postfix_is_woken(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    ports = edge.ports
    text = edge.master_cf.read_text()
    broken = text.replace(real.moved(ports), real.stock(ports))
    edge.master_cf.write_text(broken)
    edge.kill("master")
    assert nightly.run(edge.config_dir, restart=False).ok
    store = Store()
    (name,) = store.names()
    file = store.load(name).file(str(edge.master_cf))
    assert file is not None
    assert store.content(file.content).decode() == broken


def test_who_fails_to_wake_postfix_leaves_no_entry_and_nothing_useless(
    edge: Gateway,
) -> None:
    declare(edge, model.EDGE)
    edge.kill("master")
    edge.refuse("restart postfix.service")
    for _ in range(2):
        assert not nightly.run(edge.config_dir, restart=False).ok
    assert journal.read() is None
    assert Store().names() == []


def test_who_wakes_postfix_leaves_the_snapshot_of_a_play_that_has_begun(edge: Gateway) -> None:
    begun, _ = begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
    edge.kill("master")
    heal(look(edge.request(model.EDGE)))
    assert begun in Store().names()


def test_a_move_after_the_waking_goes_back_to_a_postfix_that_runs(
    shared_edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_edge.kill("master")
    wanted = shared_edge.request(model.EDGE)
    begun, _ = begin(wanted, repair=True)
    fails_after(monkeypatch, "record the declared topology")
    with pytest.raises(SwitchError, match="The host is as it was before"):
        heal(look(shared_edge.request(model.EDGE, begun=begun)))
    assert shared_edge.survey().postfix.master_pid
    assert begun in Store().names()


def test_services_that_postfix_has_not_read_are_read(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    whole = edge.master_cf.read_text()
    edge.master_cf.write_text(
        "".join(
            line
            for line in whole.splitlines(keepends=True)
            if str(edge.ports.reinjection) not in line
        )
    )
    subprocess.run(["postfix", "-c", str(edge.config_dir), "reload"], check=True)
    assert wait_until(lambda: not edge.survey().on(edge.ports.reinjection), 10)
    edge.master_cf.write_text(whole)
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert "reload Postfix" in report.done
    assert_healthy(edge, model.EDGE)


def test_what_would_be_done_is_said_in_check_mode(edge: Gateway) -> None:
    edge.kill("master")
    before = edge.files()
    outcome = heal(look(edge.request(model.DIRECT)), check=True)
    assert outcome.steps == ["wake Postfix", "go to direct"]
    assert outcome.master_cf == outcome.before.postfix.master_cf.replace(
        real.moved(edge.ports).encode(), real.stock(edge.ports).encode()
    )
    assert edge.files() == before


def test_check_mode_refuses_what_a_repair_would_refuse(edge: Gateway) -> None:
    edge.kill("master")
    assert wait_until(lambda: not edge.survey().on(edge.ports.smtp), 10)
    with (
        socket.create_server(("127.0.0.1", edge.ports.smtp)),
        pytest.raises(SwitchError, match=rf"nothing was changed: port {edge.ports.smtp} belongs"),
    ):
        heal(look(edge.request(model.EDGE)), check=True)


def test_the_oldest_runs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "KEPT_RUNS", 2)
    for day in ("first", "second", "third"):
        nightly.keep(nightly.Report(day))
    rows = [json.loads(line) for line in nightly.FILE.read_text().splitlines()]
    assert [row["time"] for row in rows] == ["second", "third"]


def test_a_filter_in_the_place_of_a_dead_postfix_goes(edge: Gateway) -> None:
    declare(edge, model.DIRECT)
    edge.kill("master")
    report = nightly.run(edge.config_dir, restart=False)
    assert report.ok, report
    assert_healthy(edge, model.DIRECT)


def test_half_of_a_killed_play_is_taken_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(shared_direct, model.DIRECT)
    wanted = shared_direct.request(model.EDGE)
    killed_after(monkeypatch, TO_EDGE["overlap"][3], lambda: switch(wanted))
    report = nightly.run(shared_direct.config_dir, restart=False)
    assert report.ok, report
    assert_healthy(shared_direct, model.DIRECT)


def test_a_stranger_on_a_port_is_named_and_left_alone(direct: Gateway) -> None:
    declare(direct, model.EDGE)
    with socket.create_server(("127.0.0.1", direct.ports.smtp)):
        report = nightly.run(direct.config_dir, restart=True)
        assert direct.greeting() == POSTFIX
    assert not report.ok
    assert f"port {direct.ports.smtp} belongs to" in report.error
    assert "restart" not in direct.calls()


def test_a_failed_run_is_kept_told_and_ends_with_an_error(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    tell = tmp_path / "tell"
    tell.write_text(f"#!/bin/sh\ncat > {told}\n")
    tell.chmod(0o755)
    words = ["mail-topology", "nightly", "--config-dir", str(direct.config_dir)]
    monkeypatch.setattr(sys, "argv", [*words, "--notify-command", str(tell)])
    with pytest.raises(SystemExit, match="the host is not as declared"):
        command.main()
    (line,) = nightly.FILE.read_text().splitlines()
    assert json.loads(told.read_text()) == json.loads(line)
    assert json.loads(line)["ok"] is False


def test_a_look_changes_nothing(direct: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(direct, model.EDGE)
    before = direct.files()
    words = ["mail-topology", "heal", "--check", "--config-dir", str(direct.config_dir)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="the host is not as declared"):
        command.main()
    assert direct.files() == before
