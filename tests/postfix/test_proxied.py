from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import OPTION_NAMES, master_files

from module_utils.postfix.errors import (
    AmbiguousService,
    InvalidConfig,
    InvalidValue,
    NoSuchService,
)
from module_utils.postfix.master_cf import Entry, MasterDocument
from module_utils.postfix.proxied import put_in, take_out

AFTER = "127.0.0.1:10021"
PROXY = {"smtpd_proxy_filter": "127.0.0.1:10020"}
GIVEN = {**PROXY, "receive_override_options": "no_unknown_recipient_checks"}
AFTER_GIVEN = {"smtpd_proxy_filter": "", "syslog_name": "postfix/after-filter"}
OPTIONS = st.dictionaries(
    st.sampled_from(["smtpd_proxy_filter", "receive_override_options", "x"]),
    st.sampled_from(["127.0.0.1:10020", "a,b", "a b", "", "${x?{y}:{z}}"]),
    min_size=1,
)
AFTER_OPTIONS = st.dictionaries(
    st.sampled_from([*OPTION_NAMES, "smtpd_proxy_filter"]),
    st.sampled_from(["yes", "permit_mynetworks,reject", "a b", ""]),
)


def put(
    data: bytes, options: dict[str, str] | None = None, after_options: dict[str, str] | None = None
) -> bytes:
    given = GIVEN if options is None else options
    after = AFTER_GIVEN if after_options is None else after_options
    return put_in(MasterDocument.parse(data), "smtp", "inet", given, AFTER, after).render()


def taken(data: bytes, options: dict[str, str] | None = None, after: str | None = AFTER) -> bytes:
    given = GIVEN if options is None else options
    return take_out(MasterDocument.parse(data), "smtp", "inet", given, after).render()


def has_arguments_behind_its_options(entry: Entry) -> bool:
    return bool(entry.arguments.rest)


@given(master_files(home=True), OPTIONS, AFTER_OPTIONS)
def test_in_and_out_gives_the_bytes_or_is_refused(
    data: bytes, options: dict[str, str], after_options: dict[str, str]
) -> None:
    (home,) = MasterDocument.parse(data).find("smtp", "inet")
    try:
        there = put(data, options, after_options)
    except InvalidConfig:
        assert has_arguments_behind_its_options(home)
        return
    assert there != data
    assert taken(there, options) == data


@given(master_files(home=True), OPTIONS, AFTER_OPTIONS)
def test_the_two_services_have_their_options_and_all_else_is_as_it_was(
    data: bytes, options: dict[str, str], after_options: dict[str, str]
) -> None:
    before = MasterDocument.parse(data)
    (home,) = before.find("smtp", "inet")
    assume(not has_arguments_behind_its_options(home))
    document = put_in(before, "smtp", "inet", options, AFTER, after_options)
    assert before.render() == data
    (front,), (after,) = document.find("smtp", "inet"), document.find(AFTER, "inet")
    assert front.fields == home.fields
    assert dict(front.options) == {**dict(home.options), **options}
    assert (after.service, after.type) == (AFTER, "inet")
    assert after.fields[2:] == home.fields[2:]
    assert dict(after.options) == {**dict(home.options), **after_options}
    at = document.entries.index(front)
    assert document.entries.index(after) == at + 1
    others = [entry.lines for entry in document.entries if entry not in (front, after)]
    kept = [entry.lines for entry in before.entries if entry is not home]
    assert others[: len(others) - 1] == kept[: len(kept) - 1]
    assert MasterDocument.parse(document.render()).find(AFTER, "inet")[0].lines == after.lines


@given(master_files(home=True))
def test_what_is_taken_out_where_nothing_was_put_in_is_nothing(data: bytes) -> None:
    assert taken(data) == data


def test_the_stock_entry() -> None:
    stock = b"# c\nsmtp      inet  n       -       y       -       -       smtpd\n#next\n"
    assert put(stock) == (
        b"# c\n"
        b"smtp      inet  n       -       y       -       -       smtpd\n"
        b"  -o smtpd_proxy_filter=127.0.0.1:10020\n"
        b"  -o receive_override_options=no_unknown_recipient_checks\n"
        b"127.0.0.1:10021 inet  n       -       y       -       -       smtpd\n"
        b"  -o smtpd_proxy_filter=\n"
        b"  -o syslog_name=postfix/after-filter\n"
        b"#next\n"
    )


@pytest.mark.parametrize("end", ["", "\r", "\n", "\r\n"])
@pytest.mark.parametrize("head", ["", "# c\n", "# c\r\n", "x unix - - - - - x\n#\n", " ignored\n"])
@pytest.mark.parametrize("tail", ["", "#next\n", "y unix - - - - - y\r\n"])
def test_line_ends_stay_as_they_are(head: str, tail: str, end: str) -> None:
    if tail and not end.endswith("\n"):
        end = "\n"
    data = (head + "smtp inet n - n - - smtpd\n  -o a=b" + end + tail).encode()
    there = put(data)
    document = MasterDocument.parse(there)
    for service, value in (("smtp", PROXY["smtpd_proxy_filter"]), (AFTER, "")):
        (entry,) = document.find(service, "inet")
        assert (entry.option("a"), entry.option("smtpd_proxy_filter")) == ("b", value)
    assert taken(there) == data


def test_a_file_with_carriage_returns_has_them_in_the_new_lines_too() -> None:
    there = put(b"smtp inet n - n - - smtpd\r\npickup unix n - n 60 1 pickup\r\n")
    assert there.count(b"\r\n") == there.count(b"\n") == 7


