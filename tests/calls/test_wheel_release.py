"""A release and its configuration come into use together, or neither does."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from releases.test_program import PYTHON, packed

from module_utils.calls import wheel_release
from module_utils.calls.failure import CallError
from module_utils.releases import environment
from module_utils.releases.program import Program

SOUND, REFUSED = ["true"], ["sh", "-c", "echo 'no port' >&2; exit 1"]


class Host:
    """A folder in which a program and its one file are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "etc/program.conf"
        self._parts = 0

    def sent(self, says: str) -> str:
        """Where the host's part of an archive was put."""
        self._parts += 1
        place = self.folder / f"part{self._parts}"
        place.mkdir()
        return str(packed(place, f"print({says!r})\n"))

    def call(
        self, release: str, content: str, *checks: list[str], sent: str | None = None, **more: bool
    ) -> dict[str, Any]:
        file = {"path": str(self.file), "content": content, "secret": None}
        params = {
            "home": str(self.folder / "home"),
            "dir": str(self.release(release)),
            "archive": "on the control node",
            "command": "program",
            "modules": ["program"],
            "files": [{**file, "mode": "0644", "group": ""}],
            "checks": list(checks),
            "kept": [],
            "sent": sent,
        }
        return wheel_release.run(params, check=more.get("check", False))

    def release(self, name: str) -> Path:
        return self.folder / "home/releases" / name

    def state(self) -> tuple[str, str]:
        """The release in use, and what is in the file."""
        current = self.folder / "home/current"
        return (
            current.readlink().name if current.is_symlink() else "",
            self.file.read_text() if self.file.exists() else "",
        )


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "bin").mkdir()
    default = tmp_path / "python3"
    default.symlink_to(PYTHON)
    monkeypatch.setattr(environment, "DEFAULT_PYTHON", default)
    program = functools.partial(Program, commands=tmp_path / "bin")
    monkeypatch.setattr(wheel_release, "Program", program)
    return Host(tmp_path)


def test_what_is_missing_is_asked_for_before_anything_is_written(host: Host) -> None:
    version = PYTHON.name.removeprefix("python")
    assert host.call("1", "new\n", SOUND) == {"changed": False, "python": version}
    assert host.state() == ("", "")


def test_a_release_and_its_file_come_into_use_together(host: Host) -> None:
    done = host.call("1", "new\n", SOUND, sent=host.sent("one"))
    assert done["changed"]
    assert (done["release"], done["changed_files"]) == ("", [str(host.file)])
    assert [one["before"] for one in done["diff"]] == ["no release\n", ""]
    assert host.state() == ("1", "new\n")
    again = host.call("1", "new\n", REFUSED)
    assert (again["changed"], again["diff"], again["changed_files"]) == (False, [], [])
    assert again["release"] == str(host.release("1"))


def test_what_the_new_release_refuses_leaves_the_former_in_use(host: Host) -> None:
    host.call("1", "old\n", SOUND, sent=host.sent("one"))
    with pytest.raises(CallError, match="nothing was written: sh refuses the new files: no port"):
        host.call("2", "new\n", REFUSED, sent=host.sent("two"))
    assert host.state() == ("1", "old\n")
    host.call("2", "new\n", SOUND)
    assert host.state() == ("2", "new\n")


def test_a_file_that_changes_alone_needs_no_release(host: Host) -> None:
    host.call("1", "old\n", SOUND, sent=host.sent("one"))
    done = host.call("1", "new\n", SOUND)
    assert (done["changed"], done["linked"]) == (True, [])
    assert host.state() == ("1", "new\n")


def test_check_mode_tells_and_writes_nothing(host: Host) -> None:
    told = host.call("1", "new\n", REFUSED, check=True)  # by whom? it is not there
    assert (told["changed"], told["changed_files"]) == (True, [str(host.file)])
    assert len(told["linked"]) == 2
    assert host.state() == ("", "")
    host.call("1", "old\n", SOUND, sent=host.sent("one"))
    with pytest.raises(CallError, match="no port"):
        host.call("1", "new\n", REFUSED, check=True)
    assert host.call("1", "new\n", SOUND, check=True)["changed_files"] == [str(host.file)]
    assert host.state() == ("1", "old\n")
