from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    AMAVIS,
    ANY_IPV4,
    ANY_IPV6,
    DIRECT_CF,
    EDGE_CF,
    LOOPBACK,
    MASTER,
    NGINX,
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
    filter_between,
    filter_on_listen,
    inline,
    listener,
    postfix_on_listen,
    public,
    survey,
)
from hypothesis import given
from hypothesis import strategies as st

from module_utils.topology import model
from module_utils.topology.diagnosis import (
    conflicts,
    differences,
    lines,
    port_table,
    seen_topology,
)
from module_utils.topology.report import facts
from module_utils.topology.sockets import Listener, Process
from module_utils.topology.survey import FilterState, Survey

pytestmark = pytest.mark.usefixtures("host_with_ipv6")

BETWEEN = "sender-filter.socket is enabled: after a restart of the host it takes port 25"


def without(listeners: list[Listener], port: int, family: str = "") -> list[Listener]:
    return [one for one in listeners if one.port != port or family not in ("", one.family)]


@pytest.mark.parametrize(
    ("host", "topology"),
    [(edge(), model.EDGE), (direct(), model.DIRECT), (inline(), model.INLINE)],
)
def test_a_host_as_it_should_be_differs_in_nothing(host: Survey, topology: str) -> None:
    assert seen_topology(host) == topology
    assert conflicts(host) == []
    assert differences(host, topology) == []


def test_each_topology_differs_from_the_other_in_ports_unit_and_configuration() -> None:
    assert differences(edge(), model.DIRECT) == [
        "port 25 belongs to sender filter; it should be Postfix",
        "port 2500 should be free, but belongs to postfix",
        BETWEEN,
        "/etc/postfix/master.cf:2: 127.0.0.1:2500 inet belongs to topology edge",
        "/etc/postfix/master.cf has no entry for port 25",
    ]
    assert differences(direct(), model.EDGE) == [
        "port 25 belongs to postfix; it should be sender filter",
        "nobody listens on port 2500; it should be Postfix, behind the filter",
        "sender-filter.socket is not enabled: after a restart of the host nobody has port 25",
        "/etc/postfix/master.cf:1: smtp inet would take port 25 from the filter at the next reload",
        "/etc/postfix/master.cf has no entry for port 2500",
    ]


@pytest.mark.parametrize(
    "listeners",
    [
        [],
        after_the_filter(),
        public(25, NGINX),
        public(25, SYSTEMD, SENDER_FILTER),
        [*public(25, SYSTEMD, SENDER_FILTER), listener(2500, NGINX)],
        [*public(25, MASTER), listener(2500, MASTER)],
        [*public(25, MASTER), *public(25, SENDER_FILTER)],
        [*public(25, SENDER_FILTER), listener(2500, MASTER), listener(2500, NGINX)],
    ],
)
def test_what_makes_up_no_topology_is_unknown(listeners: list[Listener]) -> None:
    assert seen_topology(edge(listeners)) == model.UNKNOWN


def test_the_hops_behind_do_not_decide_what_topology_it_is() -> None:
    assert seen_topology(edge(without(filter_on_listen(), 10025))) == model.EDGE
    assert seen_topology(direct(without(postfix_on_listen(), 10026))) == model.DIRECT


def test_mail_that_walks_around_the_filter_is_named() -> None:
    host = inline(master_cf=DIRECT_CF)
    assert seen_topology(host) == model.UNKNOWN
    (said,) = differences(host, model.INLINE)
    assert said == (
        "/etc/postfix/master.cf: the service on port 25 has no "
        "`-o smtpd_proxy_filter=127.0.0.1:10020`: mail walks around the filter"
    )


def test_postscreen_hands_its_clients_to_the_service_that_has_the_filter() -> None:
    front = b"smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
    passing = front + b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
    assert seen_topology(inline(master_cf=passing)) == model.INLINE
    assert seen_topology(inline(master_cf=front)) == model.UNKNOWN


