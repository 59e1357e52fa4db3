"""The guard, the program that it runs, and its command."""

from __future__ import annotations

import configparser
import os
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from topology.gateway import Gateway
from topology.moves import TO_EDGE, Before, after_step, killed_after

from module_utils.postfix import atomic
from module_utils.snapshots.store import Store
from module_utils.topology import entry, guard, journal, model, photograph, program
from module_utils.topology.services import ServiceError
from module_utils.topology.switch import begin, switch

WAIT = TO_EDGE["overlap"][3]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """The command, in this process, where the places are those of the test."""
    monkeypatch.setattr(sys, "argv", ["mail-topology", *arguments])
    entry.main()


# The guard


def test_the_guard_is_a_unit_that_waits_for_this_process(direct: Gateway) -> None:
    guard.arm()
    (said,) = (direct.host / "guards").read_text().splitlines()
    assert said.endswith("/usr/local/sbin/mail-topology recover")
    assert f"--unit=mail-topology-guard-{os.getpid()} " in said
    for setting in ("--collect", "Restart=on-failure", "StartLimitIntervalSec=0"):
        assert setting in said
    assert program.COMMAND.resolve() == program.FILE.resolve()


def test_the_boot_unit_is_written_and_enabled_once(direct: Gateway) -> None:
    calls = direct.host / "systemctl-calls"
    guard.arm()
    assert guard.BOOT_UNIT.read_text() == guard.BOOT_UNIT_TEXT
    assert stat.S_IMODE(guard.BOOT_UNIT.stat().st_mode) == 0o644
    assert calls.read_text().splitlines() == [
        "enable --quiet --no-reload mail-topology-recover.service"
    ]
    calls.unlink()
    guard.arm()
    assert not calls.exists()
    guard.BOOT_UNIT.write_text("of an older version\n")
    guard.arm()
    assert guard.BOOT_UNIT.read_text() == guard.BOOT_UNIT_TEXT
    assert calls.exists()


def test_the_boot_unit_comes_before_postfix_and_only_if_a_move_was_interrupted() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(guard.BOOT_UNIT_TEXT.split("\n", 1)[1])
    assert unit["Unit"]["Before"].split() == ["postfix.service", "postfix@-.service"]
    assert unit["Unit"]["ConditionPathExists"] == "/var/lib/mail-topology/move.json"
    assert unit["Service"]["Type"] == "oneshot"
    assert unit["Service"]["ExecStart"] == "/usr/local/sbin/mail-topology recover --boot"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_a_guard_that_does_not_start_is_an_error(direct: Gateway) -> None:
    direct.say("unguarded")
    with pytest.raises(ServiceError, match=r"^systemd-run failed: no guard$"):
        guard.arm()


# The program


def test_the_same_code_gives_the_same_bytes() -> None:
    first = program.render()
    time.sleep(0.01)
    assert program.render() == first


