"""One path as it was: a file with its bytes, owner and mode, a link, a folder, or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..postfix import atomic

FILE, LINK, FOLDER, ABSENT = "file", "link", "folder", "absent"


@dataclass(frozen=True)
class Kept:
    """What a path was.

    `content` is the SHA-256 of a file's bytes, or what a link points to.
    """

    path: str
    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    content: str = ""


def digest(data: bytes) -> str:
    """The name under which bytes are kept."""
    return hashlib.sha256(data).hexdigest()


def capture(paths: Iterable[str], keep: Callable[[bytes], str]) -> tuple[Kept, ...]:
    """Look at paths; of a folder, at everything in it.

    Args:
        paths: absolute paths. Of a link to a file, the file is looked at too.
        keep: stores bytes and returns their digest.
    """
    found = {path: _look(path, keep) for given in paths for path in _expand(Path(given))}
    return tuple(found[path] for path in sorted(found))


def _expand(path: Path) -> Iterator[Path]:
    yield path
    if path.is_symlink():
        if path.is_file():
            yield path.resolve()
    elif path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _expand(child)


def _look(path: Path, keep: Callable[[bytes], str]) -> Kept:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Kept(str(path), ABSENT)
    owner = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return Kept(str(path), LINK, 0o777, *owner[1:], str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Kept(str(path), FOLDER, *owner)
    return Kept(str(path), FILE, *owner, keep(path.read_bytes()))


def put_back(kept: Iterable[Kept], content: Callable[[str], bytes]) -> list[str]:
    """Make paths what they were; folders first, and what was not there in a folder goes.

    Returns:
        The paths that were changed.
    """
    wanted = list(kept)
    changed = [one.path for one in wanted if _make(one, content)]
    known = {one.path for one in wanted}
    for folder in (Path(one.path) for one in wanted if one.kind == FOLDER):
        for child in folder.iterdir():
            if str(child) not in known:
                _remove(child)
                changed.append(str(child))
    return changed


def _make(kept: Kept, content: Callable[[str], bytes]) -> bool:
    path = Path(kept.path)
    if _look(path, digest) == kept:
        return False
    if kept.kind == ABSENT or _is_folder(path) != (kept.kind == FOLDER):
        _remove(path)
    if kept.kind == ABSENT:
        return True
    if kept.kind == LINK:
        _link(path, kept)
    elif kept.kind == FOLDER:
        path.mkdir(parents=True, exist_ok=True)
        _own(path, kept)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.put(path, content(kept.content), kept.mode, kept.uid, kept.gid)
    return True


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(path: Path, kept: Kept) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(kept.content)
    os.chown(new, kept.uid, kept.gid, follow_symlinks=False)
    new.replace(path)


def _own(path: Path, kept: Kept) -> None:
    if (path.stat().st_uid, path.stat().st_gid) != (kept.uid, kept.gid):
        os.chown(path, kept.uid, kept.gid)
    path.chmod(kept.mode)
