from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from module_utils.snapshots import kept
from module_utils.snapshots.kept import ABSENT, FILE, FOLDER, LINK, Kept

AS_ROOT = os.geteuid() == 0
NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Node:
    """What a path shall be; a link points to `content`, a folder has `children`."""

    kind: str
    mode: int = 0o644
    owner: int = 0
    content: bytes = b""
    children: dict[str, Node] = field(default_factory=dict)

    def build(self, path: Path) -> None:
        if self.kind == FILE:
            path.write_bytes(self.content)
        elif self.kind == LINK:
            path.symlink_to(os.fsdecode(self.content))
        elif self.kind == FOLDER:
            path.mkdir()
            for name, child in self.children.items():
                child.build(path / name)
        if self.kind in (FILE, FOLDER):
            if AS_ROOT:
                os.chown(path, self.owner, self.owner)
            path.chmod(self.mode)


MODES = st.sampled_from([0o644, 0o600, 0o755, 0o640, 0o4755, 0o2750, 0o444])
FOLDER_MODES = st.sampled_from([0o755, 0o700, 0o750, 0o2775, 0o1777])
OWNERS = st.sampled_from([0, 0, 12345])
FILES = st.builds(Node, st.just(FILE), MODES, OWNERS, st.binary(max_size=8))
LINKS = st.builds(
    Node,
    st.just(LINK),
    content=st.sampled_from([b"a", b"b", b"c", b"../a", b"../../outside", b"nowhere", b"."]),
)
LEAVES = st.one_of(FILES, LINKS)
DEEP = st.builds(
    Node,
    st.just(FOLDER),
    FOLDER_MODES,
    OWNERS,
    children=st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=2),
)
TREES = st.dictionaries(st.sampled_from(NAMES), st.one_of(LEAVES, DEEP), max_size=3)


def builder(
    root: Path, trees: dict[str, dict[str, Node]], modes: dict[str, tuple[int, int]]
) -> None:
    """Two folders with files and links in them, and a file beside them that links point to."""
    root.mkdir(exist_ok=True)
    for name, tree in trees.items():
        mode, owner = modes[name]
        Node(FOLDER, mode, owner, children=tree).build(root / name)


HALF = st.fixed_dictionaries(
    {name: st.tuples(TREES, FOLDER_MODES, OWNERS) for name in ("one", "two")}
)


