from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    AFTER_ENTRY,
    AMAVIS,
    ANY_IPV4,
    ANY_IPV6,
    DIRECT_CF,
    EDGE_CF,
    HOSTS,
    INLINE_CF,
    INLINE_FILTER,
    LISTENERS,
    LOOPBACK,
    MASTER,
    MASTER_CF,
    NGINX,
    PORTS,
    RUNNING,
    SENDER_FILTER,
    SMTPD,
    STOPPED,
    STRAY,
    SYSTEMD,
    after_the_filter,
    around_the_filter,
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

ENABLED = "sender-filter.socket is enabled: after a restart of the host it takes port 25"
INLINE_ENABLED = (
    "sender-filter-inline.socket is enabled: after a restart of the host it takes port 10020"
)
INLINE_DISABLED = (
    "sender-filter-inline.socket is not enabled: after a restart of the host nobody has port 10020"
)
AROUND = (
    "/etc/postfix/master.cf: the service on port 25 has no `-o smtpd_proxy_filter=127.0.0.1:10020`"
    ": mail walks around the filter"
)
PASSES = "/etc/postfix/master.cf: the service on port 25 has smtpd_proxy_filter of topology inline"
LEFT_OVER = "/etc/postfix/master.cf:4: 127.0.0.1:10021 inet belongs to topology inline"


def without(listeners: list[Listener], port: int, family: str = "") -> list[Listener]:
    return [one for one in listeners if one.port != port or family not in ("", one.family)]


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_a_host_as_it_should_be_differs_in_nothing(topology: str) -> None:
    host = HOSTS[topology]()
    assert seen_topology(host) == topology
    assert conflicts(host) == []
    assert differences(host, topology) == []


def test_who_listens_on_some_addresses_need_not_listen_in_each_family() -> None:
    some = [listener(25, MASTER, address=one) for one in ("192.0.2.1", "127.0.0.1")]
    host = direct([*some, *after_the_filter()])
    assert differences(host, model.DIRECT) == ["nobody listens on port 25 in ipv6"]
    host = direct([*some, *after_the_filter()], inet_interfaces="192.0.2.1, 127.0.0.1")
    assert differences(host, model.DIRECT) == []


def test_a_master_that_hears_nobody_is_a_difference() -> None:
    host = edge()
    (said,) = differences(replace(host, postfix=replace(host.postfix, deaf=True)), model.EDGE)
    assert said.startswith(f"Postfix's master (pid {MASTER.pid}) serves nobody")


