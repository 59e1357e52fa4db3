from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from topology.gateway import Gateway
from topology.moves import TO_EDGE, Before, killed_after

from module_utils.snapshots.snapshot import Snapshot, State, Unit
from module_utils.snapshots.store import Store
from module_utils.topology import fronts, hands, journal, model, photograph
from module_utils.topology import restore as restore_module
from module_utils.topology.diagnosis import seen_topology
from module_utils.topology.restore import RestoreError, at_boot, recover, request_for, restore
from module_utils.topology.switch import SwitchError, begin, switch


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "DRAIN_POLL_SECONDS", 0.02)


def snapshot_of(gateway: Gateway, *paths: Path) -> Snapshot:
    request = gateway.request(model.EDGE)
    found = tuple(str(path) for path in (gateway.setting, *paths))
    return photograph.take(Store(), request, gateway.survey(), photograph.paths(request, found))


def put_back(snapshot: Snapshot, **wanted: Any) -> list[str]:
    request = replace(request_for(snapshot), **wanted)
    return restore(snapshot, request, Store()).steps


def move_to(snapshot: Snapshot, stage: str) -> journal.Move:
    state = snapshot.state
    found = journal.Move(snapshot.name, model.EDGE, stage, snapshot.config_dir, state.ports)
    journal.write(found)
    return found


