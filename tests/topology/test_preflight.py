from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    AFTER_ENTRY,
    AMAVIS,
    DIRECT_CF,
    EDGE_CF,
    MASTER,
    NGINX,
    SENDER_FILTER,
    SMTPD,
    STOPPED,
    SYSTEMD,
    after_the_filter,
    direct,
    edge,
    inline,
    listener,
    postfix_on_listen,
    public,
)

from module_utils.topology import model
from module_utils.topology.preflight import obstacles
from module_utils.topology.survey import Survey

FILE = "/etc/postfix/master.cf"
BOTH = pytest.mark.parametrize("topology", model.TOPOLOGIES)
SMTP = b"smtp inet n - y - - smtpd\n"


@BOTH
@pytest.mark.parametrize(
    "host",
    [
        direct(),
        edge(),
        direct(mail_version="3.5.0"),
        direct(mail_version="3.11-20260101"),
        direct(mail_version="4.0.0"),
        direct(master_service_disable="spam.unix"),
        direct(master_cf=b"25 inet n - y - 1 postscreen\n"),
        direct(master_cf=b"0.0.0.0:smtp inet n - y - - smtpd\n"),
        direct(master_cf=b"[::]:25 inet n - y - - smtpd\n"),
        direct(master_cf=SMTP + b"submission inet n - y - - smtpd\n#2500 inet n - y - - smtpd\n"),
        direct([*public(25, SYSTEMD, SENDER_FILTER), *after_the_filter()]),
        direct(after_the_filter()),
    ],
)
def test_the_way_is_free_on_a_healthy_host(host: Survey, topology: str) -> None:
    assert obstacles(host, topology) == []


@BOTH
def test_postfix_must_run(topology: str) -> None:
    host = direct([listener(10025, AMAVIS), listener(10026, NGINX)], master_pid=None)
    assert obstacles(host, topology) == [
        "Postfix is not running: start it (systemctl start postfix) and look at its log"
    ]


@BOTH
def test_postfix_must_hear(topology: str) -> None:
    host = direct()
    deaf = replace(host, postfix=replace(host.postfix, deaf=True))
    (said,) = obstacles(deaf, topology)
    assert said.startswith(f"Postfix's master (pid {MASTER.pid}) serves nobody: ")
    assert "repair_port_conflict.yml" in said


@pytest.mark.parametrize("version", ["3.4.29", "2.11.0", "3.4-20190106"])
def test_postfix_must_read_the_proxy_protocol_for_edge_alone(version: str) -> None:
    (said,) = obstacles(direct(mail_version=version), model.EDGE)
    assert said.startswith(f"Postfix {version} cannot read the PROXY protocol, version 2")
    assert said.endswith("Upgrade to 3.5 or newer")
    assert obstacles(edge(mail_version=version), model.DIRECT) == []


@BOTH
@pytest.mark.parametrize("disabled", ["inet", "smtp.inet", "foo.unix, 2500.inet"])
def test_listeners_must_not_be_disabled_in_main_cf(topology: str, disabled: str) -> None:
    (said,) = obstacles(direct(master_service_disable=disabled), topology)
    assert said.startswith(f"/etc/postfix/main.cf: master_service_disable = {disabled} takes")


@BOTH
@pytest.mark.parametrize("port", [25, 2500])
@pytest.mark.parametrize(
    ("one", "named"),
    [
        ((NGINX,), "nginx (pid 99, nginx.service)"),
        ((), "an unknown process"),
        ((SYSTEMD,), "systemd (pid 1, init.scope)"),
    ],
)
def test_a_foreign_program_must_be_off_the_ports(
    topology: str, port: int, one: tuple, named: str
) -> None:
    host = direct([*postfix_on_listen(), listener(port, *one)], units=STOPPED)
    (said,) = obstacles(host, topology)
    assert said.startswith(f"port {port} belongs to {named}, which is neither Postfix nor the ")
    assert said.endswith("stop it and keep it from starting again")


