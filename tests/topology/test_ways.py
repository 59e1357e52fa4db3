"""Which steps are chosen from each state of a host; what they do is in test_switch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import (
    DIRECT_CF,
    EDGE_CF,
    HOSTS,
    INLINE_CF,
    INLINE_FILTER,
    MASTER,
    MASTER_CF,
    PORTS,
    RUNNING,
    SENDER_FILTER,
    SMTPD,
    STOPPED,
    STRAY,
    SYSTEMD,
    after_the_filter,
    direct,
    edge,
    filter_on_listen,
    inline,
    listener,
    postfix_on_listen,
    public,
    survey,
)

from module_utils.topology import goal, model, overlap, plain, ways
from module_utils.topology.goal import Goal
from module_utils.topology.hands import Hands
from module_utils.topology.request import Request
from module_utils.topology.survey import FilterState, Survey

ADD = "add Postfix's new service"
BESIDE = "let Postfix listen beside the filter"
JOIN = "let the filter listen beside Postfix"
TO_FILTER = "steer new connections to the filter"
TO_POSTFIX = "steer new connections to Postfix"
WAIT_POSTFIX = "wait for Postfix's sessions to end"
WAIT_FILTER = "wait for the filter's sessions to end"
LIVE = "see the filter live"
STOP = "stop the sender filter"
TAKE = "take away what Postfix has no more"
START = "start the sender filter"
MOVE = "move Postfix in master.cf and reload it"
OPEN = "start the sender filter for Postfix"
TRY = "try the way through the filter"
HAND_OVER = "let Postfix hand its mail to the filter"
WAIT_FORMER = "wait for sessions that began without the filter"
AROUND = "let Postfix pass the filter by"
WAIT_MAIL = "wait for the mail in the filter"
CLOSE = "stop the sender filter for Postfix"

SOCKET_ALONE = FilterState(installed=True, socket_active=True, service_active=False, enabled=True)
ENABLED_ALONE = FilterState(installed=True, socket_active=False, service_active=False, enabled=True)
TILL_BOOT = FilterState(installed=True, socket_active=True, service_active=True, enabled=False)
SMTP = [listener(PORTS.smtp, MASTER, SMTPD)]
FILTER = public(PORTS.listen, SYSTEMD, SENDER_FILTER)
BOTH_CF = DIRECT_CF + b"127.0.0.1:2500 inet n - y - - smtpd\n"


@dataclass(frozen=True)
class Case:
    """A state, and the steps that lead from it to each topology in each way."""

    state: Survey
    overlap_edge: list[str]
    plain_edge: list[str]
    overlap_direct: list[str]
    plain_direct: list[str]


CASES = {
    "direct": Case(
        direct(),
        [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [],
        [],
    ),
    "edge": Case(
        edge(),
        [],
        [],
        [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, ADD, WAIT_FILTER, MOVE],
    ),
    "both on the port, Postfix not behind": Case(
        survey([*postfix_on_listen(), *FILTER], DIRECT_CF, RUNNING),
        [ADD, TO_FILTER, WAIT_POSTFIX, TAKE],
        [ADD, MOVE],
        [TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, WAIT_FILTER],
    ),
    "both on the port, and Postfix behind": Case(
        survey([*postfix_on_listen(), *SMTP, *FILTER], BOTH_CF, RUNNING),
        [TO_FILTER, WAIT_POSTFIX, TAKE],
        [MOVE],
        [TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, WAIT_FILTER, MOVE],
    ),
    "nobody on the port": Case(
        survey([*SMTP, *after_the_filter()], EDGE_CF, STOPPED),
        [JOIN, LIVE],
        [START, LIVE],
        [ADD, TAKE],
        [ADD, MOVE],
    ),
    "nobody on either port": Case(
        survey(after_the_filter(), DIRECT_CF, STOPPED),
        [ADD, JOIN, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [ADD, TAKE],
        [ADD, MOVE],
    ),
    "Postfix on both ports": Case(
        survey([*postfix_on_listen(), *SMTP], BOTH_CF, STOPPED),
        [JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [MOVE, START, LIVE],
        [TAKE],
        [MOVE],
    ),
    "the file of edge, not reloaded": Case(
        direct(master_cf=EDGE_CF),
        [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [TAKE],
        [MOVE],
    ),
    "the file of direct, not reloaded": Case(
        edge(master_cf=DIRECT_CF),
        [TAKE],
        [MOVE],
        [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, ADD, WAIT_FILTER, MOVE],
    ),
    "only systemd has the port for the filter": Case(
        edge([*public(25, SYSTEMD), *SMTP, *after_the_filter()], units=SOCKET_ALONE),
        [JOIN, LIVE],
        [START, LIVE],
        [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, ADD, WAIT_FILTER, MOVE],
    ),
    "direct, but the filter starts at boot": Case(
        direct(units=ENABLED_ALONE),
        [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [STOP],
        [STOP],
    ),
    "edge, but only until the next boot": Case(
        edge(units=TILL_BOOT),
        [JOIN, LIVE],
        [START, LIVE],
        [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, ADD, WAIT_FILTER, MOVE],
    ),
    "the filter is there, Postfix is nowhere": Case(
        edge([*FILTER, *after_the_filter()]),
        [ADD, TAKE],
        [ADD, MOVE],
        [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        [STOP, ADD, WAIT_FILTER, MOVE],
    ),
    "a stranger behind": Case(
        direct([*postfix_on_listen(), listener(2500, STRAY)]),
        [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [],
        [],
    ),
    "a dead master's queue": Case(
        direct([*postfix_on_listen(), listener(2500, SMTPD)]),
        [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        [ADD, MOVE, START, LIVE],
        [TAKE],
        [MOVE],
    ),
}


GOALS = {
    topology: goal.of_topology(topology, PORTS, master_cf)
    for topology, master_cf in MASTER_CF.items()
}


def hands(host: Survey, end: Goal, handover: str = "overlap") -> Hands:
    request = Request(
        topology=model.EDGE,
        config_dir=Path("/etc/postfix"),
        ports=host.ports,
        smtp_address="127.0.0.1",
        options={},
        handover=handover,
    )
    return Hands(request, host, end)


TO_EDGE, TO_DIRECT, TO_INLINE = GOALS[model.EDGE], GOALS[model.DIRECT], GOALS[model.INLINE]
TABLE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def names(way: object, state: Survey, end: Goal) -> list[str]:
    return [name for name, _ in way.steps(hands(state, end))]  # type: ignore[attr-defined]


@TABLE
def test_the_steps_by_overlap_to_edge(case: Case) -> None:
    assert names(overlap, case.state, TO_EDGE) == case.overlap_edge


@TABLE
def test_the_steps_by_overlap_to_direct(case: Case) -> None:
    assert names(overlap, case.state, TO_DIRECT) == case.overlap_direct


@TABLE
def test_the_plain_steps_to_edge(case: Case) -> None:
    assert names(plain, case.state, TO_EDGE) == case.plain_edge


@TABLE
def test_the_plain_steps_to_direct(case: Case) -> None:
    assert names(plain, case.state, TO_DIRECT) == case.plain_direct


@pytest.mark.parametrize("state", [direct(), edge()], ids=["direct", "edge"])
@pytest.mark.parametrize(
    ("postfix_on", "filter_on"),
    [(set(), False), ({25}, True), ({25, 2500}, False), ({2500}, False), (set(), True)],
)
def test_a_snapshot_of_no_topology_is_a_goal_too(
    state: Survey, postfix_on: set[int], filter_on: bool
) -> None:
    open_ = frozenset({model.EDGE} if filter_on else ())
    end = Goal(state.postfix.master_cf, frozenset(postfix_on), open_)
    chosen = names(plain, state, end)
    on_now = {port for port in (25, 2500) if model.POSTFIX in state.owners(port)}
    assert (ADD in chosen) == bool(postfix_on - on_now)
    assert (MOVE in chosen) == (postfix_on != on_now)
    assert (START in chosen) == (filter_on and not state.filter.running)
    assert (STOP in chosen) == (not filter_on and not state.filter.stopped)


def test_options_of_the_moved_service_alone_are_no_hand_over() -> None:
    end = goal.of_topology(model.EDGE, PORTS, EDGE_CF.replace(b"haproxy", b"haproxy\n  -o a=b"))
    assert names(overlap, edge(), end) == [TAKE]
    assert names(plain, edge(), end) == [MOVE]


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_where_nothing_is_left_no_way_is_named(topology: str) -> None:
    one = hands(HOSTS[topology](), GOALS[topology])
    assert ways.steps(one) == []
    assert one.outcome.handover == ""


@pytest.mark.parametrize(
    ("hindrance", "handover", "way", "first"),
    [
        ("", "overlap", "overlap", BESIDE),
        ("too old", "overlap", "plain: too old", STOP),
        ("", "plain", "plain", STOP),
        ("too old", "plain", "plain: too old", STOP),
    ],
)
def test_the_way_is_by_overlap_unless_something_hinders_or_somebody_forbids(
    monkeypatch: pytest.MonkeyPatch, hindrance: str, handover: str, way: str, first: str
) -> None:
    monkeypatch.setattr(overlap, "hindrance", lambda _: hindrance)
    one = hands(edge(filter_on_listen()), TO_DIRECT, handover)
    assert ways.steps(one)[0][0] == first
    assert one.outcome.handover == way


# To and from inline


@pytest.fixture
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sockets of a constructed survey cannot be asked whether they can be shared."""
    monkeypatch.setattr(overlap, "hindrance", lambda _: "")


