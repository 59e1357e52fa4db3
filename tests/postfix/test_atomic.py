from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from module_utils.postfix import atomic
from module_utils.postfix.errors import CannotReplace, ChangedUnderneath, Locked

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "main.cf"
    path.write_bytes(b"old\n")
    return path


def python(script: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + textwrap.dedent(script)
    command = [*before, sys.executable, "-c", code, *(str(a) for a in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_replaced(file: Path) -> None:
    assert atomic.replace(file, b"new\n", expected=b"old\n")
    assert file.read_bytes() == b"new\n"
    assert names(file.parent) == ["main.cf"]


def test_the_same_bytes_are_not_written(file: Path) -> None:
    inode = file.stat().st_ino
    assert not atomic.replace(file, b"old\n")
    assert file.stat().st_ino == inode


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o644, 0o2755])
def test_mode_is_kept(file: Path, mode: int) -> None:
    file.chmod(mode)
    atomic.replace(file, b"new\n")
    assert file.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a file away")
def test_owner_is_kept(file: Path) -> None:
    os.chown(file, 12345, 23456)
    file.chmod(0o4640)
    atomic.replace(file, b"new\n")
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12345, 23456, 0o4640)


def test_extended_attributes_are_kept(file: Path) -> None:
    os.setxattr(file, "user.note", b"mine")
    atomic.replace(file, b"new\n")
    assert os.getxattr(file, "user.note") == b"mine"


