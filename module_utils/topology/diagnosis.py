"""Compares what a survey saw with what a topology demands."""

from __future__ import annotations

from dataclasses import dataclass

from ..postfix.service import port_of
from . import fronts, model
from .between import PROXY, filter_of, front_of, is_after_filter
from .model import Expectation
from .survey import Survey


@dataclass(frozen=True)
class PortReport:
    """One line of the port table."""

    port: int
    expected: str
    owner: str
    family: str
    address: str
    process: str
    pid: int | None
    unit: str

    def cells(self) -> tuple[str, ...]:
        """The report as a row of a table."""
        process = f"{self.process} ({self.pid})" if self.pid else "-"
        family, address = self.family or "-", self.address or "-"
        return str(self.port), family, address, self.owner, process, self.unit


def lines(rows: list[PortReport]) -> list[str]:
    """The port table as text, its columns as wide as they must be."""
    table = [("port", "", "address", "owner", "process", "unit"), *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def port_table(survey: Survey, topology: str) -> list[PortReport]:
    """Each listener on each port of the path, in the order of the path."""
    rows: list[PortReport] = []
    for expectation in model.expectations(topology, survey.ports):
        found = survey.on(expectation.port)
        if not found:
            nobody = PortReport(
                expectation.port, expectation.owner, model.NOBODY, "", "", "", None, ""
            )
            rows.append(nobody)
        for one in found:
            owner = survey.owner(one)
            # The program that answers, not the systemd that holds its socket beside it.
            process = max(one.processes, key=lambda p: p.pid != 1, default=None)
            if owner == model.POSTFIX:
                process = next(p for p in one.processes if p.pid == survey.postfix.master_pid)
            rows.append(
                PortReport(
                    expectation.port,
                    expectation.owner,
                    owner,
                    one.family,
                    one.address,
                    process.name if process else "",
                    process.pid if process else None,
                    process.unit if process else "",
                )
            )
    return rows


def seen_topology(survey: Survey) -> str:
    """The topology that the owners of the ports make up, `unknown` if they make up none."""
    ports = survey.ports
    listen, smtp = survey.owners(ports.listen), survey.owners(ports.smtp)
    if listen == [model.FILTER] and smtp == [model.POSTFIX]:
        return model.EDGE
    if listen != [model.POSTFIX] or smtp:
        return model.UNKNOWN
    passes, waits = passes_to_filter(survey), survey.owners(ports.proxy) == [model.FILTER]
    if passes and waits and survey.owners(ports.after_proxy) == [model.POSTFIX]:
        return model.INLINE
    return model.UNKNOWN if passes or waits else model.DIRECT


def passes_to_filter(survey: Survey) -> bool:
    """Whether master.cf has Postfix hand its mail to the filter's port before it queues it."""
    document = survey.postfix.document
    found = []
    for home in document.listening_on(survey.ports.listen):
        front = document.find(*front_of(document, home.service))
        main_cf = survey.postfix.parameters[PROXY]
        found.append(filter_of(front[0], main_cf) if front else main_cf)
    return bool(found) and all(port_of(one) == survey.ports.proxy for one in found)


def conflicts(survey: Survey) -> list[str]:
    """Ports with more than one owner. SO_REUSEPORT makes that possible without an error."""
    return [
        f"port {port} has {len(owners)} owners, and the kernel deals connections to each: "
        + "; ".join(owners)
        for port in sorted(survey.ports.all())
        if len(owners := survey.owners(port)) > 1
    ]


def deaf_master(survey: Survey) -> list[str]:
    """That master runs and serves nobody, as a sentence; nothing if it is well."""
    postfix = survey.postfix
    text = (
        f"Postfix's master (pid {postfix.master_pid}) serves nobody: since a reload it waits for "
        "the end of a process of a service that it has given up"
    )
    return [text] if postfix.deaf else []


def differences(survey: Survey, topology: str) -> list[str]:
    """What is not as the topology demands, one sentence each; empty when all is well."""
    found = [] if survey.postfix.master_pid else ["Postfix is not running"]
    found += deaf_master(survey)
    found += conflicts(survey)
    for expectation in model.expectations(topology, survey.ports):
        found += _port_differences(survey, expectation)
    found += _unit_differences(survey, topology)
    found += _configuration_differences(survey, topology)
    return found + survey.provider.differences(survey, topology)


def scan_service_is_away(survey: Survey) -> bool:
    """Whether nobody listens where the scan service should; that is one difference."""
    return not survey.on(survey.ports.scan)


def _port_differences(survey: Survey, expectation: Expectation) -> list[str]:
    port, on_port = expectation.port, survey.on(expectation.port)
    owners = survey.owners(port)
    if expectation.owner == model.NOBODY:
        return [f"port {port} should be free, but belongs to {'; '.join(owners)}"] if owners else []
    if not owners:
        return [f"nobody listens on port {port}; it should be {expectation.meaning}"]
    if len(owners) == 1 and owners != [expectation.owner]:
        return [f"port {port} belongs to {owners[0]}; it should be {expectation.meaning}"]
    if expectation.owner == model.FILTER and not survey.provider.follows:
        return []
    if expectation.public:
        missing = survey.postfix.families - {one.family for one in on_port}
        return [f"nobody listens on port {port} in {family}" for family in sorted(missing)]
    return [
        f"port {port} can be reached from outside ({one.address}); it belongs on loopback"
        for one in on_port
        if not one.loopback
    ]


def _unit_differences(survey: Survey, topology: str) -> list[str]:
    found = []
    for front in survey.provider.fronts:
        state, wanted = survey.front(front), front in fronts.of(topology)
        enabled, port = state.enabled, front.port(survey.ports)
        if wanted and state.waits:
            found.append(
                f"{front.service_unit} does not run: who connects to port {port} waits for nobody "
                f"(journalctl --unit={front.service_unit})"
            )
        if wanted and not enabled:
            found.append(
                f"{front.socket_unit} is not enabled: after a restart of the host nobody has port "
                f"{port}"
            )
        if enabled and not wanted:
            found.append(
                f"{front.socket_unit} is enabled: after a restart of the host it takes port {port}"
            )
    return found


def _configuration_differences(survey: Survey, topology: str) -> list[str]:
    document, ports = survey.postfix.document, survey.ports
    front, behind = document.listening_on(ports.listen), document.listening_on(ports.smtp)
    file = survey.postfix.config_dir / "master.cf"
    if topology == model.EDGE:
        found = [
            f"{file}:{entry.line}: {entry.service} {entry.type} would take port {ports.listen} "
            "from the filter at the next reload"
            for entry in front
        ]
        found += _proxy_differences(survey, topology)
        return found if behind else [*found, f"{file} has no entry for port {ports.smtp}"]
    found = [
        f"{file}:{entry.line}: {entry.service} {entry.type} belongs to topology edge"
        for entry in behind
    ]
    found += _proxy_differences(survey, topology)
    return found if front else [*found, f"{file} has no entry for port {ports.listen}"]


def _proxy_differences(survey: Survey, topology: str) -> list[str]:
    """What master.cf says of the filter between two services of Postfix."""
    document, ports = survey.postfix.document, survey.ports
    file = survey.postfix.config_dir / "master.cf"
    passes = passes_to_filter(survey)
    if topology == model.INLINE:
        if passes:
            return []
        option = f"-o {PROXY}=127.0.0.1:{ports.proxy}"
        walks = f"{file}: the service on port {ports.listen} has no `{option}`"
        return [f"{walks}: mail walks around the filter"]
    found = [
        f"{file}:{entry.line}: {entry.service} {entry.type} belongs to topology inline"
        for entry in document.listening_on(ports.after_proxy)
        if is_after_filter(entry)
    ]
    if passes:
        found.append(f"{file}: the service on port {ports.listen} has {PROXY} of topology inline")
    return found
