from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import OPTION_NAMES, master_files

from module_utils.postfix.errors import InvalidValue
from module_utils.postfix.master_cf import Entry, MasterDocument

STOCK = b"""\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
# Choose one: enable submission for loopback clients only, or for any client.
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
#     Instead of specifying complex restrictions here,
#     "here" is prose.
#  -o smtpd_reject_unlisted_recipient=no
# Not part of it.
#628       inet  n       -       y       -       -       qmqpd
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""


def only(doc: MasterDocument, service: str, kind: str = "inet") -> Entry:
    (entry,) = doc.find(service, kind)
    return entry


def test_an_entry_is_read() -> None:
    entry = only(MasterDocument.parse(STOCK), "25")
    assert entry.line == 2
    assert entry.fields == ("smtp", "inet", "n", "-", "y", "-", "-", "smtpd")
    assert (entry.service, entry.type, entry.command, entry.args) == ("smtp", "inet", "smtpd", [])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("-o a=b", [("a", "b")]),
        ("-oa=b", [("a", "b")]),
        ("-osyslog_name=foo", [("syslog_name", "foo")]),
        ("-o { a = b c }", [("a", "b c")]),
        ("-o {a=b}", [("a", "b")]),
        ("-o { a = {b} {c d} }", [("a", "{b} {c d}")]),
        ("-o a=${x?{y}:{z}}", [("a", "${x?{y}:{z}}")]),
        ('-o { a = "b c" }', [("a", '"b c"')]),
        ("-o a=", [("a", "")]),
        ("-o { a = }", [("a", "")]),
        ("-vo a=b", [("a", "b")]),
        ("-v -D -o a=b", [("a", "b")]),
        ("-o a=1 -o a=2", [("a", "1"), ("a", "2")]),
        ("flags=R -o a=b", []),
        ("-- -o a=b", []),
        ("-o\n# c\n\n  a=b\n\t-o { c =\n  d }", [("a", "b"), ("c", "d")]),
    ],
)
def test_options_are_read(text: str, options: list[tuple[str, str]]) -> None:
    doc = MasterDocument.parse(f"25 inet n - n - - smtpd {text}\n".encode())
    assert only(doc, "smtp").options == options


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        ("smtpd", {"a": "b"}, "smtpd\n  -o a=b"),
        ("smtpd", {"a": "b c"}, "smtpd\n  -o { a = b c }"),
        ("smtpd", {"a": ""}, "smtpd\n  -o a="),
        ("smtpd -o a=x -o c=d", {"a": "y"}, "smtpd -o a=y -o c=d"),
        ("smtpd -o a=x -o c=d", {"a": "y z"}, "smtpd -o { a = y z } -o c=d"),
        ("smtpd -oa=x", {"a": "y"}, "smtpd -oa=y"),
        ("smtpd -oa=x", {"a": "y z"}, "smtpd -o { a = y z }"),
        ("smtpd -o { a = x } -v", {"a": "y z"}, "smtpd -o { a = y z } -v"),
        ("smtpd -o { a = }", {"a": "y"}, "smtpd -o { a = y }"),
        ("smtpd -o a=1 -o a=2", {"a": "3"}, "smtpd -o a=1 -o a=3"),
        ("smtpd -o a=x", {"a": "x"}, "smtpd -o a=x"),
        ("smtpd -o a=x -o c=d", {"a": None}, "smtpd -o c=d"),
        ("smtpd -o a=1 -o c=d -o a=2", {"a": None}, "smtpd -o c=d"),
        ("smtpd\n  -o a=x\n  -o c=d", {"a": None}, "smtpd\n  -o c=d"),
        ("smtpd\n  -o c=d\n  -o a=x", {"a": None}, "smtpd\n  -o c=d"),
        ("smtpd\n  -o a=x -o c=d", {"a": None}, "smtpd\n  -o c=d"),
        ("smtpd\n  -o a=x -o c=d", {"c": None}, "smtpd\n  -o a=x"),
        ("smtpd -vo a=x", {"a": None}, "smtpd -v"),
        ("smtpd -o\n# c\n  a=x -v", {"a": None}, "smtpd\n# c\n  -v"),
        ("smtpd\n  -o\n# c\n  a=x\n  -v", {"a": None}, "smtpd\n# c\n  -v"),
        ("smtpd -oa=x", {"a": None}, "smtpd"),
        ("smtpd\n# why\n  -o a=x", {"a": None}, "smtpd\n# why"),
        ("pipe flags=R x", {"a": "b"}, "pipe -o a=b flags=R x"),
        ("pipe\n  flags=R x", {"a": "b"}, "pipe\n  -o a=b\n  flags=R x"),
        ("smtpd -v", {"a": "b"}, "smtpd -v\n  -o a=b"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_options_are_set(before: str, options: dict[str, str | None], after: str, end: str) -> None:
    eol = "\r\n" if end == "\r\n" else "\n"
    head = "# head" + eol + "25 inet n - n - - "
    doc = MasterDocument.parse((head + before.replace("\n", eol) + end).encode())
    doc.set_options(only(doc, "smtp"), options)
    assert doc.render().decode() == head + after.replace("\n", eol) + end


@given(
    master_files(home=True),
    st.sampled_from(OPTION_NAMES),
    st.sampled_from(["v", "v w", "", "${a?{b}:{c d}}", None]),
)
def test_setting_an_option_touches_nothing_else(data: bytes, name: str, value: str | None) -> None:
    doc = MasterDocument.parse(data)
    entry = only(doc, "25")
    others = [option for option in entry.options if option[0] != name]
    rest = [word.text for word in entry.arguments.rest]
    elsewhere = [e.lines for e in doc.entries if e is not entry]
    comments = [line for line in data.split(b"\n") if line.lstrip()[:1] == b"#"]

    doc.set_options(entry, {name: value})
    again = MasterDocument.parse(doc.render())
    entry = only(again, "25")

    assert entry.option(name) == value
    assert [option for option in entry.options if option[0] != name] == others
    assert [word.text for word in entry.arguments.rest] == rest
    assert [e.lines for e in again.entries if e is not entry] == elsewhere
    assert [c for c in again.render().split(b"\n") if c.lstrip()[:1] == b"#"] == comments
    changed = again.render()
    again.set_options(entry, {name: value})
    assert again.render() == changed


@given(master_files(home=True))
def test_commenting_out_and_back_gives_the_bytes(data: bytes) -> None:
    doc = MasterDocument.parse(data)
    entry = only(doc, "25")
    lines = list(entry.lines)
    doc.comment(entry)
    assert not MasterDocument.parse(doc.render()).find("25", "inet")
    assert (
        b"".join(b"#" + line.encode("utf-8", "surrogateescape") for line in lines) in doc.render()
    )


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_entry_of_options_comes_back_from_its_comment(end: bytes) -> None:
    data = b"smtp inet n - n - - smtpd -v\n# inner\n\n  # more\n  -o a=b\n -o { c =\n   d }" + end
    doc = MasterDocument.parse(data)
    doc.comment(only(doc, "25"))
    (commented,) = doc.commented("smtp", "inet")
    doc.uncomment(commented)
    assert doc.render() == data


def test_comments_behind_a_removed_option_are_not_a_part_of_the_entry() -> None:
    doc = MasterDocument.parse(b"smtp inet n - n - - smtpd\n# why\n  -o a=b\nx unix - - - - - x\n")
    entry = only(doc, "25")
    doc.set_options(entry, {"a": None})
    assert entry.lines == ["smtp inet n - n - - smtpd\n"]
    assert only(doc, "x", "unix").line == 3
    doc.comment(entry)
    assert doc.render() == b"#smtp inet n - n - - smtpd\n# why\nx unix - - - - - x\n"


def test_commented_entries_end_where_prose_begins() -> None:
    doc = MasterDocument.parse(STOCK)
    (found,) = doc.commented("587", "inet")
    assert (found.line, found.end - found.start) == (5, 5)
    entry = doc.uncomment(found)
    assert dict(entry.options) == {
        "syslog_name": "postfix/submission",
        "smtpd_reject_unlisted_recipient": "no",
    }
    assert b"\n# Not part of it.\n#628" in doc.render()


def uncommented_in(text: str, start: re.Match[str]) -> str:
    """The text of Debian with one entry active: its arguments stand behind two blanks."""
    entry = re.sub(r"^#(?=\S|  \S)", "", start[0], flags=re.MULTILINE)
    return text[: start.start()] + entry + text[start.end() :]


def test_every_entry_of_debians_text_is_uncommented(shipped_masters: dict[str, bytes]) -> None:
    texts = [data for name, data in shipped_masters.items() if name.endswith("master.cf.dist")]
    assert texts
    for data in texts:
        text = data.decode()
        starts = re.finditer(r"^#\S+ +\w+ +[yn-] .*\n(#  +\S.*\n)*", text, re.MULTILINE)
        wanted = [uncommented_in(text, start) for start in starts]
        found = []
        for index in range(len(MasterDocument.parse(data).all_commented())):
            doc = MasterDocument.parse(data)
            doc.uncomment(doc.all_commented()[index])
            found.append(doc.render().decode())
        assert found == wanted
        assert len(found) > 10


FOLDED = b"""\
# The service for clients, in
#smtps
#  inet n - n
## as it was: n - y
#  - - smtpd -o a=b
#  -o c=d
"""


def test_a_commented_entry_whose_fields_are_on_several_lines() -> None:
    doc = MasterDocument.parse(FOLDED)
    (found,) = doc.commented("465", "inet")
    entry = doc.uncomment(found)
    assert (entry.line, dict(entry.options)) == (2, {"a": "b", "c": "d"})
    assert doc.render() == (
        b"# The service for clients, in\nsmtps\n  inet n - n\n# as it was: n - y\n"
        b"  - - smtpd -o a=b\n  -o c=d\n"
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("#smtps inet n - n - -\n", []),
        ("#smtps inet n - n\nx unix - - - - - x\n", []),
        ("#smtps inet n - n\n\n#  - - smtpd\n", []),
        ("# smtps\n#  inet is the type of all of them, n - n - - smtpd\n", []),
        ("#smtps inet n - n\n#  see smtps inet n - n - - smtpd\n", []),
        ("#smtps inet n - n\n#smtps inet n - n - - smtpd\n", [2]),
        ("#smtps inet\n# n - n - - smtpd\n#x unix - - - - - x\n", [1]),
    ],
)
def test_a_part_of_the_fields_is_no_entry(text: str, lines: list[int]) -> None:
    doc = MasterDocument.parse(text.encode())
    assert [found.line for found in doc.commented("465", "inet")] == lines


SMTPS, PIPE = "#smtps inet n - n - - smtpd\n", "#x unix - n n - - pipe\n"
VMAIL = "#  flags=R user=vmail\n"


@pytest.mark.parametrize(
    ("arguments", "prose"),
    [
        (SMTPS + "#  -o a=b\n", "# ==== ours, do not touch ====\n# TLS=on is set in main.cf\n"),
        (SMTPS + "#  -o a=b\n", "#  TLS=on is set in main.cf\n"),
        (SMTPS + "#  -o a=b\n#  -v\n", "# ---- ours ----\n# - one\n"),
        (SMTPS + "#  -o a=b\n", "#\n# For others:\n#  -o c=d\n"),
        (SMTPS + "#  -o a=b\n", "# For others:\n#\n#  -o c=d\n"),
        (SMTPS, "# submission inet n - n - - smtpd\n#  -o a=b\n"),
        (PIPE, "# TLS=on is set in main.cf\n"),
        (PIPE + VMAIL + "#  argv=/bin/x\n#  ${recipient}\n", "# Old example\n"),
        (PIPE + VMAIL + "#    argv=/bin/x -o\n#    -d\n", "#   Old example\n"),
        (PIPE + VMAIL, "#    eol=x is not set\n"),
        (PIPE + VMAIL, "#\n#  user=other\n"),
        (PIPE + VMAIL, "# or:\n#  user=other\n"),
        (PIPE + "#\tflags=R\n#        argv=/bin/x\n", "# ====\n"),
        (PIPE + "# user=x argv=/bin/x\n", "# Old example\n#  Old example\n"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_prose_is_no_argument(arguments: str, prose: str, end: str) -> None:
    data = (arguments + prose).replace("\n", end)
    doc = MasterDocument.parse(data.encode())
    doc.uncomment(doc.all_commented()[0])
    bare = "\n".join(line.removeprefix("#") for line in arguments.split("\n"))
    assert doc.render().decode() == (bare + prose).replace("\n", end)


@pytest.mark.parametrize(
    "text",
    [
        "smtps inet n - n - - smtpd -o\n  {a =\n b c}\n -o\n   c=d\n",
        "smtps inet n - n - - smtpd\n -o a=b\n\n# why\n# and\n  -o c=d\n",
        "smtps\n\tinet n - n - -\n\n smtpd\n  -o c=d\n",
        "x unix - n n - - spawn user=x\n  argv=/bin/x\n  ${a} y\n  -b\n",
    ],
)
def test_what_was_commented_out_comes_back(text: str) -> None:
    doc = MasterDocument.parse(text.encode())
    doc.comment(doc.entries[0])
    doc = MasterDocument.parse(doc.render())
    (found,) = doc.all_commented()
    doc.uncomment(found)
    assert doc.render().decode() == text


def test_an_entry_is_not_uncommented_above_ignored_text() -> None:
    doc = MasterDocument.parse(b"#smtp inet n - n - - smtpd\n  -o a=b\n")
    (found,) = doc.commented("25", "inet")
    with pytest.raises(InvalidValue, match="line 2"):
        doc.uncomment(found)


def test_columns_are_kept() -> None:
    doc = MasterDocument.parse(STOCK)
    doc.set_fields(
        only(doc, "25"), {"chroot": "n", "process_limit": "100", "command": "postscreen"}
    )
    assert b"smtp      inet  n       -       n       -       100     postscreen\n" in doc.render()
    doc.rename(only(doc, "smtp"), "127.0.0.1:2500")
    assert b"127.0.0.1:2500 inet  n       -       n" in doc.render()
    doc.rename(only(doc, "127.0.0.1:2500"), "25")
    assert not doc.find("127.0.0.1:2500", "inet")
    assert only(doc, "smtp").service == "25"


def test_tabs_are_kept() -> None:
    doc = MasterDocument.parse(b"smtp\t\tinet\tn - n - - smtpd\n")
    doc.rename(only(doc, "25"), "127.0.0.1:2500")
    assert doc.render() == b"127.0.0.1:2500\tinet\tn - n - - smtpd\n"


def test_arguments_are_set_with_the_command() -> None:
    doc = MasterDocument.parse(STOCK)
    doc.set_fields(only(doc, "maildrop", "unix"), {"command": "pipe flags=R argv=/bin/true"})
    assert doc.render().endswith(b"pipe\n  flags=R argv=/bin/true\n")


@pytest.mark.parametrize(
    "fields",
    [{"chroot": "a b"}, {"chroot": ""}, {"command": "smtpd -v"}, {"chroot": "y\nx"}, {"x": "y"}],
)
def test_fields_that_cannot_be_written(fields: dict[str, str]) -> None:
    doc = MasterDocument.parse(STOCK)
    with pytest.raises(InvalidValue):
        doc.set_fields(only(doc, "25"), fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [("a", "b\nc"), ("a", "{"), ("a", "}{"), ("a b", "c"), ("", "c"), ("-o", "c")],
)
def test_options_that_cannot_be_written(name: str, value: str) -> None:
    doc = MasterDocument.parse(STOCK)
    with pytest.raises(InvalidValue):
        doc.set_options(only(doc, "25"), {name: value})


@pytest.mark.parametrize("data", [b"", STOCK, STOCK[:-1], b"a unix - - - - - x\r\n", b"# c"])
def test_adding_and_removing_gives_the_bytes(data: bytes) -> None:
    doc = MasterDocument.parse(data)
    entry = doc.add("[::1]:2500", "inet", {"command": "smtpd", "chroot": "y"}, {"a": "b c"})
    assert doc.find("[::1]:2500", "inet") == [entry]
    assert MasterDocument.parse(doc.render()).find("[::1]:2500", "inet")[0].options == [
        ("a", "b c")
    ]
    doc.remove(entry)
    assert doc.render() == data
    assert not doc.find("[::1]:2500", "inet")


def test_an_entry_is_added_below_another() -> None:
    doc = MasterDocument.parse(STOCK)
    doc.add("2500", "inet", {"command": "smtpd"}, after=only(doc, "25"))
    lines = doc.render().decode().split("\n")
    assert lines[2] == "2500      inet  n       -       -       -       -       smtpd"
    assert only(doc, "maildrop", "unix").line == 13


def test_listening_on_finds_every_host() -> None:
    doc = MasterDocument.parse(
        b"smtp inet n - - - - smtpd\n[::1]:25 inet n - - - - smtpd\n25 unix - - - - - smtpd\n"
    )
    assert [entry.service for entry in doc.listening_on(25)] == ["smtp", "[::1]:25"]


def test_five_thousand_entries() -> None:
    data = b"".join(
        b"# %d\n127.0.0.1:%d inet n - y - - smtpd\n  -o a=b\n# c\n  -o { c = d }\n" % (i, i)
        for i in range(1, 5001)
    )
    start = time.process_time()
    doc = MasterDocument.parse(data)
    assert doc.render() == data
    parsed = time.process_time()
    assert len(doc.entries) == 5000
    for port in range(1, 5001):
        entry = only(doc, f"127.0.0.1:{port}")
        doc.set_options(entry, {"a": "x", "new": "y"})
        if port % 5 == 0:
            doc.comment(entry)
    edited = time.process_time()
    assert parsed - start < 1
    assert edited - parsed < 10