def test_each_topology_differs_from_the_other_in_ports_unit_and_configuration() -> None:
    assert differences(edge(), model.DIRECT) == [
        "port 25 belongs to sender filter; it should be Postfix",
        "port 2500 should be free, but belongs to postfix",
        ENABLED,
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
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_the_hops_behind_belong_on_loopback(topology: str, port: int) -> None:
    healthy = LISTENERS[topology]()
    (inner,) = (one for one in healthy if one.port == port)
    exposed = [*without(healthy, port), replace(inner, address="192.0.2.1")]
    assert differences(HOSTS[topology](exposed), topology) == [
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
    found = conflicts(inline([*filter_between(), *extra]))
    assert [line.split(" has")[0] for line in found] == [
        "port 25",
        "port 10020",
        "port 10021",
        "port 10026",
    ]


def test_two_processes_on_one_socket_are_no_conflict() -> None:
    assert conflicts(edge([listener(25, SYSTEMD, SENDER_FILTER)])) == []


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_a_missing_family_is_named(topology: str, family: str) -> None:
    host = HOSTS[topology](without(LISTENERS[topology](), 25, family))
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
    assert differences(direct(units=enabled), model.DIRECT) == [ENABLED]


def test_a_unit_that_would_not_start_at_the_next_boot_is_named() -> None:
    assert differences(edge(units=replace(RUNNING, enabled=False)), model.EDGE) == [
        "sender-filter.socket is not enabled: after a restart of the host nobody has port 25"
    ]


def test_a_port_that_is_open_for_a_filter_that_is_away_is_named() -> None:
    (found,) = differences(edge(units=replace(RUNNING, service_active=False)), model.EDGE)
    assert found == (
        "sender-filter.service does not run: who connects to port 25 waits for nobody "
        "(journalctl --unit=sender-filter.service)"
    )


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
    *around_the_filter(),
    *after_the_filter(),
]


@given(
    st.lists(st.sampled_from(SOCKETS), max_size=6, unique=True),
    st.booleans(),
    st.sampled_from(sorted(MASTER_CF.values())),
    st.tuples(st.sampled_from([RUNNING, STOPPED]), st.sampled_from([RUNNING, STOPPED])),
    st.sampled_from(model.TOPOLOGIES),
)
def test_what_differs_in_nothing_is_seen_as_that_topology(
    sockets: list[Listener],
    hops: bool,
    master_cf: bytes,
    units: tuple[FilterState, FilterState],
    topology: str,
) -> None:
    listeners = list(dict.fromkeys(sockets + (SOCKETS[-4:] if hops else [])))
    towards_network, towards_postfix = units
    host = survey(
        listeners, master_cf, towards_network, inline_units=towards_postfix, inet_protocols="ipv4"
    )
    if not differences(host, topology):
        assert seen_topology(host) == topology
        assert all(differences(host, other) for other in model.TOPOLOGIES if other != topology)
        assert not conflicts(host)


# Topology inline


def test_inline_differs_from_the_others_in_ports_unit_and_configuration() -> None:
    assert differences(inline(), model.DIRECT) == [INLINE_ENABLED, LEFT_OVER, PASSES]
    assert differences(direct(), model.INLINE) == [
        "nobody listens on port 10020; it should be sender filter, for Postfix",
        "nobody listens on port 10021; it should be Postfix, after the filter",
        INLINE_DISABLED,
        AROUND,
    ]
    assert differences(inline(), model.EDGE) == [
        "port 25 belongs to postfix; it should be sender filter",
        "nobody listens on port 2500; it should be Postfix, behind the filter",
        "sender-filter.socket is not enabled: after a restart of the host nobody has port 25",
        INLINE_ENABLED,
        "/etc/postfix/master.cf:1: smtp inet would take port 25 from the filter at the next reload",
        LEFT_OVER,
        PASSES,
        "/etc/postfix/master.cf has no entry for port 2500",
    ]
    assert differences(edge(), model.INLINE)[-3:] == [
        "/etc/postfix/master.cf:2: 127.0.0.1:2500 inet belongs to topology edge",
        AROUND,
        "/etc/postfix/master.cf has no entry for port 25",
    ]


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (b"127.0.0.1:10020", True),
        (b"inet:127.0.0.1:10020", True),
        (b"[127.0.0.1]:10020", True),
        (b"", False),
        (b"127.0.0.1:10099", False),
        (b"unix:private/proxy", False),
    ],
)
def test_mail_that_walks_around_the_filter_is_named(value: bytes, passes: bool) -> None:
    host = inline(master_cf=INLINE_CF.replace(b"127.0.0.1:10020", value))
    assert differences(host, model.INLINE) == ([] if passes else [AROUND])
    assert seen_topology(host) == (model.INLINE if passes else model.UNKNOWN)


def test_a_filter_that_main_cf_names_counts_where_the_service_names_none() -> None:
    named = {"smtpd_proxy_filter": "127.0.0.1:10020"}
    line = b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
    assert differences(inline(master_cf=INLINE_CF.replace(line, b""), **named), model.INLINE) == []
    other = INLINE_CF.replace(line, b"  -o smtpd_proxy_filter=\n")
    assert differences(inline(master_cf=other, **named), model.INLINE) == [AROUND]
    assert differences(direct(**named), model.DIRECT) == [PASSES]