@given(before=HALF, after=HALF, lost=st.sets(st.sampled_from(["one", "two"])))
@example(
    before={"one": ({"a": Node(FILE, 0o600, 0, b"x")}, 0o755, 0), "two": ({}, 0o755, 0)},
    after={"one": ({"a": Node(LINK, content=b"b")}, 0o700, 0), "two": ({}, 0o755, 0)},
    lost=set(),
)
def test_what_was_captured_comes_back(
    before: dict[str, tuple[dict[str, Node], int, int]],
    after: dict[str, tuple[dict[str, Node], int, int]],
    lost: set[str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, contents = Path(folder) / "etc", {}

        def build(half: dict[str, tuple[dict[str, Node], int, int]]) -> None:
            shutil.rmtree(root, ignore_errors=True)
            trees = {name: tree for name, (tree, _, _) in half.items()}
            builder(root, trees, {name: (mode, owner) for name, (_, mode, owner) in half.items()})

        def keep(data: bytes) -> str:
            contents[kept.digest(data)] = data
            return kept.digest(data)

        paths = [str(root / name) for name in ("one", "two")]
        build(before)
        was = kept.capture(paths, keep)
        build(after)
        for name in lost:
            shutil.rmtree(root / name)
        now = kept.capture(paths, kept.digest)
        changed = kept.put_back(was, contents.__getitem__)
        assert kept.capture(paths, kept.digest) == was
        assert bool(changed) == (now != was)
        assert kept.put_back(was, contents.__getitem__) == []
        assert not list(root.rglob(".*"))  # no temporary file


def captured(*paths: Path) -> tuple[tuple[Kept, ...], dict[str, bytes]]:
    contents: dict[str, bytes] = {}

    def keep(data: bytes) -> str:
        contents[kept.digest(data)] = data
        return kept.digest(data)

    return kept.capture(map(str, paths), keep), contents


def put_back(was: tuple[tuple[Kept, ...], dict[str, bytes]]) -> list[str]:
    return kept.put_back(was[0], was[1].__getitem__)


def test_a_file_is_kept_with_its_owner_mode_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_bytes(b"\x00\xff")
    file.chmod(0o2640)
    (one,), contents = captured(file)
    assert one == Kept(
        str(file), FILE, 0o2640, os.geteuid(), os.getegid(), kept.digest(b"\x00\xff")
    )
    assert contents == {one.content: b"\x00\xff"}


def test_of_a_link_to_a_file_the_file_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file, link = tmp_path / "real/main.cf", tmp_path / "main.cf"
    file.write_text("old")
    link.symlink_to("real/main.cf")
    was = captured(link)
    assert [(Path(one.path).name, one.kind) for one in was[0]] == [
        ("main.cf", LINK),
        ("main.cf", FILE),
    ]
    file.write_text("new")
    link.unlink()
    link.write_text("a file where the link was")
    assert sorted(put_back(was)) == [str(link), str(file)]
    assert link.is_symlink()
    assert file.read_text() == link.read_text() == "old"


def test_of_a_link_to_a_folder_only_the_link_is_kept(tmp_path: Path) -> None:
    for release in ("1.0", "1.1"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "program").write_text(release)
    link = tmp_path / "current"
    link.symlink_to("1.0")
    was = captured(link)
    assert [one.kind for one in was[0]] == [LINK]
    link.unlink()
    link.symlink_to("1.1")
    (tmp_path / "1.0/program").write_text("patched")
    assert put_back(was) == [str(link)]
    assert (link / "program").read_text() == "patched"


@pytest.mark.parametrize("target", ["nowhere", "itself"])
def test_a_link_that_leads_nowhere_is_kept_as_it_is(tmp_path: Path, target: str) -> None:
    link = tmp_path / "itself"
    link.symlink_to(target)
    was = captured(link)
    link.unlink()
    assert put_back(was) == [str(link)]
    assert str(link.readlink()) == target


def test_what_was_not_there_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("file", "link", "folder", "none")]
    was = captured(*paths)
    assert {one.kind for one in was[0]} == {ABSENT}
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    paths[0].touch()
    paths[1].symlink_to(outside)
    (paths[2] / "deep/deeper").mkdir(parents=True)
    (paths[2] / "deep/file").touch()
    assert sorted(put_back(was)) == sorted(map(str, paths[:3]))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "precious").exists()


def test_a_folder_that_went_comes_back_with_what_was_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "etc/sender-filter"
    (folder / "lists").mkdir(parents=True)
    (folder / "filter.toml").write_text("x")
    (folder / "lists/denied").write_text("y")
    folder.chmod(0o750)
    was = captured(folder)
    shutil.rmtree(tmp_path / "etc")
    assert len(put_back(was)) == 4
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert (folder / "lists/denied").read_text() == "y"


def test_a_file_that_was_added_to_a_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "etc/deep").mkdir(parents=True)
    (tmp_path / "etc/old").touch()
    was = captured(tmp_path / "etc")
    (tmp_path / "etc/new").touch()
    (tmp_path / "etc/deep/dangling").symlink_to("nowhere")
    assert sorted(put_back(was)) == [
        str(tmp_path / "etc/deep/dangling"),
        str(tmp_path / "etc/new"),
    ]
    assert put_back(was) == []


def test_a_file_is_not_written_through_a_link_that_took_its_place(tmp_path: Path) -> None:
    file, victim = tmp_path / "main.cf", tmp_path / "victim"
    file.write_text("mine")
    victim.write_text("theirs")
    was = captured(file)
    file.unlink()
    file.symlink_to(victim)
    assert put_back(was) == [str(file)]
    assert not file.is_symlink()
    assert (file.read_text(), victim.read_text()) == ("mine", "theirs")


def test_a_mode_alone_is_a_difference(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(0o600)
    was = captured(file, tmp_path)
    file.chmod(0o644)
    assert put_back(was) == [str(file)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_as_it_was_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_text("x")
    was = captured(file)
    inode = file.stat().st_ino
    assert put_back(was) == []
    assert file.stat().st_ino == inode


def test_content_that_is_gone_changes_nothing_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_text("old")
    (one,), _ = captured(file)
    file.write_text("new")
    with pytest.raises(KeyError):
        kept.put_back([one], {}.__getitem__)
    assert file.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["main.cf"]