def test_the_way_back_is_a_move_in_which_nobody_is_waited_for(direct: Gateway) -> None:
    request = request_for(snapshot_of(direct))
    assert (request.topology, request.config_dir) == (model.DIRECT, direct.config_dir)
    assert request.ports == direct.ports
    assert request.handover == "overlap"
    assert (request.drain_seconds, request.drain_action, request.watch_seconds) == (20, "leave", 0)


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_where_nothing_differs_nothing_is_done(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway: Gateway = request.getfixturevalue(topology)
    snapshot, files = snapshot_of(gateway), gateway.files()
    assert put_back(snapshot) == []
    assert gateway.files() == files
    assert gateway.calls() == {"show"}


def test_files_alone_are_put_back_and_the_filter_reads_them(edge: Gateway) -> None:
    snapshot = snapshot_of(edge)
    edge.setting.write_text("changed\n")
    edge.setting.chmod(0o600)
    edge.systemctl("reload", "sender-filter.service")
    assert put_back(snapshot) == [f"put {edge.setting} back"]
    assert edge.setting.read_text() == "listen = 25\n"
    assert edge.survey().filter.needs == "fresh"
    assert photograph.is_of(snapshot, edge.survey())


def notes(monkeypatch: pytest.MonkeyPatch, method: str, look: Callable[[], str]) -> list[str]:
    """What is seen when the hands do something."""
    seen: list[str] = []
    real = getattr(hands.Hands, method)

    def noting(self: hands.Hands) -> None:
        seen.append(look())
        real(self)

    monkeypatch.setattr(hands.Hands, method, noting)
    return seen


def test_a_filter_that_shall_run_finds_its_files_when_it_starts(
    shared_edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = snapshot_of(shared_edge)
    switch(shared_edge.request(model.DIRECT))
    shared_edge.setting.write_text("changed\n")
    seen = notes(monkeypatch, "start_filter", shared_edge.setting.read_text)
    steps = put_back(snapshot)
    assert seen == ["listen = 25\n"]
    assert steps[: len(TO_EDGE["overlap"]) - 1] == TO_EDGE["overlap"][:-1]
    assert seen_topology(shared_edge.survey()) == model.EDGE
    assert shared_edge.survey().filter.needs == "fresh"
    assert not {"reload", "restart"} <= shared_edge.calls()


def test_a_filter_that_shall_go_has_its_files_until_it_has_gone(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_direct.setting.unlink()
    snapshot = snapshot_of(shared_direct)
    shared_direct.setting.write_text("installed\n")
    switch(shared_direct.request(model.EDGE))
    seen = notes(monkeypatch, "stop_filter", shared_direct.setting.read_text)
    steps = put_back(snapshot)
    assert seen == ["installed\n"]
    assert not shared_direct.setting.exists()
    assert steps[-2:] == [
        f"put {shared_direct.setting} back",
        f"put {shared_direct.folder}/declared.json back",
    ]
    assert seen_topology(shared_direct.survey()) == model.DIRECT


def test_units_are_read_again_and_start_at_boot_as_before(edge: Gateway) -> None:
    unit = edge.place / "etc/systemd/system/sender-filter.service"
    unit.write_text("[Service]\n")
    snapshot = snapshot_of(edge, unit)
    edge.systemctl("daemon-reload")
    unit.write_text("[Service]\nchanged\n")
    edge.systemctl("disable", "sender-filter.socket")
    (edge.host / "systemctl-calls").unlink()
    put_back(snapshot)
    assert unit.read_text() == "[Service]\n"
    assert {"daemon-reload", "enable"} <= edge.calls()
    assert edge.survey().filter.enabled


def test_a_unit_that_was_not_enabled_is_not_afterwards(direct: Gateway) -> None:
    snapshot = snapshot_of(direct)
    direct.systemctl("enable", "sender-filter.socket")
    put_back(snapshot)
    assert direct.survey().filter.stopped


def test_a_master_cf_behind_a_link_is_put_back_where_it_is(direct: Gateway) -> None:
    real = direct.place / "real.cf"
    direct.master_cf.rename(real)
    direct.master_cf.symlink_to(real)
    snapshot = snapshot_of(direct)
    stock = real.read_bytes()
    switch(direct.request(model.EDGE, handover="plain"))
    assert real.read_bytes() != stock
    put_back(snapshot, handover="plain")
    assert direct.master_cf.is_symlink()
    assert real.read_bytes() == stock


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_postfix_reads_a_main_cf_that_was_put_back(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway: Gateway = request.getfixturevalue(topology)
    snapshot = snapshot_of(gateway)
    with (gateway.config_dir / "main.cf").open("a") as main:
        main.write("relayhost = [b]:25\n")
    put_back(snapshot)
    assert "reload" in gateway.calls()


# What cannot be put back


def test_content_that_is_damaged_is_named_and_no_port_is_touched(edge: Gateway) -> None:
    snapshot = snapshot_of(edge)
    one = snapshot.file(str(edge.setting))
    assert one
    damaged = edge.folder / "snapshots/objects" / one.content
    damaged.write_bytes(b"x")
    edge.setting.write_text("changed\n")
    edge.systemctl("stop", "sender-filter.socket", "sender-filter.service")
    (edge.host / "systemctl-calls").unlink()
    with pytest.raises(RestoreError, match=f"^{damaged} is damaged$"):
        put_back(snapshot)
    assert not {"start", "reload"} & edge.calls()


def test_a_snapshot_without_master_cf_is_refused(edge: Gateway) -> None:
    snapshot = snapshot_of(edge)
    without = replace(snapshot, kept=tuple(o for o in snapshot.kept if "master.cf" not in o.path))
    with pytest.raises(RestoreError, match=f"^snapshot {snapshot.name} has no .*master.cf$"):
        restore(without, request_for(without), Store())


def test_a_file_that_cannot_be_put_back_is_named(edge: Gateway) -> None:
    snapshot = snapshot_of(edge)
    edge.setting.unlink()
    edge.setting.parent.rmdir()
    edge.setting.parent.write_text("a file where the folder was")
    with pytest.raises(RestoreError, match=str(edge.setting.parent)):
        put_back(snapshot)


def test_a_unit_that_does_not_start_is_named(shared_edge: Gateway) -> None:
    snapshot = snapshot_of(shared_edge)
    switch(shared_edge.request(model.DIRECT))
    shared_edge.refuse("start sender-filter.socket")
    with pytest.raises(
        RestoreError, match=r"(?s)^systemctl start sender-filter\.socket failed: Job"
    ):
        put_back(snapshot)


def test_an_owner_that_does_not_come_back_is_named(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "SETTLE_SECONDS", 0.1)
    snapshot = snapshot_of(edge)
    owners = {"listen": ["nginx (pid 9)"], "smtp": [model.POSTFIX]}
    changed = replace(snapshot, state=replace(snapshot.state, owners=owners))
    with pytest.raises(
        RestoreError,
        match=rf"^port {edge.ports.listen} belongs to nobody, before to \['nginx \(pid 9\)'\]$",
    ):
        put_back(changed)


# A move that nobody works on any more


def test_a_move_that_has_only_begun_is_left_to_its_play(edge: Gateway) -> None:
    snapshot = snapshot_of(edge)
    move = move_to(snapshot, journal.BEGUN)
    edge.setting.write_text("written by the play\n")
    recover(move, Store())
    assert edge.setting.read_text() == "written by the play\n"
    assert journal.read() == move
    assert edge.calls() == {"show"}


def test_a_move_that_was_killed_is_taken_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_direct)
    wanted = shared_direct.request(model.EDGE)
    killed_after(monkeypatch, "let the filter listen beside Postfix", lambda: switch(wanted))
    move = journal.read()
    assert move
    recover(move, Store())
    Store().remove(move.snapshot)
    before.assert_is_back()


@pytest.mark.parametrize("trouble", ["snapshot", "service"])
def test_a_move_that_cannot_be_taken_back_names_the_way_out(
    shared_edge: Gateway, trouble: str
) -> None:
    snapshot = snapshot_of(shared_edge)
    switch(shared_edge.request(model.DIRECT))
    move = move_to(snapshot, journal.MOVING)
    if trouble == "snapshot":
        Store().remove(snapshot.name)
        said = "there is no snapshot"
    else:
        shared_edge.refuse("start sender-filter.socket")
        said = "systemctl start sender-filter.socket failed"
    with pytest.raises(RestoreError) as caught:
        recover(move, Store())
    assert str(caught.value).startswith(
        f"a move to edge was interrupted and cannot be taken back: {said}"
    )
    assert str(caught.value).endswith(f"go on from the host as it is, remove {journal.FILE}")
    assert journal.read() == move


def test_a_repair_goes_on_from_the_host_as_it_is_where_a_move_cannot_be_taken_back(
    shared_edge: Gateway,
) -> None:
    request = shared_edge.request(model.EDGE)
    snapshot = snapshot_of(shared_edge)
    move_to(snapshot, journal.MOVING)
    Store().remove(snapshot.name)
    with pytest.raises(SwitchError, match="cannot be taken back"):
        begin(request)
    _, survey = begin(request, repair=True)
    assert seen_topology(survey) == model.EDGE
    begun = journal.read()
    assert begun is not None
    assert begun.stage == journal.BEGUN


def test_a_broken_master_cf_is_an_error_of_the_way_back(shared_edge: Gateway) -> None:
    snapshot = snapshot_of(shared_edge)
    shared_edge.master_cf.write_text("smtp inet n\n")
    with pytest.raises(RestoreError):
        put_back(snapshot)


def test_a_postfix_that_died_of_the_new_file_starts_with_the_old_one(edge: Gateway) -> None:
    """It does not share its ports, and the filter has the port that the new file names."""
    snapshot = snapshot_of(edge)
    added = f"{edge.ports.listen} inet n - y - - smtpd\n"
    edge.master_cf.write_text(edge.master_cf.read_text() + added)
    edge.kill("master")
    put_back(snapshot, handover="plain")
    assert seen_topology(edge.survey()) == model.EDGE


def test_no_program_stays_on_a_port_that_has_not_changed_hands(shared_edge: Gateway) -> None:
    snapshot = snapshot_of(shared_edge)
    shared_edge.systemctl("disable", "sender-filter.socket")
    put_back(snapshot)
    assert shared_edge.survey().filter.running
    assert not shared_edge.steered()


# After a loss of power


@pytest.mark.parametrize("runs", [True, False])
def test_at_boot_files_and_units_are_put_back_and_nothing_is_waited_for(
    request: pytest.FixtureRequest, runs: bool
) -> None:
    gateway: Gateway = request.getfixturevalue("edge" if runs else "direct")
    unit = gateway.place / "etc/systemd/system/sender-filter.socket"
    snapshot = snapshot_of(gateway, unit)
    stock = gateway.master_cf.read_bytes()
    gateway.master_cf.write_text("# half of it\n")
    gateway.setting.unlink()
    unit.write_text("[Socket]\n")
    gateway.systemctl("disable" if runs else "enable", "sender-filter.socket")
    gateway.kill("master")
    calls = gateway.host / "systemctl-calls"
    calls.unlink()
    at_boot(snapshot, Store())
    assert gateway.master_cf.read_bytes() == stock
    assert gateway.setting.read_text() == "listen = 25\n"
    assert not unit.exists()
    said = [line for line in calls.read_text().splitlines() if not line.startswith("show")]
    network, between = (" ".join(front.units) for front in fronts.ALL)
    # What shall go is turned off while systemd still has its files.
    gone = [f"disable --quiet {network}", f"--no-block stop {network}"]
    back = [f"enable --quiet {network}", f"--no-block start {network}"]
    assert said == [
        *([] if runs else gone),
        f"--no-block stop {between}",
        "daemon-reload",
        *(back if runs else []),
    ]
    assert not (gateway.host / "postfix-calls").exists()


def test_at_boot_the_filter_between_starts_again_and_the_other_does_not(inline: Gateway) -> None:
    snapshot = snapshot_of(inline)
    switch(inline.request(model.EDGE, handover="plain"))
    inline.kill("master")
    inline.kill("filter")
    at_boot(snapshot, Store())
    calls = (inline.host / "systemctl-calls").read_text().splitlines()
    assert [line for line in calls if line.startswith("--no-block")] == [
        f"--no-block stop {' '.join(fronts.EDGE.units)}",
        f"--no-block start {' '.join(fronts.INLINE.units)}",
    ]
    assert (inline.survey().filter.enabled, inline.survey().inline.enabled) == (False, True)


@pytest.mark.parametrize("here", [model.DIRECT, model.EDGE])
def test_a_snapshot_of_inline_is_gone_back_to(shared_inline: Gateway, here: str) -> None:
    snapshot, stock = snapshot_of(shared_inline), shared_inline.master_cf.read_bytes()
    switch(shared_inline.request(here))
    put_back(snapshot)
    assert seen_topology(shared_inline.survey()) == model.INLINE
    assert shared_inline.master_cf.read_bytes() == stock
    assert photograph.is_of(snapshot, shared_inline.survey())
    assert not shared_inline.steered()


def test_a_filter_between_that_is_to_stay_reads_the_files_that_were_put_back(
    inline: Gateway,
) -> None:
    snapshot = snapshot_of(inline)
    inline.setting.write_text("changed\n")
    inline.systemctl("reload", "sender-filter-inline.service")
    assert put_back(snapshot) == [f"put {inline.setting} back"]
    assert inline.survey().inline.needs == "fresh"


@pytest.mark.parametrize("own", [True, False])
def test_a_snapshot_that_knows_of_no_inline_is_gone_back_to(
    shared_direct: Gateway, own: bool
) -> None:
    """An older release kept two ports and one front; the operator may have the third port."""
    gateway = shared_direct
    if own:
        gateway.add_service(gateway.ports.after_proxy)
    stock, whole = gateway.master_cf.read_bytes(), snapshot_of(gateway)
    owners = {name: whole.state.owners[name] for name in ("listen", "smtp")}
    units = {name: whole.state.units[name] for name in fronts.EDGE.units}
    snapshot = replace(whole, state=replace(whole.state, owners=owners, units=units))
    switch(gateway.request(model.EDGE if own else model.INLINE))
    put_back(snapshot)
    assert seen_topology(gateway.survey()) == model.DIRECT
    assert gateway.master_cf.read_bytes() == stock
    assert bool(gateway.survey().on(gateway.ports.after_proxy)) == own
    assert gateway.survey().inline.stopped


def test_a_snapshot_of_no_topology_is_gone_back_to(direct: Gateway) -> None:
    """Nobody on either port, and the filter that starts at boot."""
    state = State(
        model.UNKNOWN,
        vars(direct.ports),
        {"listen": [], "smtp": []},
        (),
        {name: Unit(False, True) for name in fronts.EDGE.units},
        {},
    )
    stock = direct.master_cf.read_text()
    without = "".join(line for line in stock.splitlines(True) if "smtpd" not in line)
    direct.master_cf.write_text(without)
    snapshot = Store().make(
        model.EDGE, str(direct.config_dir), state, (str(direct.master_cf), str(direct.setting))
    )
    direct.master_cf.write_text(stock)
    put_back(snapshot)
    survey = direct.survey()
    assert (survey.on(direct.ports.listen), survey.on(direct.ports.smtp)) == ([], [])
    assert survey.filter.enabled
    assert direct.master_cf.read_text() == without