def test_the_program_is_put_in_place_once() -> None:
    program.install()
    assert stat.S_IMODE(program.FILE.stat().st_mode) == 0o755
    assert program.COMMAND.readlink() == program.FILE
    inode = program.FILE.stat().st_ino
    program.install()
    assert program.FILE.stat().st_ino == inode
    program.FILE.write_bytes(b"of another version")
    program.install()
    assert program.FILE.read_bytes() == program.render()
    assert program.FILE.read_bytes().startswith(f"#!{sys.executable} -I\n".encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The program alone, in a folder of its own."""
    path = tmp_path / "alone/mail-topology.pyz"
    path.parent.mkdir()
    path.write_bytes(program.render())
    path.chmod(0o755)
    return path


def python(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=file.parent,
        env=bare,
    )


def test_the_program_holds_code_alone(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "__main__.py" in names
    assert all(name.endswith(".py") for name in names)
    assert "mail_topology/topology/restore.py" in names


def test_the_program_runs_with_nothing_of_the_project(file: Path) -> None:
    done = python(file, str(file), "--help")
    assert done.returncode == 0, done.stderr
    assert "{" not in done.stdout.split("COMMAND")[0]
    for word in ("snapshots", "rollback", "recover"):
        assert f"\n    {word}" in done.stdout
    itself = subprocess.run(
        [str(file), "--help"], capture_output=True, text=True, check=False, cwd=file.parent
    )
    assert itself.stdout == done.stdout


def test_the_program_lists_snapshots(file: Path) -> None:
    done = python(file, str(file), "snapshots")
    assert done.returncode == 0, done.stderr


def test_the_program_knows_the_snapshots_of_the_modules(file: Path, direct: Gateway) -> None:
    begin(direct.request(model.EDGE))
    (name,) = Store().names()
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from pathlib import Path\n"
        "from mail_topology.snapshots.store import Store\n"
        "Store.__init__.__defaults__ = (Path(sys.argv.pop(1)),)\n"
        "from mail_topology.topology.command import main\n"
        "main()\n"
    )
    done = python(file, "-c", script, str(file), str(direct.folder), "snapshots")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{name}  direct   before a move to edge\n"


def test_a_guard_that_is_not_needed_reads_no_code_of_a_way_back(file: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from mail_topology.topology.entry import main\n"
        "main()\n"
        "print([name for name in sys.modules if name.endswith(('.command', '.restore'))])\n"
    )
    done = python(file, "-c", script, str(file), "recover")
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize("wrong", [[], ["no-such-command"], ["rollback", "a", "b"]])
def test_a_wrong_call_is_refused(file: Path, wrong: list[str]) -> None:
    done = python(file, str(file), *wrong)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: mail-topology ")


# The command


def test_snapshots_are_listed_oldest_first(
    edge: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for topology in (model.DIRECT, model.EDGE):
        photograph.take(Store(), edge.request(topology), edge.survey(), ())
    run(monkeypatch, "snapshots")
    first, second = Store().names()
    assert capsys.readouterr().out == (
        f"{first}  edge     before a move to direct\n{second}  edge     before a move to edge\n"
    )


def test_a_host_is_brought_back_by_hand(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    switch(shared_direct.request(model.EDGE))
    (name,) = Store().names()
    where = ("--config-dir", str(shared_direct.config_dir))
    run(monkeypatch, "rollback", *where)
    said = capsys.readouterr().out
    assert said.startswith(f"The host is as in snapshot {name}.\nport ")
    assert f"{shared_direct.ports.listen}  " in said
    assert shared_direct.greeting() == "220 postfix ESMTP\r\n"
    run(monkeypatch, "rollback", name, *where)
    assert capsys.readouterr().out.startswith(f"It is as in {name}.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rollback", "x"], "mail-topology: nothing was changed: there is no snapshot 'x'"),
        (["rollback"], "mail-topology: nothing was changed: there is no snapshot on this host"),
    ],
)
def test_a_failure_is_one_line(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *arguments, "--config-dir", str(direct.config_dir))
    assert str(caught.value.code).startswith(said)


def test_without_a_move_nothing_is_recovered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "recover")
    run(monkeypatch, "recover", "--boot")
    assert capsys.readouterr().out == ""


def test_a_move_that_has_only_begun_is_not_recovered(
    direct: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(direct.request(model.EDGE))
    move, calls = journal.read(), direct.calls()
    run(monkeypatch, "recover")
    run(monkeypatch, "recover", "--boot")
    assert journal.read() == move
    assert direct.calls() == calls
    assert capsys.readouterr().out == ""


def test_a_guard_takes_a_move_back_as_soon_as_its_process_is_killed(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(shared_direct)
    ready, tell = os.pipe()
    lives, release = os.pipe()

    def wait() -> None:
        os.write(tell, b"x")
        os.read(lives, 1)
        os.kill(os.getpid(), 9)

    child = os.fork()
    if child == 0:
        after_step(monkeypatch, WAIT, wait)
        try:
            switch(shared_direct.request(model.EDGE))
        finally:
            os._exit(0)
    assert os.read(ready, 1) == b"x"
    watcher = os.fork()
    if watcher == 0:
        run(monkeypatch, "recover")
        os._exit(0)
    time.sleep(0.3)
    assert shared_direct.greeting() == "220 filter ESMTP\r\n"  # it waits
    os.write(release, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert os.waitstatus_to_exitcode(os.waitpid(watcher, 0)[1]) == 0
    for name in Store().names():
        Store().remove(name)
    before.assert_is_back()


def test_a_guard_goes_when_the_move_has_ended_well(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving, tell = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        os.read(moving, 1)
        run(monkeypatch, "recover")
        os._exit(7)  # it came back without an error
    with atomic.lock(shared_direct.master_cf):
        journal.write(journal.Move("x", "edge", journal.MOVING, str(shared_direct.config_dir), {}))
        os.write(tell, b"x")
        time.sleep(0.2)
        journal.close()
    assert os.waitstatus_to_exitcode(os.waitpid(watcher, 0)[1]) == 7
    assert shared_direct.calls() == set()


def test_a_guard_that_cannot_put_the_host_back_fails_and_is_started_again(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = shared_direct.request(model.EDGE)
    killed_after(monkeypatch, WAIT, lambda: switch(wanted))
    move = journal.read()
    shared_direct.refuse("stop sender-filter.service")
    with pytest.raises(
        SystemExit, match="mail-topology: a move to edge was interrupted and cannot"
    ):
        run(monkeypatch, "recover")
    assert journal.read() == move
    (shared_direct.host / "refused").unlink()
    run(monkeypatch, "recover")
    assert journal.read() is None
    assert shared_direct.greeting() == "220 postfix ESMTP\r\n"


def test_after_a_loss_of_power_the_files_are_put_back_before_postfix_starts(
    shared_direct: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = shared_direct.master_cf.read_bytes()
    wanted = shared_direct.request(model.EDGE)
    killed_after(monkeypatch, TO_EDGE["overlap"][5], lambda: switch(wanted))
    shared_direct.kill("master")
    shared_direct.kill("filter")
    assert shared_direct.master_cf.read_bytes() != stock
    run(monkeypatch, "recover", "--boot")
    assert capsys.readouterr().out == (
        "The move to edge was interrupted; the host is as it was before.\n"
    )
    assert shared_direct.master_cf.read_bytes() == stock
    assert journal.read() is None
    assert not (shared_direct.folder / "declared.json").exists()
    assert (shared_direct.host / "filter-enabled").read_text() == "disabled\n"
    shared_direct.systemctl("restart", "postfix.service")
    assert shared_direct.greeting() == "220 postfix ESMTP\r\n"