def test_what_is_left_of_inline_is_named_in_another_topology() -> None:
    found = differences(inline(), model.DIRECT)
    assert found == [
        "sender-filter-inline.socket is enabled: after a restart of the host it takes port 10020",
        "/etc/postfix/master.cf:3: 127.0.0.1:10021 inet belongs to topology inline",
        "/etc/postfix/master.cf: the service on port 25 has smtpd_proxy_filter of topology inline",
    ]


def test_a_service_of_the_operators_own_on_that_port_is_no_difference() -> None:
    own = DIRECT_CF + b"127.0.0.1:10021 inet n - n - - smtpd\n"
    listeners = [*postfix_on_listen(), listener(10021, MASTER)]
    assert seen_topology(direct(listeners, own)) == model.DIRECT
    assert differences(direct(listeners, own), model.DIRECT) == []


def test_a_foreign_program_in_the_place_of_the_filter_is_named() -> None:
    listeners = [*without(filter_between(), 10020), listener(10020, NGINX)]
    (said,) = differences(inline(listeners), model.INLINE)
    assert said.startswith("port 10020 belongs to nginx (pid 99, nginx.service); it should be ")


def test_a_filter_between_two_lives_still_has_its_port() -> None:
    listeners = without(filter_on_listen(), 25) + public(25, SYSTEMD)
    assert differences(edge(listeners), model.EDGE) == []


def test_postfix_behind_the_filter_belongs_on_loopback() -> None:
    exposed = [*without(filter_on_listen(), 2500), *public(2500, MASTER)]
    assert differences(edge(exposed), model.EDGE) == [
        f"port 2500 can be reached from outside ({ANY_IPV4}); it belongs on loopback",
        f"port 2500 can be reached from outside ({ANY_IPV6}); it belongs on loopback",
    ]


@pytest.mark.parametrize("port", [10025, 10026])
@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_the_hops_behind_belong_on_loopback(topology: str, port: int) -> None:
    healthy = filter_on_listen() if topology == model.EDGE else postfix_on_listen()
    (inner,) = (one for one in healthy if one.port == port)
    exposed = [*without(healthy, port), replace(inner, address="192.0.2.1")]
    host = edge(exposed) if topology == model.EDGE else direct(exposed)
    assert differences(host, topology) == [
        f"port {port} can be reached from outside (192.0.2.1); it belongs on loopback"
    ]


def test_two_owners_of_a_port_are_a_conflict_and_nothing_else() -> None:
    host = edge([*filter_on_listen(), *public(25, MASTER)])
    said = "port 25 has 2 owners, and the kernel deals connections to each: postfix; sender filter"
    assert conflicts(host) == [said]
    assert differences(host, model.EDGE) == [said]


def test_conflicts_are_found_on_every_port_of_the_path() -> None:
    extra = [listener(port, STRAY) for port in sorted(PORTS.all() - {10025})]
    found = conflicts(edge([*filter_on_listen(), *extra]))
    assert [line.split(" has")[0] for line in found] == ["port 25", "port 2500", "port 10026"]


def test_two_processes_on_one_socket_are_no_conflict() -> None:
    assert conflicts(edge([listener(25, SYSTEMD, SENDER_FILTER)])) == []


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_a_missing_family_is_named(topology: str, family: str) -> None:
    healthy = filter_on_listen() if topology == model.EDGE else postfix_on_listen()
    listeners = without(healthy, 25, family)
    host = edge(listeners) if topology == model.EDGE else direct(listeners)
    assert differences(host, topology) == [f"nobody listens on port 25 in {family}"]


def test_a_family_that_postfix_does_not_use_is_not_missed() -> None:
    listeners = without(postfix_on_listen(), 25, "ipv6")
    assert differences(direct(listeners, inet_protocols="ipv4"), model.DIRECT) == []


@pytest.mark.parametrize(
    ("port", "meaning"),
    [
        (25, "sender filter"),
        (2500, "Postfix, behind the filter"),
        (10025, "scan service"),
        (10026, "Postfix, after the scan"),
    ],
)
def test_a_port_without_a_listener_is_named(port: int, meaning: str) -> None:
    assert differences(edge(without(filter_on_listen(), port)), model.EDGE) == [
        f"nobody listens on port {port}; it should be {meaning}"
    ]


