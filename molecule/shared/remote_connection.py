"""Runs on the client: one TCP connection, steered over stdin and stdout, a JSON object a line.

Arguments: the target's address, its port, and the source address (empty: the kernel's choice).
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys

SECONDS = 60


class Connection:
    """The connection; each method answers one request."""

    def __init__(self, target: str, port: int, source: str) -> None:
        here = (source, 0) if source else None
        self.link: socket.socket = socket.create_connection((target, port), SECONDS, here)
        self.received = self.link.makefile("rb")

    def port(self) -> int:
        return self.link.getsockname()[1]

    def send(self, data: str) -> None:
        self.link.sendall(base64.b64decode(data))

    def reply(self) -> str:
        """One reply, all its lines; what there is of it when the other end has closed."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self.received.readline()
            if not line:
                break
            lines.append(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        return "\n".join(lines)

    def start_tls(self) -> str:
        """The certificate of the other end (DER)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        link = context.wrap_socket(self.link)
        self.link, self.received = link, link.makefile("rb")
        return base64.b64encode(link.getpeercert(binary_form=True) or b"").decode()


def main() -> None:
    target, port, source = sys.argv[1:4]
    try:
        connection = Connection(target, int(port), source)
        _answer(connection.port())
        for line in sys.stdin:
            request, *arguments = json.loads(line)
            _answer(getattr(connection, request)(*arguments))
    except OSError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


def _answer(value: object) -> None:
    print(json.dumps({"answer": value}), flush=True)


main()
