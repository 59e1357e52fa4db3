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
from module_utils.postfix.master_cf import MasterDocument
from module_utils.postfix.move import move, move_back

PROXY = {"smtpd_upstream_proxy_protocol": "haproxy"}
TARGETS = st.sampled_from(["2500", "127.0.0.1:2500", "[::1]:2500", "2", "mailq.example.com:10025"])
OPTIONS = st.dictionaries(
    st.sampled_from([*OPTION_NAMES, "smtpd_upstream_proxy_protocol"]),
    st.sampled_from(["haproxy", "yes", "a b", "", "${x?{y}:{z}}"]),
    max_size=3,
)


def moved(data: bytes, to: str = "127.0.0.1:2500", options: dict[str, str] | None = None) -> bytes:
    return move(MasterDocument.parse(data), "smtp", "inet", to, options).render()


def back(data: bytes, to: str = "127.0.0.1:2500", options: dict[str, str] | None = None) -> bytes:
    return move_back(MasterDocument.parse(data), "smtp", "inet", to, options).render()


@given(master_files(home=True), TARGETS, OPTIONS)
def test_there_and_back_gives_the_bytes(data: bytes, to: str, options: dict[str, str]) -> None:
    there = moved(data, to, options)
    assert there != data
    assert moved(there, to, options) == there
    assert back(there, to, options) == data
    assert back(data, to, options) == data


@given(master_files(home=True), TARGETS, OPTIONS)
def test_a_move_keeps_everything_of_the_entry(
    data: bytes, to: str, options: dict[str, str]
) -> None:
    doc = MasterDocument.parse(data)
    (home,) = doc.find("smtp", "inet")
    there = move(doc, "smtp", "inet", to, options)
    assert doc.render() == data
    (target,) = there.find(to, "inet")
    assert target.service == to
    assert target.fields[1:] == home.fields[1:]
    assert [w.text for w in target.arguments.rest] == [w.text for w in home.arguments.rest]
    assert dict(target.options) == {**dict(home.options), **options}
    assert not there.find("smtp", "inet")
    at = there.entries.index(target)
    assert doc.entries.index(home) == at
    others = [e.lines for e in doc.entries if e is not home]
    assert [e.lines for e in there.entries if e is not target][:at] == others[:at]
    commented = [b"#" + line.encode("utf-8", "surrogateescape") for line in home.lines]
    assert b"".join(commented).rstrip(b"\r\n") in there.render()


def test_shipped_entries_go_there_and_back(shipped_masters: dict[str, bytes]) -> None:
    count = 0
    for name, data in shipped_masters.items():
        doc = MasterDocument.parse(data)
        for entry in doc.entries:
            if len(entry.fields) < 8 or len(doc.find(entry.service, entry.type)) > 1:
                continue
            to = "[::1]:2500" if entry.type == "inet" else "elsewhere"
            try:
                there = move(doc, entry.service, entry.type, to, PROXY)
            except InvalidValue:
                continue  # a name of an example, which is no port
            there_again = MasterDocument.parse(there.render())
            assert move_back(there_again, entry.service, entry.type, to, PROXY).render() == data, (
                name
            )
            count += 1
    assert count > 100


def test_the_stock_line() -> None:
    before = b"# c\nsmtp      inet  n       -       y       -       -       smtpd\n#next\n"
    after = (
        b"# c\n"
        b"#smtp      inet  n       -       y       -       -       smtpd\n"
        b"2500      inet  n       -       y       -       -       smtpd\n"
        b"  -o smtpd_upstream_proxy_protocol=haproxy\n"
        b"#next\n"
    )
    assert moved(before, "2500", PROXY) == after
    assert back(after, "2500", PROXY) == before


@pytest.mark.parametrize("end", ["", "\r", "\n", "\r\n"])
@pytest.mark.parametrize("options", [{}, PROXY])
@pytest.mark.parametrize("head", ["", "# c\n", "# c\r\n", "x unix - - - - - x\n#\n", " ignored\n"])
@pytest.mark.parametrize(
    "entry", ["smtp inet n - n - - smtpd", "25\tinet n - n - - smtpd\n  -o a=b"]
)
def test_the_last_line_of_a_file(head: str, entry: str, options: dict[str, str], end: str) -> None:
    data = (head + entry + end).encode()
    there = moved(data, "2500", options)
    assert MasterDocument.parse(there).find("2500", "inet")
    assert b"#" + entry.rsplit("\n", maxsplit=1)[-1].encode() in there
    assert back(there, "2500", options) == data


def test_a_changed_option_value_is_replaced_in_the_copy_only() -> None:
    data = b"smtp inet n - n - - smtpd\n  -o a=1\n\n  # why\n  -o b=2\n"
    there = moved(data, "2500", {"a": "x", "c": "3"})
    assert there == (
        b"#smtp inet n - n - - smtpd\n#  -o a=1\n#\n#  # why\n#  -o b=2\n"
        b"2500 inet n - n - - smtpd\n  -o a=x\n\n  # why\n  -o b=2\n  -o c=3\n"
    )
    assert back(there, "2500", {"a": "x", "c": "3"}) == data


@pytest.mark.parametrize("between", [b"\n", b"# mine\n", b"\n  # mine\n\n", b"# a\n# b\n"])
def test_lines_put_above_the_moved_entry_are_kept(between: bytes) -> None:
    there = moved(b"# top\nsmtp inet n - n - - smtpd\n  -o a=1\n", "2500", PROXY)
    edited = there.replace(b"\n2500", b"\n" + between + b"2500")
    assert back(edited, "2500", PROXY) == (
        b"# top\n" + between + b"smtp inet n - n - - smtpd\n  -o a=1\n"
    )