@BOTH
@pytest.mark.parametrize(
    ("port", "meaning"), [(10025, "scan service"), (10026, "Postfix, after the scan")]
)
def test_the_hops_behind_must_be_there(topology: str, port: int, meaning: str) -> None:
    host = direct([one for one in postfix_on_listen() if one.port != port])
    (said,) = obstacles(host, topology)
    assert said.startswith(f"nobody listens on port {port} ({meaning}): run playbooks/")


@BOTH
@pytest.mark.parametrize("service", ["192.0.2.1:25", "[2001:db8::1]:smtp", "127.0.0.1:smtp"])
def test_the_service_must_listen_on_all_addresses(topology: str, service: str) -> None:
    master_cf = b"# mine\n" + SMTP.replace(b"smtp", service.encode(), 1)
    (said,) = obstacles(direct(master_cf=master_cf), topology)
    assert said.startswith(f"{FILE}:2: {service} inet listens on one address alone")


@BOTH
@pytest.mark.parametrize(
    ("first", "second"), [("smtp", "25"), ("smtp", "127.0.0.1:2500"), ("2500", "127.0.0.1:2500")]
)
def test_one_entry_alone_may_be_in_force(topology: str, first: str, second: str) -> None:
    master_cf = b"".join(SMTP.replace(b"smtp", name.encode(), 1) for name in (first, second))
    (said,) = obstacles(direct(master_cf=master_cf), topology)
    assert said.startswith(f"{FILE} has more than one entry for ports 25 and 2500: ")
    assert f": line 1 ({first} inet), line 2 ({second} inet). Comment out" in said


@BOTH
def test_the_entry_must_be_there(topology: str) -> None:
    master_cf = DIRECT_CF.removeprefix(DIRECT_CF.splitlines(keepends=True)[0])
    (said,) = obstacles(direct(master_cf=master_cf), topology)
    assert said.startswith(
        f"{FILE} has neither an `smtp inet` entry nor one for port 2500; without it"
    )


@BOTH
def test_an_entry_that_is_commented_out_is_pointed_at(topology: str) -> None:
    master_cf = b"# top\n#smtp inet n - y - - smtpd\n# text\n#25 inet n - y - - smtpd\n"
    (said,) = obstacles(direct(master_cf=master_cf), topology)
    assert "port 2500: it is commented out at line 4; without it" in said


def test_only_programs_that_read_the_proxy_protocol_can_be_moved() -> None:
    host = direct(master_cf=b"smtp inet n - y - - qpsmtpd\n")
    (said,) = obstacles(host, model.EDGE)
    assert said.startswith(f"{FILE}:1: the command of smtp inet is qpsmtpd; only smtpd and ")
    assert obstacles(host, model.DIRECT) == []


# What stands in the way of inline alone

FRONT = b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"


@BOTH
def test_the_way_is_free_on_a_host_in_inline(topology: str) -> None:
    assert obstacles(inline(), topology) == []
    assert obstacles(inline(mail_version="3.5.0"), topology) == []


@pytest.mark.parametrize("port", [10020, 10021])
def test_a_foreign_program_must_be_off_the_ports_around_the_filter(port: int) -> None:
    host = direct([*postfix_on_listen(), listener(port, NGINX)])
    (said,) = obstacles(host, model.INLINE)
    assert said.startswith(f"port {port} belongs to nginx (pid 99, nginx.service), which is ")
    assert obstacles(host, model.DIRECT) == []
    assert obstacles(host, model.EDGE) == []


