from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import OPTION_NAMES, master_files

from module_utils.postfix.errors import AmbiguousService, InvalidConfig, NoSuchService
from module_utils.postfix.master_cf import MasterDocument
from module_utils.topology import model
from module_utils.topology.between import AFTER, Between
from module_utils.topology.target import PROXY_OPTIONS, master_cf

MOVED_TO = "127.0.0.1:2500"
STOCK = b"smtp      inet  n       -       y       -       -       smtpd\n"
ADDRESSES = st.sampled_from([MOVED_TO, "2500", "[::1]:2500", "127.0.0.1:10024"])
OVERRIDES = st.dictionaries(
    st.sampled_from([*OPTION_NAMES, *PROXY_OPTIONS["smtpd"], *PROXY_OPTIONS["postscreen"]]),
    st.sampled_from(["haproxy", "yes", "a b", "", "${x?{y}:{z}}"]),
    max_size=3,
)


@st.composite
def gateways(draw: st.DrawFn) -> tuple[bytes, str]:
    """A master.cf in topology direct, and the command of its service on port 25."""
    document = MasterDocument.parse(draw(master_files(home=True)))
    command = draw(st.sampled_from(["smtpd", "postscreen", "other"]))
    (home,) = document.find("smtp", "inet")
    document.set_fields(home, {"command": command})
    return document.render(), command


def to_edge(data: bytes, to: str = MOVED_TO, **overrides: str) -> bytes:
    return master_cf(data, model.EDGE, to, overrides)


def to_direct(data: bytes, to: str = MOVED_TO, **overrides: str) -> bytes:
    return master_cf(data, model.DIRECT, to, overrides)


@given(gateways(), ADDRESSES, OVERRIDES)
def test_to_edge_and_back_gives_the_bytes(
    gateway: tuple[bytes, str], to: str, overrides: dict[str, str]
) -> None:
    data, _ = gateway
    there = to_edge(data, to, **overrides)
    assert there != data
    assert to_edge(there, to, **overrides) == there
    assert to_direct(there, to, **overrides) == data
    assert to_direct(data, to, **overrides) == data


@given(gateways(), ADDRESSES, OVERRIDES)
def test_the_moved_service_has_what_its_command_needs_and_overrides_win(
    gateway: tuple[bytes, str], to: str, overrides: dict[str, str]
) -> None:
    data, command = gateway
    (home,) = MasterDocument.parse(data).find("smtp", "inet")
    document = MasterDocument.parse(to_edge(data, to, **overrides))
    (moved,) = document.find(to, "inet")
    added = {**PROXY_OPTIONS.get(command, {}), **overrides}
    assert dict(moved.options) == {**dict(home.options), **added}
    assert moved.command == command
    assert not document.find("smtp", "inet")


def test_the_stock_entry_behind_the_filter() -> None:
    assert to_edge(STOCK) == (
        b"#" + STOCK + b"127.0.0.1:2500 inet n  -       y       -       -       smtpd\n"
        b"  -o smtpd_upstream_proxy_protocol=haproxy\n"
        b"  -o smtpd_forbid_bare_newline=normalize\n"
        b"  -o smtpd_forbid_bare_newline_exclusions=\n"
    ).replace(b"inet n  -", b"inet  n       -", 1)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "smtpd",
            {
                "smtpd_upstream_proxy_protocol": "haproxy",
                "smtpd_forbid_bare_newline": "normalize",
                "smtpd_forbid_bare_newline_exclusions": "",
            },
        ),
        ("postscreen", {"postscreen_upstream_proxy_protocol": "haproxy"}),
        ("other", {}),
    ],
)
def test_each_command_gets_its_own_options(command: str, options: dict[str, str]) -> None:
    data = f"smtp inet n - y - 1 {command}\nsmtpd pass - - y - - smtpd\n".encode()
    there = to_edge(data)
    document = MasterDocument.parse(there)
    assert dict(document.find(MOVED_TO, "inet")[0].options) == options
    assert document.find("smtpd", "pass")[0].options == []
    assert to_direct(there) == data


def test_an_override_replaces_a_value_and_adds_another() -> None:
    there = to_edge(STOCK, smtpd_forbid_bare_newline="reject", syslog_name="postfix/edge")
    (moved,) = MasterDocument.parse(there).find(MOVED_TO, "inet")
    assert moved.option("smtpd_forbid_bare_newline") == "reject"
    assert moved.option("syslog_name") == "postfix/edge"
    assert moved.option("smtpd_upstream_proxy_protocol") == "haproxy"


def test_an_option_that_was_taken_out_by_hand_comes_back() -> None:
    there = to_edge(STOCK)
    edited = there.replace(b"  -o smtpd_upstream_proxy_protocol=haproxy\n", b"")
    (moved,) = MasterDocument.parse(to_edge(edited)).find(MOVED_TO, "inet")
    assert moved.option("smtpd_upstream_proxy_protocol") == "haproxy"


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_what_is_in_neither_place_or_in_both_cannot_be_moved(topology: str) -> None:
    with pytest.raises(NoSuchService):
        master_cf(b"pickup unix n - y 60 1 pickup\n", topology, MOVED_TO, {})
    both = STOCK + STOCK.replace(b"smtp ", b"127.0.0.1:2500 ", 1)
    with pytest.raises(AmbiguousService):
        master_cf(both, topology, MOVED_TO, {})


