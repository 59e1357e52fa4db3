from __future__ import annotations

import pytest

from module_utils.postfix.checks import Severity, main_problems, master_problems
from module_utils.postfix.main_cf import MainDocument
from module_utils.postfix.master_cf import MasterDocument

GOOD = "smtp inet n - y - - smtpd"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("smtp inet n - y - -", "7 fields, 8 are needed"),
        ("smtp", "1 fields"),
        ("smtp tcp n - y - - smtpd", "'tcp' is not a service type"),
        ("smtp inet x - y - - smtpd", "field private is 'x'"),
        ("smtp inet y - y - - smtpd", "an inet service needs n"),
        ("smtp inet - - y - - smtpd", "an inet service needs n"),
        ("smtp inet n yes y - - smtpd", "field unprivileged is 'yes'"),
        ("smtp inet n - 1 - - smtpd", "field chroot is '1'"),
        ("smtp inet n - y x - smtpd", "field wakeup is 'x'"),
        ("smtp inet n - y - 1? smtpd", "field process_limit is '1?'"),
        ("smtp inet n - y - - -", "field command has no default"),
        ("99999 inet n - y - - smtpd", "out of range"),
        ("nosuch inet n - y - - smtpd", "neither a port number nor"),
        ("[::1 inet n - y - - smtpd", "is not [address]:port"),
        (GOOD + " -o { a = b", "braces do not match"),
        (GOOD + " -o {a=b}c", "braces do not match"),
        (GOOD + " -o ab", "an option without name=value"),
        (GOOD + " -o", "an option without name=value"),
        ("s{}m inet n - y - - smtpd", "a brace"),
    ],
)
def test_what_stops_postfix(entry: str, said: str) -> None:
    doc = MasterDocument.parse(f"# c\n{entry}\n".encode())
    stops = [p for p in master_problems(doc) if p.severity is Severity.STOPS]
    assert any(said in problem.text for problem in stops), stops
    assert {problem.line for problem in stops} == {2}


@pytest.mark.parametrize(
    "entry",
    [
        GOOD,
        "x unix - - - 60? 0 x",
        "x unix-dgram n n n 0 1 x -v -D",
        "[::1]:2500 inet n - n - - smtpd -o { a = {b} } -oc=d -vo e=f",
        "x unix - n n - - pipe flags=R argv=-o",
        "x pass - - - - - x",
    ],
)
def test_what_is_right(entry: str) -> None:
    assert not master_problems(MasterDocument.parse(entry.encode()))


def test_what_is_odd(tmp_path) -> None:
    (tmp_path / "smtpd").touch()
    doc = MasterDocument.parse(f" ignored\n{GOOD}\n25 inet n - - - - smtpx\n".encode())
    found = [(p.line, p.severity) for p in master_problems(doc, str(tmp_path))]
    assert sorted(found, key=str) == [
        (1, Severity.ODD),
        (3, Severity.BREAKS),
        (3, Severity.ODD),
    ]


def test_main() -> None:
    doc = MainDocument.parse(b" ignored\nx = 1\ny\n= z\nx = 2\n")
    found = [(p.line, p.severity) for p in main_problems(doc)]
    assert found == [
        (1, Severity.ODD),
        (3, Severity.STOPS),
        (4, Severity.STOPS),
        (5, Severity.ODD),
    ]