def test_with_postscreen_in_front_the_service_behind_it_has_the_filter() -> None:
    home = b"smtp inet n - y - 1 postscreen\n"
    front = b"smtpd pass - - y - - smtpd\n  -o smtpd_proxy_filter=127.0.0.1:10020\n"
    rest = INLINE_CF[INLINE_CF.index(AFTER_ENTRY) :]
    assert differences(inline(master_cf=home + front + rest), model.INLINE) == []
    bare = front.replace(b"127.0.0.1:10020", b"")
    for without_filter in (home + bare + rest, home + rest):
        assert differences(inline(master_cf=without_filter), model.INLINE) == [AROUND]


@pytest.mark.parametrize(
    ("port", "process", "said"),
    [
        (10020, NGINX, "nginx (pid 99, nginx.service); it should be sender filter, for Postfix"),
        (10020, MASTER, "postfix; it should be sender filter, for Postfix"),
        (10021, NGINX, "nginx (pid 99, nginx.service); it should be Postfix, after the filter"),
        (10021, INLINE_FILTER, "sender filter; it should be Postfix, after the filter"),
    ],
)
def test_a_foreign_owner_beside_the_filter_is_named(port: int, process: Process, said: str) -> None:
    host = inline([*without(filter_between(), port), listener(port, process)])
    assert differences(host, model.INLINE) == [f"port {port} belongs to {said}"]
    assert seen_topology(host) == model.UNKNOWN


@pytest.mark.parametrize("port", [10020, 10021])
def test_the_ports_around_the_filter_belong_on_loopback(port: int) -> None:
    (inner,) = (one for one in filter_between() if one.port == port)
    host = inline([*without(filter_between(), port), replace(inner, address="192.0.2.1")])
    assert differences(host, model.INLINE) == [
        f"port {port} can be reached from outside (192.0.2.1); it belongs on loopback"
    ]


@pytest.mark.parametrize("topology", [model.DIRECT, model.EDGE])
def test_a_left_over_service_after_the_filter_is_named(topology: str) -> None:
    host = HOSTS[topology](master_cf=MASTER_CF[topology] + AFTER_ENTRY)
    line = MASTER_CF[topology].count(b"\n") + 1
    assert differences(host, topology) == [
        f"/etc/postfix/master.cf:{line}: 127.0.0.1:10021 inet belongs to topology inline"
    ]


@pytest.mark.parametrize("topology", [model.DIRECT, model.EDGE])
def test_a_service_of_the_operators_own_in_that_place_is_no_alarm(topology: str) -> None:
    own = MASTER_CF[topology] + b"127.0.0.1:10021 inet n - y - - smtpd\n"
    sockets = [*LISTENERS[topology](), listener(10021, MASTER, SMTPD)]
    host = HOSTS[topology](sockets, own)
    assert differences(host, topology) == []
    assert seen_topology(host) == topology


def test_a_filter_that_waits_for_nobody_is_no_topology() -> None:
    waits = [*postfix_on_listen(), listener(10020, SYSTEMD, INLINE_FILTER)]
    assert seen_topology(inline(waits, DIRECT_CF)) == model.UNKNOWN
    assert seen_topology(direct(master_cf=INLINE_CF)) == model.UNKNOWN


def test_of_a_host_in_no_topology_the_table_is_that_of_direct() -> None:
    host = inline()
    assert port_table(host, model.UNKNOWN) == port_table(host, model.DIRECT)


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


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_the_lines_of_the_table_are_aligned(topology: str) -> None:
    for host in (*(make() for make in HOSTS.values()), edge([])):
        assert_aligned(host, topology)


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


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_the_facts_that_modules_return_are_those_of_the_diagnosis(topology: str) -> None:
    host = edge([*filter_on_listen(), *public(25, MASTER)])
    said = facts(host, topology)
    assert said["seen"] == model.UNKNOWN
    assert said["conflicts"] == conflicts(host)
    assert said["differences"] == differences(host, topology)
    assert said["table"] == lines(port_table(host, topology))
    path = [10020, 10021] if topology == model.INLINE else [2500]
    assert [row["port"] for row in said["ports"]] == [25, 25, 25, 25, *path, 10025, 10026]
    assert said["ports"][0]["unit"] in {"sender-filter.service", "postfix@-.service"}
