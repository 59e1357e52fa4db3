from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DIRECT_CF,
    EDGE_CF,
    INLINE_CF,
    MASTER,
    NGINX,
    PORTS,
    RUNNING,
    STOPPED,
    direct,
    edge,
    inline,
    listener,
    postfix_on_listen,
)

from module_utils.topology import fronts, goal, model
from module_utils.topology.filter_status import FRESH, RELOAD, RESTART
from module_utils.topology.forecast import actions, foreseen, lines, port_map
from module_utils.topology.goal import Goal
from module_utils.topology.survey import Survey

FILES = {model.EDGE: EDGE_CF, model.DIRECT: DIRECT_CF, model.INLINE: INLINE_CF}
HOSTS = {model.EDGE: edge(), model.DIRECT: direct(), model.INLINE: inline()}
OWNERS = {
    model.EDGE: {25: model.FILTER, 2500: model.POSTFIX},
    model.DIRECT: {25: model.POSTFIX},
    model.INLINE: {25: model.POSTFIX, 10020: model.FILTER, 10021: model.POSTFIX},
}
FRONTS = {model.EDGE: "sender-filter.service", model.INLINE: "sender-filter-inline.service"}
SETTING, LINK = "/etc/sender-filter/config.toml", "/opt/sender-filter/current"


def goal_of(topology: str) -> Goal:
    return goal.of_topology(topology, PORTS, FILES[topology])


@pytest.mark.parametrize("before", model.TOPOLOGIES)
@pytest.mark.parametrize("after", model.TOPOLOGIES)
def test_each_port_has_the_owner_of_its_topology(before: str, after: str) -> None:
    rest = {10025: model.SCAN, 10026: model.POSTFIX}
    found = {one.port: (one.now, one.then) for one in port_map(HOSTS[before], goal_of(after))}
    assert found == {
        port: tuple({**OWNERS[each], **rest}.get(port, model.NOBODY) for each in (before, after))
        for port in sorted(PORTS.all())
    }


def test_a_stranger_keeps_his_port() -> None:
    host = direct([*postfix_on_listen(), listener(10020, NGINX), listener(2500, NGINX)])
    found = {one.port: one.then for one in port_map(host, goal_of(model.EDGE))}
    assert found[10020] == "nginx (pid 99, nginx.service)"
    assert found[2500] == "nginx (pid 99, nginx.service); postfix"


def test_the_map_as_text() -> None:
    assert lines(port_map(direct(), goal_of(model.EDGE)))[:3] == [
        "port   now           then",
        "25     postfix       sender filter",
        "2500   nobody        postfix",
    ]


@pytest.mark.parametrize("before", model.TOPOLOGIES)
@pytest.mark.parametrize("after", model.TOPOLOGIES)
def test_what_would_act_in_a_move(before: str, after: str) -> None:
    moves = {FRONTS[one]: "nothing" for one in FRONTS}
    if before != after:
        moves |= {FRONTS[before]: "stop"} if before in FRONTS else {}
        moves |= {FRONTS[after]: "start"} if after in FRONTS else {}
    postfix = "nothing" if before == after else "reload"
    assert actions(HOSTS[before], goal_of(after)) == {"postfix": postfix, **moves}


def test_a_postfix_that_has_not_read_its_file_is_reloaded_and_a_dead_one_started() -> None:
    unread = edge([*postfix_on_listen()])
    assert actions(unread, goal_of(model.EDGE))["postfix"] == "reload"
    assert actions(direct(master_pid=None), goal_of(model.DIRECT))["postfix"] == "start"
    other = replace(goal_of(model.DIRECT), master_cf=DIRECT_CF + b"# more\n")
    assert actions(direct(), other)["postfix"] == "reload"


def test_a_front_that_does_not_run_in_full_is_started() -> None:
    half = replace(RUNNING, enabled=False)
    assert actions(edge(units=half), goal_of(model.EDGE))[FRONTS[model.EDGE]] == "start"
    assert actions(direct(units=half), goal_of(model.DIRECT))[FRONTS[model.EDGE]] == "stop"


@pytest.mark.parametrize(
    ("pending", "needs", "expected"),
    [
        ([], FRESH, "nothing"),
        ([], RELOAD, "reload"),
        ([SETTING], FRESH, "reload"),
        ([SETTING], RESTART, "restart"),
        ([SETTING, LINK], FRESH, "restart"),
        (["UNITS/sender-filter.service"], FRESH, "restart"),
        (["UNITS/sender-filter.socket"], RELOAD, "restart"),
        (["UNITS/sender-filter-inline.service"], FRESH, "nothing"),
        (["UNITS/sender-filter-scan-reports.service"], RELOAD, "reload"),
    ],
)
def test_what_is_pending_reaches_a_filter_that_runs(
    pending: list[str], needs: str, expected: str
) -> None:
    paths = [one.replace("UNITS", str(fronts.UNIT_FOLDER)) for one in pending]
    host = foreseen(edge(units=replace(RUNNING, needs=needs)), paths)
    assert actions(host, goal_of(model.EDGE))[FRONTS[model.EDGE]] == expected


@pytest.mark.parametrize("host", [direct(), inline()])
def test_what_is_pending_is_nothing_to_a_front_that_is_closed(host: Survey) -> None:
    assert foreseen(host, [SETTING, LINK]).front(fronts.EDGE) == STOPPED


def test_postfix_alone_on_the_port_after_the_filter_stays() -> None:
    own = DIRECT_CF + b"127.0.0.1:10021 inet n - n - - smtpd\n"
    host = direct([*postfix_on_listen(), listener(10021, MASTER)], own)
    wanted = goal.of_topology(model.DIRECT, PORTS, own)
    assert {one.port: one.then for one in port_map(host, wanted)}[10021] == model.POSTFIX
    assert actions(host, wanted)["postfix"] == "nothing"
