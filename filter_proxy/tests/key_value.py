"""A real server of keys and values, for what gateways share."""

import contextlib
import shutil
import socket
import subprocess
import time

SERVER = shutil.which("valkey-server") or shutil.which("redis-server")


class Server:
    """A Valkey or Redis server on a UNIX socket."""

    def __init__(self, folder, *options):
        self.socket, self._folder, self._options = folder / "s", folder, options
        self.url = f"unix://{self.socket}"
        self.process = None

    def start(self):
        words = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self._folder]
        self.process = subprocess.Popen([SERVER, *words, *self._options], stdout=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))  # it is there a moment before anybody listens
                return
            time.sleep(0.01)
        raise AssertionError("the server does not start")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)
