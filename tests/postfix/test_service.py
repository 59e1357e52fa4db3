from __future__ import annotations

import pytest

from module_utils.postfix.errors import InvalidValue
from module_utils.postfix.service import (
    check_name,
    identity,
    is_wildcard,
    parse_name,
    port_of,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("smtp", "25"),
        (":smtp", "25"),
        ("submission", "587"),
        ("submissions", "465"),
        ("smtps", "465"),
        ("127.0.0.1:smtp", "127.0.0.1:25"),
        ("[127.0.0.1]:25", "127.0.0.1:25"),
        ("[::1]:25", "::1:25"),
        ("[0:0:0:0:0:0:0:1]:smtp", "[::1]:25"),
        ("[IPv6:::1]:25", "[::1]:25"),
        ("LOCALHOST:25", "localhost:smtp"),
    ],
)
def test_same_service(one: str, other: str) -> None:
    assert identity(one, "inet") == identity(other, "inet")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("25", "inet"), ("0.0.0.0:25", "inet")),
        (("25", "inet"), ("127.0.0.1:25", "inet")),
        (("smtp", "inet"), ("smtp", "unix")),
        (("smtp", "unix"), ("25", "unix")),
        (("x", "unix"), ("x", "unix-dgram")),
        (("25", "inet"), ("2500", "inet")),
    ],
)
def test_different_services(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert identity(*one) != identity(*other)


@pytest.mark.parametrize(
    ("service", "port"),
    [("smtp", 25), ("2500", 2500), ("[::1]:2500", 2500), ("h:smtp", 25), ("no-such", None)],
)
def test_port(service: str, port: int | None) -> None:
    assert port_of(service) == port


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("25", True),
        ("0.0.0.0:25", True),
        ("[::]:25", True),
        ("127.0.0.1:25", False),
        ("h:25", False),
    ],
)
def test_wildcard(service: str, expected: bool) -> None:
    assert is_wildcard(service) is expected


def test_names_are_split_at_the_last_slash() -> None:
    assert parse_name("private/x/unix") == ("private/x", "unix")


@pytest.mark.parametrize("text", ["smtp", "smtp/tcp", "/inet", "a b/inet", ""])
def test_wrong_names(text: str) -> None:
    with pytest.raises(InvalidValue, match="smtp/inet"):
        parse_name(text)


@pytest.mark.parametrize(
    "service", ["", "#25", "a b", "25x", "no-such", "[::1", "[::1]", "0", "70000"]
)
def test_names_that_cannot_be_written(service: str) -> None:
    with pytest.raises(InvalidValue):
        check_name(service, "inet")