@pytest.mark.usefixtures("_able")
@pytest.mark.parametrize(
    ("before", "after", "way", "handover", "steps"),
    [
        (
            model.DIRECT,
            model.INLINE,
            "overlap",
            "in place",
            [OPEN, ADD, LIVE, TRY, HAND_OVER, WAIT_FORMER],
        ),
        (model.INLINE, model.DIRECT, "overlap", "in place", [AROUND, WAIT_MAIL, CLOSE, TAKE]),
        (
            model.EDGE,
            model.INLINE,
            "overlap",
            "overlap",
            [OPEN, BESIDE, LIVE, TRY, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        ),
        (
            model.INLINE,
            model.EDGE,
            "overlap",
            "overlap",
            [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, WAIT_MAIL, CLOSE, TAKE],
        ),
        (
            model.DIRECT,
            model.INLINE,
            "plain",
            "in place",
            [OPEN, ADD, LIVE, TRY, HAND_OVER, WAIT_FORMER],
        ),
        (model.INLINE, model.DIRECT, "plain", "in place", [AROUND, WAIT_MAIL, CLOSE, TAKE]),
        (
            model.EDGE,
            model.INLINE,
            "plain",
            "plain",
            [OPEN, STOP, ADD, LIVE, TRY, WAIT_FILTER, MOVE],
        ),
        (
            model.INLINE,
            model.EDGE,
            "plain",
            "plain",
            [ADD, MOVE, START, LIVE, WAIT_MAIL, CLOSE],
        ),
        (
            model.DIRECT,
            model.EDGE,
            "overlap",
            "overlap",
            [ADD, JOIN, TO_FILTER, WAIT_POSTFIX, LIVE, TAKE],
        ),
        (model.DIRECT, model.EDGE, "plain", "plain", [ADD, MOVE, START, LIVE]),
        (
            model.EDGE,
            model.DIRECT,
            "overlap",
            "overlap",
            [BESIDE, TO_POSTFIX, WAIT_FILTER, STOP, TAKE],
        ),
        (model.EDGE, model.DIRECT, "plain", "plain", [STOP, ADD, WAIT_FILTER, MOVE]),
    ],
)
def test_the_order_of_each_move(
    before: str, after: str, way: str, handover: str, steps: list[str]
) -> None:
    one = hands(HOSTS[before](), GOALS[after], way)
    assert [name for name, _ in ways.steps(one)] == steps
    assert one.outcome.handover == handover


IN_BETWEEN = {
    "the file of direct, not reloaded": (
        inline(master_cf=DIRECT_CF),
        [HAND_OVER, WAIT_FORMER],
        [AROUND, WAIT_MAIL, CLOSE, TAKE],
    ),
    "the filter waits, and nobody hands it mail": (
        inline([*postfix_on_listen(), listener(PORTS.proxy, SYSTEMD, INLINE_FILTER)], DIRECT_CF),
        [ADD, HAND_OVER, WAIT_FORMER],
        [WAIT_MAIL, CLOSE],
    ),
    "no filter where Postfix hands its mail": (
        inline([*postfix_on_listen(), listener(PORTS.after_proxy, MASTER)], units=STOPPED),
        [OPEN, LIVE, TRY],
        [TAKE],
    ),
    "the filter lives till the next boot": (
        inline(units=TILL_BOOT),
        [OPEN, LIVE, TRY],
        [AROUND, WAIT_MAIL, CLOSE, TAKE],
    ),
    "another option of the service after the filter": (
        inline(master_cf=INLINE_CF.replace(b"smtpd_proxy_filter=\n", b"smtpd_proxy_filter=x\n")),
        [TAKE],
        [AROUND, WAIT_MAIL, CLOSE, TAKE],
    ),
    "nobody on the port": (
        inline([one for one in inline().listeners if one.port != PORTS.listen]),
        [ADD, TAKE],
        [ADD, WAIT_MAIL, CLOSE, TAKE],
    ),
}


@pytest.mark.parametrize(("state", "to_inline", "to_direct"), IN_BETWEEN.values(), ids=IN_BETWEEN)
def test_a_move_goes_on_or_back_from_where_the_host_stands(
    state: Survey, to_inline: list[str], to_direct: list[str]
) -> None:
    assert names(overlap, state, TO_INLINE) == to_inline
    assert names(overlap, state, TO_DIRECT) == to_direct
