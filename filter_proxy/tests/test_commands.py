"""The command line: check, check-config, status, and the control socket behind them."""

import asyncio
import importlib.metadata
import json
import socket
import stat
import subprocess
import sys

import click
from harness import Backend

from sender_filter import RELEASE, __version__
from sender_filter.cli import main
from sender_filter.core import addresses, replies


def test_check_explains_a_proposed_configuration(proxy):
    proxy.write_lists(blocked="192.0.2.0/24 temporary # spam\n", approved="192.0.2.1\n")
    proxy.configure(1)
    reply = replies.blocked_for_now(addresses.parse("192.0.2.7"))
    done = proxy.run("check", "192.0.2.7", "--config", str(proxy.config))
    assert done.stdout.splitlines() == [
        "192.0.2.7 would be refused for now",
        "  1. approved: not listed",
        f"  2. blocked: listed: 192.0.2.0/24 ({proxy.lists['blocked']}:1)",
        f"  reply: {reply}",
    ]
    done = proxy.run("check", "::ffff:192.0.2.1", "--config", str(proxy.config), "--json")
    answer = json.loads(done.stdout)
    assert (answer["address"], answer["function"], answer["action"]) == (
        "192.0.2.1", "approved", "pass",
    )  # fmt: skip


async def test_check_asks_the_running_filter(proxy):
    proxy.write_lists(blocked="192.0.2.1\n")
    proxy.configure(1)
    await proxy.start()
    proxy.write_lists()  # on the disk only: the running filter has not read it
    assert (await proxy.ask("check", "192.0.2.1"))["action"] == "permanent"
    assert (await proxy.ask("check", "192.0.2.1", "--config", str(proxy.config)))[
        "action"
    ] == "pass"


def test_check_needs_an_address_and_a_filter(proxy):
    proxy.configure(1)
    done = proxy.run("check", "example.com", check=False)
    assert done.returncode == 2
    assert "'example.com' is not an IP address" in done.stderr
    for command in (["check", "192.0.2.1"], ["status"]):
        done = proxy.run(*command, check=False)
        assert done.returncode == 1
        assert "no filter answers" in done.stderr


def test_check_config(proxy):
    proxy.write_lists(blocked="192.0.2.1\n2001:db8::/32\n")
    proxy.configure(1)
    done = proxy.run("check-config", "--config", str(proxy.config))
    assert done.stdout == f"{proxy.config}: ok, 2 blocked and 0 approved entries\n"
    proxy.configure(1, more="[limits]\nsession = 4\n")
    done = proxy.run("check-config", check=False)
    assert done.returncode == 1
    assert "limits.session: unknown key; did you mean sessions?" in done.stderr


def test_the_version_is_that_of_the_package(proxy):
    assert __version__ == importlib.metadata.version("sender-filter")
    assert proxy.run("--version").stdout == f"senderfilter, version {__version__}\n"


def test_a_broken_configuration_is_no_reason_not_to_ask_who_runs(proxy):
    proxy.config.write_text("[limits]\nsession = 1\n")
    said = proxy.run("status", check=False)
    assert said.returncode == 1
    assert "no filter answers on /run/sender-filter/control.sock" in said.stderr
    named = proxy.run("status", "--config", str(proxy.config), check=False)
    assert "limits.session: unknown key" in named.stderr


async def test_status_for_people(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    await reader.readline()
    done = await asyncio.to_thread(proxy.run, "status")
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert rows["sessions"].strip() == "1 now, 1 relayed"
    assert rows["processes"].strip().endswith(f", supervisor {proxy.process.pid}")
    assert rows["release"].strip() == RELEASE
    assert rows["upstream"].strip() == f"127.0.0.1:{backend.port}, reachable"
    writer.close()


async def test_the_control_socket_bounds_and_answers_nonsense(proxy):
    proxy.configure(1)
    await proxy.start()
    path = proxy.directory / "control"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    reader, writer = await asyncio.open_unix_connection(path)
    for request in (b"nonsense", b'{"command":"stop"}', b'{"command":"check","address":"x"}'):
        writer.write(request + b"\n")
        assert json.loads(await reader.readline())["answer"] == "error"
    writer.write(b'{"command":"status"}\n{"command":"status"}\n')
    for _ in range(2):
        assert json.loads(await reader.readline())["answer"] == "status"
    writer.write(b"x" * 10_000)
    assert await reader.read() == b""
    writer.close()


async def test_a_control_socket_left_by_a_crash_is_taken_over(proxy):
    proxy.configure(1)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(proxy.directory / "control"))
    await proxy.start()
    assert (await proxy.status())["state"] == "running"


def test_each_subcommand_is_where_the_command_looks_for_it():
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command.name == name
        assert command.help
    assert main.get_command(context, "unheard-of") is None


def test_the_filter_itself_draws_no_tables():
    words = "import sys, sender_filter.cli.serve; sys.exit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", words], check=True)
