"""What the stand-ins for Postfix and for the filter share; they run as programs of their own."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

REPLIES = {b"EHLO": b"250-here\r\n250 PIPELINING\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}
SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}


def name_process(name: str) -> None:
    """Have a name in the process table."""
    Path("/proc/self/comm").write_text(name)


def end() -> NoReturn:
    """End at once. Not every machine's init takes the dead away soon, and they keep their names."""
    name_process("gone")
    os._exit(1)


def go_on_alone(host: Path, name: str) -> Callable[[], None]:
    """Return in a process that lives as long as the test, or until it ends itself.

    The process that was started ends when the returned function is called, or with an error.
    """
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os._exit(0 if os.read(told, 1) else 1)
    os.setsid()
    name_process(name)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def wait() -> None:
        # Nothing is ever written to it: it ends when the test ends, however that ends.
        (host / "alive").read_bytes()
        end()

    def ready() -> None:
        os.write(tell, b"x")
        os.close(tell)

    threading.Thread(target=wait, daemon=True).start()
    return ready


class Service:
    """A listener, and the sessions that came by it."""

    def __init__(self, host: Path, name: str, port: int, *, shared: bool) -> None:
        self.host, self.name = host, name
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=shared)
        self.sessions: set[socket.socket] = set()

    def serve(self) -> None:
        """Accept, without waiting for it."""
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self, *, cut: bool) -> None:
        """Listen no more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.sessions) if cut else []:
            session.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self.listener.accept()
                self.sessions.add(connection)
                threading.Thread(target=self._session, args=[connection], daemon=True).start()
        except OSError:
            return

    def _session(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._speak(connection)
        except OSError:
            pass
        finally:
            self.sessions.discard(connection)

    def _speak(self, connection: socket.socket) -> None:
        connection.sendall(self._setting("greeting", b"220 " + self.name.encode() + b" ESMTP\r\n"))
        for line in connection.makefile("rb"):
            verb = line[:4].upper()
            reply = REPLIES.get(verb, b"250 2.0.0 Ok\r\n")
            if verb == b"RCPT":
                reply = self._setting("rcpt", reply)
            connection.sendall(reply)
            if verb == b"QUIT":
                return

    def _setting(self, what: str, default: bytes) -> bytes:
        file = self.host / f"{self.name}-{what}"
        return file.read_bytes() if file.exists() else default
