"""What people see on a terminal, and what programs read from a pipe."""

import os
import pty
import subprocess
import time

from harness import COMMAND

from sender_filter.cli.tables import show
from sender_filter.core.records import BlockRecord, Check, DecisionRecord
from sender_filter.io.day_files import DayFiles

ADDRESS = "2001:db8:1111:2222:3333:4444:5555:6666"
DETAIL = "an entry with many words " * 20
NOW = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def on_terminal(proxy, *arguments, columns=60):
    """What a command prints on a terminal that is so wide, with the escape sequences."""
    ours, theirs = pty.openpty()
    environ = {"SENDER_FILTER_CONFIG": str(proxy.config), "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen([COMMAND, *arguments], env=os.environ | environ, stdout=theirs):
        os.close(theirs)
        said = b""
        try:
            while more := os.read(ours, 65536):
                said += more
        except OSError:  # Linux says EIO at the end
            pass
        os.close(ours)
    return said.decode()


def record(proxy):
    proxy.configure(1)
    check = Check("blocked", ADDRESS, "match", 5, DETAIL + "\x1b[31m[bold]")
    refused = DecisionRecord(
        NOW, "s-1", ADDRESS, 25, "peer", "blocked", "permanent", (check,), "554 5.7.1 no"
    )
    block = BlockRecord(NOW, "192.0.2.0/24", "throttling", "started", NOW, "too many", shadow=True)
    DayFiles(proxy.records, 14).append([refused, block])


def test_on_a_pipe_a_row_is_one_line_and_nothing_is_cut(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    show(("address", "why"), [(ADDRESS, DETAIL + "[red]\x1b"), ("::1", "")])
    head, long, short = capsys.readouterr().out.splitlines()
    assert head == f"address{' ' * (len(ADDRESS) - 7)}  why"
    assert long == f"{ADDRESS}  {DETAIL}[red]\\x1b"
    assert short == "::1"


def test_log_is_a_table_on_a_terminal_with_whole_addresses(proxy):
    record(proxy)
    said = on_terminal(proxy, "log", columns=100)
    assert "outcome" in said
    assert ADDRESS in said
    assert "192.0.2.0/24" in said
    assert "shadow" in said
    assert "[bold]" in on_terminal(proxy, "log", columns=800)  # markup is what the filter says
    assert "\x1b[31m" not in said
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) > 4  # what does not fit goes on below


def test_log_on_a_pipe_is_one_line_a_record(proxy):
    record(proxy)
    refused, block = proxy.run("log").stdout.splitlines()
    assert f" {ADDRESS} port 25 permanent by blocked ({DETAIL}" in refused
    assert block.startswith(f"{NOW} block of 192.0.2.0/24 by throttling started")


async def test_status_and_lists_on_a_pipe_and_as_json(proxy):
    proxy.configure(1)
    await proxy.start()
    proxy.run("block", "add", ADDRESS, "--comment", DETAIL[:490].strip())
    [_, row] = proxy.run("block", "list").stdout.splitlines()
    assert row.startswith(f"{ADDRESS}  operator  ")
    assert row.endswith(f"  for good  {DETAIL[:490].strip()}")
    assert proxy.run("status").stdout.splitlines()[0].startswith("filter ")
    assert await proxy.ask("approve", "list") == []
    assert await proxy.ask("profile") == {"answer": "profile", "rows": [], "found": 0}
    assert ADDRESS in on_terminal(proxy, "block", "list")
