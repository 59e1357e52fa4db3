from __future__ import annotations

import pytest

from module_utils.topology.networks import holds, holds_everybody, holds_this_host, others

DEBIAN = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"


@pytest.mark.parametrize(
    ("text", "address", "expected"),
    [
        (DEBIAN, "127.0.0.1", True),
        (DEBIAN, "::1", True),
        (DEBIAN, "192.0.2.1", False),
        ("10.0.0.0/8, 192.0.2.7", "192.0.2.7", True),
        ("192.0.2.9/24", "192.0.2.1", True),  # Postfix refuses it, and does not run with it
        ("!127.0.0.1, 127.0.0.0/8", "127.0.0.1", False),
        ("127.0.0.0/8, !127.0.0.1", "127.0.0.1", True),
        ("!!127.0.0.1", "127.0.0.1", True),
        ("/etc/postfix/networks, hash:/etc/postfix/more localhost", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
def test_the_first_pattern_that_matches_decides(text: str, address: str, expected: bool) -> None:
    assert holds(text, address) is expected


@pytest.mark.parametrize("text", [DEBIAN, "127.0.0.1", "[::1]", "0.0.0.0/0"])
def test_this_host_is_in_a_list_by_either_of_its_addresses(text: str) -> None:
    assert holds_this_host(text)
    assert not holds_this_host("192.0.2.0/24, [2001:db8::]/32")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0/0", True), ("[::]/0", True), ("!0.0.0.0/0", False), (DEBIAN, False), ("", False)],
)
def test_everybody_is_a_whole_family(text: str, expected: bool) -> None:
    assert holds_everybody(text) is expected


def test_others_are_the_networks_beside_this_host() -> None:
    assert others(DEBIAN) == []
    assert others("127.0.0.1 10.0.0.0/8 [2001:db8::]/32 !192.0.2.0/24 [::ffff:10.0.0.0]/104") == [
        "10.0.0.0/8",
        "2001:db8::/32",
        "::ffff:a00:0/104",
    ]
    assert others("126.0.0.0/7") == ["126.0.0.0/7"]
