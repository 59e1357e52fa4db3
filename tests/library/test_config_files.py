from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from library.conftest import run


class Host:
    """A folder in which the module writes, and what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(
        self,
        files: dict[str, str],
        *checks: list[str],
        mode: str | None = None,
        check_mode: bool = False,
        diff: bool = False,
    ) -> dict[str, Any]:
        wanted = [{"path": str(self.folder / name), "content": files[name]} for name in files]
        if mode is not None:
            wanted = [{**file, "mode": mode} for file in wanted]
        arguments = {"files": wanted, "checks": list(checks)}
        return run("config_files", arguments, check_mode=check_mode, diff=diff)

    def state(self) -> dict[str, tuple[int, int, bytes]]:
        """Each file's inode, mode and content."""
        return {
            str(path.relative_to(self.folder)): (
                path.stat().st_ino,
                path.stat().st_mode & 0o7777,
                path.read_bytes(),
            )
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def contents(self) -> dict[str, str]:
        return {name: content.decode() for name, (_, _, content) in self.state().items()}

    def modes(self) -> set[int]:
        return {mode for _, mode, _ in self.state().values()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    folder = tmp_path / "etc"
    folder.mkdir()
    return Host(folder)


TWO = {"config.toml": "port = 25\n", "lists/blocked.list": "192.0.2.0/24\n"}
REFUSAL = ["sh", "-c", "echo 'first line' >&2; echo \"%s/config.toml:1: no port\" >&2; exit 3"]


def test_files_and_their_folders_are_made(host: Host) -> None:
    done = host.call({**TWO, "a/b/c.conf": "ü\n"})
    assert done["changed"], done
    assert done["changed_files"] == [
        str(host.folder / name) for name in ("config.toml", "lists/blocked.list", "a/b/c.conf")
    ]
    assert host.contents() == {**TWO, "a/b/c.conf": "ü\n"}
    assert host.modes() == {0o644}
    assert (host.folder / "a/b").stat().st_mode & 0o7777 == 0o755


def test_a_second_run_writes_nothing(host: Host) -> None:
    host.call(TWO)
    before = host.state()
    again = host.call(TWO, REFUSAL)
    assert not again["changed"], again
    assert again["changed_files"] == []
    assert again["diff"] == []
    assert host.state() == before


def test_only_what_differs_is_written(host: Host) -> None:
    host.call(TWO)
    before = host.state()
    done = host.call({**TWO, "config.toml": "port = 26\n"})
    assert done["changed_files"] == [str(host.folder / "config.toml")]
    after = host.state()
    assert after["lists/blocked.list"] == before["lists/blocked.list"]
    assert after["config.toml"][2] == b"port = 26\n"


def test_a_changed_file_is_replaced_and_not_written_into(host: Host) -> None:
    host.call(TWO)
    file = host.folder / "config.toml"
    with file.open() as reader:
        host.call({"config.toml": "port = 26\n"})
        assert reader.read() == "port = 25\n"
    assert file.read_text() == "port = 26\n"


def test_check_mode_says_the_same_and_writes_nothing(host: Host) -> None:
    host.call({"config.toml": "old\n"})
    before = host.state()
    foreseen = host.call(TWO, check_mode=True, diff=True)
    assert foreseen["changed"]
    assert host.state() == before
    assert [path.name for path in host.folder.iterdir()] == ["config.toml"]
    done = host.call(TWO, diff=True)
    assert (done["changed_files"], done["diff"]) == (foreseen["changed_files"], foreseen["diff"])
    assert not host.call(TWO, check_mode=True)["changed"]


def test_the_diff_shows_each_file_before_and_after(host: Host) -> None:
    host.call({"config.toml": "old\n"})
    done = host.call(TWO, diff=True)
    assert done["diff"] == [
        {"before_header": path, "after_header": path, "before": before, "after": after}
        for path, before, after in (
            (str(host.folder / "config.toml"), "old\n", "port = 25\n"),
            (str(host.folder / "lists/blocked.list"), "", "192.0.2.0/24\n"),
        )
    ]


@pytest.mark.parametrize("mode", ["0600", "0640", "0755", "600"])
def test_the_mode_is_as_asked(host: Host, mode: str) -> None:
    host.call(TWO, mode=mode)
    assert host.modes() == {int(mode, 8)}
    assert not host.call(TWO, mode=mode)["changed"]


def test_a_mode_that_differs_is_a_change_of_its_own(host: Host) -> None:
    host.call(TWO)
    assert host.call(TWO, mode="0600", check_mode=True)["changed"]
    assert host.modes() == {0o644}
    done = host.call(TWO, mode="0600")
    assert len(done["changed_files"]) == 2
    assert host.modes() == {0o600}
    assert host.contents() == TWO


def test_the_owner_of_a_file_stays(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    host.call(TWO)
    file = host.folder / "config.toml"
    os.chown(file, 1234, 1235)
    host.call({"config.toml": "port = 26\n"})
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 1235)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other groups")
def test_a_group_is_as_asked_and_one_that_differs_is_a_change_of_its_own(host: Host) -> None:
    path = host.folder / "a"
    file = {"path": str(path), "content": "1\n", "mode": "0640", "group": "daemon"}
    assert run("config_files", {"files": [file]})["changed"]
    assert (path.group(), path.owner(), path.stat().st_mode & 0o7777) == ("daemon", "root", 0o640)
    assert not run("config_files", {"files": [file]})["changed"]
    assert run("config_files", {"files": [file | {"group": "root"}]})["changed"]
    assert path.group() == "root"
    del file["group"]
    assert not run("config_files", {"files": [file]})["changed"]


def test_checks_see_all_new_files_side_by_side_before_any_is_in_place(host: Host) -> None:
    host.call({"config.toml": "old\n"})
    seen = host.folder.parent / "seen"
    script = f'cat "$1/config.toml" "$1/blocked.list" {host.folder}/config.toml > {seen}'
    done = host.call(TWO, ["sh", "-c", script, "sh", "%s"])
    assert done["changed"], done
    assert seen.read_text() == "port = 25\n192.0.2.0/24\nold\n"


def test_checks_see_the_files_too_that_do_not_change(host: Host) -> None:
    host.call(TWO)
    done = host.call({**TWO, "config.toml": "new\n"}, ["test", "-f", "%s/blocked.list"])
    assert done["changed_files"] == [str(host.folder / "config.toml")], done


def test_check_mode_runs_the_checks(host: Host) -> None:
    assert host.call(TWO, REFUSAL, check_mode=True)["failed"]


@pytest.mark.parametrize("checks", [[REFUSAL], [["true"], REFUSAL], [REFUSAL, ["true"]]])
def test_a_failing_check_leaves_everything_as_it_was(host: Host, checks: list[list[str]]) -> None:
    host.call({"config.toml": "old\n"})
    before = host.state()
    failed = host.call(TWO, *checks)
    assert failed["failed"]
    assert failed["rc"] == 3
    assert failed["msg"] == (
        "nothing was written: sh refuses the new files: first line\nconfig.toml:1: no port"
    )
    assert failed["command"] == REFUSAL
    assert host.state() == before
    assert [path.name for path in host.folder.iterdir()] == ["config.toml"]


def test_a_check_that_speaks_on_its_output_is_quoted_too(host: Host) -> None:
    failed = host.call(TWO, ["sh", "-c", "echo '%s/config.toml: odd'; exit 1"])
    assert failed["msg"] == "nothing was written: sh refuses the new files: config.toml: odd"


@pytest.mark.parametrize("checks", [[], [["true"]], [REFUSAL]])
def test_no_staged_file_stays_behind(host: Host, checks: list[list[str]]) -> None:
    temporary = host.folder.parent / "tmp"
    temporary.mkdir()
    wanted = [{"path": str(host.folder / name), "content": TWO[name]} for name in TWO]
    run("config_files", {"files": wanted, "checks": checks}, remote_tmp=str(temporary))
    assert list(temporary.rglob("*")) == []


def test_a_check_that_names_the_folder_does_not_show_where_it_was(host: Host) -> None:
    failed = host.call(TWO, ["sh", "-c", "echo 'nothing good in %s' >&2; exit 1"])
    assert "/tmp" not in failed["msg"]
    assert "ansible" not in failed["msg"]


def test_a_check_that_is_not_installed_is_named(host: Host) -> None:
    failed = host.call(TWO, ["no-such-checker", "%s"])
    assert "no-such-checker" in failed["msg"]


def test_equal_base_names_are_refused(host: Host) -> None:
    failed = host.call({"a/same": "1\n", "b/same": "2\n"}, ["true"])
    assert failed.get("failed"), "one of the two was never checked"
    assert host.contents() == {}


def test_a_mode_that_is_no_octal_number_is_refused(host: Host) -> None:
    failed = host.call(TWO, mode="u=rw")
    assert "u=rw" in failed["msg"]
    assert host.contents() == {}


def test_a_folder_that_cannot_be_made_leaves_everything_as_it_was(host: Host) -> None:
    host.call({"file": "x\n"})
    before = host.state()
    failed = host.call({"first": "1\n", "file/second": "2\n"})
    assert "file/second" in failed["msg"]
    assert host.state() == before


def test_a_symbolic_link_is_followed(host: Host) -> None:
    host.call({"real": "old\n"})
    (host.folder / "link").symlink_to("real")
    host.call({"link": "new\n"})
    assert (host.folder / "link").is_symlink()
    assert (host.folder / "real").read_text() == "new\n"


def test_a_secret_is_written_and_shown_nowhere(host: Host) -> None:
    file = host.folder / "secret"
    file.write_text("redis://:former@192.0.2.1\n")
    wanted = {"path": str(file), "secret": "redis://:hidden@192.0.2.1\n", "mode": "0600"}
    said = run("config_files", {"files": [wanted], "checks": []}, check_mode=False, diff=True)
    assert said["changed_files"] == [str(file)]
    assert file.read_text() == "redis://:hidden@192.0.2.1\n"
    assert "hidden" not in str(said)
    assert "former" not in str(said)


@pytest.mark.parametrize("contents", [{}, {"content": "a", "secret": "b"}])
def test_a_file_has_either_a_content_or_a_secret(host: Host, contents: dict[str, str]) -> None:
    wanted = {"path": str(host.folder / "file"), **contents}
    said = run("config_files", {"files": [wanted], "checks": []}, check_mode=False, diff=False)
    assert said["failed"]
    assert "content" in said["msg"]
