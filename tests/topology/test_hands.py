from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import (
    DIRECT_CF,
    EDGE_CF,
    LOOPBACK,
    MASTER,
    NGINX,
    PORTS,
    RUNNING,
    SENDER_FILTER,
    SMTPD,
    after_the_filter,
    filter_on_listen,
    listener,
    postfix_on_listen,
    survey,
)
from builders import (
    direct as direct_survey,
)
from builders import (
    edge as edge_survey,
)
from topology import gateway as real
from topology.gateway import Gateway

from module_utils.postfix.errors import ChangedUnderneath
from module_utils.topology import filter_status, fronts, goal, model, record
from module_utils.topology import hands as hands_module
from module_utils.topology.goal import Goal
from module_utils.topology.hands import Hands, _with_services
from module_utils.topology.request import Request
from module_utils.topology.services import ServiceError
from module_utils.topology.survey import Survey


def hands_of(gateway: Gateway, topology: str, master_cf: str = "", **wanted: Any) -> Hands:
    if not master_cf:
        master_cf = real.master_cf(gateway.ports, topology)
    end = goal.of_topology(topology, gateway.ports, master_cf.encode())
    return Hands(gateway.request(topology, **wanted), gateway.survey(), end)


def constructed(host: Survey, end: Goal, config_dir: Path = Path("/etc/postfix")) -> Hands:
    return Hands(Request("edge", config_dir, host.ports, LOOPBACK, {}), host, end)


NOWHERE = Goal(b"", frozenset(), frozenset({model.EDGE}))
TO_EDGE = goal.of_topology(model.EDGE, PORTS, EDGE_CF)
TO_DIRECT = goal.of_topology(model.DIRECT, PORTS, DIRECT_CF)
FILTER_ALONE = [listener(25, SENDER_FILTER), *after_the_filter()]


# Where Postfix listens


@pytest.mark.parametrize(
    ("host", "end", "in_place", "missing"),
    [
        (direct_survey(), TO_DIRECT, True, []),
        (edge_survey(), TO_EDGE, True, []),
        (direct_survey(), TO_EDGE, False, [2500]),
        (edge_survey(), TO_DIRECT, False, [25]),
        (direct_survey([*postfix_on_listen(), listener(2500, MASTER)]), TO_DIRECT, False, []),
        (edge_survey([*filter_on_listen(), listener(25, MASTER)]), TO_EDGE, False, []),
        (edge_survey([*filter_on_listen(), listener(25, MASTER)]), TO_DIRECT, False, []),
        (edge_survey([*FILTER_ALONE, listener(25, MASTER)]), TO_DIRECT, True, []),
        (edge_survey(FILTER_ALONE), TO_EDGE, False, [2500]),
        (survey(after_the_filter(), DIRECT_CF, RUNNING), TO_DIRECT, False, [25]),
        # A socket that nobody has open any more in the process table is being closed.
        (edge_survey([*filter_on_listen(), listener(25)]), TO_EDGE, False, []),
        # A stranger is no business of Postfix's; a queue that nobody serves is.
        (direct_survey([*postfix_on_listen(), listener(2500, NGINX)]), TO_DIRECT, True, []),
        (direct_survey([*postfix_on_listen(), listener(2500, SMTPD)]), TO_DIRECT, False, []),
        (direct_survey([*postfix_on_listen(), listener(25, SMTPD)]), TO_DIRECT, False, []),
        (direct_survey(), Goal(b"", frozenset({25, 2500}), frozenset()), False, [2500]),
        (survey(after_the_filter(), b"", RUNNING), NOWHERE, True, []),
    ],
)
def test_postfix_is_in_place_where_the_goal_wants_it_and_nowhere_else(
    host: Survey, end: Goal, in_place: bool, missing: list[int]
) -> None:
    one = constructed(host, end)
    assert one.in_place(host) is in_place
    assert one.missing_on() == missing


