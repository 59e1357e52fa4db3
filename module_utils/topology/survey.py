"""What is on the host now: sockets, Postfix's configuration, the filter's units."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..postfix import programs
from ..postfix.checks import Severity, master_problems
from ..postfix.master_cf import MasterDocument
from . import filter_status, fronts, model
from .deafness import is_deaf
from .fronts import Front
from .interfaces import Address, addresses
from .socket_table import PROC
from .sockets import Listener, listeners

if TYPE_CHECKING:
    from .provider import Provider

POSTFIX_UNITS = "postfix"  # postfix@-.service in Debian 12, postfix.service in 13
PARAMETERS = (
    "mail_version",
    "inet_protocols",
    "inet_interfaces",
    "master_service_disable",
    "smtpd_proxy_filter",
    "receive_override_options",
    "import_environment",
    "process_id_directory",
    "queue_directory",
    "setgid_group",
    "multi_instance_name",
)


class SurveyError(Exception):
    """The host could not be looked at; the text is meant for the operator."""


@dataclass(frozen=True)
class PostfixState:
    """One Postfix instance: its settings, its master.cf and its running master process.

    `deaf`: the process runs and hears nobody (`deafness`).
    """

    config_dir: Path
    parameters: dict[str, str]
    master_cf: bytes
    pid_file: Path
    master_pid: int | None
    deaf: bool = False

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.parameters["mail_version"].split(".")[:2]
        return int(major), int(minor.split("-")[0])

    @property
    def instance(self) -> str:
        """The name of an instance of postmulti(1), empty for the only or the first one."""
        return self.parameters["multi_instance_name"]

    @property
    def document(self) -> MasterDocument:
        """master.cf, parsed."""
        return MasterDocument.parse(self.master_cf)

    @property
    def addresses(self) -> set[Address]:
        """Where a service listens that names no host, in the families that the host has."""
        wanted = set(self.parameters["inet_protocols"].replace(",", " ").split())
        available = {"ipv4", "ipv6"} if host_has_ipv6() else {"ipv4"}
        families = available if "all" in wanted else wanted & available
        return addresses(self.parameters["inet_interfaces"], families)

    @property
    def families(self) -> set[str]:
        """The address families that Postfix listens in."""
        return {family for family, _ in self.addresses}


@dataclass(frozen=True)
class FilterState:
    """The two units of a front of the sender filter, as systemd sees them.

    `needs` is what a running filter needs to use what is installed (`filter_status`); `shares`,
    whether the port that systemd takes for it may be shared (ReusePort= in systemd.socket(5)).
    """

    installed: bool
    socket_active: bool
    service_active: bool
    enabled: bool
    needs: str = filter_status.FRESH
    shares: bool = True

    @property
    def stopped(self) -> bool:
        """Neither unit is active, and neither starts at boot."""
        return not (self.socket_active or self.service_active or self.enabled)

    @property
    def waits(self) -> bool:
        """The port is open, and the service behind it is away: for a moment, or it cannot start."""
        return self.socket_active and not self.service_active

    @property
    def running(self) -> bool:
        """Both units are active and start at boot."""
        return self.socket_active and self.service_active and self.enabled


CLOSED = FilterState(installed=False, socket_active=False, service_active=False, enabled=False)


@dataclass(frozen=True)
class Survey:
    """Everything that a decision about the topology needs to know."""

    ports: model.Ports
    listeners: tuple[Listener, ...]
    postfix: PostfixState
    provider: Provider
    filter: FilterState
    inline: FilterState = CLOSED

    def front(self, front: Front) -> FilterState:
        """The state of a front of the filter; `filter` is the one towards the network."""
        return self.filter if front == fronts.EDGE else self.inline

    def glance(self) -> Survey:
        """The same host a moment later: sockets and master's pid are looked up again, no more.

        Whether master is deaf takes longer to see.
        """
        postfix = replace(self.postfix, master_pid=master_pid(self.postfix.pid_file))
        return replace(self, listeners=tuple(listeners(self.ports.all())), postfix=postfix)

    def on(self, port: int) -> list[Listener]:
        """The listeners on a port."""
        return [one for one in self.listeners if one.port == port]

    def listen_addresses(self) -> list[str]:
        """The addresses on which port `listen` takes mail now, IPv6 in brackets.

        With nobody there, those that Postfix would take.
        """
        found = {(one.family, one.address) for one in self.on(self.ports.listen)}
        chosen = found or self.postfix.addresses
        return [f"[{text}]" if family == "ipv6" else text for family, text in sorted(chosen)]

    def owner(self, listener: Listener) -> str:
        """Who a listener belongs to: a name of `model`, or the foreign process itself."""
        if any(one.pid == self.postfix.master_pid for one in listener.processes):
            return model.POSTFIX
        if any(
            self.provider.serves(front, one) for front in fronts.ALL for one in listener.processes
        ):
            return model.FILTER
        only_systemd = [one.pid for one in listener.processes] == [1]
        # Between two lives of the service its socket is held by systemd alone.
        if only_systemd and any(
            self.front(one).socket_active and listener.port == one.port(self.ports)
            for one in self.provider.fronts
        ):
            return model.FILTER
        if listener.port == self.ports.scan:
            return model.SCAN
        # A master that lives is another instance's (postmulti(1)), and no remnant to be ended.
        alive = any(one.name == "master" for one in listener.processes)
        if not alive and any(one.unit.startswith(POSTFIX_UNITS) for one in listener.processes):
            return model.REMNANT
        return ", ".join(map(str, listener.processes)) or model.UNNAMED

    def remnants(self) -> list[Listener]:
        """The listeners that a dead master, or one that has given them up, has left behind."""
        return [one for one in self.listeners if self.owner(one) == model.REMNANT]

    def owners(self, port: int) -> list[str]:
        """The distinct owners of a port."""
        return sorted({self.owner(one) for one in self.on(port)})


def take(config_dir: Path, ports: model.Ports, provider: Provider) -> Survey:
    """Look at the host.

    Raises:
        SurveyError: Postfix is not installed, or its configuration cannot be read.
    """
    postfix = _postfix(config_dir)
    found = tuple(listeners(ports.all()))
    return Survey(ports, found, postfix, provider, *provider.states(ports, found))


def _postfix(config_dir: Path) -> PostfixState:
    try:
        master_cf = (config_dir / "master.cf").read_bytes()
        _refuse_broken(config_dir / "master.cf", master_cf)
        result = run(["postconf", "-c", str(config_dir), "-xh", *PARAMETERS])
    except FileNotFoundError as error:
        msg = f"Postfix is not there ({error}): run playbooks/install_gateway.yml first"
        raise SurveyError(msg) from error
    values = result.stdout.split("\n")
    if result.returncode != 0 or len(values) < len(PARAMETERS):
        msg = f"postconf cannot read {config_dir}/main.cf: {result.stderr.strip()}"
        raise SurveyError(msg)
    parameters = dict(zip(PARAMETERS, values, strict=False))
    pid_file = (
        Path(parameters["queue_directory"]) / parameters["process_id_directory"] / "master.pid"
    )
    master = master_pid(pid_file)
    deaf = master is not None and is_deaf(master)
    return PostfixState(config_dir, parameters, master_cf, pid_file, master, deaf)


def _refuse_broken(file: Path, data: bytes) -> None:
    problems = master_problems(MasterDocument.parse(data))
    fatal = [f"{file}:{one.line}: {one.text}" for one in problems if one.severity is Severity.STOPS]
    if fatal:
        msg = f"Postfix would not start with this file, mend it first: {'; '.join(fatal)}"
        raise SurveyError(msg)


def master_pid(pid_file: Path, proc: Path = PROC) -> int | None:
    """The process id of the running master, None if it does not run."""
    try:
        pid = int(pid_file.read_text())
        name = (proc / str(pid) / "comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == "master" else None


def filter_state(front: Front = fronts.EDGE) -> FilterState:
    """The state of the units of a front of the filter."""
    return filter_states([front])[0]


def filter_states(wanted: Sequence[Front]) -> list[FilterState]:
    """The state of the units of each front, by one question."""
    properties = (
        "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload,ExecStart,"
        "ExecMainStartTimestampMonotonic,ReusePort"
    )
    units = [unit for front in wanted for unit in front.units]
    blocks = run(["systemctl", "show", properties, *units]).stdout.strip().split("\n\n")
    pairs = ["\n\n".join(blocks[at : at + 2]) for at in range(0, len(units), 2)]
    return [parse_units(text, front) for text, front in zip(pairs, wanted, strict=True)]


def parse_units(text: str, front: Front = fronts.EDGE) -> FilterState:
    """The output of `systemctl show` for the socket and the service, in that order.

    A running filter is asked what it uses.
    """
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in text.strip().split("\n\n")
    ]
    socket_unit, service_unit = (*blocks, {}, {})[:2]
    service_active = service_unit.get("ActiveState") in ("active", "reloading")
    return FilterState(
        installed=all(unit.get("LoadState") == "loaded" for unit in (socket_unit, service_unit)),
        socket_active=socket_unit.get("ActiveState") == "active",
        service_active=service_active,
        enabled=socket_unit.get("UnitFileState") == "enabled",
        needs=_needs(front, socket_unit, service_unit) if service_active else filter_status.FRESH,
        shares=socket_unit.get("ReusePort") != "no" or socket_unit.get("LoadState") != "loaded",
    )


def _needs(front: Front, socket_unit: dict[str, str], service_unit: dict[str, str]) -> str:
    since_boot = int(service_unit.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    started = time.time() - time.monotonic() + since_boot
    unread = "yes" in (socket_unit.get("NeedDaemonReload"), service_unit.get("NeedDaemonReload"))
    program = re.search(r"path=([^ ;]+)", service_unit.get("ExecStart", ""))
    status = filter_status.ask(front)
    return filter_status.needs(
        status,
        program[1] if program else "",
        unit_is_newer=unread
        or filter_status.changed_after(started, front)
        or filter_status.address_changed_after(status, started),
    )


def host_has_ipv6(proc: Path = PROC) -> bool:
    """Whether the kernel has any IPv6 address."""
    table = proc / "net" / "if_inet6"
    return table.exists() and bool(table.read_text().strip())


def run(command: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program without a shell, its output as text.

    Raises:
        SurveyError: it has not ended within `timeout` seconds.
    """
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=programs.environment(),
        )
    except subprocess.TimeoutExpired as error:
        msg = f"`{' '.join(command)}` has not ended within {timeout:g} s"
        raise SurveyError(msg) from error
