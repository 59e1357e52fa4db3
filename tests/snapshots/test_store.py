from __future__ import annotations

import re
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from module_utils.snapshots import kept
from module_utils.snapshots.snapshot import Snapshot, SnapshotError, State
from module_utils.snapshots.store import Store

ROOT = Path(__file__).resolve().parents[2]
STATE = State("direct", {"listen": 25}, {"listen": ["postfix"]}, ("table",), {}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var/lib/mail-topology"


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "main.cf"
    path.write_bytes(b"first\n")
    return path


def make(store: Store, *paths: Path) -> Snapshot:
    return store.make("edge", "/etc/postfix", STATE, tuple(map(str, paths)))


def objects(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (folder / "snapshots/objects").iterdir())


def freeze(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(
        time, "gmtime", lambda: time.struct_time((2026, 11, 24, 5, 33, seconds, 1, 1, 0))
    )


def test_a_snapshot_is_kept_and_found_again(store: Store, folder: Path, file: Path) -> None:
    made = make(store, file, file.with_name("none"))
    assert re.fullmatch(r"\d{8}T\d{6}Z", made.name)
    assert (made.before, made.config_dir, made.state) == ("edge", "/etc/postfix", STATE)
    assert made.paths == (str(file), str(file.with_name("none")))
    again = Store(folder)
    assert again.names() == [made.name]
    assert again.load(made.name) == made
    one = made.file(str(file))
    assert one
    assert again.content(one.content) == b"first\n"


def test_only_its_owner_can_read_what_is_kept(store: Store, folder: Path, file: Path) -> None:
    file.chmod(0o644)
    make(store, file)
    modes = {
        path.relative_to(folder): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")
    }
    assert modes.pop(Path("snapshots")) == 0o700
    assert modes.pop(Path("snapshots/objects")) == 0o700
    assert len(modes) == 2
    assert set(modes.values()) == {0o600}


def test_a_folder_that_everybody_could_read_is_closed(
    store: Store, folder: Path, file: Path
) -> None:
    (folder / "snapshots").mkdir(parents=True)
    (folder / "snapshots").chmod(0o755)
    make(store, file)
    assert stat.S_IMODE((folder / "snapshots").stat().st_mode) == 0o700


def test_the_same_content_is_kept_once(store: Store, folder: Path, file: Path) -> None:
    copy = file.with_name("copy")
    copy.write_bytes(b"first\n")
    make(store, file, copy)
    make(store, file)
    assert objects(folder) == [b"first\n"]
    file.write_bytes(b"second\n")
    make(store, file, copy)
    assert objects(folder) == [b"first\n", b"second\n"]


def test_snapshots_of_one_second_have_names_in_their_order(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze(monkeypatch, 0)
    made = [make(store, file).name for _ in range(3)]
    freeze(monkeypatch, 1)
    made.append(make(store, file).name)
    assert made == [
        "20261124T053300Z",
        "20261124T053300Z-2",
        "20261124T053300Z-3",
        "20261124T053301Z",
    ]
    assert store.names() == made


def several(store: Store, file: Path, monkeypatch: pytest.MonkeyPatch, *data: bytes) -> list[str]:
    made = []
    for second, content in enumerate(data):
        freeze(monkeypatch, second)
        file.write_bytes(content)
        made.append(make(store, file).name)
    return made


def test_the_oldest_go_until_a_number_is_left(
    store: Store, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = several(store, file, monkeypatch, b"1", b"2", b"1", b"3")
    assert store.prune(4, 100) == []
    assert store.prune(2, 100) == made[:2]
    assert store.names() == made[2:]
    assert objects(folder) == [b"1", b"3"]  # the first is the third's too
    assert store.prune(0, 100) == made[2:3]  # the newest stays


def test_the_oldest_go_until_a_size_is_left(
    store: Store, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = [bytes([number]) * 600_000 for number in range(3)]
    made = several(store, file, monkeypatch, *big)
    assert store.prune(10, 2) == []
    assert store.prune(10, 1) == made[:2]
    assert objects(folder) == [big[2]]
    assert store.prune(10, 0) == []
    assert store.names() == made[2:]


def test_an_empty_store_has_nothing_to_prune(store: Store, folder: Path) -> None:
    assert store.prune(1, 1) == []
    assert store.names() == []
    assert not folder.exists()


def test_removing_a_snapshot_leaves_the_contents_of_the_others(
    store: Store, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = several(store, file, monkeypatch, b"1", b"2", b"1")
    store.remove(one)
    assert objects(folder) == [b"1", b"2"]
    store.remove(two)
    assert objects(folder) == [b"1"]
    store.remove(two)
    assert store.load(three).kept[0].content == kept.digest(b"1")


def test_a_snapshot_that_is_not_there_is_named_with_those_that_are(
    store: Store, file: Path
) -> None:
    with pytest.raises(SnapshotError, match="no snapshot 'x'; there is none at all"):
        store.load("x")
    made = make(store, file)
    with pytest.raises(SnapshotError, match=f"no snapshot 'x'; there is {made.name}$"):
        store.load("x")


@pytest.mark.parametrize("name", ["../../outside", "/outside", "", ".."])
def test_a_name_does_not_lead_out_of_the_store(store: Store, folder: Path, name: str) -> None:
    (folder / "snapshots").mkdir(parents=True)
    (folder.parent / "outside.json").write_text("{}")
    with pytest.raises(SnapshotError, match="there is no snapshot"):
        store.load(name)


@pytest.mark.parametrize(
    ("data", "said"), [(b"{", "broken: "), (b'{"format": 0}', "made by another")]
)
def test_a_snapshot_that_cannot_be_read_is_named_with_its_file(
    store: Store, folder: Path, file: Path, data: bytes, said: str
) -> None:
    made = make(store, file)
    description = folder / f"snapshots/{made.name}.json"
    description.write_bytes(data)
    with pytest.raises(SnapshotError, match=re.escape(f"{description}: {said}")):
        store.load(made.name)


def test_what_the_links_of_all_snapshots_point_to_is_known(
    store: Store, folder: Path, file: Path
) -> None:
    link = file.with_name("current")
    for target in ("releases/1", "releases/2", "releases/3"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        broken = make(store, link)
    (folder / f"snapshots/{broken.name}.json").write_text("{")
    assert store.linked() == {"releases/1", "releases/2"}


def test_content_that_is_gone_or_damaged_is_not_given_out(
    store: Store, folder: Path, file: Path
) -> None:
    digest = make(store, file).kept[0].content
    kept_file = folder / "snapshots/objects" / digest
    kept_file.write_bytes(b"firsT\n")
    with pytest.raises(SnapshotError, match=re.escape(f"{kept_file} is damaged")):
        store.content(digest)
    kept_file.unlink()
    with pytest.raises(SnapshotError, match=re.escape(f"{kept_file}: No such file")):
        store.content(digest)


def test_a_full_disk_leaves_no_snapshot_behind(tmp_path: Path) -> None:
    """A filesystem of 64 KiB, in a mount namespace of its own."""
    script = """
        import subprocess, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from module_utils.snapshots.snapshot import State
        from module_utils.snapshots.store import Store
        disk = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
        store, state = Store(disk / "state"), State("direct", {}, {}, (), {}, {})
        (disk.parent / "small").write_bytes(b"small")
        (disk.parent / "large").write_bytes(bytes(100_000))
        first = store.make("edge", "/", state, (str(disk.parent / "small"),))
        paths = tuple(str(disk.parent / name) for name in ("small", "large"))
        try:
            store.make("edge", "/", state, paths)
        except OSError as error:
            print(error.strerror)
        assert store.names() == [first.name], store.names()
        assert store.load(first.name) == first
        assert store.content(first.kept[0].content) == b"small"
        assert not list(disk.rglob(".*")), list(disk.rglob(".*"))
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", textwrap.dedent(script), str(disk), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}; this test needs to mount a tmpfs in a namespace"
    assert done.stdout == "No space left on device\n"
