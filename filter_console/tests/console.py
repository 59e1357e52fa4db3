"""The console as its own command, and a client of its API."""

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from argon2 import PasswordHasher

COMMAND = Path(sys.executable).with_name("sender-filter-console")
USERS = {"alice": ("operator", "right horse"), "victor": ("viewer", "only looks")}
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Console:
    """The command ``sender-filter-console`` with a configuration and, once started, a process."""

    def __init__(self, directory, control):
        self.directory = directory
        self.config = directory / "config.toml"
        self.audit = directory / "audit.jsonl"
        self.stderr = directory / "stderr"
        self.control = control
        self.process = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.configure()

    def configure(self, more=""):
        users = "".join(
            f'[[users]]\nname = "{name}"\nrole = "{role}"\n'
            f'password_hash = "{HASHER.hash(password)}"\n'
            for name, (role, password) in USERS.items()
        )
        self.config.write_text(
            f'[listen]\naddress = "127.0.0.1:{self.port}"\n'
            f'[filter]\nsockets = ["{self.control}"]\n'
            f'[index]\nfile = "{self.directory / "index.sqlite"}"\n'
            f'[audit]\nfile = "{self.audit}"\n{users}{more}'
        )

    def start(self):
        """Start it and wait until it answers."""
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--config", self.config], stderr=stderr
            )
        while self.process.poll() is None:
            with (
                contextlib.suppress(ConnectionError),
                socket.create_connection(("127.0.0.1", self.port)),
            ):
                return self
            time.sleep(0.05)
        raise AssertionError(self.stderr.read_text())

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def call(self, method, path, body=None, *, who="alice", headers=(), **query):
        """Call the API; returns status and answer."""
        given = {key: value for key, value in query.items() if value is not None}
        url = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(given)}" if given else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method, headers=dict(headers))  # noqa: S310
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if who:
            pair = f"{who}:{USERS[who][1]}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, _content(answer)
        except urllib.error.HTTPError as error:
            return error.code, _content(error)

    async def get(self, path, **query):
        """What stands there, of something that is right to ask for."""
        status, answer = await asyncio.to_thread(self.call, "GET", f"/api/v1{path}", None, **query)
        assert status == 200, answer
        return answer

    async def post(self, path, body, **options):
        """Status and answer of a change."""
        return await asyncio.to_thread(self.call, "POST", f"/api/v1{path}", body, **options)

    async def until(self, path, found, **query):
        """Ask until the answer is what is waited for; returns it."""
        while True:
            answer = await self.get(path, **query)
            if found(answer):
                return answer
            await asyncio.sleep(0.05)

    def audited(self, *, logins=False):
        """The audit record: of changes, or of all."""
        notes = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [note for note in notes if logins or note["action"] != "login"]


def _content(answer):
    text = answer.read().decode()
    return json.loads(text) if answer.headers.get_content_type() == "application/json" else text
