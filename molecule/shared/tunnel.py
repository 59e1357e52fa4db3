"""The way to a console on a gateway's loopback: an SSH tunnel, as an operator has one."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
from types import TracebackType
from typing import Self

from lab_hosts import eventually

CONSOLE_PORT = 8025


class Tunnel:
    """The tunnel; ``url`` is its near end."""

    def __init__(self, variables: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._command = [
            "ssh",
            *shlex.split(variables["ansible_ssh_common_args"]),
            f"-i{variables['ansible_ssh_private_key_file']}",
            "-oExitOnForwardFailure=yes",
            "-N",
            f"-L127.0.0.1:{self._port}:127.0.0.1:{CONSOLE_PORT}",
            f"root@{variables['ansible_host']}",
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command)
        eventually(self._is_open, "the tunnel to the console is open")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _is_open(self) -> bool:
        assert self._process.poll() is None, "ssh has ended"
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", self._port)).close()
            return True
        return False
