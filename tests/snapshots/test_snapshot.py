from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.snapshots import kept
from module_utils.snapshots.kept import Kept
from module_utils.snapshots.snapshot import Snapshot, SnapshotError, State, Unit, parse

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
KEPT = st.builds(
    Kept,
    TEXT,
    st.sampled_from([kept.FILE, kept.LINK, kept.FOLDER, kept.ABSENT]),
    st.integers(0, 0o7777),
    st.integers(0, 2**31),
    st.integers(0, 2**31),
    TEXT,
)
STATES = st.builds(
    State,
    TEXT,
    st.dictionaries(TEXT, st.integers(1, 65535), max_size=3),
    st.dictionaries(TEXT, st.lists(TEXT, max_size=2), max_size=3),
    st.lists(TEXT, max_size=3).map(tuple),
    st.dictionaries(TEXT, st.builds(Unit, st.booleans(), st.booleans()), max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)
SNAPSHOTS = st.builds(
    Snapshot,
    TEXT,
    TEXT,
    TEXT,
    STATES,
    st.lists(TEXT, max_size=3).map(tuple),
    st.lists(KEPT, max_size=3).map(tuple),
)
ONE = Snapshot(
    "20261124T053300Z",
    "edge",
    "/etc/postfix",
    State(
        "direct", {"listen": 25}, {"listen": ["postfix"]}, ("table",), {"x": Unit(True, False)}, {}
    ),
    ("/etc/postfix/main.cf", "/none"),
    (Kept("/etc/postfix/main.cf", kept.FILE, 0o644, 0, 0, "12ab"), Kept("/none", kept.ABSENT)),
)


@given(SNAPSHOTS)
def test_a_snapshot_comes_back_from_its_json(snapshot: Snapshot) -> None:
    assert parse(snapshot.render()) == snapshot


def test_a_snapshot_can_be_read_by_people() -> None:
    data = json.loads(ONE.render())
    assert data["format"] == 1
    assert (data["name"], data["before"], data["config_dir"]) == (ONE.name, "edge", "/etc/postfix")
    assert data["state"]["units"] == {"x": {"active": True, "enabled": False}}
    assert data["kept"][0]["content"] == "12ab"
    assert ONE.render().endswith(b"\n")


@pytest.mark.parametrize("data", [b"null", b"1", b'"x"'])
def test_json_of_another_kind_is_broken_too(data: bytes) -> None:
    with pytest.raises(SnapshotError, match=r"^broken: "):
        parse(data)


def test_a_path_is_found_by_its_name() -> None:
    assert ONE.file("/etc/postfix/main.cf") == ONE.kept[0]
    assert ONE.file("/none") == Kept("/none", kept.ABSENT)
    assert ONE.file("/etc/postfix") is None


def test_another_format_is_refused_as_that() -> None:
    data = ONE.render().replace(b'"format": 1', b'"format": 2')
    with pytest.raises(SnapshotError, match=r"^made by another version of this program$"):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        ONE.render()[:-20],
        ONE.render().replace(b'"uid"', b'"owner"'),
        ONE.render().replace(b'"before"', b'"after"'),
        ONE.render().replace(b'"state"', b'"states"'),
        ONE.render().replace(b'"format": 1,', b""),
    ],
)
def test_a_broken_snapshot_is_refused_as_that(data: bytes) -> None:
    with pytest.raises(SnapshotError, match=r"^broken: "):
        parse(data)
