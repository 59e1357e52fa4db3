from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders import (
    ANY_IPV4,
    ANY_IPV6,
    DIRECT_CF,
    EDGE_CF,
    MASTER,
    NGINX,
    PORTS,
    after_the_filter,
    direct,
    edge,
    filter_on_listen,
    listener,
    postfix_on_listen,
    public,
)
from topology import gateway as real
from topology.gateway import Gateway
from topology.moves import Before

from module_utils.topology import goal, model, overlap
from module_utils.topology.goal import Goal
from module_utils.topology.hands import Hands
from module_utils.topology.request import Request
from module_utils.topology.sockets import Listener
from module_utils.topology.survey import FilterState, Survey
from module_utils.topology.switch import SwitchError, switch


def hands(host: Survey, end: str | Goal, *addresses: str) -> Hands:
    request = Request(
        topology=end if isinstance(end, str) else "edge",
        config_dir=Path("/etc/postfix"),
        ports=host.ports,
        smtp_address="127.0.0.1",
        options={},
        listen_addresses=addresses,
    )
    if isinstance(end, str):
        end = goal.of_topology(end, host.ports, EDGE_CF if end == model.EDGE else DIRECT_CF)
    return Hands(request, host, end)


def hindrance(host: Survey, end: str | Goal, *addresses: str) -> str:
    return overlap.hindrance(hands(host, end, *addresses))


@pytest.fixture
def _shareable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sockets of a constructed survey cannot be asked."""
    monkeypatch.setattr(overlap.steering, "shareable", lambda _: True)


@pytest.mark.usefixtures("_shareable")
@pytest.mark.parametrize(
    "host",
    [
        direct(),
        edge(),
        direct([*postfix_on_listen(), listener(2500, MASTER)]),
        edge([one for one in filter_on_listen() if one.port != 2500]),
        edge([*filter_on_listen(), *public(25, MASTER)]),
    ],
)
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_nothing_hinders_wherever_the_two_stand(host: Survey, topology: str) -> None:
    assert hindrance(host, topology) == ""


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_somebody_must_listen_and_nobody_else_than_the_two(topology: str) -> None:
    assert hindrance(direct(after_the_filter()), topology) == "nobody listens on port 25"
    nginx = "port 25 belongs to nginx (pid 99, nginx.service)"
    assert hindrance(direct([listener(25, NGINX)]), topology) == nginx
    beside = direct([*postfix_on_listen(), listener(25, NGINX)])
    assert hindrance(beside, topology) == f"{nginx}; postfix"


@pytest.mark.parametrize(
    "end",
    [
        Goal(DIRECT_CF, frozenset(), frozenset()),
        Goal(DIRECT_CF, frozenset({PORTS.smtp}), frozenset()),
        Goal(DIRECT_CF, frozenset({PORTS.listen}), frozenset({model.EDGE})),
    ],
)
def test_somebody_must_have_the_port_alone_in_the_end(end: Goal) -> None:
    assert hindrance(direct(), end) == "port 25 had no single owner before"


@pytest.mark.parametrize("addresses", [[ANY_IPV4], ["192.0.2.1", f"[{ANY_IPV6}]"]])
def test_the_filter_must_take_the_addresses_that_postfix_has(addresses: list[str]) -> None:
    said = "the filter is to listen on other addresses than Postfix"
    assert hindrance(direct(), model.EDGE, *addresses) == said


@pytest.mark.parametrize(
    "addresses", [[], [ANY_IPV4, f"[{ANY_IPV6}]"], [f"[{ANY_IPV6}]", ANY_IPV4]]
)
def test_postfix_must_share_its_port(addresses: list[str]) -> None:
    said = hindrance(direct(mail_version="3.5.25"), model.EDGE, *addresses)
    assert said == "Postfix 3.5.25 does not share its port (3.6 and newer do)"


def test_the_filters_socket_unit_must_share_its_port() -> None:
    host = direct(units=FilterState(True, False, False, False, shares=False))
    assert hindrance(host, model.EDGE) == "sender-filter.socket has ReusePort=no"


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("5.5.19-generic", "kernel 5.5.19-generic cannot borrow a socket (5.6 and newer can)"),
        ("4.19.0", "kernel 4.19.0 cannot borrow a socket (5.6 and newer can)"),
        ("5.6.0", ""),
        ("5.10.0", ""),
        ("6.1.0-18-amd64", ""),
    ],
)
@pytest.mark.usefixtures("_shareable")
def test_the_kernel_must_lend_sockets(
    monkeypatch: pytest.MonkeyPatch, release: str, said: str
) -> None:
    names = os.uname_result(("Linux", "mx", release, "", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: names)
    assert hindrance(direct(), model.EDGE) == said


@pytest.mark.parametrize("shared", [True, False])
def test_a_real_socket_can_be_shared_or_not(config_dir: Path, commands: Path, shared: bool) -> None:
    with real.running(config_dir, commands, model.DIRECT, shared=shared) as gateway:
        survey = gateway.survey()
        said = "" if shared else "the socket on 127.0.0.1 was made without SO_REUSEPORT"
        assert hindrance(survey, model.EDGE, "127.0.0.1") == said


def test_a_socket_that_is_gone_hinders() -> None:
    assert hindrance(direct([listener(25, MASTER)]), model.EDGE)


def test_a_postfix_that_somebody_restarts_meanwhile_takes_the_move_back(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_direct)
    drain = Hands.drain

    def drain_late(one: Hands, *, of_filter: bool) -> None:
        monkeypatch.setattr(Hands, "drain", drain)
        shared_direct.kill("master")
        shared_direct.systemctl("restart", "postfix.service")
        drain(one, of_filter=of_filter)

    monkeypatch.setattr(Hands, "drain", drain_late)
    with pytest.raises(SwitchError, match="was made anew meanwhile") as caught:
        switch(shared_direct.request(model.EDGE))
    assert str(caught.value).endswith("The host is as it was before (direct), proven.")
    before.assert_is_back()


def test_a_filter_that_is_between_two_lives_meanwhile_changes_nothing(
    shared_edge: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain, owner = Hands.drain, Survey.owner

    def nobodys_for_a_moment(survey: Survey, listener: Listener) -> str:
        monkeypatch.setattr(Survey, "owner", owner)
        return f"nobody, and not {owner(survey, listener)}"

    def drain_and_be_killed(one: Hands, *, of_filter: bool) -> None:
        monkeypatch.setattr(Hands, "drain", drain)
        drain(one, of_filter=of_filter)
        monkeypatch.setattr(Survey, "owner", nobodys_for_a_moment)

    monkeypatch.setattr(Hands, "drain", drain_and_be_killed)
    switch(shared_edge.request(model.DIRECT))
    assert Survey.owner is owner
    survey = shared_edge.survey()
    assert survey.owners(survey.ports.listen) == [model.POSTFIX]