@pytest.mark.parametrize(
    ("current", "end", "ports", "result"),
    [
        (DIRECT_CF, TO_EDGE, [2500], DIRECT_CF + EDGE_CF.split(b"\n", 1)[1].split(b"pickup")[0]),
        (DIRECT_CF, TO_EDGE, [], DIRECT_CF),
        (EDGE_CF, TO_DIRECT, [25], EDGE_CF + DIRECT_CF.split(b"\n")[0] + b"\n"),
        (EDGE_CF[:-1], TO_DIRECT, [25], EDGE_CF + DIRECT_CF.split(b"\n")[0] + b"\n"),
        (DIRECT_CF[:-1], TO_EDGE, [], DIRECT_CF[:-1]),
        (EDGE_CF, TO_EDGE, [2500], EDGE_CF),  # not reloaded yet
    ],
)
def test_only_the_entries_that_are_missing_are_added_below(
    current: bytes, end: Goal, ports: list[int], result: bytes
) -> None:
    assert _with_services(current, end.master_cf, ports) == result


def test_an_added_entry_without_a_line_end_gets_one() -> None:
    end = b"127.0.0.1:10021 inet n - y - - smtpd\nsmtp inet n - y - - smtpd"
    assert _with_services(b"# mine\n", end, [25, 10021]) == (
        b"# mine\nsmtp inet n - y - - smtpd\n127.0.0.1:10021 inet n - y - - smtpd\n"
    )


def test_postfix_listens_beside_the_filter_and_then_alone(shared_edge: Gateway) -> None:
    one = hands_of(shared_edge, model.DIRECT)
    one.add_services()
    ports = shared_edge.ports
    assert shared_edge.survey().owners(ports.listen) == [model.POSTFIX, model.FILTER]
    assert shared_edge.survey().owners(ports.smtp) == [model.POSTFIX]
    one.settle_postfix()
    assert shared_edge.survey().owners(ports.smtp) == []
    assert shared_edge.master_cf.read_bytes() == one.goal.master_cf


@pytest.mark.parametrize("step", ["add_services", "pass_filter_by", "settle_postfix"])
def test_what_somebody_else_has_written_meanwhile_is_not_written_over(
    direct: Gateway, step: str
) -> None:
    one = hands_of(direct, model.EDGE)
    edited = direct.master_cf.read_bytes() + b"# by hand\n"
    direct.master_cf.write_bytes(edited)
    with pytest.raises(ChangedUnderneath):
        getattr(one, step)()
    assert direct.master_cf.read_bytes() == edited
    assert "reload" not in direct.calls()


def test_a_master_that_has_died_is_started_again(direct: Gateway) -> None:
    one = hands_of(direct, model.EDGE)
    direct.kill("master")
    one.settle_postfix()
    assert direct.survey().owners(direct.ports.smtp) == [model.POSTFIX]
    assert direct.survey().owners(direct.ports.listen) == []
    assert "restart" in direct.calls()


def test_a_master_that_dies_of_the_reload_is_an_error_with_its_last_words(edge: Gateway) -> None:
    """It does not share its ports, and the filter has the port."""
    with pytest.raises(ServiceError) as caught:
        hands_of(edge, model.DIRECT).add_services()
    assert str(caught.value) == (
        "Postfix's master died of the reload:\nthe last words of postfix/master"
    )


def test_a_postfix_that_does_not_do_as_it_is_told_is_an_error(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands_module, "SETTLE_SECONDS", 0.7)
    direct.say("postfix-deaf")
    with pytest.raises(ServiceError) as caught:
        hands_of(direct, model.EDGE).settle_postfix()
    listen, smtp, after = direct.ports.of_postfix()
    said = f"as master.cf says ({listen}: ['postfix']; {smtp}: []; {after}: []):"
    assert said in str(caught.value)
    assert str(caught.value).endswith("the last words of postfix/master")
    # Its children on the port that it shall give up are ended, it itself never.
    assert direct.survey().postfix.master_pid


