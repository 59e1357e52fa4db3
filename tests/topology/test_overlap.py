from __future__ import annotations

from pathlib import Path

import pytest
from builders import (
    ANY_IPV4,
    ANY_IPV6,
    MASTER,
    NGINX,
    after_the_filter,
    direct,
    edge,
    filter_on_listen,
    listener,
    postfix_on_listen,
    public,
)
from topology import gateway as real

from module_utils.topology import model, overlap
from module_utils.topology.hands import Hands
from module_utils.topology.request import Request
from module_utils.topology.survey import Survey, take


def hindrance(host: Survey, topology: str, *addresses: str) -> str:
    request = Request(
        topology=topology,
        config_dir=Path("/etc/postfix"),
        ports=host.ports,
        smtp_address="127.0.0.1",
        options={},
        listen_addresses=addresses,
    )
    return overlap.hindrance(Hands(request, host, b""))


@pytest.mark.parametrize(
    ("host", "topology", "owner"),
    [
        (direct(after_the_filter()), model.EDGE, model.POSTFIX),
        (edge(), model.EDGE, model.POSTFIX),
        (direct([*postfix_on_listen(), listener(25, NGINX)]), model.EDGE, model.POSTFIX),
        (direct(), model.DIRECT, model.FILTER),
        (edge([*filter_on_listen(), *public(25, MASTER)]), model.DIRECT, model.FILTER),
    ],
)
def test_the_port_must_belong_to_the_old_owner_alone(
    host: Survey, topology: str, owner: str
) -> None:
    assert hindrance(host, topology) == f"port 25 does not belong to {owner} alone"


@pytest.mark.parametrize(
    ("host", "topology"),
    [
        (direct([*postfix_on_listen(), listener(2500, MASTER)]), model.EDGE),
        (edge([one for one in filter_on_listen() if one.port != 2500]), model.DIRECT),
    ],
)
def test_a_host_between_two_topologies_goes_the_plain_way(host: Survey, topology: str) -> None:
    assert hindrance(host, topology) == "port 2500 is not as the present topology has it"


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


@pytest.mark.parametrize("shared", [True, False])
def test_a_real_socket_can_be_shared_or_not(config_dir: Path, commands: Path, shared: bool) -> None:
    with real.running(config_dir, commands, model.DIRECT, shared=shared) as gateway:
        survey = take(gateway.config_dir, gateway.ports)
        said = "" if shared else "the socket on 127.0.0.1 was made without SO_REUSEPORT"
        assert hindrance(survey, model.EDGE, "127.0.0.1") == said
