from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import OPTION_NAMES, master_files

from module_utils.postfix.errors import AmbiguousService, NoSuchService
from module_utils.postfix.master_cf import MasterDocument
from module_utils.topology import model
from module_utils.topology.between import Between, front_of
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


def to(
    topology: str,
    data: bytes,
    overrides: dict[str, str] | None = None,
    overrides_of_main_cf: str = "",
    previous: dict[str, str] | None = None,
) -> bytes:
    """The file in a topology, as a move makes it that knows of inline."""
    given = overrides or {}
    place = Between("127.0.0.1:10020", "127.0.0.1:10021", overrides_of_main_cf, given)
    return master_cf(data, topology, MOVED_TO, given, previous=previous, between=place)


@st.composite
def gateways_for_a_filter(draw: st.DrawFn) -> bytes:
    """A master.cf in topology direct into which the filter can be put, and out again."""
    document = MasterDocument.parse(draw(master_files(home=True)))
    (home,) = document.find("smtp", "inet")
    if document.find("smtpd", "pass"):
        document.set_fields(home, {"command": draw(st.sampled_from(["smtpd", "postscreen"]))})
    (front,) = document.find(*front_of(document, "smtp"))
    assume(not front.arguments.rest)
    return document.render()


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


MOVES = [(one, other) for one in model.TOPOLOGIES for other in model.TOPOLOGIES if one != other]


@given(
    gateways_for_a_filter(),
    st.sampled_from(MOVES),
    OVERRIDES,
    st.sampled_from(["", "no_milters", "no_address_mappings, x"]),
)
def test_each_move_can_be_made_and_unmade_byte_for_byte(
    data: bytes, move: tuple[str, str], overrides: dict[str, str], main_cf: str
) -> None:
    first, second = move
    here = to(first, data, overrides, main_cf)
    there = to(second, here, overrides, main_cf)
    assert there != here
    assert to(second, there, overrides, main_cf) == there
    # Whatever way is gone, the end is the same.
    assert there == to(second, data, overrides, main_cf)
    assert to(first, there, overrides, main_cf) == here
    assert to(model.DIRECT, there, overrides, main_cf) == data


@given(gateways())
def test_without_a_place_for_the_filter_the_other_topologies_are_as_ever(
    gateway: tuple[bytes, str],
) -> None:
    data, _ = gateway
    assert to(model.EDGE, data) == to_edge(data)
    assert to(model.DIRECT, to_edge(data)) == to_direct(to_edge(data)) == data


def test_the_stock_entry_with_the_filter_between() -> None:
    assert to(model.INLINE, STOCK).startswith(
        STOCK + b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
        b"  -o receive_override_options=no_unknown_recipient_checks\n"
        b"127.0.0.1:10021 inet  n       -       y       -       -       smtpd\n"
        b"  -o syslog_name=postfix/after-filter\n"
    )
    assert to(model.INLINE, to_edge(STOCK)) == to(model.INLINE, STOCK)


def test_options_behind_the_filter_do_not_come_along_in_front_of_it() -> None:
    edge = to(model.EDGE, STOCK, {"syslog_name": "postfix/edge"})
    there = master_cf(
        edge,
        model.INLINE,
        MOVED_TO,
        {},
        previous={"syslog_name": "postfix/edge"},
        between=Between("127.0.0.1:10020", "127.0.0.1:10021"),
    )
    assert there == to(model.INLINE, STOCK)


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


@given(gateways_for_a_filter(), OVERRIDES, OVERRIDES)
def test_the_way_out_of_edge_does_not_mind_that_the_overrides_have_been_changed(
    data: bytes, before: dict[str, str], now: dict[str, str]
) -> None:
    there = to(model.EDGE, data, before)
    assert to(model.DIRECT, there, now, previous=before) == data
    assert to(model.INLINE, there, now, previous=before) == to(model.INLINE, data, now)


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


def passing(data: bytes, topology: str = model.EDGE, **overrides: str) -> bytes:
    """The file where the filter hands connections over to Postfix as well."""
    return master_cf(data, topology, MOVED_TO, overrides, passes=True)


@given(gateways(), ADDRESSES, OVERRIDES)
def test_the_service_that_takes_connections_over_comes_and_goes_byte_for_byte(
    gateway: tuple[bytes, str], to: str, overrides: dict[str, str]
) -> None:
    data, command = gateway
    edge = to_edge(data, to, **overrides)
    there = master_cf(data, model.EDGE, to, overrides, passes=True)
    assert (there != edge) == (command == "smtpd")
    assert master_cf(there, model.EDGE, to, overrides, passes=True) == there
    assert master_cf(edge, model.EDGE, to, overrides, passes=True) == there
    assert to_edge(there, to, **overrides) == edge
    assert to_direct(there, to, **overrides) == data
    assert master_cf(there, model.DIRECT, to, overrides, passes=True) == data


@given(gateways(), OVERRIDES)
def test_it_is_as_the_service_behind_the_filter_but_for_the_header(
    gateway: tuple[bytes, str], overrides: dict[str, str]
) -> None:
    data, command = gateway
    assume(command == "smtpd")
    document = MasterDocument.parse(passing(data, **overrides))
    (behind,) = document.find(MOVED_TO, "inet")
    (taking,) = document.find("sender-filter", "pass")
    expected = dict(behind.options)
    expected.pop("smtpd_upstream_proxy_protocol")
    assert dict(taking.options) == expected
    assert taking.fields[3:] == behind.fields[3:]
    assert taking.fields[2] == "n"


def test_the_stock_entry_with_both_services() -> None:
    assert passing(STOCK) == to_edge(STOCK) + (
        b"sender-filter  pass  n       -       y       -       -       smtpd\n"
        b"  -o smtpd_forbid_bare_newline=normalize\n"
        b"  -o smtpd_forbid_bare_newline_exclusions=\n"
    )


def test_without_a_last_line_end_it_stays_without() -> None:
    data = STOCK.rstrip(b"\n")
    assert not passing(data).endswith(b"\n")
    assert to_direct(passing(data)) == data