def test_an_override_that_is_no_longer_wanted_goes_away() -> None:
    named = {"syslog_name": "postfix/edge"}
    there = to_edge(STOCK, **named)
    assert master_cf(there, model.EDGE, MOVED_TO, {}, previous=named) == to_edge(STOCK)


def test_the_way_back_does_not_need_the_overrides_of_the_way_there() -> None:
    named = {"syslog_name": "postfix/edge"}
    there = to_edge(STOCK, **named)
    assert master_cf(there, model.DIRECT, MOVED_TO, {}, previous=named) == STOCK


def test_the_vendors_bare_port_is_taken_over_and_comes_back() -> None:
    vendors = b"#" + STOCK + STOCK.replace(b"smtp ", b"2500 ", 1)
    there = to_edge(vendors)
    assert there == to_edge(STOCK)
    assert to_direct(vendors) == STOCK
    assert to_direct(there) == STOCK


def test_another_port_than_25_has_its_number_as_its_name() -> None:
    home = STOCK.replace(b"smtp ", b"2600 ", 1)
    there = master_cf(home, model.EDGE, MOVED_TO, {}, service="2600")
    assert MasterDocument.parse(there).find(MOVED_TO, "inet")
    assert master_cf(there, model.DIRECT, MOVED_TO, {}, service="2600") == home


# Between two services of Postfix

BETWEEN = Between("127.0.0.1:10020", "127.0.0.1:10021", "no_address_mappings")


def in_topology(data: bytes, topology: str, between: Between = BETWEEN) -> bytes:
    return master_cf(data, topology, MOVED_TO, {}, between=between)


@given(
    master_files(home=True),
    st.lists(st.sampled_from([model.EDGE, model.DIRECT, model.INLINE]), max_size=6),
)
def test_from_each_topology_to_each_other_one_and_home_gives_the_bytes(
    data: bytes, way: list[str]
) -> None:
    (home,) = MasterDocument.parse(data).find("smtp", "inet")
    assume(not home.arguments.rest)
    assume(not {"smtpd_proxy_filter", "receive_override_options"} & dict(home.options).keys())
    assume(not MasterDocument.parse(data).listening_on(10021))
    there = data
    for topology in way:
        there = in_topology(there, topology)
        assert in_topology(there, topology) == there
    assert in_topology(there, model.DIRECT) == data


def test_the_stock_entry_with_the_filter_between() -> None:
    document = MasterDocument.parse(in_topology(STOCK, model.INLINE))
    (front,) = document.find("smtp", "inet")
    assert dict(front.options) == {
        "smtpd_proxy_filter": "127.0.0.1:10020",
        "receive_override_options": "no_address_mappings,no_unknown_recipient_checks",
    }
    (after,) = document.find("127.0.0.1:10021", "inet")
    assert dict(after.options) == AFTER
    assert (after.command, after.fields[2]) == ("smtpd", "n")


def test_with_postscreen_in_front_the_service_behind_it_gets_the_filter() -> None:
    data = b"smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o a=b\n"
    there = in_topology(data, model.INLINE)
    document = MasterDocument.parse(there)
    assert document.find("smtp", "inet")[0].options == []
    assert document.find("smtpd", "pass")[0].option("smtpd_proxy_filter") == "127.0.0.1:10020"
    (after,) = document.find("127.0.0.1:10021", "inet")
    assert (after.option("a"), after.fields[2]) == ("b", "n")
    assert in_topology(there, model.DIRECT) == data


def test_an_override_of_the_operators_own_stays_as_it_is() -> None:
    data = STOCK + b"  -o receive_override_options=no_milters\n"
    there = in_topology(data, model.INLINE)
    (front,) = MasterDocument.parse(there).find("smtp", "inet")
    assert front.option("receive_override_options") == "no_milters"
    assert in_topology(there, model.DIRECT) == data


def test_what_the_last_move_gave_goes_although_main_cf_has_changed_since() -> None:
    there = in_topology(STOCK, model.INLINE)
    given = {"receive_override_options": "no_address_mappings,no_unknown_recipient_checks"}
    later = replace(BETWEEN, overrides="no_milters", previous=given)
    assert in_topology(there, model.DIRECT, later) == STOCK


def test_what_the_operator_adds_meanwhile_is_kept() -> None:
    there = in_topology(STOCK, model.INLINE)
    edited = there.replace(b"smtpd\n  -o smtpd_proxy", b"smtpd\n  -o mine=1\n  -o smtpd_proxy", 1)
    assert edited != there
    assert in_topology(edited, model.DIRECT) == STOCK + b"  -o mine=1\n"


def test_bytes_that_could_not_be_given_back_are_not_changed() -> None:
    with pytest.raises(InvalidConfig, match="would not get its bytes back"):
        in_topology(STOCK[:-1] + b" -o a=b  {x y}\n", model.INLINE)
