"""Replace a file whole or not at all, and one writer at a time.

A file with more than one hard link is refused: a rename would take it away from its other
names, and writing in place could leave half a file behind. Everything else of the file is kept:
owner, group, mode, extended attributes and access control lists, and a symbolic link to it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CannotReplace, ChangedUnderneath, Locked

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "sender-filter"
_POLL_SECONDS = 0.05


def read(path: str | Path) -> bytes:
    """Return the bytes of a file."""
    return Path(path).read_bytes()


def replace(
    path: str | Path,
    data: bytes,
    *,
    backup: str | Path | None = None,
    expected: bytes | None = None,
) -> bool:
    """Put new bytes in the place of a file's old ones.

    The new file is complete on disk before it takes the old one's name, so a full disk, a kill
    or a power cut leaves either the old file or the new one.

    Args:
        path: the file; of a symbolic link, what it points to.
        data: the new bytes. If they are there already, nothing is written.
        backup: where to keep a copy of the old file.
        expected: the bytes the file must still have.

    Returns:
        Whether the file was written.

    Raises:
        ChangedUnderneath: the file does not have the expected bytes.
        CannotReplace: it cannot be replaced; it is as it was.
    """
    real = Path(os.path.realpath(path))
    status = _status(real)
    old = _expect(real, expected)
    if old == data:
        return False
    _remove_stale(real)
    temporary = real.with_name(f"{_stem(real)}{os.getpid()}")
    try:
        if backup is not None:
            _write_like(real, status, Path(backup), old)
        _write_like(real, status, temporary, data)
        with _removed_on_failure(temporary):
            _expect(real, old)
            temporary.rename(real)
        sync_directory(real.parent)
    except OSError as error:
        msg = f"{real} was not changed: {error.filename or real}: {error.strerror}{_cure(error)}"
        raise CannotReplace(msg) from error
    return True


def put(path: str | Path, data: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
    """Make a file, or put a whole new one in its place, on disk before it returns.

    Unlike `replace` it keeps nothing of a file that is there, but for its extended attributes.

    Raises:
        OSError: it cannot be made; a file that was there is as it was.
    """
    real = Path(path)
    _remove_stale(real)
    temporary = real.with_name(f"{_stem(real)}{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    with _removed_on_failure(temporary), os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        _own(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        if real.is_file() and not real.is_symlink():
            _copy_attributes(real, descriptor)
        os.fsync(descriptor)
        temporary.rename(real)
    sync_directory(real.parent)


def backup_name(path: str | Path) -> Path:
    """Return the name for a backup that Ansible's own modules would give it."""
    real = Path(os.path.realpath(path))
    now = time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime())
    return real.with_name(f"{real.name}.{os.getpid()}.{now}")


def _status(real: Path) -> os.stat_result:
    try:
        status = real.stat()
    except OSError as error:
        msg = f"{real}: {error.strerror}"
        raise CannotReplace(msg) from error
    if not stat.S_ISREG(status.st_mode):
        msg = f"{real} is not a regular file"
        raise CannotReplace(msg)
    if status.st_nlink > 1:
        msg = (
            f"{real} has {status.st_nlink} hard links; replacing it would part it from its other "
            f"names. Find them with 'find / -xdev -samefile {real}' and make them symbolic links"
        )
        raise CannotReplace(msg)
    return status


def _expect(real: Path, expected: bytes | None) -> bytes:
    current = real.read_bytes()
    if expected is not None and current != expected:
        msg = f"{real} was changed by somebody else meanwhile; it is left as it is. Run again"
        raise ChangedUnderneath(msg)
    return current


def _stem(real: Path) -> str:
    # Postfix reads files by their whole names only, so it never looks at this one.
    return f".{real.name}.{_MARK}."


def _remove_stale(real: Path) -> None:
    """Remove the temporary files of runs that were killed."""
    pattern = re.compile(re.escape(_stem(real)) + r"(\d+)")
    for path in real.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write_like(real: Path, status: os.stat_result, path: Path, data: bytes) -> None:
    """Write a new file that has the owner, mode and attributes of another one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with _removed_on_failure(path), os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        _own(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        _copy_attributes(real, descriptor)
        os.fsync(descriptor)


def _own(descriptor: int, uid: int, gid: int) -> None:
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (uid, gid):
        os.fchown(descriptor, uid, gid)


def _copy_attributes(real: Path, descriptor: int) -> None:
    for name in os.listxattr(real):
        # Labels that the kernel or a filesystem manages itself cannot always be set.
        with _ignored(errno.ENOTSUP, errno.EPERM):
            os.setxattr(descriptor, name, os.getxattr(real, name))


@contextlib.contextmanager
def _ignored(*numbers: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def sync_directory(folder: Path) -> None:
    """Have names that came into a folder, or went, on disk before it returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cure(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "; make room on that filesystem and run again"
    return ""


@contextlib.contextmanager
def lock(
    path: str | Path, timeout: float = 30.0, folder: str | Path | None = None
) -> Iterator[None]:
    """Hold the lock of a file or a directory, so that no second run writes it.

    The lock ends with the process that holds it, however it ends.

    Args:
        path: what is locked; all its names share one lock.
        timeout: how many seconds to wait for another holder.
        folder: where lock files are, by default under /run, of others than root under /run/lock.

    Raises:
        Locked: somebody else still holds the lock.
    """
    file = _lock_folder(folder) / _lock_name(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o600)
    try:
        _wait_for_lock(descriptor, file, path, time.monotonic() + timeout)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, file: Path, path: str | Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
                msg = (
                    f"{path} is locked by process {holder} ({file}); "
                    "wait until that run is over, or end it"
                )
                raise Locked(msg) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _lock_name(path: str | Path) -> str:
    real = os.path.realpath(path)
    return f"{Path(real).name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.lock"


def _lock_folder(folder: str | Path | None) -> Path:
    if folder is not None:
        return Path(folder)
    # Anybody may write in /run/lock, and be there first.
    base = Path("/run/lock") if os.geteuid() else Path("/run")
    if not os.access(base, os.W_OK):
        base = Path(tempfile.gettempdir())
    own = base / f"{_MARK}-{os.geteuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    if own.is_symlink() or own.stat().st_uid != os.geteuid():
        msg = f"{own} belongs to somebody else; remove it"
        raise Locked(msg)
    return own
