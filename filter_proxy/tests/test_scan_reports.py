"""From a line of Amavis's log to a mark in a profile."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import scan_reports
from sender_filter.io import scan_log

SPAM = '(04447-12) report {"client_ip":"192.0.2.1","content_type":"Spam","queue_id":"8349932C70F"}'


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Spam", "spam"), ("Spammy", "spam"), ("Virus", "virus"), ("Clean", None), ("Banned", None)],
)
def test_a_category_is_a_verdict_or_none(name, kind):
    found = scan_reports.parse(SPAM.replace("Spam", name))
    assert (found and found.kind) == kind


def test_a_report_names_message_and_client():
    assert scan_reports.parse(SPAM) == ("spam", "8349932C70F", "192.0.2.1")


@pytest.mark.parametrize(
    "line",
    [
        SPAM.removeprefix("(04447-12) "),
        f"(04447-12) Passed CLEAN, <{SPAM}> -> <b@example.test>",
        SPAM + " ",
        SPAM.replace('"8349932C70F"', '""'),
        SPAM.replace('"8349932C70F"', "1"),
        SPAM.replace("}", ""),
        "(1) report {" + " " * 2000 + "}",
    ],
)
def test_what_is_no_whole_line_of_that_kind_is_no_report(line):
    assert scan_reports.parse(line) is None


@given(st.text())
def test_any_text_is_read(line):
    scan_reports.parse(line)
    scan_reports.parse(f"(1-2) report {{{line}}}")


def test_the_place_in_the_log_outlives_the_process(tmp_path):
    file = tmp_path / "cursor"
    assert scan_log.Place(file).load() == ""
    scan_log.Place(file).save("s=1;i=2")
    assert scan_log.Place(file).load() == "s=1;i=2"
    assert list(tmp_path.iterdir()) == [file]


def test_the_log_is_read_from_a_place_on(tmp_path, monkeypatch):
    lines = [
        {"MESSAGE": SPAM, "__CURSOR": "one"},
        {"MESSAGE": [255, 254], "__CURSOR": "two"},
        {"__CURSOR": "three"},
    ]
    program = tmp_path / "journalctl"
    text = "".join(f"echo '{json.dumps(line)}'\n" for line in lines)
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\n{text}')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    log = scan_log.follow("zero")
    found = [next(log) for _ in range(3)]
    with pytest.raises(OSError, match="journalctl has ended with code 0"):
        next(log)
    assert [(line.text, line.cursor) for line in found] == [
        (SPAM, "one"),
        ("", "two"),
        ("", "three"),
    ]
    said = (tmp_path / "arguments").read_text()
    assert said.endswith("--unit=amavis.service --after-cursor zero\n")
    assert next(scan_log.follow("")) == ("", "one")  # old news, but a place
    assert (tmp_path / "arguments").read_text().endswith("--lines=1\n")
