"""A server that is measured: started, waited for, watched in /proc, and ended."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PATIENCE_SECONDS = 20.0
MOST_SESSIONS, SPARE_FILES = 10_000, 200
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Server(ABC):
    """One server with the processes that it consists of.

    Attributes:
        name: What the table calls it.
        port: Where it takes clients, on loopback.
    """

    name: str
    port: int

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write what it needs, and say how it is started in the foreground."""

    def start(self) -> None:
        """Start it, and wait until it takes clients."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = f"{self.name} does not listen: {(self.folder / 'output').read_text()[-2000:]}"
                raise RuntimeError(msg)
            time.sleep(0.05)

    def _listens(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End it with all that it has started."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started."""
        if self._process is not None:
            self._process.send_signal(number)

    def processes(self) -> Iterator[Path]:
        """The folders in /proc of its processes."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                session = int(_stat(folder)[3])
            except FileNotFoundError:
                continue
            if self._process and session == self._process.pid:
                yield folder

    def processor_seconds(self) -> float:
        """The processor's time that its processes have taken so far, those that have ended too."""
        return sum(sum(map(int, _stat(each)[11:15])) / _TICKS for each in self.processes())

    def resident_bytes(self) -> int:
        """The memory that its processes hold."""
        pages = (int((each / "statm").read_text().split()[1]) for each in self.processes())
        return sum(pages) * _PAGE


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Have them run, the last one ending first."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield


def most_sessions() -> int:
    """How many sessions a proxy can have here, of two descriptors each."""
    return min(MOST_SESSIONS, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_FILES) // 2)


def _stat(folder: Path) -> list[str]:
    """The fields of /proc/PID/stat after the command's name."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
