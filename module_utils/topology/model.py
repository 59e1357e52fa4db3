"""The topologies as data: which program owns which port (spec.md T1 to T3)."""

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
INLINE = "inline"
TOPOLOGIES = (EDGE, DIRECT, INLINE)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ports:
    """The ports of the path.

    `smtp` is where Postfix listens behind the filter in `edge`. In `inline`, `proxy` is where the
    filter awaits Postfix, and `after_proxy` where Postfix takes the mail back.
    """

    listen: int = 25
    smtp: int = 2500
    proxy: int = 10020
    after_proxy: int = 10021
    scan: int = 10025
    reinjection: int = 10026

    def all(self) -> set[int]:
        """Every port of the path."""
        return {*self.moving(), self.scan, self.reinjection}

    def moving(self) -> tuple[int, ...]:
        """Those whose owner depends on the topology."""
        return self.listen, self.smtp, self.proxy, self.after_proxy

    def of_postfix(self) -> tuple[int, ...]:
        """Those of them that master.cf may give to Postfix."""
        return self.listen, self.smtp, self.after_proxy


@dataclass(frozen=True)
class Expectation:
    """Who must own a port. `public`: reachable from other hosts; otherwise on loopback alone."""

    port: int
    owner: str
    public: bool
    meaning: str


def expectations(topology: str, ports: Ports) -> list[Expectation]:
    """The owner of each port of the path in a topology, in the order a message passes them.

    A host that is in none is looked at as if Postfix were to stand alone.
    """
    return [
        *_FRONTS.get(topology, _direct)(ports),
        Expectation(ports.scan, SCAN, False, "scan service"),
        Expectation(ports.reinjection, POSTFIX, False, "Postfix, after the scan"),
    ]


def _edge(ports: Ports) -> list[Expectation]:
    return [
        Expectation(ports.listen, FILTER, True, "sender filter"),
        Expectation(ports.smtp, POSTFIX, False, "Postfix, behind the filter"),
    ]


def _direct(ports: Ports) -> list[Expectation]:
    return [
        Expectation(ports.listen, POSTFIX, True, "Postfix"),
        Expectation(ports.smtp, NOBODY, False, "nobody"),
    ]


def _inline(ports: Ports) -> list[Expectation]:
    return [
        Expectation(ports.listen, POSTFIX, True, "Postfix"),
        Expectation(ports.proxy, FILTER, False, "sender filter, for Postfix"),
        Expectation(ports.after_proxy, POSTFIX, False, "Postfix, after the filter"),
    ]


_FRONTS = {EDGE: _edge, DIRECT: _direct, INLINE: _inline}