@contextlib.contextmanager
def stranger(port: int) -> Iterator[int]:
    """A foreign program on a port."""
    script = (
        "import socket, sys\n"
        "open('/proc/self/comm', 'w').write('stranger')\n"
        "one = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print(flush=True)\n"
        "input()"
    )
    command = [sys.executable, "-c", script, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_stranger_where_postfix_would_have_to_bind_is_named_and_postfix_lives(
    direct: Gateway,
) -> None:
    one, before = hands_of(direct, model.EDGE), direct.survey().postfix.master_pid
    with (
        stranger(direct.ports.smtp) as pid,
        pytest.raises(
            ServiceError, match=f"^port {direct.ports.smtp} belongs to stranger .pid {pid}"
        ),
    ):
        one.add_services()
    assert direct.survey().postfix.master_pid == before
    assert "reload" not in direct.calls()


def test_a_stranger_where_postfix_is_not_to_be_does_not_matter(direct: Gateway) -> None:
    with stranger(direct.ports.smtp):
        text = direct.master_cf.read_text() + "8 inet n - y - - smtpd\n"
        one = hands_of(direct, model.DIRECT, text.replace("8 inet", f"#{direct.ports.smtp} inet"))
        direct.master_cf.write_bytes(one.goal.master_cf)
        one.reload_postfix(lambda _: True)
    assert "reload" in direct.calls()


# Sessions


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_module, "DRAIN_POLL_SECONDS", 0.02)
    monkeypatch.setattr(filter_status, "PATIENCE_SECONDS", 0.2)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_without_sessions_nothing_is_waited_for(
    request: pytest.FixtureRequest, topology: str
) -> None:
    one = hands_of(request.getfixturevalue(topology), topology)
    one.drain(of_filter=topology == model.EDGE)
    assert (one.outcome.sessions_running, one.outcome.seconds_waited) == (0, 0)


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_sessions_that_run_longer_than_the_limit_are_cut(
    request: pytest.FixtureRequest, topology: str
) -> None:
    gateway: Gateway = request.getfixturevalue(topology)
    one = hands_of(gateway, topology, drain_seconds=0.2, drain_action="cut")
    with gateway.session(), gateway.session():
        one.drain(of_filter=topology != model.EDGE)  # of the other owner there are none
        assert one.outcome.sessions_running == 0
        one.drain(of_filter=topology == model.EDGE)
    assert (one.outcome.sessions_running, one.outcome.sessions_cut) == (2, 2)
    assert 0.2 < one.outcome.seconds_waited < 5


@pytest.mark.usefixtures("_short")
def test_sessions_that_run_longer_than_the_limit_can_stop_the_move(direct: Gateway) -> None:
    one = hands_of(direct, model.EDGE, drain_seconds=0.2, drain_action="rollback")
    with (
        direct.session(),
        pytest.raises(ServiceError, match=r"^1 sessions still ran after 0\.\d s$"),
    ):
        one.drain(of_filter=False)
    assert one.outcome.sessions_cut == 0


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("action", ["wait", "cut", "rollback"])
def test_sessions_that_end_are_waited_for(direct: Gateway, action: str) -> None:
    limit = 0.05 if action == "wait" else 10
    one = hands_of(direct, model.EDGE, drain_seconds=limit, drain_action=action)
    session = direct.session()
    threading.Timer(0.3, session.close).start()
    one.drain(of_filter=False)
    assert (one.outcome.sessions_running, one.outcome.sessions_cut) == (1, 0)
    assert 0.1 <= one.outcome.seconds_waited < 5


@pytest.mark.usefixtures("_short")
def test_who_waits_for_sessions_sees_master_die(direct: Gateway) -> None:
    one = hands_of(direct, model.EDGE)
    direct.pid_file.unlink()
    with (
        direct.session(),
        pytest.raises(ServiceError, match=r"^Postfix's master has died:\n.*words"),
    ):
        one.drain(of_filter=False)


@pytest.mark.usefixtures("_short")
def test_who_waits_for_sessions_sees_the_new_filter_die(shared_direct: Gateway) -> None:
    one = hands_of(shared_direct, model.EDGE)
    with shared_direct.session():
        one.start_filter()
        shared_direct.kill("filter")
        with pytest.raises(ServiceError, match=r"^the sender filter does not answer, "):
            one.drain(of_filter=False)


# Sessions of topology inline


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("action", ["wait", "cut", "rollback"])
def test_who_was_here_before_is_waited_for_and_who_came_later_is_not(
    direct: Gateway, action: str
) -> None:
    limit = 0.05 if action == "wait" else 10
    one = hands_of(direct, model.INLINE, drain_seconds=limit, drain_action=action)
    former = direct.session()
    one.note_former_sessions()
    threading.Timer(0.3, former.close).start()
    with direct.session() as later:
        one.drain_former()
        later.sendall(b"NOOP\r\n")
        assert later.recv(512)
    assert (one.outcome.sessions_running, one.outcome.sessions_cut) == (1, 0)
    assert 0.1 <= one.outcome.seconds_waited < 5


