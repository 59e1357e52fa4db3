"""The mail path as a picture: which stations there are, and who is found at each port."""

from typing import Final, Literal, NamedTuple

from sender_filter_console.interface import Port, Topology

_EDGE: Final = (
    (25, "sender filter"),
    (2500, "postfix"),
    (10025, "scan service"),
    (10026, "postfix"),
)
_DIRECT: Final = ((25, "postfix"), (10025, "scan service"), (10026, "postfix"))
_INLINE: Final = (
    (25, "postfix"),
    (10020, "sender filter"),
    (10021, "postfix"),
    (10025, "scan service"),
    (10026, "postfix"),
)
PATHS: Final = {"edge": _EDGE, "direct": _DIRECT, "inline": _INLINE}
"""Each topology's ports in the order in which mail meets them, and whose they should be."""

NOBODY: Final = "nobody"
"""In the place of an owner, where nobody listens."""

WIDTH: Final = 148
HEIGHT: Final = 92
STEP_ACROSS: Final = 196
STEP_DOWN: Final = 132


class Station(NamedTuple):
    """One port of the path.

    Attributes:
        port: Its number.
        owner: Whose it should be.
        found: Whose it is; none: nobody listens.
        units: Which units that is, for those who look closer.
    """

    port: int
    owner: str
    found: list[str]
    units: list[str]

    @property
    def state(self) -> Literal["good", "missing", "wrong"]:
        """Whether the right one has it, and nobody beside him."""
        if not self.found:
            return "missing"
        return "good" if self.found == [self.owner] else "wrong"


def stations(topology: Topology) -> list[Station]:
    """The path that is declared, or else the one that is found."""
    path = PATHS.get(topology.declared or "") or PATHS.get(topology.seen, _DIRECT)
    return [_station(port, owner, topology.ports) for port, owner in path]


def _station(number: int, owner: str, ports: list[Port]) -> Station:
    here = [port for port in ports if port.port == number and port.owner != NOBODY]
    owners = sorted({port.owner for port in here})
    return Station(number, owner, owners, sorted({port.unit for port in here if port.unit}))
