"""A running filter and a back end for it, on loopback."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from proxy_header import header_length, read_header

COMMAND = Path(sys.executable).with_name("senderfilter")

WORKERS = int(os.environ.get("TEST_WORKERS", "1"))
"""How many workers a filter has if a test does not say; what it does must not depend on that."""

# Passes sockets as systemd does: from descriptor 3 on, their number in the environment.
ACTIVATE = """
import os, sys
count, command = int(sys.argv[1]), sys.argv[2:]
numbers, command = [int(number) for number in command[:count]], command[count:]
for target, number in enumerate(numbers, 3):
    os.dup2(number, target)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count)}
os.execv(command[0], command)
"""

# Runs the command after a change to the code: to shorten a time, or to break something.
CHANGED = """
import runpy, sys
exec(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Backend:
    """Stands where Postfix stands: reads the PROXY header, then speaks (a little) SMTP."""

    def __init__(self, talk=None):
        self.headers = []
        self.talk = talk or smtp
        self.server = None
        self.port = 0

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def stop(self):
        self.server.close()

    async def _serve(self, reader, writer):
        try:
            start = await reader.readexactly(16)
            rest = await reader.readexactly(header_length(start) - 16)
            self.headers.append(read_header(start + rest))
            await self.talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def smtp(reader, writer):
    writer.write(b"220 backend\r\n")
    while line := await reader.readline():
        if line.strip().upper() == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        writer.write(b"250 " + line)


class Filter:
    """The command ``senderfilter`` with a configuration and, once started, a process."""

    def __init__(self, directory):
        self.directory = directory
        self.config = directory / "config.toml"
        self.records = directory / "records"
        self.records.mkdir()
        self.stderr = directory / "stderr"
        self.lists = {"blocked": directory / "blocked", "approved": directory / "approved"}
        self.process = None
        self.groups = []
        self.told = []
        self.write_lists()

    def write_lists(self, blocked="", approved=""):
        self.lists["blocked"].write_text(blocked)
        self.lists["approved"].write_text(approved)

    def configure(self, backend_port, *, listen='"127.0.0.1:0"', workers=WORKERS, more=""):
        self.config.write_text(
            f"[listen]\naddresses = [{listen}]\nworkers = {workers}\n"
            f'[upstream]\naddress = "127.0.0.1:{backend_port}"\nconnect_seconds = 2\n'
            f'[lists]\nblocked = ["{self.lists["blocked"]}"]\n'
            f'approved = ["{self.lists["approved"]}"]\n'
            f'[control]\nsocket = "{self.directory / "control"}"\n'
            f'[log]\ndirectory = "{self.records}"\n'
            f'[state]\nfile = "{self.directory / "state.sqlite"}"\n{more}'
        )

    async def start(self, *options, environ=None, launcher=(), sockets=(), change=""):
        """Start it and wait until it says READY.

        By way of a launcher; with sockets as from systemd; with a change to its code.
        """
        launcher = list(launcher)
        if sockets:
            numbers = [str(each.fileno()) for each in sockets]
            launcher += [sys.executable, "-c", ACTIVATE, str(len(sockets)), *numbers]
        if change:
            launcher += [sys.executable, "-c", CHANGED, change]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        address = self.directory / "notify"
        address.unlink(missing_ok=True)
        self.notify.bind(str(address))
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*launcher, COMMAND, "serve", *options, "--config", self.config],
                env=os.environ | {"NOTIFY_SOCKET": str(address)} | (environ or {}),
                stderr=stderr,
                pass_fds=[each.fileno() for each in sockets],
                start_new_session=True,
            )
        self.groups.append(self.process.pid)
        await self.hears("READY=1")
        return self

    def kill(self):
        """End every process of it."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    async def hears(self, text):
        """Wait for a notification and return it."""
        while True:
            message = (await asyncio.get_running_loop().sock_recv(self.notify, 4096)).decode()
            self.told.append(message)
            if text in message:
                return message

    def run(self, *arguments, check=True):
        done = subprocess.run(
            [COMMAND, *arguments],
            env=os.environ | {"SENDER_FILTER_CONFIG": str(self.config)},
            capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    async def ask(self, *arguments):
        done = await asyncio.to_thread(self.run, *arguments, "--json")
        return json.loads(done.stdout)

    async def status(self):
        return await self.ask("status")

    async def ports(self):
        status = await self.status()
        return [int(name.rpartition(":")[2]) for name in status["listeners"]]

    async def connect(self, host="127.0.0.1", **options):
        [port, *_] = await self.ports()
        return await asyncio.open_connection(host, port, **options)

    def signal(self, number):
        self.process.send_signal(number)

    async def worker(self):
        """The pid of the worker that serves."""
        return (await self.status())["pid"]

    async def says(self, text):
        """Wait for words on standard error."""
        while text not in self.stderr.read_text():
            await asyncio.sleep(0.01)

    async def stopped(self):
        return await asyncio.to_thread(self.process.wait, 20)

    async def written(self, count):
        """Wait for so many records and return them."""
        while True:
            files = sorted(self.records.glob("*.jsonl"))
            lines = [line for file in files for line in file.read_text().splitlines()]
            if len(lines) >= count:
                assert len(lines) == count
                return [json.loads(line) for line in lines]
            await asyncio.sleep(0.02)
