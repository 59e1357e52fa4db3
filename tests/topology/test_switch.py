from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from topology import gateway as real
from topology.gateway import Gateway
from topology.moves import STEPS, TO_DIRECT, TO_EDGE, Before, after_step, fails_after, killed_after

from module_utils.postfix import atomic
from module_utils.postfix.change import change_file
from module_utils.postfix.errors import Locked
from module_utils.snapshots.store import Store
from module_utils.topology import fronts, hands, journal, model, photograph, record
from module_utils.topology import switch as switch_module
from module_utils.topology.between import Between
from module_utils.topology.diagnosis import differences, seen_topology
from module_utils.topology.native import NATIVE
from module_utils.topology.request import Keep, Request
from module_utils.topology.survey import SurveyError, take
from module_utils.topology.switch import SwitchError, begin, rollback, switch

RECORD = "record the declared topology"
MOVE = "move Postfix in master.cf and reload it"
LIVE = "see the filter live"
WAYS = pytest.mark.parametrize("way", ["overlap", "plain"])


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "DRAIN_POLL_SECONDS", 0.02)


def gateway_of(request: pytest.FixtureRequest, way: str, topology: str) -> Gateway:
    """One on which this is the way."""
    found: Gateway = request.getfixturevalue(f"shared_{topology}" if way == "overlap" else topology)
    return found


def declare(gateway: Gateway, topology: str) -> None:
    """As if a play had brought the gateway here."""
    given = real.given(gateway.ports) if topology == model.INLINE else None
    kept = gateway.request(topology).kept()
    record.write(record.render(topology, gateway.ports, given, kept))


def edge_cf(gateway: Gateway) -> bytes:
    return real.master_cf(gateway.ports, model.EDGE).encode()


def opposite(topology: str) -> str:
    """Another topology, which is all that matters of it."""
    return model.DIRECT if topology == model.EDGE else model.EDGE


# What a request and a survey are


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1", "127.0.0.1:2500"), ("[::1]", "[::1]:2500"), ("localhost", "localhost:2500")],
)
def test_the_moved_service_is_named_by_its_address_and_port(address: str, name: str) -> None:
    request = Request("edge", Path("/etc/postfix"), model.Ports(), address, {})
    assert request.moved_to == name
    assert replace(request, ports=model.Ports(smtp=26)).moved_to == name.replace("2500", "26")


def test_a_survey_sees_the_real_host(direct: Gateway) -> None:
    survey = direct.survey()
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
    survey = direct.survey()
    assert survey.glance() == survey
    survey.postfix.pid_file.unlink()
    assert survey.glance().postfix.master_pid is None
    assert survey.glance().postfix.master_cf == survey.postfix.master_cf


def test_a_host_without_postfix_cannot_be_surveyed(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"Postfix is not there .*master\.cf.*install_gateway"):
        take(tmp_path / "none", model.Ports(), NATIVE)


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
        direct.survey()


# There and back


def assert_is_in(gateway: Gateway, topology: str) -> None:
    """Everything is as the topology wants it, and nothing of another is left over."""
    survey, owner = gateway.survey(), "filter" if topology == model.EDGE else "postfix"
    assert seen_topology(survey) == topology
    assert gateway.master_cf.read_text() == real.master_cf(gateway.ports, topology)
    assert gateway.greeting() == f"220 {owner} ESMTP\r\n"
    for front in fronts.ALL:
        state = survey.front(front)
        assert state.running if front.topology == topology else state.stopped
    assert record.declared() == topology
    assert journal.read() is None
    assert not gateway.steered()


@WAYS
@pytest.mark.parametrize(
    ("first", "second"),
    [(model.DIRECT, model.EDGE), (model.DIRECT, model.INLINE), (model.EDGE, model.INLINE)],
)
def test_a_gateway_is_moved_there_and_back(
    request: pytest.FixtureRequest, way: str, first: str, second: str
) -> None:
    gateway = gateway_of(request, way, first)
    for here, wanted in ((first, second), (second, first)):
        begun, _ = begin(gateway.request(wanted, paths=(str(gateway.setting),)))
        outcome = switch(gateway.request(wanted, handover=way, begun=begun))
        assert outcome.steps == STEPS[here, wanted][way]
        assert outcome.changed
        assert seen_topology(outcome.after) == wanted
        assert outcome.master_cf == gateway.master_cf.read_bytes()
        assert_is_in(gateway, wanted)
        in_place = model.EDGE not in (first, second)
        assert outcome.handover.startswith("in place" if in_place else way)
        unnoticed = in_place or way == "overlap"
        assert (outcome.refused == 0) == unnoticed
        assert (outcome.milliseconds_without_listener == 0) == unnoticed
        assert not switch(gateway.request(wanted)).changed
    names = Store().names()
    assert [Store().load(name).before for name in names] == [second, first]
    assert (gateway.host / "guards").read_text().count(" recover\n") == 2


