"""The sender filter's two fronts: one towards the network, one that Postfix hands its mail to.

Each is a service of its own of the same program, with the same configuration and the same state,
so that one can be opened, restarted and closed while the other serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import model

RUN_FOLDER = Path("/run/sender-filter")
UNIT_FOLDER = Path("/etc/systemd/system")
STATE_ADDRESS = "state-url"


@dataclass(frozen=True)
class Front:
    """One front. `topology` is the one that it makes; `control_name`, its socket's file name."""

    topology: str
    unit: str
    control_name: str

    @property
    def socket_unit(self) -> str:
        """The unit that holds its port."""
        return f"{self.unit}.socket"

    @property
    def service_unit(self) -> str:
        """The unit that serves there."""
        return f"{self.unit}.service"

    @property
    def units(self) -> tuple[str, str]:
        """Both."""
        return self.socket_unit, self.service_unit

    @property
    def unit_files(self) -> tuple[Path, ...]:
        """Their files."""
        return tuple(UNIT_FOLDER / name for name in self.units)

    @property
    def control(self) -> Path:
        """Where its service answers."""
        return RUN_FOLDER / self.control_name

    def port(self, ports: model.Ports) -> int:
        """Where it listens."""
        return ports.listen if self.topology == model.EDGE else ports.proxy


EDGE = Front(model.EDGE, "sender-filter", "control.sock")
INLINE = Front(model.INLINE, "sender-filter-inline", "inline.sock")
ALL = (EDGE, INLINE)
SERVICE_UNITS = frozenset(front.service_unit for front in ALL)


def of(topology: str) -> tuple[Front, ...]:
    """The fronts that are open in a topology."""
    return tuple(front for front in ALL if front.topology == topology)