def test_a_service_of_another_type_gets_a_copy_that_strangers_may_reach_as_they_did() -> None:
    data = b"smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o a=b\n"
    document = put_in(MasterDocument.parse(data), "smtpd", "pass", PROXY, AFTER, {"a": "c"})
    (after,) = document.find(AFTER, "inet")
    assert after.fields == (AFTER, "inet", "n", "-", "y", "-", "-", "smtpd")
    assert dict(after.options) == {"a": "c"}
    (front,) = document.find("smtpd", "pass")
    assert front.fields[2] == "-"
    assert dict(front.options) == {"a": "b", **PROXY}
    assert take_out(document, "smtpd", "pass", PROXY, AFTER).render() == data


# What the operator did meanwhile


def test_edits_of_the_service_in_front_are_kept() -> None:
    there = put(b"smtp inet n - n - - smtpd\n  -o a=1\n")
    edited = there.replace(b"  -o a=1\n", b"  -o a=2\n  # mine\n  -o mine=yes\n", 1).replace(
        b"n - - smtpd", b"n - 50 smtpd", 1
    )
    assert taken(edited) == b"smtp inet n - n - 50 smtpd\n  -o a=2\n  # mine\n  -o mine=yes\n"


def test_an_option_with_another_value_is_the_operators_own() -> None:
    there = put(b"smtp inet n - n - - smtpd\n")
    edited = there.replace(b"=no_unknown_recipient_checks", b"=no_address_mappings")
    assert taken(edited) == (
        b"smtp inet n - n - - smtpd\n  -o receive_override_options=no_address_mappings\n"
    )


@given(master_files(home=True), st.sampled_from(["n", "y"]))
def test_an_edit_is_never_lost(data: bytes, chroot: str) -> None:
    (home,) = MasterDocument.parse(data).find("smtp", "inet")
    assume(not has_arguments_behind_its_options(home))
    there = put_in(MasterDocument.parse(data), "smtp", "inet", GIVEN, AFTER, AFTER_GIVEN)
    (front,) = there.find("smtp", "inet")
    there.set_fields(front, {"chroot": chroot})
    there.set_options(front, {"mynetworks": "edited"})
    edited = MasterDocument.parse(data)
    (home,) = edited.find("smtp", "inet")
    edited.set_fields(home, {"chroot": chroot})
    edited.set_options(home, {"mynetworks": "edited"})
    (back,) = take_out(there, "smtp", "inet", GIVEN, AFTER).find("smtp", "inet")
    assert (back.fields, back.options) == (home.fields, home.options)


def test_lines_that_were_put_around_the_services_are_kept() -> None:
    there = put(b"smtp inet n - n - - smtpd\n# below\n")
    edited = there.replace(AFTER.encode(), b"# between\n" + AFTER.encode())
    assert taken(edited) == b"smtp inet n - n - - smtpd\n# between\n# below\n"


def test_each_of_the_two_may_have_gone() -> None:
    there = put(b"smtp inet n - n - - smtpd\nx unix - - - - - x\n")
    front, after = there.split(AFTER.encode())
    assert taken(front) == b"smtp inet n - n - - smtpd\n"
    assert taken(AFTER.encode() + after) == b"x unix - - - - - x\n"


def test_the_service_after_the_filter_stays_if_so_wanted() -> None:
    own = b"127.0.0.1:10021 inet n - n - - smtpd\n"
    there = b"smtp inet n - n - - smtpd\n  -o smtpd_proxy_filter=127.0.0.1:10020\n" + own
    assert taken(there, after=None) == b"smtp inet n - n - - smtpd\n" + own


# What is refused


@pytest.mark.parametrize(
    "entry",
    [
        b"smtp inet n - n - - smtpd\n  -o smtpd_proxy_filter=127.0.0.1:10099\n",
        b"smtp inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:10020\n",
        b"smtp inet n - n - - smtpd -o a=b   flags=R\n",
    ],
)
def test_what_would_not_get_its_bytes_back_is_refused(entry: bytes) -> None:
    with pytest.raises(InvalidConfig) as caught:
        put(b"# top\n" + entry, PROXY)
    assert str(caught.value) == (
        "line 2: smtp/inet would not get its bytes back: it has arguments behind its options, or "
        "sets smtpd_proxy_filter itself. Give each option a line"
    )


@pytest.mark.parametrize("name", [AFTER, "127.0.0.1:10021", "[127.0.0.1]:10021"])
def test_a_service_in_the_place_after_the_filter_is_ambiguous(name: str) -> None:
    data = b"smtp inet n - n - - smtpd\n" + name.encode() + b" inet n - n - - smtpd\n"
    with pytest.raises(AmbiguousService, match=r"^127\.0\.0\.1:10021/inet is there already"):
        put(data)


@pytest.mark.parametrize("way", [put, taken])
def test_two_entries_are_ambiguous(way) -> None:
    with pytest.raises(AmbiguousService, match=r"^lines 2 and 3 are all entries of smtp/inet"):
        way(b"\nsmtp inet n - - - - smtpd\n25 inet n - - - - smtpd\n")


def test_a_missing_service_is_named_with_the_cure() -> None:
    with pytest.raises(NoSuchService, match="no active entry smtp/inet: add a line for it"):
        put(b"#smtp inet n - - - - smtpd\n")


def test_a_place_that_is_no_port_is_refused() -> None:
    document = MasterDocument.parse(b"smtp inet n - - - - smtpd\n")
    with pytest.raises(InvalidValue):
        put_in(document, "smtp", "inet", PROXY, "127.0.0.1:none", {})
