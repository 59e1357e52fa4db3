"""A stand-in for a front of the sender filter and for the systemd that holds its port.

SIGUSR1 lets it serve, SIGHUP lets it read its files again, SIGTERM ends it with its last session,
SIGUSR2 at once.
Run as: stand_in_filter.py filter|inline PORT HOST CONTROL_SOCKET PROGRAM FILE…
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from stand_in import SIGNALS, Service, end, go_on_alone, name_process

name, port = sys.argv[1], int(sys.argv[2])
host, control, program = map(Path, sys.argv[3:6])
files = [Path(one) for one in sys.argv[6:]]
process = "senderfilter" if name == "filter" else "inlinefilter"
status: dict[str, object] = {}


def read_files() -> None:
    """Remember what was read."""
    stamps = {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}
    status["files"] = stamps


def answer(server: socket.socket) -> None:
    """Say on the control socket what is in use."""
    while True:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            if not (host / f"{name}-mute").exists():
                connection.sendall(json.dumps(status).encode() + b"\n")


def begin(service: Service) -> socket.socket:
    """Serve."""
    status["pid"], status["release"] = os.getpid(), str(program.parent.parent.resolve())
    read_files()
    (host / f"{name}-started").write_text(str(time.monotonic_ns() // 1000))
    control.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(control))
    server.listen()
    threading.Thread(target=answer, args=[server], daemon=True).start()
    service.serve()
    (host / f"{name}-serves.{os.getpid()}").touch()
    lifetime = host / f"{name}-lives"
    if lifetime.exists():
        threading.Timer(float(lifetime.read_text()), end).start()
    return server


def main() -> None:
    """Serve until the end."""
    name_process(process)
    service = Service(host, name, port, shared=True)
    ready = go_on_alone(host, process)
    (host / f"{name}.pid").write_text(str(os.getpid()))
    ready()
    server = None
    while (signum := signal.sigwait(SIGNALS)) != signal.SIGTERM:
        if signum == signal.SIGUSR2:
            end()
        if signum == signal.SIGUSR1 and server is None:
            server = begin(service)
        elif signum == signal.SIGHUP and not (host / f"{name}-stubborn").exists():
            read_files()
    service.stop(cut=False)
    if server:
        server.shutdown(socket.SHUT_RDWR)
    while service.sessions:
        time.sleep(0.01)
    end()


main()