def test_options_that_differ_are_brought_to_their_values() -> None:
    data = b"smtp inet n - n - - smtpd\n"
    there = moved(data, options={"a": "1"})
    again = moved(there, options={"a": "2"})
    assert again == moved(data, options={"a": "2"})
    assert back(again, options={"a": "2"}) == data


def test_an_edited_entry_goes_back_with_its_edits() -> None:
    data = b"# top\nsmtp inet n - n - - smtpd\n  -o a=1\nx unix - - - - - x\n"
    there = moved(data, "2500", {"a": "2", **PROXY})
    edited = there.replace(b"  -o a=2\n", b"  -o a=2\n  # mine\n  -o mine=yes\n").replace(
        b"- smtpd\n  -o a=2", b"50 smtpd\n  -o a=2"
    )
    assert edited != there
    assert back(edited, "2500", {"a": "2", **PROXY}) == (
        b"# top\nsmtp inet n - n - 50 smtpd\n  -o a=1\n  # mine\n  -o mine=yes\n"
        b"x unix - - - - - x\n"
    )


def test_an_option_edited_after_the_move_is_kept() -> None:
    there = moved(b"smtp inet n - n - - smtpd\n  -o a=1\n", "2500", {"a": "2"})
    assert back(there.replace(b"-o a=2", b"-o a=3"), "2500", {"a": "2"}) == (
        b"smtp inet n - n - - smtpd\n  -o a=3\n"
    )


@given(master_files(home=True), TARGETS, st.sampled_from(["n", "y"]))
def test_an_edit_is_never_lost(data: bytes, to: str, chroot: str) -> None:
    there = move(MasterDocument.parse(data), "smtp", "inet", to, PROXY)
    (target,) = there.find(to, "inet")
    assume(target.fields[4] != chroot)
    there.set_fields(target, {"chroot": chroot})
    there.set_options(target, {"mynetworks": "edited"})
    home = move_back(there, "smtp", "inet", to, PROXY)
    (entry,) = home.find("smtp", "inet")
    assert entry.fields[4] == chroot
    assert entry.option("mynetworks") == "edited"
    assert entry.option("smtpd_upstream_proxy_protocol") is None
    assert not home.find(to, "inet")
    assert len(home.render().split(b"\n")) <= len(data.split(b"\n")) + 1


def test_without_the_comment_the_entry_goes_back_all_the_same() -> None:
    data = b"127.0.0.1:2500 inet n - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n"
    assert back(data, options=PROXY) == b"smtp           inet n - n - - smtpd\n"


def test_a_commented_entry_of_another_program_stays() -> None:
    data = b"#smtp inet n - y - 1 postscreen\n2500 inet n - y - - smtpd\n"
    assert back(data, "2500") == b"#smtp inet n - y - 1 postscreen\nsmtp inet n - y - - smtpd\n"


@pytest.mark.parametrize("way", [moved, back])
@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"smtp inet n - - - - smtpd\n25 inet n - - - - smtpd\n", ("line 1", "line 2")),
        (b"\nsmtp inet n - - - - smtpd\n2500 inet n - - - - smtpd\n", ("line 2", "line 3")),
        (b"2500 inet n - - - - smtpd\n2500 inet n - - - - smtpd\n", ("line 1", "line 2")),
    ],
)
def test_two_entries_are_ambiguous(way, data: bytes, lines: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousService) as error:
        way(data, "2500")
    assert all(line in str(error.value) for line in lines)


@pytest.mark.parametrize("way", [moved, back])
def test_a_missing_entry_is_named_with_the_cure(way) -> None:
    with pytest.raises(NoSuchService, match="add a line for smtp inet"):
        way(b"", "2500")
    with pytest.raises(NoSuchService, match="commented out at line 3"):
        way(b"# c\n\n#smtp inet n - - - - smtpd\n", "2500")


@pytest.mark.parametrize("to", ["25", ":smtp", "x y", "nosuch", "", "#2500", "2500/inet"])
def test_wrong_targets(to: str) -> None:
    with pytest.raises(InvalidValue):
        moved(b"smtp inet n - - - - smtpd\n", to)


def test_a_short_entry_is_not_moved() -> None:
    with pytest.raises(InvalidConfig, match="line 1"):
        moved(b"smtp inet n - -\n")


def test_services_that_are_no_ports_move_too() -> None:
    data = b"relay unix - - n - - smtp\n  -o a=b"
    doc = move(MasterDocument.parse(data), "relay", "unix", "relay-2", {"c": "d"})
    assert doc.render() == (
        b"#relay unix - - n - - smtp\n#  -o a=b\nrelay-2 unix - - n - - smtp\n  -o a=b\n  -o c=d"
    )
    assert move_back(doc, "relay", "unix", "relay-2", {"c": "d"}).render() == data


def test_the_stale_comment_is_the_nearest_one_though_its_fields_are_on_several_lines() -> None:
    other = b"#smtp inet n y y - - smtpd\n"
    there = move(
        MasterDocument.parse(other + b"smtp\n inet n\n y n -\n - smtpd\n"), "smtp", "inet", "2500"
    )
    (target,) = there.find("2500", "inet")
    there.set_options(target, {"mynetworks": "edited"})
    home = move_back(there, "smtp", "inet", "2500")
    assert home.render() == other + b"smtp\n inet n\n y n -\n - smtpd\n  -o mynetworks=edited\n"