@pytest.mark.usefixtures("_short")
def test_only_who_was_here_before_is_cut(direct: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = []
    monkeypatch.setattr(hands_module.sessions, "end", lambda *call: cut.append(call))
    one = hands_of(direct, model.INLINE, drain_seconds=0.1, drain_action="cut")
    with direct.session() as former:
        one.note_former_sessions()
        with direct.session():
            one.drain_former()
        ends = frozenset({(LOOPBACK, former.getsockname())})
    assert cut == [(direct.ports.listen, ends)]
    assert (one.outcome.sessions_running, one.outcome.sessions_cut) == (1, 1)


def test_who_cannot_be_cut_is_a_reason_to_go_back(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(hands_module.sessions, "end", forbidden)
    one = hands_of(direct, model.INLINE, drain_seconds=0.1, drain_action="cut")
    with direct.session():
        one.note_former_sessions()
        with pytest.raises(ServiceError, match=r"cannot be ended .*: set drain_action to wait"):
            one.drain_former()


@pytest.mark.usefixtures("_short")
def test_without_anybody_from_before_nobody_is_cut(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = []
    monkeypatch.setattr(hands_module.sessions, "end", lambda *call: cut.append(call))
    one = hands_of(direct, model.INLINE)
    one.note_former_sessions()
    with direct.session():
        one.drain_former()
        one.drain_proxy()
    assert (cut, one.outcome.sessions_running, one.outcome.seconds_waited) == ([], 0, 0)


@pytest.mark.usefixtures("_short")
def test_the_mail_in_the_filter_and_who_may_still_bring_some_are_waited_for(
    inline: Gateway,
) -> None:
    one = hands_of(inline, model.DIRECT, drain_seconds=0.2, drain_action="rollback")
    with socket.create_connection((LOOPBACK, inline.ports.proxy)) as mail:
        assert mail.recv(512)
        with pytest.raises(ServiceError, match=r"^1 sessions still ran after"):
            one.drain_proxy()
    with inline.session(), inline.session():
        one.drain_proxy()
        one.note_former_sessions()
        with pytest.raises(ServiceError, match=r"^2 sessions still ran after"):
            one.drain_proxy()


def test_postfix_passes_the_filter_by_and_still_takes_what_it_brings(inline: Gateway) -> None:
    one = hands_of(inline, model.DIRECT)
    session = inline.session()
    one.pass_filter_by()
    place = inline.request(model.INLINE).between(inline.survey())
    assert not place.passes(inline.survey().postfix.document, str(inline.ports.listen))
    assert inline.survey().owners(inline.ports.after_proxy) == [model.POSTFIX]
    with session:
        session.sendall(b"NOOP\r\n")
        assert session.recv(512)
    one.settle_postfix()
    assert inline.survey().owners(inline.ports.after_proxy) == []
    assert inline.master_cf.read_bytes() == one.goal.master_cf


@pytest.mark.usefixtures("_short")
def test_each_front_is_opened_and_closed_alone(shared_edge: Gateway) -> None:
    one = hands_of(shared_edge, model.INLINE)
    one.start_filter(fronts.INLINE)
    survey = shared_edge.survey()
    assert (survey.filter.running, survey.inline.running) == (True, True)
    assert survey.owners(shared_edge.ports.proxy) == [model.FILTER]
    shared_edge.kill("inline")
    with pytest.raises(ServiceError, match=r"(?s)does not answer.*words of sender-filter-inline"):
        one.check_filter()
    one.stop_filter(fronts.INLINE)
    survey = shared_edge.survey()
    assert (survey.filter.running, survey.inline.stopped) == (True, True)
    assert survey.owners(shared_edge.ports.proxy) == []
    assert one.outcome.milliseconds_without_listener == 0


# The filter


@pytest.mark.usefixtures("_short")
def test_a_filter_that_was_not_started_is_not_watched(edge: Gateway) -> None:
    one = hands_of(edge, model.EDGE, watch_seconds=60.0)
    edge.kill("filter")
    one.watch_filter()
    one.check_filter()


@pytest.mark.usefixtures("_short")
def test_a_filter_that_lives_is_watched_as_long_as_wanted(shared_direct: Gateway) -> None:
    one = hands_of(shared_direct, model.EDGE, watch_seconds=0.3)
    one.start_filter()
    began = time.monotonic()
    one.watch_filter()
    assert 0.2 < time.monotonic() - began < 5
    assert shared_direct.survey().filter.running


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("dies", r"the sender filter does not answer, 0\.\d s after its start:\n.*service$"),
        ("mute", r"the sender filter does not answer, "),
        ("lives again", r"the sender filter has died, "),
    ],
)
def test_a_filter_that_was_started_must_live_and_answer(
    shared_direct: Gateway, trouble: str, said: str
) -> None:
    one = hands_of(shared_direct, model.EDGE, watch_seconds=5.0)
    if trouble == "dies":
        shared_direct.say("filter-lives", "0.2")
    one.start_filter()
    if trouble == "mute":
        shared_direct.say("filter-mute")
    if trouble == "lives again":
        shared_direct.systemctl("restart", "sender-filter.service")
    with pytest.raises(ServiceError, match=f"^{said}"):
        one.watch_filter()


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize(("change", "verb"), [("file", "reload"), ("release", "restart")])
def test_a_running_filter_gets_what_it_needs(edge: Gateway, change: str, verb: str) -> None:
    if change == "file":
        edge.setting.write_text("listen = 26\n")
    else:
        (edge.releases / "1.1/bin").mkdir(parents=True)
        (edge.releases / "current").unlink()
        (edge.releases / "current").symlink_to("1.1")
    one = hands_of(edge, model.EDGE)
    assert one.before.filter.needs == verb
    session = edge.session()
    one.refresh_filter()
    one.watch_filter()
    assert edge.survey().filter.needs == filter_status.FRESH
    assert {"reload", "restart"} & edge.calls() == {verb}
    with session:
        session.sendall(b"NOOP\r\n")
        assert session.recv(512)


# What it costs


def test_the_time_without_a_listener_is_counted() -> None:
    one = constructed(direct_survey(), TO_EDGE)
    one.note_listener(direct_survey())
    assert one.outcome.milliseconds_without_listener == 0
    for _ in range(2):
        one.note_listener(direct_survey(after_the_filter()))
        time.sleep(0.05)
        one.note_listener(direct_survey(after_the_filter()))
        one.note_listener(direct_survey())
        time.sleep(0.05)
        one.note_listener(direct_survey())
    assert 100 <= one.outcome.milliseconds_without_listener < 190
    one.count_refused()
    assert one.outcome.refused is None


def test_who_was_refused_is_known_where_somebody_always_listened() -> None:
    one = constructed(direct_survey(), TO_EDGE)
    one._drops -= 3
    one.count_refused()
    assert one.outcome.refused is not None
    assert one.outcome.refused >= 3


# The record


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_the_record_is_true_once_it_is_written(direct: Gateway, topology: str) -> None:
    one = hands_of(direct, topology, options={"syslog_name": "x"})
    assert not one.record_is_true()
    one.write_record()
    assert one.record_is_true()
    assert record.declared() == topology
    assert record.options() == ({"syslog_name": "x"} if topology == model.EDGE else None)
    given = real.given(direct.ports) if topology == model.INLINE else None
    assert record.options(topology=model.INLINE) == given
    other = model.DIRECT if topology == model.EDGE else model.EDGE
    assert not hands_of(direct, other).record_is_true()


def test_children_that_hold_on_to_a_port_are_ended(direct: Gateway) -> None:
    """As under Debian 13, whose unit keeps master from ending them itself."""
    one = hands_of(direct, model.EDGE)
    pid = direct.survey().postfix.master_pid
    assert pid
    ended = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", lambda *call: ended.append(call))
        patch.setattr(hands_module, "PATIENCE_SECONDS", 0.0)
        held = direct_survey(
            [listener(direct.ports.listen, real_master(pid), SENDER_FILTER)],
            master_pid=pid,
        )
        patch.setattr(Survey, "glance", lambda _: held)
        patch.setattr(hands_module, "SETTLE_SECONDS", 0.05)
        assert not one._wait(lambda _: False, [direct.ports.listen])
    assert set(ended) == {(SENDER_FILTER.pid, signal.SIGTERM)}


def real_master(pid: int) -> Any:
    return type(MASTER)(pid, "master", "postfix.service")
