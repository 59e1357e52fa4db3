"""Each risk: a configuration that has it, and the nearest one that has not. postconf is real."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from builders import (
    ANY_IPV4,
    MASTER,
    NGINX,
    PORTS,
    RUNNING,
    STOPPED,
    direct,
    edge,
    filter_between,
    filter_on_listen,
    inline,
    listener,
    postfix_on_listen,
    public,
)

from module_utils.postfix.main_cf import MainDocument
from module_utils.postfix.master_cf import MasterDocument
from module_utils.topology import effective, model
from module_utils.topology.between import Between
from module_utils.topology.risks import ERROR, PARAMETERS, WARNING, Risk, risks
from module_utils.topology.sockets import Listener
from module_utils.topology.survey import Survey, SurveyError
from module_utils.topology.target import master_cf

pytestmark = pytest.mark.usefixtures("host_with_ipv6")

ROOT = Path(__file__).parents[2]
# What Debian's package writes, and what role postfix_gateway adds.
DEBIAN = b"""\
compatibility_level = 3.6
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
smtpd_forbid_bare_newline = normalize
"""
SMTP = b"smtp      inet  n       -       y       -       -       smtpd\n"
POSTSCREEN = (
    b"smtp      inet  n       -       y       -       1       postscreen\n"
    b"smtpd     pass  -       -       y       -       -       smtpd\n"
)
BEHIND, AFTER, REINJECTION = "127.0.0.1:2500", "127.0.0.1:10021", "127.0.0.1:10026"
HOSTS: dict[str, Callable[..., Survey]] = {
    model.EDGE: edge, model.DIRECT: direct, model.INLINE: inline,
}  # fmt: skip


def reinjection() -> bytes:
    """The service that role postfix_gateway makes."""
    variables = yaml.safe_load((ROOT / "roles/postfix_gateway/vars/main.yml").read_text())
    options = variables["postfix_gateway_hops"][1]["options"]
    lines = [f"{REINJECTION} inet n - n - - smtpd"]
    lines += [f"  -o {name}={value}" for name, value in options.items()]
    return "\n".join(lines).encode() + b"\n"


def text_of(topology: str, front: bytes = SMTP) -> bytes:
    """master.cf as the project leaves it in a topology."""
    between = Between(proxy="127.0.0.1:10020", after=AFTER)
    return master_cf(front + reinjection(), topology, BEHIND, {}, between=between)


class Gateway:
    """A host with files of its own, in a topology."""

    def __init__(self, config_dir: Path, topology: str, front: bytes = SMTP) -> None:
        self.config_dir = config_dir
        self.topology = topology
        (config_dir / "main.cf").write_bytes((config_dir / "main.cf").read_bytes() + DEBIAN)
        (config_dir / "master.cf").write_bytes(text_of(topology, front))

    def main(self, **parameters: str | None) -> Gateway:
        """Set parameters in main.cf; None takes one out."""
        file = self.config_dir / "main.cf"
        document = MainDocument.parse(file.read_bytes())
        for name, value in parameters.items():
            document.remove(name) if value is None else document.set(name, value)
        file.write_bytes(document.render())
        return self

    def service(self, name: str, kind: str = "inet", **options: str | None) -> Gateway:
        """Set options of a service in master.cf; None takes one out."""
        file = self.config_dir / "master.cf"
        document = MasterDocument.parse(file.read_bytes())
        (entry,) = document.find(name, kind)
        document.set_options(entry, options)
        file.write_bytes(document.render())
        return self

    def survey(self, listeners: list[Listener] | None = None) -> Survey:
        """What is there; without other listeners they are those of its topology."""
        master = (self.config_dir / "master.cf").read_bytes()
        for name in ("main.cf", "master.cf"):
            os.utime(
                self.config_dir / name, (0, 0)
            )  # postconf waits before it believes a young file
        units = STOPPED if self.topology == model.DIRECT else RUNNING
        host = HOSTS[self.topology](listeners, master, units)
        return replace(host, postfix=replace(host.postfix, config_dir=self.config_dir))

    def risks(self, listeners: list[Listener] | None = None) -> list[Risk]:
        """What is said of it."""
        host = self.survey(listeners)
        return risks(host, self.topology, effective.read(host, PARAMETERS))

    def said(self, listeners: list[Listener] | None = None) -> list[tuple[str, str]]:
        """The same, as level and id."""
        return [(risk.level, risk.id) for risk in self.risks(listeners)]


@pytest.fixture
def at_edge(config_dir: Path) -> Gateway:
    return Gateway(config_dir, model.EDGE)


@pytest.fixture
def at_direct(config_dir: Path) -> Gateway:
    return Gateway(config_dir, model.DIRECT)


@pytest.fixture
def at_inline(config_dir: Path) -> Gateway:
    return Gateway(config_dir, model.INLINE)


@pytest.mark.parametrize("front", [SMTP, POSTSCREEN], ids=["smtpd", "postscreen"])
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_a_gateway_of_the_roles_has_none(config_dir: Path, topology: str, front: bytes) -> None:
    assert Gateway(config_dir, topology, front).risks() == []


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_the_same_service_beside_others_on_loopback_has_none(
    config_dir: Path, topology: str
) -> None:
    gateway = Gateway(config_dir, topology)
    own = (
        b"submission inet n - y - - smtpd\n  -o smtpd_relay_restrictions=permit_mynetworks,reject\n"
    )
    master = config_dir / "master.cf"
    master.write_bytes(master.read_bytes() + own)
    assert gateway.risks() == []


def test_a_service_behind_the_filter_that_reads_no_header_is_an_open_relay(
    at_edge: Gateway,
) -> None:
    (risk,) = at_edge.service(BEHIND, smtpd_upstream_proxy_protocol=None).risks()
    assert (risk.id, risk.level) == ("hidden_client", ERROR)
    assert risk.place.endswith("master.cf:2: 127.0.0.1:2500 inet")
    assert "which may relay: an open relay" in risk.text
    assert "-o smtpd_upstream_proxy_protocol=haproxy" in risk.cure


@pytest.mark.parametrize(
    "parameters",
    [
        {"mynetworks": "192.0.2.0/24"},
        {"smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination"},
        {"smtpd_recipient_restrictions": "reject_unauth_destination"},
    ],
)
def test_it_is_no_relay_where_this_host_may_not_relay(
    at_edge: Gateway, parameters: dict[str, str]
) -> None:
    at_edge.main(**parameters).service(BEHIND, smtpd_upstream_proxy_protocol="")
    at_edge.service(BEHIND, smtpd_forbid_bare_newline_exclusions="")
    (risk,) = at_edge.risks()
    assert (risk.id, risk.level) == ("hidden_client", ERROR)
    assert "relay" not in risk.text


def test_the_header_may_be_named_in_main_cf_where_nobody_else_reads_it(at_edge: Gateway) -> None:
    at_edge.service(BEHIND, smtpd_upstream_proxy_protocol=None)
    at_edge.main(smtpd_upstream_proxy_protocol="haproxy")
    assert at_edge.risks() == []


def test_postscreen_behind_the_filter_reads_the_header(config_dir: Path) -> None:
    gateway = Gateway(config_dir, model.EDGE, POSTSCREEN)
    gateway.service(BEHIND, postscreen_upstream_proxy_protocol=None)
    (risk,) = gateway.risks()
    assert (risk.id, risk.cure[:34]) == ("hidden_client", "-o postscreen_upstream_proxy_proto")
    assert "an open relay" in risk.text


def test_a_strange_proxy_in_front_makes_all_clients_this_host(at_edge: Gateway) -> None:
    sockets = [*public(25, NGINX), *(one for one in filter_on_listen() if one.port != 25)]
    (risk,) = at_edge.risks(sockets)
    assert (risk.id, risk.level, risk.place) == ("hidden_client", ERROR, "port 25")
    assert risk.text.startswith("it belongs to nginx (pid 99, nginx.service)")


@pytest.mark.parametrize("topology", [model.DIRECT, model.INLINE])
def test_a_public_service_that_reads_the_header_believes_strangers(
    config_dir: Path, topology: str
) -> None:
    gateway = Gateway(config_dir, topology).main(smtpd_upstream_proxy_protocol="haproxy")
    assert gateway.said() == [(ERROR, "forged_client")]
    assert gateway.service("smtp", smtpd_upstream_proxy_protocol="").risks() == []


def test_the_service_behind_the_filter_on_all_addresses_believes_strangers(
    at_edge: Gateway,
) -> None:
    sockets = [one for one in filter_on_listen() if one.port != 2500]
    found = at_edge.risks([*sockets, listener(2500, MASTER, address="192.0.2.1")])
    assert [(one.level, one.id) for one in found] == [
        (ERROR, "forged_client"),
        (ERROR, "reachable_port"),
    ]
    assert found[1].place == "port 2500"
    assert "(192.0.2.1): mail walks around the filter" in found[1].text


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
@pytest.mark.parametrize("port", [10020, 10021, 10025, 10026])
def test_no_port_behind_the_first_one_is_open_to_others(
    config_dir: Path, topology: str, port: int
) -> None:
    sockets = {
        model.EDGE: filter_on_listen, model.DIRECT: postfix_on_listen, model.INLINE: filter_between,
    }[topology]()  # fmt: skip
    opened = [replace(one, address=ANY_IPV4) if one.port == port else one for one in sockets]
    there = port in {one.port for one in sockets}
    expected = [(ERROR, "reachable_port")] if there else []
    assert Gateway(config_dir, topology).said(opened) == expected


def test_postfix_on_the_port_behind_the_filter_is_closed_to_others_in_any_topology(
    at_inline: Gateway,
) -> None:
    assert at_inline.said([*filter_between(), listener(2500, MASTER)]) == []
    assert at_inline.said([*filter_between(), *public(2500, MASTER)]) == [(ERROR, "reachable_port")]


def test_a_public_service_of_the_operators_own_on_a_free_port_is_his_matter(
    at_direct: Gateway,
) -> None:
    assert at_direct.said([*postfix_on_listen(), *public(10021, MASTER)]) == []


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_whoever_is_in_mynetworks_may_relay(config_dir: Path, topology: str) -> None:
    gateway = Gateway(config_dir, topology).main(mynetworks="127.0.0.0/8, 0.0.0.0/0")
    assert (ERROR, "open_mynetworks") in gateway.said()
    assert (WARNING, "smuggling") in gateway.said() or topology == model.EDGE
    assert gateway.main(mynetworks="127.0.0.0/8, 192.0.2.0/24").risks() == []


@pytest.mark.parametrize("topology", [model.DIRECT, model.INLINE])
@pytest.mark.parametrize("value", ["no", "note", None])
def test_a_bare_newline_that_ends_a_message_is_named(
    config_dir: Path, topology: str, value: str | None
) -> None:
    gateway = Gateway(config_dir, topology).main(smtpd_forbid_bare_newline=value)
    assert gateway.said() == [(WARNING, "smuggling")]  # no is 3.7's default
    assert gateway.service("smtp", smtpd_forbid_bare_newline="reject").risks() == []


def test_behind_the_filter_the_services_own_setting_counts(at_edge: Gateway) -> None:
    assert at_edge.main(smtpd_forbid_bare_newline="no").risks() == []
    at_edge.service(BEHIND, smtpd_forbid_bare_newline=None)
    assert at_edge.said() == [(WARNING, "smuggling")]


def test_the_exclusion_of_this_host_counts_behind_the_filter_alone(at_edge: Gateway) -> None:
    at_edge.service(BEHIND, smtpd_forbid_bare_newline_exclusions=None)
    (risk,) = at_edge.risks()
    assert (risk.id, risk.level) == ("smuggling", WARNING)
    assert risk.text.startswith("smtpd_forbid_bare_newline_exclusions = 127.0.0.0/8 [::ffff")
    # $mynetworks is the service's own.
    assert at_edge.service(BEHIND, mynetworks="192.0.2.0/24").risks() == []


def test_an_exclusion_of_everybody_counts_everywhere(at_direct: Gateway) -> None:
    at_direct.main(smtpd_forbid_bare_newline_exclusions="$mynetworks, 0.0.0.0/0")
    (risk,) = at_direct.risks()
    assert (risk.id, risk.level) == ("smuggling", WARNING)
    assert "leaves everybody out" in risk.text


def test_a_postfix_without_the_check_is_named(at_direct: Gateway) -> None:
    host = at_direct.survey()
    settings = effective.read(host, PARAMETERS)
    old = {
        name: {key: value for key, value in values.items() if "bare_newline" not in key}
        for name, values in settings.items()
    }
    (risk,) = risks(host, model.DIRECT, old)
    assert (risk.id, risk.level) == ("smuggling", WARNING)
    assert risk.cure.startswith("upgrade")


def test_the_service_after_the_filter_must_hear_who_the_client_is(at_inline: Gateway) -> None:
    at_inline.service(AFTER, smtpd_authorized_xforward_hosts=None)
    assert at_inline.said() == [(WARNING, "lost_client")]
    assert at_inline.service(AFTER, smtpd_authorized_xforward_hosts="127.0.0.1").risks() == []


@pytest.mark.parametrize("service", [AFTER, REINJECTION])
def test_who_takes_mail_back_takes_it_from_this_host_alone(
    at_inline: Gateway, service: str
) -> None:
    at_inline.service(service, mynetworks="127.0.0.0/8, 192.0.2.0/24")
    (risk,) = at_inline.risks()
    assert (risk.id, risk.level) == ("no_own_restrictions", WARNING)
    assert "mynetworks holds 192.0.2.0/24" in risk.text
    everything = dict.fromkeys(
        (
            "smtpd_client_restrictions",
            "smtpd_relay_restrictions",
            "smtpd_recipient_restrictions",
        )
    )
    at_inline.service(service, mynetworks="127.0.0.0/8", **everything)
    (risk,) = at_inline.risks()
    assert "ends in reject" in risk.text
    at_inline.service(service, smtpd_recipient_restrictions="permit_mynetworks, reject")
    assert at_inline.risks() == []


@pytest.mark.parametrize("topology", [model.DIRECT, model.EDGE])
def test_a_service_of_the_operators_own_on_the_port_after_the_filter_is_his_matter(
    config_dir: Path, topology: str
) -> None:
    gateway = Gateway(config_dir, topology)
    master = config_dir / "master.cf"
    master.write_bytes(master.read_bytes() + b"127.0.0.1:10021 inet n - y - - smtpd\n")
    assert gateway.risks() == []


def test_a_stranger_on_a_port_of_the_path_is_named(at_direct: Gateway) -> None:
    (risk,) = at_direct.risks([*postfix_on_listen(), listener(10020, NGINX)])
    assert (risk.id, risk.level, risk.place) == ("unknown_listener", WARNING, "port 10020")
    assert risk.text == "it belongs to nginx (pid 99, nginx.service)"
    assert at_direct.risks([*postfix_on_listen(), listener(10030, NGINX)]) == []


def test_only_services_of_the_path_are_asked_about(at_edge: Gateway) -> None:
    master = at_edge.config_dir / "master.cf"
    master.write_bytes(master.read_bytes() + b"submission inet n - y - - smtpd\n")
    settings = effective.read(at_edge.survey(), PARAMETERS)
    assert {one.name for one in settings} == {str(PORTS.smtp), str(PORTS.reinjection)}


def test_a_configuration_that_postconf_cannot_read_is_an_error(at_edge: Gateway) -> None:
    host = at_edge.survey()
    gone = replace(host, postfix=replace(host.postfix, config_dir=at_edge.config_dir / "none"))
    with pytest.raises(SurveyError, match=r"none for 127.0.0.1:2500"):
        effective.read(gone, PARAMETERS)
