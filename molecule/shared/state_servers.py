"""The servers on which gateways share their state, as the role installs them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lab_hosts import LabHost
from moves import Run

PASSWORD = "password-of-the-lab.state-server"  # noqa: S105 - of servers that live as long as the lab
PORT = 6379
FOLDER = "/etc/ssl/state"
AUTHORITY = "/etc/ssl/certs/lab-state.pem"


class StateServer:
    """A server on one host; `program` is redis or valkey, as the host's Debian has it."""

    def __init__(self, host: LabHost, program: str, *, tls: bool) -> None:
        self.host, self.program, self.tls = host, program, tls

    @property
    def url(self) -> str:
        """What gateways are told."""
        place = f":{PASSWORD}@{self.host.address}:{PORT}/0"
        return f"rediss://{place}?ssl_ca_certs={AUTHORITY}" if self.tls else f"redis://{place}"

    @property
    def variables(self) -> dict[str, object]:
        """The variables of the role that are this host's own."""
        files = {"certificate": f"{FOLDER}/server.crt", "key": f"{FOLDER}/server.key"}
        own = {f"state_server_tls_{name}": path for name, path in files.items()} if self.tls else {}
        return {"state_server_addresses": [self.host.address], **own}

    def make_certificate(self, believers: Sequence[LabHost]) -> None:
        """Give it a key that root alone can read, and a certificate that others believe."""
        self.host.run(
            f"install -d -m 700 {FOLDER} && cd {FOLDER} && openssl req -x509 -quiet -nodes -days 2 "
            "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout server.key -out server.crt "
            f"-subj /CN=state.example.test -addext subjectAltName=IP:{self.host.address}"
        )
        certificate = self.host.read(f"{FOLDER}/server.crt")
        for one in believers:
            one.write(AUTHORITY, certificate)

    def ask(self, *words: str, password: str = PASSWORD) -> str:
        """What it answers to one command of somebody with that password."""
        options = f"--tls --cacert {FOLDER}/server.crt" if self.tls else ""
        command = f"{self.program}-cli -h {self.host.address} -p {PORT} {options} {' '.join(words)}"
        return self.host.run(f"REDISCLI_AUTH={password} {command} 2>&1").strip()

    def stop(self) -> None:
        self.host.run(f"systemctl stop {self.program}-server")

    def start(self) -> None:
        self.host.run(f"systemctl start {self.program}-server")

    def lose_all(self) -> None:
        """While it is stopped: what it has written at its stop is gone."""
        file = f"/var/lib/{self.program}/dump.rdb"
        self.host.run(f"test -s {file} && rm {file}")


def install(servers: Sequence[StateServer], folder: Path, *arguments: str) -> Run:
    """Start the play on their hosts."""
    hosts = {server.host.name: server.variables for server in servers}
    group = {"hosts": hosts, "vars": {"state_server_password": PASSWORD}}
    inventory = folder / "state_servers.json"
    inventory.write_text(json.dumps({"state_servers": group}), encoding="utf-8")
    options = ["--inventory", str(inventory), *arguments]
    return Run("ansible-playbook", "playbooks/install_state_server.yml", *options)