def test_a_session_of_the_former_owner_goes_on_until_it_ends(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = shared_direct.session()

    def end_it_later() -> None:
        assert shared_direct.greeting() == "220 filter ESMTP\r\n"
        session.sendall(b"NOOP\r\n")
        assert session.recv(512) == b"250 2.0.0 Ok\r\n"
        threading.Timer(2.0, session.close).start()

    after_step(monkeypatch, "steer new connections to the filter", end_it_later)
    outcome = switch(shared_direct.request(model.EDGE, drain_seconds=30.0))
    assert (outcome.sessions_running, outcome.sessions_cut) == (1, 0)
    assert outcome.seconds_waited > 0


def test_a_session_that_does_not_end_takes_the_move_back_if_so_wanted(
    shared_direct: Gateway,
) -> None:
    before = Before(shared_direct)
    wanted = shared_direct.request(model.EDGE, drain_seconds=0.2, drain_action="rollback")
    with shared_direct.session() as session:
        with pytest.raises(SwitchError, match="sessions to end' failed: 1 sessions still ran"):
            switch(wanted)
        session.sendall(b"NOOP\r\n")
        assert session.recv(512) == b"250 2.0.0 Ok\r\n"
    before.assert_is_back()


# Topology inline


def test_who_came_without_the_filter_is_waited_for(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = shared_direct.session()

    def end_it_later() -> None:
        session.sendall(b"NOOP\r\n")
        assert session.recv(512) == b"250 2.0.0 Ok\r\n"
        threading.Timer(1.0, session.close).start()

    after_step(monkeypatch, "let Postfix hand its mail to the filter", end_it_later)
    outcome = switch(shared_direct.request(model.INLINE, drain_seconds=30.0))
    assert (outcome.sessions_running, outcome.sessions_cut) == (1, 0)
    assert outcome.seconds_waited > 0


@pytest.mark.parametrize("where", ["listen", "proxy"])
def test_the_filter_goes_when_nobody_needs_it_any_more(
    shared_inline: Gateway, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    port = getattr(shared_inline.ports, where)
    session = socket.create_connection(("127.0.0.1", port), timeout=10)
    assert session.recv(512)

    def end_it_later() -> None:
        survey = shared_inline.survey()
        assert survey.owners(shared_inline.ports.after_proxy) == [model.POSTFIX]
        assert not between(shared_inline).passes(survey.postfix.document, service)
        threading.Timer(1.0, session.close).start()

    service = shared_inline.request(model.DIRECT).service
    after_step(monkeypatch, "let Postfix pass the filter by", end_it_later)
    outcome = switch(shared_inline.request(model.DIRECT, drain_seconds=30.0))
    assert (outcome.sessions_running, outcome.sessions_cut) == (1, 0)
    assert outcome.seconds_waited > 0


def between(gateway: Gateway) -> Between:
    return gateway.request(model.INLINE).between(gateway.survey())


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("rcpt", r"step 'try the way .* does not pass mail on: RCPT TO: 451 4\.3\.0 later"),
        ("greeting", r"step 'try the way .* does not pass mail on: connect: 421 later"),
        ("start", r"step 'start the .*failed: systemctl start sender-filter-inline.service"),
        ("dies", r"step 'see the filter live' failed: the sender filter does not answer"),
    ],
)
@pytest.mark.parametrize("here", [model.DIRECT, model.EDGE])
def test_a_filter_that_does_not_pass_mail_on_gets_none(
    request: pytest.FixtureRequest, here: str, trouble: str, said: str
) -> None:
    gateway = gateway_of(request, "overlap", here)
    before = Before(gateway)
    if trouble == "rcpt":
        gateway.say("inline-rcpt", "451 4.3.0 later\r\n")
    if trouble == "greeting":
        gateway.say("inline-greeting", "421 later\r\n")
    if trouble == "start":
        gateway.refuse("start sender-filter-inline.service")
    if trouble == "dies":
        gateway.say("inline-lives", "0.5")
    with pytest.raises(SwitchError, match=f"^{said}") as caught:
        switch(gateway.request(model.INLINE, watch_seconds=2.0 if trouble == "dies" else 0.0))
    assert str(caught.value).endswith(f"The host is as it was before ({here}), proven.")
    before.assert_is_back()


def test_what_was_written_for_the_filter_between_reaches_it(inline: Gateway) -> None:
    declare(inline, model.INLINE)
    inline.setting.write_text("listen = 26\n")
    assert switch(inline.request(model.INLINE)).steps == ["let the running filter reload", LIVE]
    assert inline.survey().inline.needs == "fresh"


def test_another_value_in_main_cf_is_taken_over_and_goes_with_the_filter(inline: Gateway) -> None:
    declare(inline, model.INLINE)
    with (inline.config_dir / "main.cf").open("a") as main:
        main.write("receive_override_options = no_milters\n")
    os.utime(inline.config_dir / "main.cf", (0, 0))
    assert switch(inline.request(model.INLINE)).steps == [MOVE, RECORD]
    given = b"receive_override_options=no_milters,no_unknown_recipient_checks\n"
    assert given in inline.master_cf.read_bytes()
    assert not switch(inline.request(model.INLINE)).changed
    switch(inline.request(model.DIRECT))
    assert inline.master_cf.read_text() == real.master_cf(inline.ports, model.DIRECT)


def test_an_override_of_the_operators_own_comes_back_from_inline(direct: Gateway) -> None:
    home = real.stock(direct.ports)
    own = home + "  -o receive_override_options=no_unknown_recipient_checks\n"
    stock = direct.master_cf.read_text().replace(home, own)
    direct.master_cf.write_text(stock)
    switch(direct.request(model.INLINE))
    assert record.options(topology=model.INLINE) == {
        "smtpd_proxy_filter": f"127.0.0.1:{direct.ports.proxy}"
    }
    switch(direct.request(model.DIRECT))
    assert direct.master_cf.read_text() == stock


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_a_service_that_inline_has_left_behind_goes_with_the_next_move(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway = gateway_of(request, "overlap", topology)
    stock = gateway.master_cf.read_text()
    gateway.add_service(gateway.ports.after_proxy, "  -o syslog_name=postfix/after-filter\n")
    assert switch(gateway.request(topology)).changed
    assert gateway.master_cf.read_text() == stock
    assert not gateway.survey().on(gateway.ports.after_proxy)


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_a_service_of_the_operators_own_in_its_place_stays(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway = gateway_of(request, "overlap", opposite(topology))
    own = gateway.add_service(gateway.ports.after_proxy)
    switch(gateway.request(topology))
    assert gateway.master_cf.read_text() == real.master_cf(gateway.ports, topology) + own
    assert gateway.survey().owners(gateway.ports.after_proxy) == [model.POSTFIX]


# Nothing to do


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_where_nothing_is_to_do_nothing_is_kept_or_done(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway: Gateway = request.getfixturevalue(topology)
    declare(gateway, topology)
    files = gateway.files()
    begun, _ = begin(gateway.request(topology, paths=(str(gateway.setting),)))
    assert Store().names() == [begun]
    outcome = switch(gateway.request(topology, begun=begun))
    assert (outcome.steps, outcome.changed, outcome.handover) == ([], False, "")
    assert seen_topology(outcome.after) == topology
    assert Store().names() == []
    assert journal.read() is None
    assert not {"start", "stop", "reload", "enable", "disable"} & gateway.calls()
    assert not (gateway.host / "guards").exists()
    kept = {path: found for path, found in gateway.files().items() if "/snapshots" not in path}
    assert kept == files


def test_a_snapshot_from_which_a_file_differs_is_kept_though_no_port_moved(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    begun, _ = begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
    edge.setting.chmod(0o600)
    switch(edge.request(model.EDGE, begun=begun))
    assert Store().names() == [begun]
    assert journal.read() is None


def test_what_was_written_by_a_play_that_was_killed_reaches_the_filter(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    edge.setting.write_text("listen = 26\n")
    outcome = switch(edge.request(model.EDGE))
    assert outcome.steps == ["let the running filter reload", LIVE]
    assert edge.survey().filter.needs == "fresh"


def test_without_a_move_a_host_that_takes_no_mail_is_an_error_and_left_alone(
    edge: Gateway,
) -> None:
    declare(edge, model.EDGE)
    edge.say("filter-greeting", "554 5.7.1 no\r\n")
    with pytest.raises(
        SwitchError, match=r"^nothing was changed, but .* does not take mail: connect: 554"
    ):
        switch(edge.request(model.EDGE))
    assert not {"stop", "reload"} & edge.calls()


def test_a_recipient_that_is_refused_is_no_failure_where_nothing_moves(edge: Gateway) -> None:
    declare(edge, model.EDGE)
    edge.say("filter-rcpt", "550 5.1.1 unknown\r\n")
    assert not switch(edge.request(model.EDGE)).changed


# Check mode


@WAYS
@pytest.mark.parametrize(("here", "topology"), STEPS)
def test_check_mode_foresees_the_steps_and_writes_nothing(
    request: pytest.FixtureRequest, way: str, here: str, topology: str
) -> None:
    gateway = gateway_of(request, way, here)
    before, owners = gateway.files(), Before(gateway)
    wanted = gateway.request(topology, handover=way, paths=(str(gateway.setting),))
    begin(wanted, check=True)
    outcome = switch(wanted, check=True)
    assert outcome.steps == STEPS[here, topology][way]
    assert outcome.changed
    in_place = model.EDGE not in (here, topology)
    assert outcome.handover.split(":")[0] == ("in place" if in_place else way)
    assert (outcome.sessions_running, outcome.milliseconds_without_listener) == (0, 0)
    assert gateway.files() == before
    owners.assert_is_back()
    assert gateway.calls() == {"show", "status"}
    assert not (gateway.host / "guards").exists()


def test_check_mode_does_not_take_an_interrupted_move_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = shared_direct.request(model.EDGE)
    killed_after(monkeypatch, TO_EDGE["overlap"][-1], lambda: switch(wanted))
    before = shared_direct.files()
    with pytest.raises(SwitchError):
        switch(wanted, check=True)
    assert shared_direct.files() == before
    assert shared_direct.greeting() == "220 filter ESMTP\r\n"


@pytest.mark.parametrize(
    ("prepare", "options", "steps"),
    [
        ("running", {}, [RECORD]),
        ("stopped", {}, ["start the sender filter", LIVE, RECORD]),
        ("missing", {}, ["start the sender filter", LIVE, RECORD]),
        ("stale", {}, ["let the running filter reload", LIVE, RECORD]),
        ("silent", {}, ["let the running filter restart", LIVE, RECORD]),
        ("running", {"syslog_name": "postfix/edge"}, [MOVE, RECORD]),
        (
            "stopped",
            {"syslog_name": "postfix/edge"},
            [MOVE, "start the sender filter", LIVE, RECORD],
        ),
    ],
)
def test_only_what_is_missing_is_foreseen(
    edge: Gateway, prepare: str, options: dict[str, str], steps: list[str]
) -> None:
    if prepare in ("stopped", "missing"):
        edge.systemctl("stop", "sender-filter.socket", "sender-filter.service")
        edge.systemctl("disable", "sender-filter.socket")
    if prepare == "missing":
        edge.say("loaded", "not-found\n")
    if prepare == "stale":
        edge.setting.write_text("listen = 26\n")
    if prepare == "silent":
        edge.say("filter-mute")
    before = edge.files()
    outcome = switch(edge.request(model.EDGE, options=options, handover="plain"), check=True)
    assert outcome.steps == steps
    assert (outcome.master_cf != edge.master_cf.read_bytes()) == (MOVE in steps)
    assert edge.files() == before


def test_a_service_on_another_address_behind_the_filter_is_moved_over(edge: Gateway) -> None:
    elsewhere = edge.request(model.EDGE, smtp_address="127.0.0.2", handover="plain")
    outcome = switch(elsewhere, check=True)
    assert MOVE in outcome.steps
    assert f"\n127.0.0.2:{edge.ports.smtp} inet".encode() in outcome.master_cf
    assert f"127.0.0.1:{edge.ports.smtp}".encode() not in outcome.master_cf


def test_the_vendors_entry_on_all_addresses_gets_its_address(edge: Gateway) -> None:
    text = edge.master_cf.read_text().replace(edge.moved_to, str(edge.ports.smtp))
    edge.master_cf.write_text("".join(line for line in text.splitlines(True) if line[0] != "#"))
    outcome = switch(edge.request(model.EDGE, handover="plain"), check=True)
    assert MOVE in outcome.steps
    assert f"\n{edge.moved_to} inet".encode() in outcome.master_cf


# What is refused before anything is touched


@pytest.mark.parametrize("check", [True, False])
def test_an_obstacle_is_named_and_nothing_is_changed(edge: Gateway, check: bool) -> None:
    edge.pid_file.unlink()
    before = edge.files()
    for move in (
        lambda: switch(edge.request(model.DIRECT), check=check),
        lambda: begin(edge.request(model.DIRECT), check=check),
    ):
        with pytest.raises(SwitchError, match=r"^nothing was changed: Postfix is not running"):
            move()
    assert edge.files() == before
    assert edge.calls() == {"show"}


def test_a_filter_that_is_not_installed_is_not_started(edge: Gateway) -> None:
    edge.say("loaded", "not-found\n")
    before = edge.files()
    with pytest.raises(SwitchError, match=r"^nothing was changed: .*is not installed"):
        switch(edge.request(model.EDGE))
    assert edge.files() == before
    assert edge.calls() == {"show"}


@pytest.mark.parametrize("check", [True, False])
def test_a_master_cf_that_postfix_refuses_is_not_put_in_place(edge: Gateway, check: bool) -> None:
    edge.say("refuse", "postfix: fatal: CONFIG_DIR/main.cf is not liked\n")
    before = edge.files()
    with pytest.raises(SwitchError, match=r"^nothing was changed: ") as caught:
        switch(edge.request(model.DIRECT), check=check)
    assert f"{edge.config_dir}/main.cf is not liked" in str(caught.value)
    assert edge.files() == before
    assert edge.calls() == {"show", "status"}


def test_without_a_guard_nothing_is_moved(shared_direct: Gateway) -> None:
    before, stock = Before(shared_direct), shared_direct.master_cf.stat().st_ino
    shared_direct.say("unguarded")
    with pytest.raises(
        SwitchError, match=r"^nothing was changed: nobody would take the move back.*no guard"
    ):
        switch(shared_direct.request(model.EDGE))
    assert shared_direct.master_cf.stat().st_ino == stock
    assert not {"start", "reload"} & shared_direct.calls()
    assert shared_direct.greeting() == before.seen["greeting"]
    found = journal.read()
    assert found is None or found.stage == journal.BEGUN


def test_two_moves_of_a_host_do_not_meet(direct: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_module, "LOCK_SECONDS", 0.1)
    release, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold)
        with atomic.lock(direct.master_cf):
            os.read(release, 1)
        os._exit(0)
    os.close(release)
    lock_files = direct.place / "run/lock"
    while not [path for path in lock_files.iterdir() if path.read_text()]:
        time.sleep(0.01)
    before = direct.files()
    for move in (
        lambda: switch(direct.request(model.EDGE)),
        lambda: begin(direct.request(model.EDGE)),
        lambda: rollback(direct.config_dir),
    ):
        with pytest.raises(Locked, match=f"locked by process {child} "):
            move()
    assert direct.files() == before
    os.close(hold)
    os.waitpid(child, 0)
    begin(direct.request(model.EDGE))


# Begin


def test_a_play_that_came_no_further_has_left_the_snapshot_of_the_next(direct: Gateway) -> None:
    paths = (str(direct.setting),)
    for _ in range(2):
        begun, survey = begin(direct.request(model.EDGE, paths=paths))
        assert seen_topology(survey) == model.DIRECT
    (name,) = Store().names()
    assert begun == name
    move = journal.read()
    assert move
    assert (move.snapshot, move.topology, move.stage) == (name, model.EDGE, journal.BEGUN)
    assert (move.config_dir, move.ports) == (str(direct.config_dir), vars(direct.ports))
    kept = {one.path for one in Store().load(name).kept}
    assert {str(direct.setting), str(direct.master_cf), str(direct.config_dir / "main.cf")} < kept
    assert not (direct.host / "guards").exists()


@pytest.mark.parametrize("change", ["file", "unit", "owner"])
def test_a_snapshot_from_which_something_differs_is_not_the_next_ones(
    direct: Gateway, change: str
) -> None:
    begin(direct.request(model.EDGE, paths=(str(direct.setting),)))
    if change == "file":
        direct.setting.write_text("changed")
    elif change == "unit":
        direct.systemctl("enable", "sender-filter.socket")
    else:
        text = direct.master_cf.read_text()
        direct.master_cf.write_text(f"{direct.ports.smtp} inet n - y - - smtpd\n{text}")
        os.kill(int(direct.pid_file.read_text()), signal.SIGHUP)
        while not direct.survey().on(direct.ports.smtp):
            time.sleep(0.01)
        direct.master_cf.write_text(text)
    begin(direct.request(model.EDGE, paths=(str(direct.setting),)))
    assert len(Store().names()) == 2


def test_a_move_that_no_play_has_begun_keeps_what_it_is_told_to(shared_edge: Gateway) -> None:
    switch(shared_edge.request(model.DIRECT, paths=(str(shared_edge.setting),)))
    (name,) = Store().names()
    assert Store().load(name).file(str(shared_edge.setting))


def test_a_move_elsewhere_is_noted_with_the_same_snapshot(direct: Gateway) -> None:
    begin(direct.request(model.EDGE))
    begin(direct.request(model.DIRECT))
    assert len(Store().names()) == 1
    move = journal.read()
    assert move
    assert move.topology == model.DIRECT


def test_a_snapshot_that_lacks_a_path_is_not_the_next_ones(direct: Gateway) -> None:
    begin(direct.request(model.EDGE))
    begin(direct.request(model.EDGE, paths=(str(direct.setting),)))
    move = journal.read()
    assert move
    assert Store().load(move.snapshot).file(str(direct.setting))


@pytest.mark.parametrize("damage", ["removed", "another format"])
def test_a_former_snapshot_that_cannot_be_read_does_not_matter(
    direct: Gateway, damage: str
) -> None:
    begin(direct.request(model.EDGE))
    (file,) = (direct.folder / "snapshots").glob("*.json")
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b'"format": 1', b'"format": 0'))
    begin(direct.request(model.EDGE))


def test_a_host_that_cannot_be_kept_is_not_moved(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "put", full)
    for move in (
        lambda: begin(direct.request(model.EDGE)),
        lambda: switch(direct.request(model.EDGE)),
    ):
        with pytest.raises(
            SwitchError, match=f"^nothing was changed: .*No space.*make room in {direct.folder}$"
        ):
            move()
    assert Store().names() == []
    assert journal.read() is None
    assert not {"start", "reload"} & direct.calls()


def test_old_snapshots_go_with_the_next_move(shared_direct: Gateway) -> None:
    for topology in (model.EDGE, model.DIRECT):
        switch(shared_direct.request(topology))
    _, second = Store().names()
    switch(shared_direct.request(model.EDGE, keep=Keep(2, 100)))
    assert Store().names()[0] == second
    assert len(Store().names()) == 2


# Whose snapshot it is


def test_a_move_leaves_the_snapshot_of_another_that_has_begun(edge: Gateway) -> None:
    """As the nightly run that meets a play between its begin and its move."""
    declare(edge, model.EDGE)
    begun, _ = begin(edge.request(model.DIRECT, paths=(str(edge.setting),)))
    entry = journal.read()
    assert not switch(edge.request(model.EDGE)).changed
    assert Store().names() == [begun]
    assert journal.read() == entry


def test_a_move_that_takes_nothing_of_another_keeps_the_host_itself(
    shared_direct: Gateway,
) -> None:
    begun, _ = begin(shared_direct.request(model.EDGE))
    with_fault = shared_direct.request(model.EDGE)
    shared_direct.refuse("start sender-filter.service")
    with pytest.raises(SwitchError, match="as it was before"):
        switch(with_fault)
    assert Store().names() == [begun]
    (shared_direct.host / "refused").unlink()
    switch(with_fault)
    assert len(Store().names()) == 2


def test_a_move_goes_back_to_what_its_own_play_has_kept(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, paths = shared_direct.setting, (str(shared_direct.setting),)
    stock = setting.read_text()
    begun, _ = begin(shared_direct.request(model.EDGE, paths=paths))
    setting.write_text("written by the play\n")
    begin(shared_direct.request(model.EDGE, paths=paths))
    fails_after(monkeypatch, LIVE)
    with pytest.raises(SwitchError, match="as it was before"):
        switch(shared_direct.request(model.EDGE, begun=begun))
    assert setting.read_text() == stock


def test_a_snapshot_of_a_play_long_ago_is_not_gone_back_to(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = (str(shared_direct.setting),)
    begin(shared_direct.request(model.EDGE, paths=paths))
    shared_direct.setting.write_text("written by hand, later\n")
    fails_after(monkeypatch, LIVE)
    with pytest.raises(SwitchError, match="as it was before"):
        switch(shared_direct.request(model.EDGE, paths=paths))
    assert shared_direct.setting.read_text() == "written by hand, later\n"


@pytest.mark.parametrize("why", ["gone", "of another topology", "of another Postfix"])
def test_a_named_snapshot_that_is_no_way_back_is_replaced(
    shared_direct: Gateway, tmp_path: Path, why: str
) -> None:
    request = shared_direct.request(model.EDGE)
    begun, survey = begin(request)
    if why == "gone":
        begun = "20200101T000000Z"
    if why == "of another topology":
        survey = replace(survey, listeners=())
    if why == "of another Postfix":
        request = replace(request, config_dir=tmp_path)
    wanted = replace(request, begun=begun)
    assert switch_module.snapshot_for(Store(), wanted, survey).name not in (begun, "")


def test_who_is_refused_leaves_no_snapshot_of_his_own(shared_direct: Gateway) -> None:
    begun, _ = begin(shared_direct.request(model.EDGE))
    shared_direct.say("unguarded")
    for name in ("", begun):
        with pytest.raises(SwitchError, match="nobody would take the move back"):
            switch(shared_direct.request(model.EDGE, begun=name))
        assert Store().names() == [begun]


# The lock of Postfix's files


def test_an_edit_of_postfixs_files_waits_for_a_move(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def edit() -> None:
        with pytest.raises(Locked) as caught:
            change_file(shared_direct.master_cf, lambda data: data + b"#\n", timeout=0.05)
        said.append(str(caught.value))

    after_step(monkeypatch, LIVE, edit)
    switch(shared_direct.request(model.EDGE))
    assert said[0].startswith(f"{shared_direct.config_dir} is locked by process {os.getpid()} ")
    assert change_file(shared_direct.master_cf, lambda data: data + b"#\n", timeout=0.05).changed


def test_an_edit_by_hand_during_a_move_leads_to_the_way_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_direct)

    def edit() -> None:
        with shared_direct.master_cf.open("ab") as file:
            file.write(b"# by hand\n")

    after_step(monkeypatch, LIVE, edit)
    with pytest.raises(SwitchError, match=r"changed by somebody else .*\nThe host is as it was"):
        switch(shared_direct.request(model.EDGE))
    before.assert_is_back()


# Failures


@pytest.mark.parametrize("step", TO_EDGE["overlap"])
def test_a_failure_by_overlap_to_edge_brings_the_host_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    _assert_taken_back(shared_direct, model.EDGE, monkeypatch, step)


@pytest.mark.parametrize("step", TO_DIRECT["overlap"])
def test_a_failure_by_overlap_to_direct_brings_the_host_back(
    shared_edge: Gateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    _assert_taken_back(shared_edge, model.DIRECT, monkeypatch, step)


@pytest.mark.parametrize("step", TO_EDGE["plain"])
def test_a_failure_of_the_plain_way_to_edge_brings_the_host_back(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("module_utils.topology.overlap.FIRST_WITH_REUSEPORT", (9, 9))
    _assert_taken_back(direct, model.EDGE, monkeypatch, step)


@pytest.mark.parametrize("step", TO_DIRECT["plain"])
def test_a_failure_of_the_plain_way_to_direct_brings_the_host_back(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr("module_utils.topology.overlap.FIRST_WITH_REUSEPORT", (9, 9))
    _assert_taken_back(edge, model.DIRECT, monkeypatch, step)


@pytest.mark.parametrize(
    ("here", "topology", "step"),
    [
        (*move, step)
        for move, found in STEPS.items()
        if model.INLINE in move
        for step in found["overlap"]
    ],
)
def test_a_failure_on_the_way_to_or_from_inline_brings_the_host_back(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    here: str,
    topology: str,
    step: str,
) -> None:
    _assert_taken_back(gateway_of(request, "overlap", here), topology, monkeypatch, step)


@pytest.mark.parametrize(
    ("here", "topology", "step"),
    [
        (model.EDGE, model.INLINE, "try the way through the filter"),
        (model.EDGE, model.INLINE, "move Postfix in master.cf and reload it"),
        (model.INLINE, model.EDGE, "move Postfix in master.cf and reload it"),
        (model.INLINE, model.EDGE, "stop the sender filter for Postfix"),
    ],
)
def test_a_failure_of_the_plain_way_to_or_from_inline_brings_the_host_back(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    here: str,
    topology: str,
    step: str,
) -> None:
    monkeypatch.setattr("module_utils.topology.overlap.FIRST_WITH_REUSEPORT", (9, 9))
    _assert_taken_back(gateway_of(request, "plain", here), topology, monkeypatch, step)


def _assert_taken_back(
    gateway: Gateway, topology: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = Before(gateway)
    begun, _ = begin(gateway.request(topology, paths=(str(gateway.setting),)))
    fails_after(monkeypatch, step)
    was = seen_topology(gateway.survey())
    with pytest.raises(SwitchError) as caught:
        switch(gateway.request(topology, begun=begun))
    assert str(caught.value) == (
        f"step '{step}' failed: on purpose\nThe host is as it was before ({was}), proven."
    )
    before.assert_is_back()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            "rcpt",
            r"proof failed: 127\.0\.0\.1:\d+ does not take mail: RCPT TO: 550 5\.1\.1 unknown",
        ),
        ("greeting", r"proof failed: .* does not take mail: connect: 421 later"),
        ("start", r"step 'let the filter listen .*failed: systemctl start sender-filter.service"),
        ("dies", r"step 'see the filter live' failed: the sender filter does not answer"),
    ],
)
def test_real_trouble_brings_the_host_back(shared_direct: Gateway, trouble: str, said: str) -> None:
    before = Before(shared_direct)
    if trouble == "rcpt":
        shared_direct.say("filter-rcpt", "550 5.1.1 unknown\r\n")
    if trouble == "greeting":
        shared_direct.say("filter-greeting", "421 later\r\n")
    if trouble == "start":
        shared_direct.refuse("start sender-filter.service")
    if trouble == "dies":
        shared_direct.say("filter-lives", "0.5")
    with pytest.raises(SwitchError, match=f"^{said}") as caught:
        switch(shared_direct.request(model.EDGE, watch_seconds=2.0 if trouble == "dies" else 0.0))
    assert str(caught.value).endswith("The host is as it was before (direct), proven.")
    before.assert_is_back()


def test_a_recipient_that_was_refused_before_may_be_refused_now(shared_direct: Gateway) -> None:
    for name in ("postfix", "filter"):
        shared_direct.say(f"{name}-rcpt", "550 5.1.1 unknown\r\n")
    assert switch(shared_direct.request(model.EDGE)).changed


def test_a_signal_is_a_failure_like_any_other(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_direct)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hands.Hands, "watch_filter", interrupt)
    with pytest.raises(SwitchError, match=r"failed: KeyboardInterrupt\(\)\nThe host is as it was"):
        switch(shared_direct.request(model.EDGE))
    before.assert_is_back()


def test_a_host_that_cannot_be_put_back_is_named_and_tried_again(
    shared_edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_edge)
    shared_edge.refuse("start sender-filter.service")
    with monkeypatch.context() as patch:
        fails_after(patch, "take away what Postfix has no more")
        with pytest.raises(SwitchError) as caught:
            switch(shared_edge.request(model.DIRECT))
    assert "failed: on purpose\nTHE HOST COULD NOT BE PUT BACK: systemctl start" in str(
        caught.value
    )
    move = journal.read()
    assert move
    assert move.stage == journal.MOVING
    with pytest.raises(
        SwitchError, match=r"^nothing was changed: a move to direct was interrupted"
    ):
        switch(shared_edge.request(model.DIRECT))
    (shared_edge.host / "refused").unlink()
    begin(shared_edge.request(model.DIRECT))
    journal.close()
    for name in Store().names():
        Store().remove(name)
    before.assert_is_back()


@pytest.mark.parametrize(
    ("topology", "step"),
    [
        (model.EDGE, TO_EDGE["overlap"][2]),
        (model.EDGE, TO_EDGE["overlap"][5]),
        (model.DIRECT, TO_DIRECT["overlap"][3]),
    ],
)
def test_a_move_that_was_killed_is_taken_back_by_the_next_that_looks(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, topology: str, step: str
) -> None:
    gateway = gateway_of(request, "overlap", "direct" if topology == model.EDGE else "edge")
    before = Before(gateway)
    killed_after(monkeypatch, step, lambda: switch(gateway.request(topology)))
    move = journal.read()
    assert move
    assert (move.topology, move.stage) == (topology, journal.MOVING)
    begin(gateway.request(topology))
    assert Store().names()[0] == move.snapshot
    journal.close()
    for name in Store().names():
        Store().remove(name)
    before.assert_is_back()


# Rollback


def test_the_last_move_is_taken_back_and_that_too(shared_direct: Gateway) -> None:
    stock = shared_direct.master_cf.read_bytes()
    begun, _ = begin(shared_direct.request(model.EDGE, paths=(str(shared_direct.setting),)))
    shared_direct.setting.write_text("written by the play\n")
    switch(shared_direct.request(model.EDGE, begun=begun))
    (first,) = Store().names()
    name, outcome = rollback(shared_direct.config_dir)
    assert name == first
    assert outcome.changed
    assert seen_topology(outcome.after) == model.DIRECT
    assert shared_direct.master_cf.read_bytes() == stock
    assert shared_direct.setting.read_text() == "listen = 25\n"
    assert record.declared() is None
    assert journal.read() is None
    assert not shared_direct.steered()
    second = Store().names()[-1]
    assert second != first
    name, outcome = rollback(shared_direct.config_dir)
    assert name == second
    assert seen_topology(outcome.after) == model.EDGE
    assert shared_direct.setting.read_text() == "written by the play\n"
    assert record.declared() == model.EDGE
    assert shared_direct.survey().filter.needs == "fresh"


def test_the_last_is_the_newest_from_which_the_host_differs(edge: Gateway) -> None:
    names = []
    for text in ("one", "two", "three", "three"):
        edge.setting.write_text(text)
        journal.close()
        begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
        names.append(Store().names()[-1])
    journal.close()
    edge.setting.write_text("three")
    assert len(set(names)) == 4
    # They were taken of a filter that had not read them.
    name, outcome = rollback(edge.config_dir, check=True)
    assert (name, outcome.steps) == (names[1], ["go back"])
    assert edge.setting.read_text() == "three"
    name, _ = rollback(edge.config_dir)
    assert (name, edge.setting.read_text()) == (names[1], "two")
    assert edge.survey().filter.needs == "fresh"
    assert edge.greeting() == "220 filter ESMTP\r\n"


def test_a_named_snapshot_is_gone_back_to(edge: Gateway) -> None:
    names = []
    for text in ("one", "two", "three"):
        edge.setting.write_text(text)
        begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
        names.append(Store().names()[-1])
    journal.close()
    name, outcome = rollback(edge.config_dir, names[0])
    assert (name, edge.setting.read_text()) == (names[0], "one")
    assert f"put {edge.setting} back" in outcome.steps
    name, outcome = rollback(edge.config_dir, names[0])
    assert (name, outcome.changed) == (names[0], False)


def test_a_host_that_is_as_the_snapshot_has_it_is_left_alone(edge: Gateway) -> None:
    begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
    (name,) = Store().names()
    before = edge.files()
    for wanted in ("last", name):
        found, outcome = rollback(edge.config_dir, wanted)
        assert (found, outcome.changed) == (name, False)
    assert edge.files() == before
    assert not {"start", "stop", "reload"} & edge.calls()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("last", "there is no snapshot on this host: no play has moved it yet"),
        ("20200101T000000Z", "there is no snapshot '20200101T000000Z'; there is none at all"),
    ],
)
def test_without_a_snapshot_there_is_no_way_back(direct: Gateway, name: str, said: str) -> None:
    before = direct.files()
    with pytest.raises(SwitchError, match=f"^nothing was changed: {said}"):
        rollback(direct.config_dir, name)
    assert direct.files() == before


@pytest.mark.parametrize("check", [True, False])
def test_a_snapshot_of_another_postfix_is_not_gone_back_to(
    edge: Gateway, tmp_path: Path, check: bool
) -> None:
    begun, _ = begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
    edge.setting.write_text("listen = 26\n")
    other = tmp_path / "postfix-other"
    shutil.copytree(edge.config_dir, other)
    before = edge.files()
    said = f"^nothing was changed: .* {edge.config_dir}, and not of the one in {other}: name its"
    for name in ("last", begun):
        with pytest.raises(SwitchError, match=f"{said}.*--config-dir {edge.config_dir}"):
            rollback(other, name, check=check)
    assert edge.files() == before
    link = tmp_path / "link"
    link.symlink_to(edge.config_dir)
    assert rollback(link, begun, check=True)[1].steps == ["go back"]


def test_check_mode_of_a_rollback_writes_nothing(shared_direct: Gateway) -> None:
    switch(shared_direct.request(model.EDGE))
    (name,) = Store().names()
    before = shared_direct.files()
    found, outcome = rollback(shared_direct.config_dir, check=True)
    assert (found, outcome.steps, outcome.changed) == (name, ["go back"], True)
    assert shared_direct.files() == before
    assert shared_direct.greeting() == "220 filter ESMTP\r\n"


def test_a_rollback_that_fails_leaves_the_host_where_it_was(shared_edge: Gateway) -> None:
    declare(shared_edge, model.EDGE)
    switch(shared_edge.request(model.DIRECT))
    before = Before(shared_edge)
    names = Store().names()
    shared_edge.refuse("start sender-filter.service")
    with pytest.raises(
        SwitchError, match=r"(?s)^systemctl start .*\nThe host is as it was before \(direct"
    ):
        rollback(shared_edge.config_dir)
    assert Before(shared_edge).seen == before.seen
    assert Store().names() == names


def test_a_rollback_does_not_forget_what_plays_keep(edge: Gateway) -> None:
    for number in range(12):
        edge.setting.write_text(str(number))
        begin(edge.request(model.EDGE, paths=(str(edge.setting),)))
    journal.close()
    names = Store().names()
    rollback(edge.config_dir, names[5])
    assert set(names) <= set(Store().names())


def test_a_snapshot_says_how_the_host_was(shared_edge: Gateway) -> None:
    begin(shared_edge.request(model.DIRECT, paths=(str(shared_edge.setting), "/none/at/all")))
    snapshot = Store().load(Store().names()[0])
    state, ports = snapshot.state, shared_edge.ports
    assert (snapshot.before, state.topology) == (model.DIRECT, model.EDGE)
    assert state.ports == vars(ports)
    assert state.owners == {
        "listen": [model.FILTER],
        "smtp": [model.POSTFIX],
        "proxy": [],
        "after_proxy": [],
    }
    assert any("senderfilter" in line for line in state.listeners)
    assert {name: vars(unit) for name, unit in state.units.items()} == {
        "sender-filter.socket": {"active": True, "enabled": True},
        "sender-filter.service": {"active": True, "enabled": True},
        "sender-filter-inline.socket": {"active": False, "enabled": False},
        "sender-filter-inline.service": {"active": False, "enabled": False},
    }
    assert state.packages == {"postfix": "3.7.11-0", "python3": "3.11.2-1"}
    assert snapshot.file("/none/at/all")
    assert photograph.is_of(snapshot, shared_edge.survey())
    with socket.create_server(("127.0.0.1", ports.smtp), reuse_port=True):
        assert not photograph.is_of(snapshot, shared_edge.survey())


def test_without_dpkg_no_package_is_told(direct: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    (direct.place / "bin/dpkg-query").unlink()
    monkeypatch.setenv("PATH", str(direct.place / "bin") + ":/nowhere")
    assert photograph._packages() == {}