@pytest.mark.parametrize(
    ("port", "said"),
    [
        (
            10020,
            "has the port on which the sender filter awaits Postfix: choose another sender_filter_",
        ),
        (
            10021,
            "is no service of topology inline: choose another postfix_gateway_after_filter_port",
        ),
    ],
)
def test_a_service_of_the_operators_own_must_be_off_the_ports_around_the_filter(
    port: int, said: str
) -> None:
    own = b"127.0.0.1:%d inet n - y - - smtpd\n" % port
    host = direct([*postfix_on_listen(), listener(port, MASTER, SMTPD)], DIRECT_CF + own)
    (found,) = obstacles(host, model.INLINE)
    assert found.startswith(f"{FILE}:4: 127.0.0.1:{port} inet {said}")
    assert obstacles(host, model.DIRECT) == []
    assert obstacles(host, model.EDGE) == []


def test_a_left_over_service_after_the_filter_is_no_obstacle() -> None:
    host = direct(master_cf=DIRECT_CF + AFTER_ENTRY)
    assert all(obstacles(host, topology) == [] for topology in model.TOPOLOGIES)


@pytest.mark.parametrize("where", ["master.cf", "main.cf"])
@pytest.mark.parametrize("value", ["127.0.0.1:10099", "unix:private/proxy"])
def test_a_service_has_one_filter_before_its_queue_at_most(where: str, value: str) -> None:
    if where == "main.cf":
        host = direct(smtpd_proxy_filter=value)
    else:
        line = FRONT.replace(b"127.0.0.1:10020", value.encode())
        host = direct(master_cf=SMTP + line)
    (said,) = obstacles(host, model.INLINE)
    assert said.startswith(f"{FILE}:1: smtp inet has another filter before its queue already ")
    assert f"(smtpd_proxy_filter = {value})" in said
    assert obstacles(host, model.DIRECT) == []


def test_a_service_that_names_no_filter_does_not_have_the_one_of_main_cf() -> None:
    host = direct(
        master_cf=SMTP + b"  -o smtpd_proxy_filter=\n", smtpd_proxy_filter="127.0.0.1:10099"
    )
    assert obstacles(host, model.INLINE) == []


def test_only_smtpd_can_have_a_filter_before_its_queue() -> None:
    host = direct(master_cf=b"smtp inet n - y - - qpsmtpd\n")
    (said,) = obstacles(host, model.INLINE)
    assert said == (
        f"{FILE}:1: smtp inet runs qpsmtpd; only smtpd can have a filter before its queue"
    )


def test_behind_postscreen_it_is_the_service_behind_that_has_the_filter() -> None:
    home = b"smtp inet n - y - 1 postscreen\n"
    behind = b"smtpd pass - - y - - smtpd\n"
    assert obstacles(direct(master_cf=home + behind + FRONT), model.INLINE) == []
    other = FRONT.replace(b"10020", b"10099")
    (said,) = obstacles(direct(master_cf=home + behind + other), model.INLINE)
    assert said.startswith(f"{FILE}:2: smtpd pass has another filter before its queue already")


def test_a_postscreen_behind_the_filter_goes_by_way_of_direct() -> None:
    host = edge(master_cf=EDGE_CF.replace(b"smtpd\n  -o smtpd", b"postscreen\n  -o postscreen"))
    (said,) = obstacles(host, model.INLINE)
    assert said.startswith(f"{FILE}:2: postscreen hands its clients to a service that would have ")
    assert said.endswith("run playbooks/disable_sender_filter.yml first")
    assert obstacles(host, model.DIRECT) == []


def test_every_obstacle_is_named_at_once() -> None:
    host = direct(
        public(25, NGINX),
        b"192.0.2.1:25 inet n - y - - x\n" + EDGE_CF,
        master_pid=None,
        mail_version="3.4.0",
        master_service_disable="inet",
    )
    found = obstacles(host, model.EDGE)
    beginnings = ["Postfix is not", "Postfix 3.4.0", "/etc/postfix/main.cf", "port 25", "nobody"]
    beginnings += ["nobody", f"{FILE}:1", f"{FILE} has more", f"{FILE}:1"]
    assert len(found) == len(beginnings)
    for said, beginning in zip(found, beginnings, strict=True):
        assert said.startswith(beginning)
