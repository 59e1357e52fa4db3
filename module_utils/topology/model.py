"""The topologies as data: which program owns which port (spec.md T1, T2)."""

from __future__ import annotations

from dataclasses import dataclass

FILTER = "sender filter"
POSTFIX = "postfix"
SCAN = "scan service"
NOBODY = "nobody"
REMNANT = "a process that Postfix has left behind"  # its queue fills, and no master serves it
UNNAMED = "an unknown process"

EDGE = "edge"
DIRECT = "direct"
TOPOLOGIES = (EDGE, DIRECT)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ports:
    """The ports of the path. `smtp` is where Postfix listens behind the filter."""

    listen: int = 25
    smtp: int = 2500
    scan: int = 10025
    reinjection: int = 10026

    def all(self) -> set[int]:
        """Every port of the path."""
        return {self.listen, self.smtp, self.scan, self.reinjection}


@dataclass(frozen=True)
class Expectation:
    """Who must own a port. `public`: reachable from other hosts; otherwise on loopback alone."""

    port: int
    owner: str
    public: bool
    meaning: str


def expectations(topology: str, ports: Ports) -> list[Expectation]:
    """The owner of each port of the path in a topology, in the order a message passes them."""
    behind = [
        Expectation(ports.scan, SCAN, False, "scan service"),
        Expectation(ports.reinjection, POSTFIX, False, "Postfix, after the scan"),
    ]
    if topology == EDGE:
        return [
            Expectation(ports.listen, FILTER, True, "sender filter"),
            Expectation(ports.smtp, POSTFIX, False, "Postfix, behind the filter"),
            *behind,
        ]
    return [
        Expectation(ports.listen, POSTFIX, True, "Postfix"),
        Expectation(ports.smtp, NOBODY, False, "nobody"),
        *behind,
    ]
