"""Several configuration files are written, checked together."""

from __future__ import annotations

import grp
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ..postfix import atomic
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Stage, check, and put in place."""
    return written(params["files"], params["checks"], check=check)


def written(files: list[dict[str, Any]], checks: list[list[Any]], *, check: bool) -> dict[str, Any]:
    """Which of the files had to be written, and are now; with `check` they are not.

    Raises:
        CallError: the new files are refused, and none was written; or one cannot be.
    """
    _refuse_unusable(files)
    changed = [file for file in files if _differs(file)]
    diff = [_diff(file) for file in changed]
    if changed:
        with tempfile.TemporaryDirectory() as staging:
            _stage(files, Path(staging))
            _run_checks(checks, staging)
        if not check:
            _put_all(changed)
    return {
        "changed": bool(changed),
        "changed_files": [file["path"] for file in changed],
        "diff": diff,
    }


def _refuse_unusable(files: list[dict[str, Any]]) -> None:
    names = [Path(file["path"]).name for file in files]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            msg = f"{file['path']}: another file has the base name {name} too"
            raise CallError(msg)
        if not re.fullmatch("0?[0-7]{3,4}", file["mode"]):
            msg = f"{file['path']}: mode {file['mode']!r} is no octal number"
            raise CallError(msg)


def _differs(file: dict[str, Any]) -> bool:
    path = Path(file["path"])
    if not path.is_file():
        return True
    status = path.stat()
    same_mode = status.st_mode & 0o7777 == int(file["mode"], 8)
    same_group = not file["group"] or _group_name(status.st_gid) == file["group"]
    return not (same_mode and same_group) or path.read_bytes() != _bytes(file)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""


def _bytes(file: dict[str, Any]) -> bytes:
    text: str = file["secret"] if file["content"] is None else file["content"]
    return text.encode()


def _stage(files: list[dict[str, Any]], staging: Path) -> None:
    for file in files:
        (staging / Path(file["path"]).name).write_bytes(_bytes(file))


def _run_checks(checks: list[list[Any]], staging: str) -> None:
    for check in checks:
        command = [str(word).replace("%s", staging) for word in check]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, errors="replace"
            )
            code, said = done.returncode, done.stderr or done.stdout
        except OSError as error:
            code, said = 1, error.strerror or str(error)
        if code != 0:
            words = said.replace(f"{staging}/", "").replace(staging, "them").strip()
            msg = f"nothing was written: {check[0]} refuses the new files: {words}"
            raise CallError(msg, command=check, rc=code)


def _diff(file: dict[str, Any]) -> dict[str, str]:
    path = Path(file["path"])
    before = path.read_text(errors="replace") if path.is_file() else ""
    after = file["content"]
    if after is None:
        before, after = ("(a secret)\n" if before else ""), "(another secret)\n"
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": before,
        "after": after,
    }


def _put_all(files: list[dict[str, Any]]) -> None:
    for file in files:
        folder = Path(file["path"]).parent
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            msg = f"nothing was written: {file['path']}: {error.strerror}"
            raise CallError(msg) from error
    for file in files:
        try:
            _put(file)
        except (OSError, KeyError) as error:
            msg = f"{file['path']} was not written: {error}"
            raise CallError(msg) from error


def _put(file: dict[str, Any]) -> None:
    # Of a symbolic link, what it points to. The owner of a file stays.
    path = Path(file["path"]).resolve()
    uid, gid = os.geteuid(), os.getegid()
    if path.is_file():
        status = path.stat()
        uid, gid = status.st_uid, status.st_gid
    if file["group"]:
        gid = grp.getgrnam(file["group"]).gr_gid
    atomic.put(path, _bytes(file), int(file["mode"], 8), uid, gid)
