"""A real rbldnsd with a few zones, on 127.0.0.1 and a free port."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

PROGRAM = shutil.which("rbldnsd") or shutil.which("rbldnsd", path="/usr/sbin:/sbin")

HEAD = """\
$SOA 3000 ns.example.test host.example.test 0 600 300 86400 90
$TTL 1800
"""

ZONES = {
    "ip4.test:ip4set": """\
:127.0.0.2:Listed, see https://example.test/?$
127.0.0.2
192.0.2.0/24
198.51.100.7 :127.0.0.4:An open relay
203.0.113.0/24 :127.255.255.254:Ask us from elsewhere
""",
    "ip6.test:ip6trie": """\
:127.0.0.3:Bad neighbourhood
::ffff:7f00:2/128
2001:db8:bad::/48
""",
    "generic.test:generic": """\
2.0.0.127 A 127.0.0.2
9.2.0.192 3000 A 127.0.0.9
9.2.0.192 3000 TXT "by hand"
""",
    "names.test:generic": """\
list 300 A 203.0.113.20
list MX 10 mx.names.test
mx 300 A 203.0.113.21
""",
    "world.test:ip4trie": """\
:127.0.0.2:This list has ended
0.0.0.0/0
""",
}


class Rbldnsd:
    """The running program; it can be stopped in the middle and started again."""

    def __init__(self, folder):
        arguments = []
        for zone, lines in ZONES.items():
            (folder / zone.replace(":", ".")).write_text(HEAD + lines)
            arguments.append(f"{zone}:{zone.replace(':', '.')}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._port = port
        user = [] if os.getuid() else ["-u", "nobody"]  # it refuses to run as root
        bind = f"127.0.0.1/{port}"
        self._command = [PROGRAM, "-n", *user, "-w", str(folder), "-b", bind, *arguments]
        self._output = folder / "output"
        self.start()

    def start(self):
        with self._output.open("w") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        limit = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < limit, self._output.read_text()
            assert self._process.poll() is None, self._output.read_text()

    def pause(self):
        """Be silent, as a machine that was unplugged."""
        self._process.send_signal(signal.SIGSTOP)

    def stop(self):
        """Be gone: questions get ICMP port unreachable."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()

    def _answers(self):
        query = bytes.fromhex("000101000001000000000000") + b"\x03ip4\x04test\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect(("127.0.0.1", self._port))
            with contextlib.suppress(OSError):
                probe.send(query)
                return bool(probe.recv(512))
        time.sleep(0.05)
        return False
