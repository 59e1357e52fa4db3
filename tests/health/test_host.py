"""What is read of a host: stand-ins answer for journalctl and postconf, the rest is real."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from lines import log

from module_utils.health import host
from module_utils.health.host import HealthError, health, mail_lines, records
from module_utils.health.mail_log import Line
from module_utils.topology import fronts

NOW = 1795772787.5
DECISION = {
    "event": "decision",
    "time": "2026-11-27T09:46:28.171Z",
    "address": "192.0.2.7",
    "port": 1,
    "function": "blocked",
    "action": "permanent",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a queue, records, and programs that say what lies in `journal` and `errors`."""
    queue = tmp_path / "queue"
    for name in ("maildrop", "incoming", "active", "deferred/A", "hold"):
        (queue / name).mkdir(parents=True)
    for name in ("journal", "errors", "asked"):
        (tmp_path / name).touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    say(programs / "postconf", f"echo {queue}")
    say(
        programs / "journalctl",
        f'echo "$*" >>{tmp_path}/asked; case "$*" in *priority*) cat {tmp_path}/errors;; '
        f"*) cat {tmp_path}/journal;; esac",
    )
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(host, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(fronts, "RUN_FOLDER", tmp_path / "run")
    for name in ("records", "run"):
        (tmp_path / name).mkdir()
    return tmp_path


def say(program: Path, command: str) -> None:
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)


def keep(place: Path, name: str, *entries: dict[str, object]) -> None:
    (place / name).write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))


def test_the_figures_of_a_host(place: Path) -> None:
    for name in ("maildrop/1", "active/2", "deferred/A/A3", "deferred/A/A4", "hold/5"):
        (place / "queue" / name).touch()
    lines = [{"SYSLOG_IDENTIFIER": one.program, "MESSAGE": one.text} for one in log("edge-3.7")]
    keep(place, "journal", *lines)
    keep(place, "errors", {"MESSAGE": "out of memory"})
    keep(place, "records/decisions-2026-11-27.jsonl", DECISION, DECISION, DECISION)
    found = health(Path("/etc/postfix"), NOW)
    assert (found.queue, found.deferred, found.accepted, found.sent) == (2, 2, 1, 1)
    assert (found.refused, found.refused_share, found.filter_refused) == (3, 0.75, 3)
    assert found.filter_errors == 1


def test_a_quiet_host_has_a_share_of_nothing(place: Path) -> None:
    assert set(health(Path("/etc/postfix"), NOW).facts().values()) == {0, ""}
    assert f"--since=@{int(NOW)} " in (place / "asked").read_text()


@pytest.mark.parametrize("front", fronts.ALL)
@pytest.mark.parametrize("problem", ["ConnectionError: away", None])
@pytest.mark.usefixtures("place")
def test_the_front_that_runs_says_whether_it_keeps_its_state(
    front: fronts.Front, problem: str | None
) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(front.control))
        server.listen()

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(json.dumps({"state_problem": problem}).encode() + b"\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert health(Path("/etc/postfix"), NOW).state_problem == (problem or "")
        thread.join(10)


def test_a_message_that_is_no_text_is_left_out(place: Path) -> None:
    keep(place, "journal", {"MESSAGE": [1, 2]}, {}, {"MESSAGE": "a"})
    assert mail_lines(NOW) == [Line("", "a")]


def test_records_of_former_days_are_not_read(place: Path) -> None:
    keep(place, "records/decisions-2026-11-26.jsonl", DECISION)
    os.utime(place / "records/decisions-2026-11-26.jsonl", (NOW - 9, NOW - 9))
    assert records(NOW) == []


def test_a_program_that_fails_is_named(place: Path) -> None:
    say(place / "bin/journalctl", "echo no journal >&2; exit 1")
    with pytest.raises(HealthError, match="journalctl failed: no journal"):
        mail_lines(NOW)