def test_a_foreign_owner_is_named_with_its_process() -> None:
    listeners = [*without(postfix_on_listen(), 25), *public(25, NGINX)]
    assert differences(direct(listeners), model.DIRECT) == [
        "port 25 belongs to nginx (pid 99, nginx.service); it should be Postfix"
    ]
    listeners = [*postfix_on_listen(), listener(2500, STRAY)]
    assert differences(direct(listeners), model.DIRECT) == [
        "port 2500 should be free, but belongs to python3 (pid 5150)"
    ]


def test_a_unit_that_would_start_at_the_next_boot_is_named() -> None:
    enabled = FilterState(installed=True, socket_active=False, service_active=False, enabled=True)
    assert differences(direct(units=enabled), model.DIRECT) == [BETWEEN]


def test_a_unit_that_would_not_start_at_the_next_boot_is_named() -> None:
    assert differences(edge(units=replace(RUNNING, enabled=False)), model.EDGE) == [
        "sender-filter.socket is not enabled: after a restart of the host nobody has port 25"
    ]


def test_a_master_cf_that_the_next_reload_would_follow_is_named() -> None:
    assert differences(edge(master_cf=DIRECT_CF), model.EDGE) == [
        "/etc/postfix/master.cf:1: smtp inet would take port 25 from the filter at the next reload",
        "/etc/postfix/master.cf has no entry for port 2500",
    ]
    assert differences(direct(master_cf=EDGE_CF), model.DIRECT) == [
        "/etc/postfix/master.cf:2: 127.0.0.1:2500 inet belongs to topology edge",
        "/etc/postfix/master.cf has no entry for port 25",
    ]


def test_both_entries_at_once_are_one_too_many() -> None:
    both = b"25 inet n - y - - smtpd\n" + EDGE_CF
    assert differences(edge(master_cf=both), model.EDGE) == [
        "/etc/postfix/master.cf:1: 25 inet would take port 25 from the filter at the next reload"
    ]
    assert differences(direct(master_cf=both), model.DIRECT) == [
        "/etc/postfix/master.cf:3: 127.0.0.1:2500 inet belongs to topology edge"
    ]


def test_other_ports_than_the_usual_are_compared_all_the_same() -> None:
    ports = model.Ports(
        listen=2525, smtp=2526, proxy=2529, after_proxy=2530, scan=2527, reinjection=2528
    )
    listeners = [
        *public(2525, SYSTEMD, SENDER_FILTER),
        listener(2526, MASTER),
        listener(2527, AMAVIS),
        listener(2528, MASTER),
    ]
    host = survey(listeners, b"127.0.0.1:2526 inet n - y - - smtpd\n", RUNNING, ports=ports)
    assert seen_topology(host) == model.EDGE
    assert differences(host, model.EDGE) == []
    assert {row.port for row in port_table(host, model.EDGE)} == {2525, 2526, 2527, 2528}


SOCKETS = [
    *(
        listener(port, *who, address=address)
        for port in (25, 2500)
        for who in ((MASTER, SMTPD), (SYSTEMD, SENDER_FILTER), (SYSTEMD,), (NGINX,))
        for address in (LOOPBACK, ANY_IPV4, ANY_IPV6)
    ),
    *after_the_filter(),
]


@given(
    st.lists(st.sampled_from(SOCKETS), max_size=6, unique=True),
    st.booleans(),
    st.sampled_from([DIRECT_CF, EDGE_CF]),
    st.sampled_from([RUNNING, STOPPED]),
    st.sampled_from(model.TOPOLOGIES),
)
def test_what_differs_in_nothing_is_seen_as_that_topology(
    sockets: list[Listener], hops: bool, master_cf: bytes, units: FilterState, topology: str
) -> None:
    listeners = list(dict.fromkeys(sockets + (SOCKETS[-2:] if hops else [])))
    host = survey(listeners, master_cf, units, inet_protocols="ipv4")
    if not differences(host, topology):
        assert seen_topology(host) == topology
        other = model.DIRECT if topology == model.EDGE else model.EDGE
        assert differences(host, other)
        assert not conflicts(host)