@pytest.mark.parametrize("relative", [True, False])
def test_a_symbolic_link_is_kept(file: Path, relative: bool) -> None:
    link = file.parent / "etc" / "main.cf"
    link.parent.mkdir()
    link.symlink_to("../main.cf" if relative else file)
    atomic.replace(link, b"new\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\n"


def test_a_hard_link_is_refused(file: Path) -> None:
    other = file.with_name("other")
    other.hardlink_to(file)
    with pytest.raises(CannotReplace, match=r"2 hard links.*samefile"):
        atomic.replace(file, b"new\n")
    assert other.read_bytes() == file.read_bytes() == b"old\n"


def test_a_backup_is_like_the_file(file: Path) -> None:
    file.chmod(0o640)
    backup = atomic.backup_name(file)
    atomic.replace(file, b"new\n", backup=backup)
    assert backup.read_bytes() == b"old\n"
    assert backup.stat().st_mode & 0o7777 == 0o640


def test_somebody_elses_change_is_not_overwritten(file: Path) -> None:
    file.write_bytes(b"theirs\n")
    with pytest.raises(ChangedUnderneath, match="Run again"):
        atomic.replace(file, b"new\n", expected=b"old\n")
    assert file.read_bytes() == b"theirs\n"
    assert names(file.parent) == ["main.cf"]


def test_a_change_while_writing_is_not_overwritten(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def meanwhile(descriptor: int) -> None:
        real(descriptor)
        file.write_bytes(b"theirs\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(ChangedUnderneath):
        atomic.replace(file, b"new\n", expected=b"old\n")
    assert file.read_bytes() == b"theirs\n"
    assert names(file.parent) == ["main.cf"]


@pytest.mark.parametrize("call", ["os.fchmod", "os.fsync", "os.listxattr", "Path.rename"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_kill_leaves_a_whole_file(file: Path, call: str, number: int) -> None:
    """Kill the writer before one of its steps; the next run cleans up after it."""
    script = """
        import os, signal
        from pathlib import Path
        from module_utils.postfix import atomic
        owner, name = sys.argv[2].split(".")
        owner = {"os": os, "Path": Path}[owner]
        real, count = getattr(owner, name), []
        def deadly(*arguments, **named):
            count.append(1)
            if len(count) == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)
        setattr(owner, name, deadly)
        atomic.replace(sys.argv[1], b"new" * 10000)
    """
    process = python(script, file, call, number)
    process.communicate()
    if process.returncode == 0:
        assert number == 2  # that step is done once
    else:
        assert process.returncode == -signal.SIGKILL
    assert file.read_bytes() in (b"old\n", b"new" * 10000)
    atomic.replace(file, b"next\n")
    assert names(file.parent) == ["main.cf"]


def test_the_temporary_file_of_a_living_run_stays(file: Path) -> None:
    temporary = file.with_name(f".main.cf.sender-filter.{os.getppid()}")
    temporary.touch()
    atomic.replace(file, b"new\n")
    assert temporary.exists()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A filesystem of 64 KiB, in a mount namespace of its own."""
    script = """
        import os, subprocess
        from module_utils.postfix import atomic
        from module_utils.postfix.errors import CannotReplace
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", sys.argv[1]], check=True)
        path = sys.argv[1] + "/main.cf"
        open(path, "wb").write(b"old")
        for backup in (None, sys.argv[1] + "/backup"):
            try:
                atomic.replace(path, bytes(100000), backup=backup)
            except CannotReplace as error:
                print(error)
            assert open(path, "rb").read() == b"old"
            assert set(os.listdir(sys.argv[1])) <= {"main.cf", "backup"}
    """
    process = python(script, tmp_path, before=("unshare", "-m") if AS_ROOT else ("unshare", "-rm"))
    out, err = process.communicate()
    assert process.returncode == 0, f"{err}; this test needs to mount a tmpfs in a namespace"
    assert out.count("No space left on device; make room") == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotReplace, match=r"main\.cf: No such file"):
        atomic.replace(tmp_path / "main.cf", b"")
    with pytest.raises(CannotReplace, match="not a regular file"):
        atomic.replace(tmp_path, b"")


def test_a_second_writer_waits(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with atomic.lock(tmp_path, 10):
            order.append("second")

    with atomic.lock(tmp_path, 10):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_that_is_not_let_go_names_its_holder(tmp_path: Path) -> None:
    script = """
        import time
        from module_utils.postfix import atomic
        with atomic.lock(sys.argv[1]):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = python(script, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=f"process {holder.pid} "), atomic.lock(tmp_path, 0.2):
        pass
    holder.kill()
    holder.communicate()
    with atomic.lock(tmp_path, 5):
        pass


def test_every_name_of_a_directory_has_one_lock(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with (
        atomic.lock(tmp_path / "real"),
        pytest.raises(Locked),
        atomic.lock(tmp_path / "link", 0),
    ):
        pass


def test_concurrent_writers_lose_nothing(file: Path) -> None:
    script = """
        from module_utils.postfix import atomic
        for number in range(20):
            with atomic.lock(sys.argv[1], 60):
                data = atomic.read(sys.argv[1])
                atomic.replace(sys.argv[1], data + b"x", expected=data)
    """
    file.write_bytes(b"")
    writers = [python(script, file) for _ in range(3)]
    for writer in writers:
        assert not writer.communicate()[1]
    assert file.read_bytes() == b"x" * 60


def test_put_makes_a_file_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "new"
    atomic.put(file, b"\x00\xff", 0o2640)
    assert file.read_bytes() == b"\x00\xff"
    assert file.stat().st_mode & 0o7777 == 0o2640
    assert names(tmp_path) == ["new"]


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a file away")
def test_put_keeps_nothing_of_the_file_that_was_there_but_its_attributes(file: Path) -> None:
    os.chown(file, 1, 2)
    file.chmod(0o666)
    os.setxattr(file, "user.note", b"mine")
    other = file.with_name("other")
    other.hardlink_to(file)
    atomic.put(file, b"new\n", 0o4600, 12345, 23456)
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12345, 23456, 0o4600)
    assert file.read_bytes() == b"new\n"
    assert os.getxattr(file, "user.note") == b"mine"
    assert other.read_bytes() == b"old\n"


@pytest.mark.parametrize("target", ["main.cf", "nowhere"])
def test_put_takes_a_links_place_and_leaves_what_it_led_to(file: Path, target: str) -> None:
    link = file.with_name("link")
    link.symlink_to(target)
    atomic.put(link, b"new\n", 0o644)
    assert not link.is_symlink()
    assert (link.read_bytes(), file.read_bytes()) == (b"new\n", b"old\n")
    assert names(file.parent) == ["link", "main.cf"]


@pytest.mark.parametrize("call", ["fchmod", "fchown", "fsync"])
def test_a_put_that_fails_leaves_the_old_file_and_no_other(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"^no$"):
        atomic.put(file, b"new\n", 0o600, 12345, 12345)
    assert file.read_bytes() == b"old\n"
    assert names(file.parent) == ["main.cf"]


def test_a_put_on_a_folder_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.put(tmp_path / "folder", b"", 0o600)
    assert names(tmp_path) == ["folder"]


def test_nobody_can_read_a_put_file_before_it_has_its_mode(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, real = [], os.fchmod

    def look(descriptor: int, mode: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", look)
    atomic.put(file, b"new\n", 0o644)
    assert modes == [0o600]


@pytest.mark.parametrize("call", ["fchmod", "fsync"])
def test_a_kill_while_putting_leaves_a_whole_file(file: Path, call: str) -> None:
    script = """
        import os, signal
        from module_utils.postfix import atomic
        setattr(os, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        atomic.put(sys.argv[1], b"new", 0o600)
    """
    process = python(script, file, call)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old\n"
    assert len(names(file.parent)) == 2
    atomic.put(file, b"next\n", 0o600)
    assert names(file.parent) == ["main.cf"]


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder away")
@pytest.mark.parametrize("new", [True, False])
def test_a_file_does_not_get_the_group_of_its_folder(file: Path, new: bool) -> None:
    os.chown(file.parent, 0, 12345)
    file.parent.chmod(0o2755)
    if new:
        atomic.put(file, b"new\n", 0o644, 0, 0)
    else:
        atomic.replace(file, b"new\n")
    assert file.stat().st_gid == 0