def test_the_port_table_has_a_row_for_each_listener_in_the_order_of_the_path() -> None:
    rows = [
        (row.port, row.expected, row.owner, row.family, row.address, row.process, row.pid, row.unit)
        for row in port_table(edge(), model.EDGE)
    ]
    senderfilter = ("senderfilter", 880, "sender-filter.service")
    master = ("master", 377, "postfix@-.service")
    amavis = ("/usr/sbin/amavi", 66, "amavis.service")
    assert rows == [
        (25, "sender filter", "sender filter", "ipv4", ANY_IPV4, *senderfilter),
        (25, "sender filter", "sender filter", "ipv6", ANY_IPV6, *senderfilter),
        (2500, "postfix", "postfix", "ipv4", LOOPBACK, *master),
        (10025, "scan service", "scan service", "ipv4", LOOPBACK, *amavis),
        (10026, "postfix", "postfix", "ipv4", LOOPBACK, *master),
    ]


def test_a_port_without_a_listener_has_a_row_too() -> None:
    (row,) = [row for row in port_table(direct(), model.DIRECT) if row.port == 2500]
    assert (row.expected, row.owner) == ("nobody", "nobody")
    assert (row.family, row.address, row.process, row.pid, row.unit) == ("", "", "", None, "")
    assert row.cells() == ("2500", "-", "-", "nobody", "-", "")


@pytest.mark.parametrize(
    ("processes", "named"),
    [
        ((SYSTEMD, SENDER_FILTER), SENDER_FILTER),
        ((SENDER_FILTER, SYSTEMD), SENDER_FILTER),
        ((SYSTEMD,), SYSTEMD),
        ((SMTPD, MASTER), MASTER),
        ((MASTER, SMTPD), MASTER),
        ((STRAY, NGINX), STRAY),
    ],
)
def test_a_row_names_the_process_that_answers(
    processes: tuple[Process, ...], named: Process
) -> None:
    row = port_table(edge([listener(25, *processes)]), model.EDGE)[0]
    assert (row.process, row.pid, row.unit) == (named.name, named.pid, named.unit)


def test_a_listener_of_a_process_that_cannot_be_seen_has_a_row() -> None:
    row = port_table(direct([listener(25)]), model.DIRECT)[0]
    assert (row.owner, row.process, row.pid) == ("an unknown process", "", None)


def assert_aligned(host: Survey, topology: str) -> None:
    rows = port_table(host, topology)
    header, *table = lines(rows)
    starts = [header.index(word) for word in ("address", "owner", "process", "unit")]
    for row, text in zip(rows, table, strict=True):
        line = text.ljust(starts[-1] + 1)
        cells = (row.address, row.owner, row.process, row.unit)
        for start, cell in zip(starts, cells, strict=True):
            assert line[start - 1] == " ", line
            assert line[start:].startswith(cell or ("-" if start != starts[-1] else "")), line


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_the_lines_of_the_table_are_aligned(topology: str) -> None:
    assert_aligned(edge(), topology)
    assert_aligned(direct(), topology)
    assert_aligned(edge([]), topology)


@pytest.mark.parametrize(
    "one",
    [
        listener(25, NGINX),
        listener(25, SENDER_FILTER, address="192.0.2.125"),
        listener(25, SENDER_FILTER, address="2001:db8::1"),
        listener(25, SYSTEMD, Process(4_194_303, "sender_filter_x", "sender-filter.service")),
    ],
)
def test_the_lines_of_the_table_are_aligned_whatever_stands_in_them(one: Listener) -> None:
    assert_aligned(edge([one]), model.EDGE)


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_the_facts_that_modules_return_are_those_of_the_diagnosis(topology: str) -> None:
    host = edge([*filter_on_listen(), *public(25, MASTER)])
    said = facts(host, topology)
    assert said["seen"] == model.UNKNOWN
    assert said["conflicts"] == conflicts(host)
    assert said["differences"] == differences(host, topology)
    assert said["table"] == lines(port_table(host, topology))
    assert [row["port"] for row in said["ports"]] == [25, 25, 25, 25, 2500, 10025, 10026]
    assert said["ports"][0]["unit"] in {"sender-filter.service", "postfix@-.service"}
